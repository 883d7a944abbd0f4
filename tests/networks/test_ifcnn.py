"""IFCNN against the original network's outputs with the authors' weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ttd_jax.networks import Network, lookup
from ttd_jax.weights.convert import convert_checkpoint

CASES = ("lytro_pair_120x160", "iv_pair_odd_97x123", "lytro_triple_odd_85x100")
ATOL = 2e-5  # of the golden data's README


def channels_first(array):
    return np.moveaxis(np.asarray(array), -1, -3)


@pytest.fixture(scope="module", params=["max", "sum", "mean"])
def operator(request):
    return request.param


@pytest.fixture(scope="module")
def model(torch, shared, operator):
    row = lookup(f"ifcnn_{operator}")
    path = shared / "weights" / "ifcnn" / f"IFCNN-{operator.upper()}.pth"
    return convert_checkpoint(row, path)[0]


@pytest.mark.parametrize("case", CASES)
def test_every_block_matches_the_original(shared, model, operator, case):
    golden = np.load(shared / "golden" / "ifcnn" / f"{case}.npz")
    count = sum(f"src{i}" in golden for i in range(3))
    # The stored arrays are in the network's own domain: straight to `encode`.
    x = jnp.stack([np.moveaxis(golden[f"src{i}"], 0, -1) for i in range(count)])
    where = np.ix_(golden["sub_channels"], golden["sub_rows"], golden["sub_cols"])

    features = model.encode(x)
    conv1 = model.module.apply(model.variables, x, method=lambda m, x: m.conv1(x))
    fused = model.decode(model.merge(features, jnp.ones(x.shape[:3])), x)
    components = model.solo(x, features)

    def close(got, key):
        np.testing.assert_allclose(got, golden[f"{operator.upper()}_{key}"], atol=ATOL, rtol=0)

    for i in range(count):
        close(channels_first(conv1[i])[where], f"conv1_{i}_sub")
        close(channels_first(features[i])[where], f"enc_{i}_sub")
        close([features[i].mean(), features[i].std()], f"enc_{i}_meanstd")
        close(channels_first(components[i]), f"component_{i}")
    close(channels_first(fused), "fused")
    close([fused.mean(), fused.std()], "fused_f64_meanstd")


@pytest.mark.parametrize("size", [(12, 16), (11, 13), (1, 1), (3, 5)])
def test_components_are_what_the_default_would_decode(operator, size):
    module = lookup(f"ifcnn_{operator}").build()
    x = jax.random.normal(jax.random.key(0), (3, *size, 3))
    variables = module.init(jax.random.key(1), x)
    bound = module.bind(variables)
    features = bound.encode(x)
    np.testing.assert_allclose(bound.solo(x, features), Network.solo(bound, x, features), atol=1e-6)


def test_prepare_and_restore_are_inverses():
    bound = lookup("ifcnn_sum").build().bind({})
    images = jax.random.uniform(jax.random.key(0), (2, 5, 7, 3))
    np.testing.assert_allclose(bound.restore(bound.prepare(images)), images, atol=1e-6)


def test_unknown_names_suggest_the_nearest():
    from ttd_jax.networks import lookup

    with pytest.raises(ValueError, match="did you mean 'ifcnn_sum'"):
        lookup("IFCNN-SUM")
