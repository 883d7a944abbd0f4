"""Runs what `ttd-jax export` made; needs jax, numpy and flatbuffers, nothing of this package.

    python runner.py x.stablehlo sources.npy fused.npz

`sources.npy` holds f32[B, M, H, W, C] in [0, 1]; x.json says which M and C, the sources' order and
the least size. `fused.npz` gets `image` f32[B, H, W, C] and `dominability` f32[B, M, H, W]. Copy
this file next to the program, or `load` into your own code; the program is compiled once a shape.
"""

import functools
import hashlib
import json
import os
import pathlib
import sys
from collections.abc import Callable

import jax
import jax.export
import numpy as np


def load(path: str | os.PathLike) -> Callable[[jax.typing.ArrayLike], dict[str, jax.Array]]:
    """The program at `path` as a function: sources -> {'image': ..., 'dominability': ...}.

    Raises:
      ValueError: a file is not the one that the JSON beside the program speaks of.
    """
    path = pathlib.Path(path)
    card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    for entry in filter(None, (card["program"], card["parameters"])):
        data = (path.parent / entry["file"]).read_bytes()
        if hashlib.sha256(data).hexdigest() != entry["sha256"]:
            raise ValueError(f"{entry['file']}: not the file that was exported: export it again")
    call = jax.jit(jax.export.deserialize(bytearray(path.read_bytes())).call)
    if card["parameters"] is not None:
        with np.load(path.parent / card["parameters"]["file"]) as arrays:
            call = functools.partial(call, jax.device_put(dict(arrays)))
    expected = card["inputs"]["sources"]

    def run(sources):
        shape = np.shape(sources)
        if len(shape) != 5 or any(np.less(shape, expected["least"])):
            raise ValueError(f"sources {shape}: at least {expected['least']} is needed")
        return call(sources)

    return run


if __name__ == "__main__":
    program, sources, out = sys.argv[1:]
    np.savez(out, **load(program)(np.load(sources)))
