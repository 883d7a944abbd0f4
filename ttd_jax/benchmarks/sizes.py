"""Pictures of many sizes: a program for every size against programs for few sizes of arrays."""

import time
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from ttd_jax import metrics
from ttd_jax.networks import Model, fuse_pictures
from ttd_jax.pictures.batches import SIZES, choose_frames, fill_up


def benchmark_sizes(model: Model, sizes: Sequence[tuple[int, int]]) -> dict[str, dict]:
    """Fuses and scores one scene of two sources of every size, as `ttd-jax evaluate` does.

    Args:
      model: the network.
      sizes: (H, W) of every scene.

    Returns:
      'bucket' and 'exact' -> `programs`, how many are compiled; `padded`, by what share arrays
      have more pixels than their pictures; `first`, seconds with compilation; `next`, without;
      `processor`, those of all cores with compilation.
    """
    spec = model.spec
    noise = np.random.default_rng(0)
    scenes = [
        noise.random((spec.source_count or 2, *size, spec.channels), np.float32) for size in sizes
    ]
    found = {}
    for how in SIZES:
        frames = choose_frames(sizes, exact=how == "exact")
        arguments = [
            (model, fill_up(scene, frame.size, axis=1), frame.extent(size))
            for scene, frame, size in zip(scenes, frames, sizes, strict=True)
        ]
        jax.clear_caches()
        program = jax.jit(_fuse_and_score)
        begun = time.perf_counter(), time.process_time()
        _run(program, arguments)
        ended = time.perf_counter(), time.process_time()
        _run(program, arguments)
        area = sum(height * width for height, width in sizes)
        found[how] = {
            "programs": len(set(frames)),
            "padded": sum(int(np.prod(frame.size)) for frame in frames) / area - 1,
            "first": ended[0] - begun[0],
            "next": time.perf_counter() - ended[0],
            "processor": ended[1] - begun[1],
        }
    return found


def _run(program, arguments):
    jax.block_until_ready([program(*each) for each in arguments])


def _fuse_and_score(model, sources, extent):
    mode = "rgb" if model.spec.channels == 3 else "gray"
    fusion = fuse_pictures(model, tuple(sources), model.settings, mode=mode, extent=extent)
    grays = jnp.round(255 * jnp.concatenate([fusion.image[None], sources]).mean(axis=-1))
    return metrics.evaluate(grays[0], grays[1:], extent=extent)


def markdown(found: dict[str, dict]) -> str:
    """What was measured as a table."""
    lines = ["| arrays | programs | padded | first pass, s | next, s | processor, s |"]
    lines.append("|---|---|---|---|---|---|")
    for how, row in found.items():
        lines.append(
            f"| {how} | {row['programs']} | {row['padded']:.0%} | {row['first']:.1f} | "
            f"{row['next']:.2f} | {row['processor']:.1f} |"
        )
    return "\n".join(lines)
