"""Every network leaves Python as one program for CPU, CUDA and TPU, for pictures of any size."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

import ttd_jax
from tests.twins.random_state import random_state
from ttd_jax.backbones import REGISTRY, lookup
from ttd_jax.checkpoints.convert import convert_tensors

PLATFORMS = ("cpu", "cuda", "tpu")


def _shapes(model):
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), model)


def _abstract_model(row):
    example = jax.ShapeDtypeStruct(row.input_shape, jnp.float32)
    return row.bind(jax.eval_shape(row.build().init, jax.random.key(0), example))


def _exported(row, model, sources):
    """Dynamic fusion of pictures whose height and width (and count) are symbols."""
    limits = [f"{side} >= {row.min_size}" for side in "hw"]
    shape = export.symbolic_shape(f"{sources}, h, w, {row.channels}", constraints=limits)
    return export.export(jax.jit(ttd_jax.dynamic_fuse), platforms=PLATFORMS)(
        _shapes(model), jax.ShapeDtypeStruct(shape, jnp.float32)
    )


@pytest.mark.parametrize("name", REGISTRY)
def test_dynamic_fusion_lowers_for_every_platform_with_symbolic_sizes(name):
    """All of them do; none needs concrete sizes, and no grouped convolution is left out."""
    row = REGISTRY[name]
    exported = _exported(row, _abstract_model(row), sources="2")
    assert exported.platforms == PLATFORMS
    image = jax.tree.unflatten(exported.out_tree, exported.out_avals).image
    assert [str(side) for side in image.shape] == ["h", "w", str(row.channels)]


@pytest.mark.parametrize("name", [name for name in REGISTRY if name != "piafusion"])
def test_the_number_of_sources_may_be_symbolic_too(name):
    """But for PIAFusion, which has one stream for each of exactly two."""
    exported = _exported(REGISTRY[name], _abstract_model(REGISTRY[name]), sources="m")
    rd = jax.tree.unflatten(exported.out_tree, exported.out_avals).dominability
    assert [str(side) for side in rd.shape] == ["m", "h", "w"]


_quick_jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


@pytest.mark.parametrize(
    ("name", "shapes"),
    [("ifcnn_max", [(2, 9, 12), (3, 12, 7)]), ("cddfuse_ivf", [(3, 9, 12)])],
)
def test_exported_program_computes_what_the_model_does(name, shapes):
    row = lookup(name)
    model = row.bind(convert_tensors(row, random_state(row), name="random")[0])
    exported = _exported(row, model, sources="m")
    for shape in shapes:
        sources = np.random.default_rng(0).random((*shape, row.channels), np.float32)
        found = _quick_jit(exported.call)(model, sources)
        expected = _quick_jit(ttd_jax.dynamic_fuse)(model, sources)
        np.testing.assert_allclose(found.image, expected.image, atol=2e-5)


def test_grouped_convolutions_stay_whole_where_they_are_fast():
    """Nine shifted multiply-adds are for CPUs: other platforms get the convolution itself."""
    row = lookup("cddfuse_ivf")
    model = _abstract_model(row)
    sources = jax.ShapeDtypeStruct((2, 16, 16, 1), jnp.float32)
    grouped = {}
    for platform in PLATFORMS:
        lower = export.export(jax.jit(lambda m, x: m.encode(x)), platforms=[platform])
        program = lower(_shapes(model), sources).mlir_module()
        grouped[platform] = program.count("feature_group_count = 192")
    assert grouped == {"cpu": 0, "cuda": 1, "tpu": 1}  # one function serves all four blocks
