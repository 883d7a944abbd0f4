"""Layers that the networks share."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from ttd_jax.networks.layers import GroupedConv3x3, PaddedConv, convolve_pointwise

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


class _Pointwise(nn.Module):
    def setup(self):
        self.first, self.second = nn.Dense(8, use_bias=False), GroupedConv3x3(8)

    def __call__(self, padded):
        return convolve_pointwise(self.first, self.second, padded)


# The program holds the forms of all devices until it is lowered for one.
@pytest.mark.parametrize("layer", [PaddedConv(4, 3), CONV, _Pointwise()])
@pytest.mark.parametrize("kind", ["bfloat16", "uint8"])
def test_types_are_promoted_as_flax_does(layer, kind):
    variables = layer.init(jax.random.key(0), X)
    pictures = jnp.asarray(8 * X, kind)
    expected = layer.apply(variables, pictures.astype(jnp.float32))
    found = jax.jit(layer.apply)(variables, pictures)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def _convolutions(jaxpr):
    """Convolutions of a program that are no part of a choice of forms."""
    if jaxpr is None:
        return
    for equation in jaxpr.eqns:
        if equation.primitive.name == "conv_general_dilated":
            yield equation
        elif equation.primitive.name != "cond":
            for inner in equation.params.values():
                yield from _convolutions(getattr(inner, "jaxpr", None))


# XLA for CPUs would not know the convolutions of a derivative for what they are otherwise.
def test_derivatives_are_not_chosen_by_platform():
    layer = PaddedConv(4, 3)
    variables = layer.init(jax.random.key(0), X)

    def loss(variables, pictures):
        return jnp.sin(layer.apply(variables, pictures)).sum()

    program = jax.make_jaxpr(jax.grad(loss, argnums=(0, 1)))(variables, X).jaxpr
    assert len([*_convolutions(program)]) >= 2  # by the kernel and by the pictures
