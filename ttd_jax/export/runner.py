"""Runs what `ttd-jax export` made; needs jax, numpy and flatbuffers, nothing of this package.

    python runner.py x.stablehlo sources.npy fused.npz

`sources.npy` holds f32[B, M, H, W, C] in [0, 1]: B scenes of M sources, `sources[None]` for one;
x.json says which M and C, the sources' order and the least size. `fused.npz` gets `image`
f32[B, H, W, C] and `dominability` f32[B, M, H, W]. Copy this file next to the program, or `load`
into your own code; the program is compiled once a shape.
"""

import functools
import hashlib
import json
import os
import pathlib
import secrets
import sys
from collections.abc import Callable, Sequence

import jax
import jax.export
import numpy as np

USAGE = "usage: python runner.py NAME.stablehlo sources.npy fused.npz"


def load(path: str | os.PathLike) -> Callable[[jax.typing.ArrayLike], dict[str, jax.Array]]:
    """The program at `path` as a function: sources -> {'image': ..., 'dominability': ...}.

    Raises:
      ValueError: a file is not the one that the JSON beside the program speaks of. The function
        raises it for sources of another shape or type than the program takes.
    """
    path = pathlib.Path(path)
    card = _read_card(path.with_suffix(".json"))
    for entry in filter(None, (card["program"], card["parameters"])):
        data = (path.parent / entry["file"]).read_bytes()
        if hashlib.sha256(data).hexdigest() != entry["sha256"]:
            raise ValueError(f"{entry['file']}: not the file that was exported: export it again")
    call = jax.jit(jax.export.deserialize(bytearray(path.read_bytes())).call)
    if card["parameters"] is not None:
        with np.load(path.parent / card["parameters"]["file"]) as arrays:
            call = functools.partial(call, jax.device_put(dict(arrays)))
    expected, sized = card["inputs"]["sources"], "extents" in card["inputs"]

    def run(sources):
        _check(np.shape(sources), sources.dtype, expected, sized)
        sources = sources.astype(np.float32)
        return _each(call, sources, expected["shape"]) if sized else call(sources)

    return run


def _each(call, sources, shape):
    """Scenes one by one, in the top left corner of the arrays that a program for a bucket takes."""
    height, width = size = sources.shape[2:4]
    found = []
    for scene in sources:
        arrays = np.zeros(shape, np.float32)  # of its own: a device may still read the last one
        arrays[0, :, :height, :width] = scene
        found.append(call(arrays, np.array([size], np.int32)))
    image = np.concatenate([one["image"][:, :height, :width] for one in found])
    rd = np.concatenate([one["dominability"][:, :, :height, :width] for one in found])
    return {"image": image, "dominability": rd}


def _read_card(path):
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        card["program"]["sha256"], card["parameters"], card["inputs"]["sources"]["least"]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise ValueError(f"{path}: not what `ttd-jax export` wrote: export it again") from error
    return card


def _check(shape, dtype, expected, sized):
    least, sides = expected["least"], expected["shape"]
    wanted = f"sources {shape}: f32[B, M, H, W, C] of at least {least} is needed"
    if len(shape) == 4:
        raise ValueError(f"{wanted}: the batch's axis is missing: pass sources[None]")
    if len(shape) != 5 or any(np.less(shape, least)):
        raise ValueError(wanted)
    for name, side, fixed in zip("BMHWC", shape, sides, strict=True):
        if sized and name in "BHW":
            if name != "B" and side > fixed:
                raise ValueError(f"sources {shape}: {name} is {side}, this program has {fixed}")
        elif (isinstance(fixed, int) and side != fixed) or side % _multiple(fixed):
            raise ValueError(f"sources {shape}: {name} is {side}, this program takes {fixed}")
    if not np.issubdtype(dtype, np.floating):
        raise ValueError(f"sources are {dtype}: pass float32 in [0, 1], as in picture / 255")


def _multiple(side):
    """Of what a side is a multiple: two for '2*height'."""
    return int(side.partition("*")[0]) if "*" in str(side) else 1


def _read_sources(path):
    sources = np.load(path)  # which refuses to run what a file holds
    if not isinstance(sources, np.ndarray):
        raise ValueError(f"{path}: holds several arrays: pass a .npy file with one")
    if np.issubdtype(sources.dtype, np.floating):
        low, high = (float(end) for end in (sources.min(initial=0), sources.max(initial=0)))
        if not (low >= -1e-3 and high <= 1 + 1e-3):  # NaN is neither
            raise ValueError(f"{path}: values from {low:.4g} to {high:.4g}: they must be in [0, 1]")
    return sources


def _write(path, arrays):
    part = path.with_name(f"{path.name}.{secrets.token_hex(8)}.part")  # of this process alone
    try:
        with part.open("wb") as file:
            np.savez(file, **arrays)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def main(words: Sequence[str]) -> int:
    """Runs the program on a file; returns the exit status: 0, or 2 with one line on stderr."""
    if len(words) != 3:
        print(USAGE, file=sys.stderr)
        return 2
    program, sources, out = words
    try:
        fused = load(program)(_read_sources(sources))
        _write(pathlib.Path(out), fused)
    except Exception as error:  # files of any kind may be given
        about = f"{error.filename}: {error.strerror}" if getattr(error, "filename", "") else error
        print(f"runner: {' '.join(str(about).split())[:500]}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
