"""The forms of layers for TPUs, computed here: the same as XLA's own convolutions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import ttd_jax
from tests.random_models import random_model
from ttd_jax.networks import lookup
from ttd_jax.networks.folding import fold
from ttd_jax.networks.layers import convolve_part
from ttd_jax.networks.tpu_convolution import convolve_columns, join_layers
from ttd_jax.parts.part import WHOLE
from ttd_jax.weights.convert import convert_checkpoint

HIGHEST = jax.lax.Precision.HIGHEST
pytestmark = pytest.mark.usefixtures("quick_compilation")

CASES = ("lytro_pair_120x160", "iv_pair_odd_97x123")


@pytest.fixture
def as_on_tpu(monkeypatch):
    """Makes programs take the form for TPUs wherever there is one; gives how many took it."""
    taken = []

    def choose(*args, tpu=None, default=None, **others):
        if tpu is not None:
            taken.append(tpu)
        return (tpu or default)(*args)

    jax.clear_caches()
    monkeypatch.setattr(jax.lax, "platform_dependent", choose)
    yield taken
    jax.clear_caches()


def _convolution(pictures, kernel, groups=1):
    out = jax.lax.conv_general_dilated(
        pictures.reshape(-1, *pictures.shape[-3:]),
        kernel,
        window_strides=(1, 1),
        padding="VALID",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
        precision=HIGHEST,
    )
    return out.reshape(*pictures.shape[:-3], *out.shape[1:])


@pytest.mark.parametrize("leading", [(), (3,), (2, 3)])
@pytest.mark.parametrize(("side", "size"), [(3, (8, 10)), (3, (9, 7)), (7, (11, 12)), (1, (4, 5))])
def test_columns_as_the_batch_give_the_convolution(leading, side, size):
    rng = np.random.default_rng(0)
    pictures = rng.standard_normal((*leading, *size, 5), np.float32)
    kernel = rng.standard_normal((side, side, 5, 6), np.float32) / side
    found = convolve_columns(pictures, kernel, HIGHEST)
    np.testing.assert_allclose(found, _convolution(pictures, kernel), atol=1e-5)


def test_pictures_that_vmap_adds_are_no_columns():
    rng = np.random.default_rng(0)
    pictures = rng.standard_normal((4, 2, 8, 9, 5), np.float32)
    kernels = rng.standard_normal((4, 3, 3, 5, 6), np.float32)

    def convolve(pictures, kernel):
        return convolve_columns(pictures, kernel, HIGHEST)

    added = jax.vmap(jax.jit(convolve), in_axes=(0, None))
    np.testing.assert_allclose(
        added(pictures, kernels[0]), convolve(pictures, kernels[0]), atol=1e-5
    )
    program = str(jax.make_jaxpr(added)(pictures, kernels[0]))
    assert "f32[4,2,6,7,6] = conv_general_dilated" in program
    each = jax.vmap(convolve)(pictures, kernels)
    for index in range(4):
        expected = _convolution(pictures[index], kernels[index])
        np.testing.assert_allclose(each[index], expected, atol=1e-5)


@pytest.mark.parametrize("batched", [False, True])
def test_derivatives_are_those_of_the_convolution(as_on_tpu, batched):
    rng = np.random.default_rng(0)
    pictures = rng.standard_normal((2, 7, 8, 3), np.float32)
    kernel = rng.standard_normal((3, 3, 3, 4), np.float32) / 5
    layer = nn.Conv(4, (3, 3), padding="VALID", use_bias=False, precision=HIGHEST)

    def convolve(pictures, kernel):
        bound = layer.bind({"params": {"kernel": kernel}})
        return convolve_part(bound, pictures, WHOLE)

    def gradients(convolve):
        if batched:
            convolve = jax.vmap(convolve, in_axes=(0, None))
        return jax.grad(lambda *args: jnp.sin(convolve(*args)).sum(), (0, 1))(pictures, kernel)

    found = gradients(convolve)
    assert as_on_tpu
    for one, expected in zip(found, gradients(_convolution), strict=True):
        np.testing.assert_allclose(one, expected, atol=1e-5)


@pytest.mark.parametrize(("group", "features"), [(1, 6), (2, 6), (3, 4), (2, 12)])
def test_joined_layers_are_both(group, features):
    rng = np.random.default_rng(0)
    padded = rng.standard_normal((2, 7, 6, 4), np.float32)
    first = rng.standard_normal((4, 6), np.float32)
    second = rng.standard_normal((3, 3, group, features), np.float32)
    between = jnp.einsum("...i,io->...o", padded, first, precision=HIGHEST)
    expected = _convolution(between, second, groups=6 // group)
    found = _convolution(padded, join_layers(first, second))
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("case", CASES)
def test_ifcnn_matches_the_original(torch, shared, as_on_tpu, case):
    golden = np.load(shared / "golden" / "ifcnn" / f"{case}.npz")
    checkpoint = shared / "weights" / "ifcnn" / "IFCNN-SUM.pth"
    model, *_ = convert_checkpoint(lookup("ifcnn_sum"), checkpoint)
    x = jnp.stack([np.moveaxis(golden[f"src{i}"], 0, -1) for i in range(2)])
    features = model.encode(x)
    fused = model.decode(model.merge(features, jnp.ones(x.shape[:3])), x)
    assert len(as_on_tpu) == 3
    np.testing.assert_allclose(np.moveaxis(fused, -1, 0), golden["SUM_fused"], atol=2e-5, rtol=0)


@pytest.mark.parametrize(
    ("name", "forms", "size"), [("cddfuse_ivf", 20, (18, 20)), ("piafusion", 12, (13, 15))]
)
def test_networks_give_what_they_give_elsewhere(name, forms, size, request):
    model = fold(random_model(name))
    sources = np.random.default_rng(0).random((2, *size, 1), np.float32)
    expected = jax.jit(ttd_jax.dynamic_fuse)(model, sources)
    taken = request.getfixturevalue("as_on_tpu")
    found = jax.jit(ttd_jax.dynamic_fuse)(model, sources)
    assert len(taken) >= forms
    for field in ("image", "dominability", "components"):
        np.testing.assert_allclose(getattr(found, field), getattr(expected, field), atol=1e-5)
