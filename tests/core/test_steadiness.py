"""Losses carried along the motion."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from ttd_jax.core.steadiness import carry, reliable, steady_losses

pytestmark = pytest.mark.usefixtures("quick_compilation")
SIZE = (11, 14)


@pytest.fixture(scope="module")
def frame():
    """Losses of two frames and a flow of which a part leaves the picture."""
    rng = np.random.default_rng(0)
    previous, current = rng.random((2, 3, *SIZE), np.float32)
    return previous, current, rng.normal(0, 3, (*SIZE, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def mix():
    return jax.jit(lambda p, c, flow, mask, a: steady_losses(p, c, flow, mask=mask, a=a))


def test_maps_are_carried_between_pixels_and_repeat_the_border(frame):
    previous, _, flow = frame
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float64)
    places = rows + flow[..., 1], columns + flow[..., 0]
    expected = [ndimage.map_coordinates(p, places, order=1, mode="nearest") for p in previous]
    np.testing.assert_allclose(carry(previous, flow), expected, atol=1e-5)


def test_losses_are_mixed_where_the_flow_is_reliable_and_anew_elsewhere(frame, mix):
    previous, current, flow = frame
    mask = np.arange(SIZE[1]) < 9
    mask = np.broadcast_to(mask, SIZE)
    mixed = np.asarray(mix(previous, current, flow, mask, 0.8))
    expected = 0.2 * current + 0.8 * np.asarray(carry(previous, flow))
    np.testing.assert_allclose(mixed[:, mask], expected[:, mask], rtol=1e-5)
    np.testing.assert_array_equal(mixed[:, ~mask], current[:, ~mask])


def test_a_of_zero_and_a_cut_give_the_losses_of_the_frame_whatever_was_before(frame, mix):
    _, current, flow = frame
    nothing = np.full_like(current, np.nan)
    for mask, a in ((np.full(SIZE, True), 0.0), (np.full(SIZE, False), 0.8)):
        for astray in (flow, np.full_like(flow, np.nan)):
            np.testing.assert_array_equal(mix(nothing, current, astray, mask, a), current)


def test_noise_of_still_losses_falls_as_stated(mix):
    a, still, everywhere = 0.8, np.zeros((*SIZE, 2), np.float32), np.full(SIZE, True)
    draws = np.random.default_rng(1).standard_normal((60, 2, *SIZE), np.float32)
    losses = draws[0]
    for current in draws[1:]:
        losses = mix(losses, current, still, everywhere, a)
    assert np.std(losses) == pytest.approx(np.sqrt((1 - a) / (1 + a)), rel=0.15)


def test_a_flow_is_reliable_where_it_returns_within_the_picture():
    flow = np.zeros((*SIZE, 2), np.float32)
    flow[..., 0] = 3
    returns = np.array(reliable(flow, -flow))
    np.testing.assert_array_equal(returns, np.broadcast_to(np.arange(SIZE[1]) < 11, SIZE))
    astray = -flow
    astray[4:, :, 1] = 2.0  # another row: what is seen there went elsewhere
    np.testing.assert_array_equal(reliable(flow, astray)[4:], False)
    np.testing.assert_array_equal(reliable(flow, astray)[:4], returns[:4])
    assert not np.any(reliable(jnp.full_like(flow, jnp.nan), -flow))
