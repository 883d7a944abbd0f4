"""Layers that the networks share."""

import jax
import jax.numpy as jnp
import numpy as np

from ttd_jax.networks.layers import GroupedConv3x3

CONV = GroupedConv3x3(8, group=2, precision="highest")
X = np.random.default_rng(0).random((2, 7, 6, 8), np.float32)
VARIABLES = CONV.init(jax.random.key(0), X)


def test_a_grouped_convolution_is_that_of_every_group():
    kernel = VARIABLES["params"]["kernel"]
    for group in range(4):
        own = slice(2 * group, 2 * group + 2)
        expected = jax.lax.conv_general_dilated(
            jnp.asarray(X[..., own]),
            kernel[..., own],
            window_strides=(1, 1),
            padding="VALID",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            precision="highest",
        )
        np.testing.assert_allclose(CONV.apply(VARIABLES, X)[..., own], expected, atol=1e-6)
