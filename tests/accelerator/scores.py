"""All metrics of one scene, by some protocols, against the CPU."""

import functools
from collections.abc import Sequence
from concurrent.futures import Executor

import jax
import numpy as np

from tests.accelerator.checks import Check, compared
from tests.accelerator.fusions import ARRAY, FORMS, SIZE
from ttd_jax import metrics


def metric_checks(pool: Executor, device: jax.Device, protocols: Sequence[str]) -> list[Check]:
    """A check for pictures as they are, and one for a picture in larger arrays."""
    checks = []
    for form in FORMS:
        ours = pool.submit(_score, form, device, protocols)
        wanted = pool.submit(_score, form, jax.devices("cpu")[0], protocols)
        run = functools.partial(_compare, ours, wanted)
        checks.append(Check("metrics", form, run, held=True))
    return checks


def _score(form, device, protocols):
    fused, sources, extent = *draw(), None
    if form == "bucket":
        sides = [(0, of_array - own) for of_array, own in zip(ARRAY, SIZE, strict=True)]
        fused, sources = np.pad(fused, sides), np.pad(sources, [(0, 0), *sides])
        extent = np.array(SIZE, np.int32)
    arguments = jax.device_put((fused, sources, extent), device)
    score = jax.jit(functools.partial(_by_protocols, protocols))
    return jax.tree.map(np.asarray, score(*arguments))


def _by_protocols(protocols, fused, sources, extent):
    return {
        protocol: metrics.evaluate(fused, sources, protocol=protocol, extent=extent)
        for protocol in protocols
    }


def draw() -> tuple[np.ndarray, np.ndarray]:
    """A fused picture f32[H, W] and two sources: waves, edges, noise; whole grays in 0..255."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    noise = np.random.default_rng(0).normal(0, 6, (2, *SIZE))
    waves = np.stack([60 * np.sin((x * m + 3 * y) / 7) + 50 * (x // 9 % 2) for m in (1, 2)])
    sources = np.clip(np.rint(100 + waves + noise), 0, 255).astype(np.float32)
    return np.rint(sources.mean(axis=0)), sources


def _compare(ours, wanted):
    ours, wanted = ours.result(), wanted.result()
    return [
        # Either may be that far from the definition in float64.
        compared(
            protocol,
            f"{name} ({protocol})",
            relative(ours[protocol][name], figure),
            2 * metrics.METRICS[name].tolerance,
        )
        for protocol, figures in wanted.items()
        for name, figure in figures.items()
    ]


def relative(figure: float, wanted: float) -> float:
    """The difference of two figures, of the one that is wanted."""
    figure, wanted = float(figure), float(wanted)
    if figure == wanted:
        return 0.0
    return abs(figure - wanted) / max(abs(wanted), float(np.finfo(np.float32).tiny))
