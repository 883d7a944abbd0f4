"""Every network leaves Python as one program for CPU, CUDA and TPU, for pictures of any size."""

import jax
import jax.numpy as jnp
import pytest
from jax import export

import ttd_jax
from ttd_jax.networks import lookup, networks

PLATFORMS = ("cpu", "cuda", "tpu")
EXPORTED = ("ifcnn", "cddfuse", "piafusion")


def _shapes(model):
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), model)


def _abstract_model(row):
    example = jax.ShapeDtypeStruct(row.input_shape, jnp.float32)
    return row.bind(jax.eval_shape(row.build().init, jax.random.key(0), example))


def _exported(row, model, sources):
    """Dynamic fusion, if it can be, of pictures whose height and width are symbols."""
    sides = [f"{row.stride}*{side}" for side in "hw"]
    limits = [f"{side} >= {row.min_size}" for side in sides]
    shape = export.symbolic_shape(
        f"{sources}, {', '.join(sides)}, {row.channels}", constraints=limits
    )
    fuse = ttd_jax.dynamic_fuse if row.presets else ttd_jax.static_fuse
    return export.export(jax.jit(fuse), platforms=PLATFORMS)(
        _shapes(model), jax.ShapeDtypeStruct(shape, jnp.float32)
    )


# One of each architecture that `tests/export/test_program.py` does not export.
NAMES = {lookup(name).layout.name: name for name in networks() if not name.startswith(EXPORTED)}


@pytest.mark.parametrize("name", NAMES.values())
def test_dynamic_fusion_lowers_for_every_platform_with_symbolic_sizes(name):
    """None needs concrete sizes, no grouped convolution is left out.

    The number of sources is a symbol too, but where the network takes two.
    """
    row = lookup(name)
    sources = str(row.source_count or "m")
    exported = _exported(row, _abstract_model(row), sources)
    assert exported.platforms == PLATFORMS
    found = jax.tree.unflatten(exported.out_tree, exported.out_avals)
    sides = ["h", "w"] if row.stride == 1 else [f"{row.stride}*h", f"{row.stride}*w"]
    assert [str(side) for side in found.image.shape] == [*sides, str(row.channels)]
    assert [str(side) for side in found.dominability.shape] == [sources, *sides]


def test_grouped_convolutions_stay_whole_where_they_are_fast():
    """Nine shifted multiply-adds are for CPUs and TPUs: GPUs get the convolution itself."""
    row = lookup("cddfuse_ivf")
    model = _abstract_model(row)
    sources = jax.ShapeDtypeStruct((2, 16, 16, 1), jnp.float32)
    grouped = {}
    for platform in PLATFORMS:
        lower = export.export(jax.jit(lambda m, x: m.encode(x)), platforms=[platform])
        program = lower(_shapes(model), sources).mlir_module()
        grouped[platform] = program.count("feature_group_count = 192")
    assert grouped == {"cpu": 0, "cuda": 1, "tpu": 0}  # one function serves all four blocks
