"""Optimizers from options: schedules, clipping, groups and what is frozen."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ttd_jax.errors import UserError
from ttd_jax.training.optimizer import (
    OptimizerOptions,
    make_optimizer,
    make_schedule,
)

PARAMS = {
    "encoder": {"embed": {"kernel": jnp.ones((2, 3))}, "base": {"scale": jnp.ones(3)}},
    "decoder": {"kernel": jnp.full((3,), 2.0)},
}
GRADIENTS = jax.tree.map(lambda leaf: jnp.full_like(leaf, 0.5), PARAMS)


def updates(options, gradients=GRADIENTS, steps=1):
    transformation = make_optimizer(options, PARAMS).transformation
    state = transformation.init(PARAMS)
    for _ in range(steps):
        update, state = transformation.update(gradients, state, PARAMS)
    return update


def rates(options, steps):
    schedule = make_schedule(options)
    return [float(schedule(step)) for step in steps]


def test_step_schedule_halves_down_to_its_floor():
    options = OptimizerOptions(
        learning_rate=8.0, schedule="step", decay_steps=10, decay_factor=0.5, floor=1.5
    )
    assert rates(options, [0, 9, 10, 19, 20, 30, 400]) == [8, 8, 4, 4, 2, 1.5, 1.5]


def test_cosine_schedule_warms_up_and_ends_at_its_floor():
    options = OptimizerOptions(
        learning_rate=1.0, schedule="cosine", warmup_steps=4, total_steps=24, floor=0.1
    )
    warm = rates(options, range(5))
    np.testing.assert_allclose(warm, [0.2, 0.4, 0.6, 0.8, 1.0], rtol=1e-6)
    np.testing.assert_allclose(rates(options, [14, 24, 99]), [0.55, 0.1, 0.1], rtol=1e-5)
    falling = rates(options, range(4, 25))
    assert falling == sorted(falling, reverse=True)


def test_constant_schedule_is_constant():
    assert rates(OptimizerOptions(learning_rate=0.5), [0, 1, 1000]) == [0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("options", "reference"),
    [
        ({"method": "sgd", "momentum": 0.9}, optax.sgd(0.1, momentum=0.9)),
        ({"method": "adam", "betas": (0.8, 0.9)}, optax.adam(0.1, b1=0.8, b2=0.9)),
        ({"method": "adamw", "weight_decay": 0.3}, optax.adamw(0.1, weight_decay=0.3)),
    ],
    ids=["sgd", "adam", "adamw"],
)
def test_methods_are_those_of_optax(options, reference):
    state = reference.init(PARAMS)
    for _ in range(3):
        expected, state = reference.update(GRADIENTS, state, PARAMS)
    measured = updates(OptimizerOptions(learning_rate=0.1, **options), steps=3)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), measured, expected)


def test_weight_decay_of_sgd_is_added_to_the_gradient():
    update = updates(OptimizerOptions(method="sgd", learning_rate=0.1, weight_decay=0.25))
    np.testing.assert_allclose(update["decoder"]["kernel"], -0.1 * (0.5 + 0.25 * 2), rtol=1e-6)


def test_clipping_limits_the_norm_of_what_trains_and_keeps_its_direction():
    options = {"method": "sgd", "learning_rate": 1.0, "clip_norm": 0.01}
    update = updates(OptimizerOptions(**options))
    np.testing.assert_allclose(optax.tree.norm(update), 0.01, rtol=1e-5)
    huge = {**GRADIENTS, "encoder": jax.tree.map(lambda g: 1e6 * g, GRADIENTS["encoder"])}
    update = updates(OptimizerOptions(**options, frozen=("encoder",)), huge)
    np.testing.assert_allclose(optax.tree.norm(update["decoder"]), 0.01, rtol=1e-5)


def test_clipping_by_group_limits_the_norm_of_each():
    options = OptimizerOptions(
        method="sgd",
        learning_rate=1.0,
        clip_norm=0.01,
        clip_scope="group",
        groups={"encoder": 1.0, "decoder": 0.5},
    )
    update = updates(options)
    np.testing.assert_allclose(optax.tree.norm(update["encoder"]), 0.01, rtol=1e-5)
    np.testing.assert_allclose(optax.tree.norm(update["decoder"]), 0.005, rtol=1e-5)


def test_a_gradient_within_the_norm_is_not_clipped():
    options = {"method": "sgd", "learning_rate": 1.0}
    jax.tree.map(
        np.testing.assert_array_equal,
        updates(OptimizerOptions(**options, clip_norm=100.0)),
        updates(OptimizerOptions(**options)),
    )


def test_groups_scale_the_learning_rate_and_the_first_match_counts():
    options = OptimizerOptions(
        method="sgd", learning_rate=1.0, groups={"*/scale": 0.1, "encoder": 0.5}
    )
    update = updates(options)
    np.testing.assert_allclose(update["encoder"]["base"]["scale"], -0.05, rtol=1e-6)
    np.testing.assert_allclose(update["encoder"]["embed"]["kernel"], -0.25, rtol=1e-6)
    np.testing.assert_allclose(update["decoder"]["kernel"], -0.5, rtol=1e-6)


@pytest.mark.parametrize("pattern", ["encoder", "encoder/*", "enc*", "*c[n-o]*r/[a-e]*/*"])
def test_frozen_parameters_do_not_move_even_by_weight_decay(pattern):
    options = OptimizerOptions(method="adamw", weight_decay=1.0, frozen=(pattern,))
    optimizer = make_optimizer(options, PARAMS)
    update = updates(options)
    assert all(not leaf.any() for leaf in jax.tree.leaves(update["encoder"]))
    assert update["decoder"]["kernel"].all()
    assert optimizer.trainable["decoder"] == {"kernel": True}
    assert not any(jax.tree.leaves(optimizer.trainable["encoder"]))
    held = jax.tree.leaves(optimizer.transformation.init(PARAMS))
    assert max(leaf.size for leaf in held) == 3  # no moments of the frozen [2, 3] kernel


def test_a_pattern_without_match_names_near_paths():
    with pytest.raises(UserError, match=r"frozen: 'encodr/\*' matches no.*did you mean 'encoder"):
        make_optimizer(OptimizerOptions(frozen=("encodr/*",)), PARAMS)
    with pytest.raises(UserError, match=r"groups: 'zzz' matches no.*there are decoder, encoder"):
        make_optimizer(OptimizerOptions(groups={"zzz": 2.0}), PARAMS)


def test_freezing_everything_is_refused():
    with pytest.raises(UserError, match="nothing is left to train"):
        make_optimizer(OptimizerOptions(frozen=("*",)), PARAMS)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"method": "lion"}, "method must be one of adam, adamw, sgd, got 'lion'"),
        ({"learning_rate": 0.0}, "learning_rate must be positive"),
        ({"schedule": "step"}, "decay_steps must be positive"),
        ({"schedule": "cosine", "warmup_steps": 5, "total_steps": 5}, "the phase's own steps"),
        ({"clip_norm": 0.0}, "clip_norm must be positive or None"),
    ],
)
def test_mistaken_options_are_refused(options, named):
    with pytest.raises(UserError, match=named):
        OptimizerOptions(**options)
