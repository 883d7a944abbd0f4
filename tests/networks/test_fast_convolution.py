"""Convolutions as few matrix products: what direct sums give, at any size."""

import jax
import numpy as np
import pytest

from ttd_jax.networks import fast_convolution


def _direct(picture, kernel):
    """In float64."""
    (rows, width, _), (high, wide, *_, features) = picture.shape, kernel.shape
    rows, width = rows - high + 1, width - wide + 1
    total = np.zeros((rows, width, features))
    for i in range(high):
        for j in range(wide):
            total += np.float64(picture[i : i + rows, j : j + width]) @ np.float64(kernel[i, j])
    return total


@pytest.mark.parametrize(
    ("side", "channels", "products"),
    [(3, 5, "6,"), (3, 64, "6,"), (3, 256, "4,6,"), (7, 3, None)],
    ids=["few", "some", "many", "7x7"],
)
@pytest.mark.parametrize("size", [(10, 14), (11, 9), (9, 16)])  # even, odd, outputs by the four
def test_equals_direct_sums(side, channels, products, size):
    rng = np.random.default_rng(0)
    picture = rng.standard_normal((*size, channels), np.float32)
    kernel = rng.standard_normal((side, side, channels, 6), np.float32)
    kernel /= np.float32(np.sqrt(side * side * channels))
    found = jax.jit(fast_convolution.convolve, static_argnums=3)(picture[None], kernel, 1, "VALID")
    np.testing.assert_allclose(found[0], _direct(picture, kernel), atol=1e-5, rtol=0)

    program = str(
        jax.make_jaxpr(fast_convolution.convolve, static_argnums=3)(
            picture[None], kernel, 1, "VALID"
        )
    )
    assert "conv_general_dilated" not in program
    if products:  # it does take the form with that many
        assert f"f32[{products}" in program
