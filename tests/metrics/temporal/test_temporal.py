"""Metrics of sequences against their float64 definitions, and where they are known by hand."""

import functools

import jax
import numpy as np
import pytest

from ttd_jax.benchmarks.references import definition
from ttd_jax.metrics.temporal import TEMPORAL, biswe, flicker, ms2r

pytestmark = pytest.mark.usefixtures("quick_compilation")


def flows(rng, *shape):
    """Random, up to a few pixels, some of which leave the picture."""
    return rng.normal(0, 1.5, (*shape, 2)).astype(np.float32)


@functools.cache
def arguments(size, count, channels):
    """What each metric takes; forward-backward errors are about the threshold."""
    rng = np.random.default_rng(size[1])
    there = flows(rng, count, 2, 1, 1) + 0.2 * flows(rng, count, 2, *size)
    back = 0.3 * flows(rng, count, 2, *size) - there
    frames = rng.uniform(0, 255, (3, *channels, *size)).astype(np.float32)
    flow, mask = flows(rng, *size), rng.random(size) > 0.3
    fused = flows(rng, 2, *size)
    return {
        "Flicker": ((frames[0], frames[1]), {"flow": flow, "mask": mask}),
        "BiSWE": ((frames,), {"flows": fused, "source_flows": there, "source_backs": back}),
        "MS2R": ((fused, there), {}),
    }


@pytest.mark.parametrize(
    ("size", "count", "channels"), [((12, 18), 2, ()), ((11, 17), 3, (3,)), ((1, 5), 1, (1,))]
)
@pytest.mark.parametrize("name", TEMPORAL)
def test_metrics_of_sequences_are_their_definitions(name, size, count, channels):
    function = TEMPORAL[name].function
    values, options = arguments(size, count, channels)[name]
    expected = definition(function)(*values, **options)
    assert expected > 0
    np.testing.assert_allclose(jax.jit(function)(*values, **options), expected, rtol=1e-5)


def test_what_moves_rigidly_neither_flickers_nor_accelerates():
    picture = np.random.default_rng(0).random((10, 15), np.float32)
    previous, current = picture[:, :12], picture[:, 3:]
    flow = np.broadcast_to(np.float32([3, 0]), (10, 12, 2))
    seen = np.broadcast_to(np.arange(12) < 9, (10, 12))
    assert not flicker(previous, current, flow=flow, mask=seen)
    assert flicker(previous, current, flow=flow, mask=~seen) > 0.1
    assert np.isnan(flicker(previous, current, flow=flow, mask=np.zeros_like(seen)))
    assert not ms2r(np.stack([flow, flow]), np.stack([-flow, -flow])[None])


def test_a_neighbor_whose_flow_never_returns_adds_nothing():
    frames = np.stack([np.full((4, 5), level, np.float32) for level in (10, 30, 200)])
    still = np.zeros((1, 2, 4, 5, 2), np.float32)
    astray = still.copy()
    astray[:, 1, ..., 0] = 1  # after the frame: there is no pixel left
    error = jax.jit(functools.partial(biswe, frames, flows=still[0], source_flows=still))
    assert error(source_backs=still) == 20 + 170
    assert error(source_backs=astray) == 20
