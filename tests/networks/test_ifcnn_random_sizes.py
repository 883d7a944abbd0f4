"""IFCNN against a torch twin at many sizes, itself proven on the original's stored outputs."""

import jax.numpy as jnp
import numpy as np
import pytest

from tests.compilation import quick_jit
from ttd_jax.networks import lookup
from ttd_jax.weights.convert import convert_tensors

torch = pytest.importorskip("torch")
from ttd_jax.benchmarks.twins import ifcnn as twin
from ttd_jax.benchmarks.twins.random_state import random_state

OPERATORS = ("max", "sum", "mean")
ATOL = 1e-4  # in the network's standardized domain


@quick_jit
def _fused_and_components(model, x):
    features = model.encode(x)
    return model.decode(model.merge(features, jnp.ones(x.shape[:3])), x), model.solo(x, features)


@pytest.fixture(scope="module")
def state():
    return random_state(lookup("ifcnn_sum"))


@pytest.fixture(scope="module")
def models(state):
    rows = {operator: lookup(f"ifcnn_{operator}") for operator in OPERATORS}
    variables, _ = convert_tensors(rows["sum"], state, name="random")
    return {operator: row.bind(variables) for operator, row in rows.items()}


def _trials(count):
    """Seeded (height, width, sources, operator); 17 to 160 pixels a side, more small ones."""
    rng = np.random.default_rng(18)
    sides = np.exp(rng.uniform(np.log(17), np.log(161), (count - 3, 2))).astype(int)
    sizes = [(160, 17), (17, 160), (160, 160), *map(tuple, sides.tolist())]
    return [(*size, 1 + i // 3 % 3, OPERATORS[i % 3]) for i, size in enumerate(sizes)]


@pytest.mark.parametrize(("height", "width", "count", "operator"), _trials(12))
def test_fusion_equals_the_torch_twin_at_any_size(models, state, height, width, count, operator):
    rng = np.random.default_rng(height)
    x = rng.standard_normal((count, height, width, 3), np.float32)
    sources = torch.from_numpy(x).movedim(-1, 1)
    fused, components = _fused_and_components(models[operator], x)
    expected = twin.fused(state, sources, operator)[0].movedim(0, -1)
    np.testing.assert_allclose(fused, expected, atol=ATOL, rtol=0)
    alone = twin.decode(state, twin.encode(state, sources)).movedim(1, -1)
    np.testing.assert_allclose(components, alone, atol=ATOL, rtol=0)


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("case", ["lytro_triple_odd_85x100", "iv_pair_odd_97x123"])
def test_torch_twin_is_the_original(shared, case, operator):
    path = shared / "weights" / "ifcnn" / f"IFCNN-{operator.upper()}.pth"
    state = torch.load(path, map_location="cpu", weights_only=True)
    golden = np.load(shared / "golden/ifcnn" / f"{case}.npz")
    keys = sorted(key for key in golden if key.startswith("src") and key[3:].isdigit())
    sources = torch.from_numpy(np.stack([golden[key] for key in keys]))
    expected = golden[f"{operator.upper()}_fused"]
    np.testing.assert_allclose(twin.fused(state, sources, operator)[0], expected, atol=2e-5)
