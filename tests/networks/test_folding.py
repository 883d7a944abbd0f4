"""Folding: the same outputs from fewer operations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

import ttd_jax
from tests.compilation import quick_jit
from tests.random_models import random_model
from ttd_jax.networks import lookup, networks
from ttd_jax.networks.cddfuse.blocks import BaseBlock, DenseQKV
from ttd_jax.networks.folding import fold, fold_pointwise
from ttd_jax.networks.ifcnn import IFCNN
from ttd_jax.weights import store
from ttd_jax.weights.convert import convert_checkpoint

HIGHEST = jax.lax.Precision.HIGHEST
FOLDABLE = ("ifcnn_sum", "ifcnn_max", "ifcnn_mean", "cddfuse_ivf", "cddfuse_mif", "didfuse")


def _operations(function, *args):
    """XLA's own count for the compiled function."""
    return jax.jit(function).lower(*args).compile().cost_analysis()["flops"]


# Base block -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(24, 32), (17, 19), (1, 2)])
def test_folded_pair_gives_the_same_up_to_the_border(size):
    x = jax.random.normal(jax.random.key(0), (2, *size, 64))
    plain = DenseQKV(precision=HIGHEST)
    variables = plain.init(jax.random.key(1), x)
    folded = fold_pointwise(variables, "pointwise", into="spatial")
    found = DenseQKV(folded=True, precision=HIGHEST).apply(folded, x)
    np.testing.assert_allclose(found, plain.apply(variables, x), atol=1e-5)


def test_folded_pair_takes_three_times_fewer_operations():
    x = jax.ShapeDtypeStruct((1, 64, 64, 64), jnp.float32)
    counts = []
    for folded in (False, True):
        pair = DenseQKV(folded=folded, precision=HIGHEST)
        variables = jax.eval_shape(pair.init, jax.random.key(0), x)
        counts.append(_operations(pair.apply, variables, x))
    before, after = counts
    print(f"1x1 and 3x3 on 64x64 pixels: {before / 1e9:.2f} to {after / 1e9:.2f} GFLOP")
    # By hand: 64 * 192 + 9 * 192 * 192 products a pixel become 9 * 64 * 192.
    assert before / after == pytest.approx((64 + 9 * 192) / (9 * 64), rel=0.03)  # 3.11


def test_folding_takes_from_the_base_block_what_it_takes_from_the_pair():
    x = jax.ShapeDtypeStruct((1, 64, 64, 64), jnp.float32)
    saved = []
    for module in (DenseQKV, BaseBlock):
        plain, folded = (module(folded=folded, precision=HIGHEST) for folded in (False, True))
        counts = [
            _operations(each.apply, jax.eval_shape(each.init, jax.random.key(0), x), x)
            for each in (plain, folded)
        ]
        print(f"{module.__name__}: {counts[0] / 1e9:.2f} to {counts[1] / 1e9:.2f} GFLOP")
        saved.append(counts[0] - counts[1])
    assert saved[1] == pytest.approx(saved[0], rel=0.01)


# Whole networks -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", networks())
def test_folded_variables_are_those_the_folded_network_expects(name):
    row = lookup(name)
    shapes = row.shapes()
    variables = jax.tree.map(lambda leaf: np.ones(leaf.shape, leaf.dtype), shapes)
    model = fold(row.bind(traverse_util.unflatten_dict(variables, sep="/")))
    example = jax.ShapeDtypeStruct(row.input_shape, jnp.float32)
    expected = jax.eval_shape(model.module.init, jax.random.key(0), example)
    assert model.module.folded
    assert jax.tree.structure(model.variables) == jax.tree.structure(expected)
    assert jax.tree.map(jnp.shape, model.variables) == jax.tree.map(jnp.shape, expected)
    # A network that gains nothing keeps its variables; one that gains has fewer of them.
    assert (len(jax.tree.leaves(model.variables)) < len(shapes)) == (name in FOLDABLE)


@pytest.mark.parametrize("name", ["ifcnn_sum", "cddfuse_ivf", "didfuse"])
def test_folded_network_fuses_the_same(name):
    model = random_model(name)
    sources = np.random.default_rng(0).random((2, 13, 11, lookup(name).channels), np.float32)
    plain = quick_jit(ttd_jax.dynamic_fuse)(model, sources)
    folded = quick_jit(ttd_jax.dynamic_fuse)(fold(model), sources)
    for found, expected in zip(jax.tree.leaves(folded), jax.tree.leaves(plain), strict=True):
        np.testing.assert_allclose(found, expected, atol=2e-5)


def test_folding_twice_changes_nothing():
    once = fold(random_model("ifcnn_sum"))
    assert fold(once) is once


def test_folding_can_be_compiled():
    model = random_model("ifcnn_sum")
    compiled, direct = jax.jit(fold)(model), fold(model)
    assert compiled.module == direct.module
    for found, expected in zip(jax.tree.leaves(compiled), jax.tree.leaves(direct), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_folding_leaves_the_model_it_was_given_alone():
    model = random_model("cddfuse_ivf")
    before = store.tree_sha256(model.variables)
    fold(model)
    assert store.tree_sha256(model.variables) == before


# IFCNN's BatchNorm ----------------------------------------------------------------------------


def test_folded_ifcnn_has_no_statistics_and_takes_fewer_operations():
    plain, x = random_model("ifcnn_sum"), jnp.zeros((2, 32, 32, 3))
    folded = fold(plain)
    assert set(folded.variables) == {"params"}
    counts = [
        _operations(lambda m, x: m.module.apply(m.variables, x), m, x) for m in (plain, folded)
    ]
    print(f"IFCNN's encoder: {counts[0] / 1e6:.2f} to {counts[1] / 1e6:.2f} MFLOP")
    assert counts[1] < counts[0]


@pytest.mark.parametrize("operator", ["max", "sum", "mean"])
def test_folded_ifcnn_matches_the_original(torch, shared, operator):
    path = shared / "weights" / "ifcnn" / f"IFCNN-{operator.upper()}.pth"
    model = fold(convert_checkpoint(lookup(f"ifcnn_{operator}"), path)[0])
    assert isinstance(model.module, IFCNN)
    golden = np.load(shared / "golden/ifcnn/iv_pair_odd_97x123.npz")
    x = jnp.stack([np.moveaxis(golden[f"src{i}"], 0, -1) for i in range(2)])
    fused = model.decode(model.merge(model.encode(x), jnp.ones(x.shape[:3])), x)
    expected = np.moveaxis(golden[f"{operator.upper()}_fused"], 0, -1)
    np.testing.assert_allclose(fused, expected, atol=2e-5, rtol=0)  # of the golden data's README


# Loading --------------------------------------------------------------------------------------


def test_weights_can_be_loaded_folded(tmp_path):
    model = random_model("ifcnn_sum")
    store.save(tmp_path / "weights", model, source={})
    loaded = ttd_jax.load(tmp_path / "weights", fold=True)
    assert store.tree_sha256(loaded.variables) == store.tree_sha256(fold(model).variables)
    assert loaded.module == fold(model).module


def test_module_fields_can_be_chosen_while_loading(tmp_path):
    store.save(tmp_path / "weights", random_model("cddfuse_mif"), source={})
    loaded = ttd_jax.load(tmp_path / "weights", residual="sum", fold=True)
    assert (loaded.module.residual, loaded.module.folded) == ("sum", True)


def test_folded_models_are_not_saved(tmp_path):
    with pytest.raises(ValueError, match="folded model is for inference"):
        store.save(tmp_path / "out", fold(random_model("ifcnn_sum")), source={})
    assert not (tmp_path / "out").exists()
