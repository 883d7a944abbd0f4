"""Relative Dominability as the paper defines it, and the options around it."""

import math

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ttd_jax.core.dominability import (
    LITERAL,
    DominabilitySettings,
    dominance_shares,
    fusion_weights,
    loss_maps,
    relative_dominability,
)

LOW, HIGH = 1 / (1 + np.e), np.e / (1 + np.e)


def random_losses(count=3, seed=0, scale=1.0):
    return scale * jax.random.exponential(jax.random.key(seed), (count, 13, 17))


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("form", ["exp", "linear", "sigmoid"])
@pytest.mark.parametrize("correlation", ["negative", "positive"])
def test_dominability_sums_to_one_over_sources(count, form, correlation):
    rd = relative_dominability(
        random_losses(count), temperature=3.0, form=form, correlation=correlation
    )
    np.testing.assert_allclose(rd.sum(axis=0), 1.0, atol=1e-6)


@pytest.mark.parametrize("form", ["exp", "sigmoid"])
def test_proportional_dominability_sums_to_one_even_where_the_scores_underflow(form):
    rd = relative_dominability(
        random_losses(scale=1e4), temperature=50.0, form=form, normalization="proportional"
    )
    np.testing.assert_allclose(rd.sum(axis=0), 1.0, atol=1e-6)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("temperature", [1.0, 50.0])
def test_two_sources_lie_in_the_range_of_a_softmax_of_an_exponential(scale, temperature):
    rd = relative_dominability(random_losses(2, scale=scale), temperature=temperature)
    assert rd.min() >= LOW - 1e-6
    assert rd.max() <= HIGH + 1e-6


def test_dominability_is_the_formula_of_equation_6():
    losses = np.asarray(random_losses(), np.float64)
    score = np.exp(np.exp(-7.0 * losses))
    expected = score / score.sum(axis=0)
    np.testing.assert_allclose(relative_dominability(losses, temperature=7.0), expected, rtol=2e-6)


def test_other_forms_and_normalizations_are_their_formulas():
    losses = np.asarray(random_losses(), np.float64)
    linear = np.exp(-losses) / np.exp(-losses).sum(axis=0)
    np.testing.assert_allclose(relative_dominability(losses, form="linear"), linear, rtol=2e-6)
    # Proportional to an exponential is a softmax of its exponent (Tables 4 and 5 agree).
    np.testing.assert_allclose(
        relative_dominability(losses, normalization="proportional"), linear, rtol=2e-6
    )
    sigmoid = 1 / (1 + np.exp(losses))
    np.testing.assert_allclose(
        relative_dominability(losses, form="sigmoid", normalization="none"), sigmoid, rtol=2e-6
    )
    np.testing.assert_allclose(
        relative_dominability(losses, form="sigmoid", normalization="proportional"),
        sigmoid / sigmoid.sum(axis=0),
        rtol=3e-6,
    )
    np.testing.assert_allclose(
        relative_dominability(losses, normalization="none"), np.exp(-losses), rtol=2e-6
    )


def test_dominability_is_equivariant_to_permuting_the_sources():
    losses = random_losses(4)
    order = np.array([2, 0, 3, 1])
    np.testing.assert_allclose(
        relative_dominability(losses[order]), relative_dominability(losses)[order], atol=1e-6
    )


@pytest.mark.parametrize("form", ["exp", "linear", "sigmoid"])
def test_dominability_falls_in_its_own_loss_and_rises_in_anothers(form):
    losses = random_losses()
    worse = losses.at[1].add(0.1)
    before = relative_dominability(losses, form=form)
    after = relative_dominability(worse, form=form)
    assert jnp.all(after[1] < before[1])
    assert jnp.all(after[0] > before[0])
    assert jnp.all(after[2] > before[2])


def test_positive_correlation_swaps_two_sources_and_reverses_many():
    two = random_losses(2)
    np.testing.assert_allclose(
        relative_dominability(two, correlation="positive"),
        relative_dominability(two)[::-1],
        atol=1e-6,
    )
    many = random_losses(4)
    rd = relative_dominability(many, correlation="positive")
    np.testing.assert_array_equal(jnp.argsort(rd, axis=0), jnp.argsort(many, axis=0))


def test_weights_average_one_over_the_sources():
    rd = relative_dominability(random_losses(3))
    np.testing.assert_allclose(fusion_weights(rd).mean(axis=0), 1.0, atol=1e-6)
    scores = relative_dominability(random_losses(3), normalization="none")
    np.testing.assert_array_equal(fusion_weights(scores, normalization="none"), scores)


def test_loss_presets_judge_what_they_say():
    key = jax.random.split(jax.random.key(1), 3)
    components = jax.random.uniform(key[0], (2, 5, 7, 3))
    sources = jax.random.uniform(key[1], (2, 5, 7, 3))
    static = jax.random.uniform(key[2], (5, 7, 3))
    c, x, s = (np.asarray(a, np.float64) for a in (components, sources, static))
    expected = {
        ("self", "squared"): ((c - x) ** 2).mean(-1),
        ("self", "l1"): np.abs(c - x).mean(-1),
        ("intensity", "l1"): np.abs(c - x.max(axis=0)).mean(-1),
        ("fused", "l1"): np.abs(s - x).mean(-1),
        ("fused", "squared"): ((s - x) ** 2).mean(-1),
    }
    for (preset, norm), value in expected.items():
        got = loss_maps(components, sources, static, loss=preset, norm=norm)
        np.testing.assert_allclose(got, value, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"form": "cubic"}, "form"),
        ({"normalization": "max"}, "normalization"),
        ({"correlation": "none"}, "correlation"),
        ({"temperature": 0.0}, "temperature"),
        ({"form": "linear", "normalization": "proportional"}, "linear"),
    ],
)
def test_unknown_options_are_named(options, named):
    with pytest.raises(ValueError, match=named):
        relative_dominability(random_losses(), **options)


@pytest.mark.parametrize(
    "options",
    [
        {"loss": "x"},
        {"norm": "l3"},
        {"space": "hsv"},
        {"clip": True, "space": "network"},
        {"temperature": math.inf},
    ],
)
def test_settings_refuse_what_makes_no_sense(options):
    with pytest.raises(ValueError, match=r"must be|clip|unknown loss map"):
        DominabilitySettings(**{"loss": "self", **options})


def test_settings_pass_through_transformations():
    chex.clear_trace_counter()

    @jax.jit
    @chex.assert_max_traces(n=1)
    def weigh(losses, settings):
        return relative_dominability(losses, temperature=settings.temperature)

    losses = random_losses()
    first = weigh(losses, LITERAL.replace(temperature=2.0))
    second = weigh(losses, LITERAL.replace(temperature=2.0))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first, relative_dominability(losses, temperature=2.0), rtol=1e-6)


def test_shares_count_pixels_and_split_ties():
    rd = np.array([[[0.6, 0.5], [0.4, 0.7]], [[0.4, 0.5], [0.6, 0.3]]], np.float32)
    np.testing.assert_allclose(dominance_shares(rd), [(1 + 0.5 + 0 + 1) / 4, (0 + 0.5 + 1 + 0) / 4])


def test_settings_say_their_loss_and_change_one_field_at_a_time():
    with pytest.raises(TypeError, match="loss"):
        DominabilitySettings(temperature=50.0)
    settings = DominabilitySettings(loss="fused", norm="l1", space="network")
    changed = settings.replace(temperature=50)
    assert changed == DominabilitySettings(
        loss="fused", norm="l1", space="network", temperature=50.0
    )
    assert isinstance(changed.temperature, float)  # records tell it in one way
    assert settings.temperature == 1.0
