"""An exported program computes what the network does, at sizes that it has not seen."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

import ttd_jax
from tests.compilation import quick_jit
from tests.random_models import random_model
from ttd_jax.export import program as exporting
from ttd_jax.networks import lookup
from ttd_jax.networks.cddfuse import network as cddfuse
from ttd_jax.parts import tiles

ATOL = 1e-6
# Batch, sources, height, width: even and odd, the least that a network takes, whole tiles, more.
SIZES = {
    "ifcnn_sum": [
        *((1, 2, 8, 6), (2, 3, 17, 4), (1, 1, 1, 1), (2, 2, 5, 19), (1, 4, 13, 10)),
        (1, 2, 24, 8),
    ],
    "ifcnn_max": [(1, 3, 9, 12)],
    # Half a minute to trace and compile each: one odd, one even.
    "piafusion": [(2, 2, 9, 19)],
    "cddfuse_mif": [(2, 3, 12, 10)],
}


@pytest.fixture(autouse=True, scope="module")
def _quick_to_compile():
    """Small pictures of several tiles, and one of four equal blocks of CDDFuse."""
    _model("cddfuse_mif")  # with weights for all four
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiles, "SIZE", (8, 8))
        patch.setattr(cddfuse, "_DEPTH", 1)
        yield


@functools.cache
def _model(name):
    row = lookup(name)
    return row, random_model(name)


@functools.cache
def _program(name, strategy="ttd", **options):
    """Written to bytes and read back, as its user has it."""
    _, model = _model(name)
    program = exporting.export_fusion(model, model.strategy(strategy), **options)
    return export.deserialize(bytearray(program.serialize()))


def _sources(shape, channels, seed=0):
    return np.random.default_rng(seed).random((*shape, channels), np.float32)


def _close(found, expected):
    assert found.keys() == expected.keys() == {"image", "dominability"}
    for name in found:
        np.testing.assert_allclose(found[name], expected[name], atol=ATOL, rtol=0)


@pytest.mark.parametrize(("name", "shape"), [(n, s) for n, sizes in SIZES.items() for s in sizes])
def test_one_program_fuses_every_size_as_the_network_does(name, shape):
    row, model = _model(name)
    sources = _sources(shape, row.channels)
    expected = quick_jit(jax.vmap(ttd_jax.dynamic_fuse, in_axes=(None, 0)))(model, sources)
    found = quick_jit(_program(name).call)(sources)
    _close(found, {"image": expected.image, "dominability": expected.dominability})
    batch, count, *size = shape
    assert found["image"].shape == (batch, *size, row.channels)
    assert found["dominability"].shape == (batch, count, *size)


def test_the_static_strategy_weighs_all_sources_the_same():
    row, model = _model("ifcnn_sum")
    sources = _sources(SIZES["ifcnn_sum"][0], row.channels)
    found = quick_jit(_program("ifcnn_sum", strategy="static").call)(sources)
    expected = quick_jit(model.module.apply)(model.variables, sources[0])
    _close(found, {"image": expected[None], "dominability": np.full((1, 2, 8, 6), 0.5)})
    dynamic = quick_jit(_program("ifcnn_sum").call)(sources)
    assert np.max(np.abs(dynamic["image"] - found["image"])) > 1000 * ATOL


def test_parameters_beside_are_its_first_argument_and_may_be_exchanged():
    row, model = _model("ifcnn_sum")
    program = _program("ifcnn_sum", parameters="beside")
    inside = _program("ifcnn_sum")
    flat = exporting.flat_parameters(model)
    parameters = sum(leaf.nbytes for leaf in flat.values())
    assert len(inside.serialize()) - len(program.serialize()) > 0.9 * parameters
    sources = _sources((1, 2, 5, 6), row.channels)
    call = jax.jit(program.call)
    found = call(flat, sources)
    _close(found, jax.jit(inside.call)(sources))
    shifted = call({**flat, "params/conv4/bias": flat["params/conv4/bias"] + 0.1}, sources)
    assert np.max(np.abs(shifted["image"] - found["image"])) > 0.01


def test_it_is_for_the_platforms_that_were_asked_for():
    assert _program("ifcnn_sum").platforms == ("cpu", "cuda", "tpu")
    assert _program("ifcnn_sum", platforms=("tpu",)).platforms == ("tpu",)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("piafusion", (1, 2, 1, 5, 1)),
        ("piafusion", (1, 3, 4, 4, 1)),
        ("ifcnn_sum", (1, 2, 4, 4, 1)),
    ],
)
def test_what_does_not_fit_is_refused_by_the_program_itself(name, shape):
    with pytest.raises(ValueError, match=r"Shape mismatch|refining shapes"):
        _program(name).call(jnp.zeros(shape))


def test_equal_programs_are_equal_bytes_without_names_of_source_files():
    _, model = _model("ifcnn_sum")

    def nested():
        return exporting.export_fusion(model, model.settings).serialize()

    data = bytes(nested())
    assert data == bytes(exporting.export_fusion(model, model.settings).serialize())
    assert b".py" not in data
    assert jax.config.jax_traceback_in_locations_limit > 0


def test_the_description_names_inputs_outputs_and_limits():
    found = exporting.describe(_model("piafusion")[0], _program("piafusion"))
    sources = found["inputs"]["sources"]
    assert sources["shape"] == ["batch", 2, "height", "width", 1]
    assert sources["constraints"] == ["height >= 2", "width >= 2"]
    assert sources["least"] == [1, 2, 2, 2, 1]
    assert sources["roles"] == {"infrared-visible": ("visible", "infrared")}
    assert found["outputs"]["image"]["shape"] == ["batch", "height", "width", 1]
    assert found["outputs"]["dominability"]["shape"] == ["batch", 2, "height", "width"]
    assert found["platforms"] == ["cpu", "cuda", "tpu"]
