"""The temperature chosen on the image itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.compilation import quick_jit
from ttd_jax.core.dominability import relative_dominability
from ttd_jax.core.temperature import choose_temperature

SIZE = (13, 17)
DISTRIBUTIONS = {
    "exponential": lambda rng, shape: rng.exponential(size=shape),
    "heavy-tailed": lambda rng, shape: rng.lognormal(sigma=2.5, size=shape) * 1e-3,
    "sparse": lambda rng, shape: rng.exponential(size=shape) * (rng.random(shape) < 0.05),
    "offset": lambda rng, shape: 10 + rng.random(shape),
    "unequal": lambda rng, shape: (
        rng.exponential(size=shape) * np.geomspace(1, 100, shape[0]).reshape(-1, 1, 1)
    ),
}

choose = quick_jit(choose_temperature, static_argnames=("bounds", "points", "steps"))


def draw(name="exponential", count=2, seed=0):
    maps = DISTRIBUTIONS[name](np.random.default_rng(seed), (count, *SIZE))
    return jnp.asarray(maps, jnp.float32)


def objective(t, losses, judged):
    """The sum of covariances in float64, from the formula of eq. 6."""
    losses, judged = np.float64(losses), np.float64(judged)
    score = np.exp(np.exp(-t * losses))
    rd = score / score.sum(axis=0)
    centerd = judged - judged.mean((1, 2), keepdims=True)
    return (rd * centerd).mean((1, 2)).sum()


def brute_force(losses, judged):
    grid = np.geomspace(0.01 / np.max(losses), 1e4 / np.mean(losses), 400)
    return min(objective(t, losses, judged) for t in grid)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("count", [2, 3])
def test_choice_is_within_one_percent_of_a_dense_search(name, count):
    for seed in range(3):
        losses = draw(name, count, seed)
        t, value = choose(losses)
        best = brute_force(losses, losses)
        assert best < 0
        assert objective(float(t), losses, losses) <= 0.99 * best
        np.testing.assert_allclose(value, objective(float(t), losses, losses), rtol=1e-3)


def test_choice_judged_by_other_losses_is_within_one_percent_of_a_dense_search():
    for seed in range(3):
        losses = draw("heavy-tailed", 2, seed)
        judged = jnp.sqrt(losses) + 0.01 * draw(seed=seed + 10)
        t, value = choose(losses, judged=judged)
        best = brute_force(losses, judged)
        assert objective(float(t), losses, judged) <= 0.99 * best
        np.testing.assert_allclose(value, objective(float(t), losses, judged), rtol=1e-3)
        assert not np.isclose(t, choose(losses)[0], rtol=0.05)


def test_both_extremes_are_worse_than_the_choice():
    losses = draw()
    t, value = choose(losses)
    for extreme in (1e-4, 1e6):
        rd = relative_dominability(losses, temperature=extreme)
        np.testing.assert_allclose(rd, 0.5, atol=1e-3)
        assert objective(extreme, losses, losses) > 0.01 * float(value)
    assert 0.1 < float(t) < 10  # for losses of mean one


@pytest.mark.parametrize("scale", [2.0**-12, 1e-3, 64.0, 1e4])
def test_scaling_the_losses_divides_the_temperature(scale):
    losses = draw("heavy-tailed", 3)
    (t, value), (scaled_t, scaled_value) = choose(losses), choose(scale * losses)
    np.testing.assert_allclose(scaled_t * scale, t, rtol=2e-2)  # the optimum is flat
    np.testing.assert_allclose(scaled_value / scale, value, rtol=1e-4)


@pytest.mark.parametrize("levels", [(0.0, 0.0), (0.3, 0.3), (0.1, 0.7)])
def test_constant_losses_give_the_least_temperature_and_zero(levels):
    losses = jnp.ones((2, *SIZE)) * jnp.array(levels).reshape(2, 1, 1)
    t, value = choose(losses)
    np.testing.assert_allclose(t, 0.01 / (max(levels) or 1), rtol=1e-5)
    np.testing.assert_allclose(value, 0, atol=1e-9)
    t, value = choose(losses, bounds=(0.5, 200.0))
    np.testing.assert_allclose(t, 0.5, rtol=1e-5)


def test_losses_that_fall_where_the_judged_rise_give_the_least_temperature():
    losses = draw()
    t, value = choose(losses, judged=5 - losses, bounds=(1e-3, 1e3))
    np.testing.assert_allclose(t, 1e-3, rtol=1e-5)
    np.testing.assert_allclose(value, 0, atol=1e-3)
    rd = relative_dominability(losses, temperature=float(t))
    np.testing.assert_allclose(rd, 0.5, atol=5e-3)


@pytest.mark.parametrize("bounds", [(1e-2, 0.1), (20.0, 50.0)])
def test_bounds_are_kept_and_their_nearer_end_is_taken(bounds):
    losses = draw()
    inner, _ = choose(losses)
    t, _ = choose(losses, bounds=bounds)
    nearer = bounds[1] if bounds[1] < float(inner) else bounds[0]
    np.testing.assert_allclose(t, nearer, rtol=1e-2)
    assert bounds[0] * (1 - 1e-5) <= float(t) <= bounds[1] * (1 + 1e-5)


def test_no_point_of_the_grid_is_better_and_steps_do_not_hurt():
    losses = draw("sparse")
    values = [float(choose(losses, points=9, steps=steps)[1]) for steps in (0, 12)]
    low, high = 0.01 / float(losses.max()), 1e4 / float(losses.mean())
    on_grid = min(objective(t, losses, losses) for t in np.geomspace(low, high, 9))
    assert all(value <= on_grid + 1e-7 for value in values)
    assert values[1] <= values[0] + 1e-9


def test_vmap_chooses_for_each_image():
    scenes = jnp.stack([draw(name) for name in DISTRIBUTIONS])
    t, values = quick_jit(jax.vmap(choose_temperature))(scenes)
    for index, scene in enumerate(scenes):
        expected = choose(scene)
        np.testing.assert_allclose(t[index], expected[0], rtol=2e-2)
        np.testing.assert_allclose(values[index], expected[1], rtol=1e-4)


def test_pixels_that_do_not_count_choose_nothing():
    losses = draw()
    larger = jnp.pad(losses, ((0, 0), *[(0, 3)] * (losses.ndim - 1)), constant_values=99.0)
    expected, found = choose(losses), choose(larger, where=larger[0] < 99)
    np.testing.assert_allclose(found[0], expected[0], rtol=2e-2)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-4)


def test_one_source_has_nothing_to_choose():
    t, value = choose(draw(count=1))
    assert np.isfinite(t)
    assert float(value) == 0


@pytest.mark.parametrize(
    ("options", "named"),
    [({"bounds": (0.0, 1.0)}, "bounds"), ({"bounds": (2.0, 1.0)}, "bounds"), ({"points": 2}, "3")],
)
def test_ranges_without_a_choice_are_refused(options, named):
    with pytest.raises(ValueError, match=named):
        choose_temperature(draw(), **options)
