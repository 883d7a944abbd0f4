"""The numbers of the self-test are those of another implementation, and it can fail."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from ttd_jax.core import color
from ttd_jax.doctor import selftest
from ttd_jax.networks import layout as layouts
from ttd_jax.networks import lookup

torch = pytest.importorskip("torch")
from ttd_jax.benchmarks.twins import ifcnn as twin


def _torch_state():
    flat = traverse_util.flatten_dict(selftest.fixed_model().variables, sep="/")
    state = {}
    for key, target in lookup("ifcnn_sum").layout.table.items():
        array = flat[target.path].astype(np.float64)
        if target.transform == layouts.CONV:
            array = array.transpose(3, 2, 0, 1)
        elif target.transform == layouts.DENSE:
            array = array.T[:, :, None, None]
        state[key] = torch.from_numpy(np.ascontiguousarray(array))
    return state


def test_what_is_expected_is_what_pytorch_computes_in_float64():
    state = _torch_state()
    mean, std = (
        torch.tensor(s, dtype=torch.float64)[:, None, None]
        for s in (color.IMAGENET_MEAN, color.IMAGENET_STD)
    )
    x = (torch.from_numpy(selftest.fixed_pair()).double().permute(0, 3, 1, 2) - mean) / std
    features = twin.encode(state, x)
    static = twin.fused(state, x, "sum")
    rd = torch.softmax(torch.exp(-(static - x).abs().mean(1)), 0)
    ttd = twin.decode(state, (2 * rd[:, None] * features).sum(0, keepdim=True))

    def finish(raw):
        return (raw[0] * std + mean).clamp(0, 1).permute(1, 2, 0)

    found = {"static": finish(static), "ttd": finish(ttd), "dominability": rd[0]}
    assert found.keys() == selftest.EXPECTED.keys()
    for name, expected in selftest.EXPECTED.items():
        at_pixels = np.stack([found[name][pixel].numpy() for pixel in selftest.PIXELS])
        np.testing.assert_allclose(at_pixels, expected, atol=1e-6, rtol=0)


def test_static_and_dynamic_results_are_told_apart():
    static, ttd = (np.array(selftest.EXPECTED[name]) for name in ("static", "ttd"))
    assert np.max(np.abs(static - ttd)) > 20 * selftest.TOLERANCE


def test_it_passes_here_with_room_to_spare():
    result = selftest.run_selftest()
    assert result.passed
    assert max(result.differences.values()) < selftest.TOLERANCE / 10


@pytest.mark.parametrize("name", selftest.EXPECTED)
def test_it_fails_when_numbers_differ(monkeypatch, name):
    changed = np.array(selftest.EXPECTED[name])
    changed[(-1,) * changed.ndim] += 2 * selftest.TOLERANCE
    monkeypatch.setitem(selftest.EXPECTED, name, changed)
    result = selftest.run_selftest()
    assert not result.passed
    assert str(result).startswith(f"{name} differs by 0.0002")


def test_it_fails_when_the_network_computes_something_else(monkeypatch):
    model = selftest.fixed_model()
    other = model.replace(module=model.module.clone(operator="mean"))
    monkeypatch.setattr(selftest, "fixed_model", lambda: other)
    assert not selftest.run_selftest().passed


def test_results_that_are_no_numbers_do_not_pass(monkeypatch):
    model = selftest.fixed_model()
    broken = jax.tree.map(lambda leaf: jnp.full_like(leaf, jnp.nan), model)
    monkeypatch.setattr(selftest, "fixed_model", lambda: broken)
    assert not selftest.run_selftest().passed
