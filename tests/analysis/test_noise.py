"""Noise on parameters is relative to each tensor and the same for one seed."""

import jax
import numpy as np

from ttd_jax.analysis.noise import perturb
from ttd_jax.weights.store import load


def test_noise_has_the_tensors_own_scale(random_weights):
    model = load(random_weights)
    noisy = perturb(model, 0.3)
    kernel = model.params["conv2"]["conv"]["conv"]["kernel"]
    change = noisy.params["conv2"]["conv"]["conv"]["kernel"] - kernel
    np.testing.assert_allclose(change.std() / kernel.std(), 0.3, rtol=0.02)
    same = jax.tree.map(
        np.array_equal, noisy.variables["batch_stats"], model.variables["batch_stats"]
    )
    assert all(jax.tree.leaves(same))


def test_one_seed_gives_one_direction_and_level_zero_none(random_weights):
    model = load(random_weights)
    first, second, other = perturb(model, 0.1), perturb(model, 0.2), perturb(model, 0.1, seed=1)

    def change(noisy):
        return np.asarray(
            noisy.params["conv1"]["conv"]["kernel"] - model.params["conv1"]["conv"]["kernel"]
        )

    np.testing.assert_allclose(2 * change(first), change(second), atol=1e-6)
    assert np.abs(change(first) - change(other)).max() > 1e-3
    assert not change(perturb(model, 0.0)).any()
