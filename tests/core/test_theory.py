"""Theorem 3.1: the formula, every link of its derivation, what breaks each, and data sets."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.compilation import quick_jit
from ttd_jax.core import theory
from ttd_jax.core.dominability import relative_dominability

bound = quick_jit(theory.bound)
covariance = quick_jit(theory.covariance)
measure_moments = quick_jit(theory.measure_moments)
pool_moments = quick_jit(theory.pool_moments)
bound_from_moments = quick_jit(theory.bound_from_moments)

WEIGHTINGS = ("random", "vertices", "negative", "positive", "static")


def draw_scene(count, seed=0, size=(7, 9), channels=3):
    """Float64 features and sources of one scene, and an affine decoder of single pixels."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count, *size, 5)) * rng.uniform(0.1, 3, size=(count, 1, 1, 1))
    sources = rng.uniform(size=(count, *size, channels))
    kernel, bias = rng.normal(size=(5, channels)) / 5, rng.uniform(size=channels)
    return features, sources, lambda z: z @ kernel + bias


def draw_weights(kind, own_losses, seed=0):
    """Weights f64[M, H, W] on the simplex, related to the losses as `kind` says."""
    rng = np.random.default_rng(seed)
    count = len(own_losses)
    if kind == "static":
        return np.full(own_losses.shape, 1 / count)
    if kind == "random":
        return np.moveaxis(rng.dirichlet(np.full(count, 0.5), own_losses.shape[1:]), -1, 0)
    if kind == "vertices":
        return np.moveaxis(np.eye(count)[rng.integers(count, size=own_losses.shape[1:])], -1, 0)
    sign = -1 if kind == "negative" else 1
    exponent = sign * 10 * own_losses
    score = np.exp(exponent - exponent.max(axis=0))
    return score / score.sum(axis=0)


def errors(components, sources):
    """[i, m, H, W]: |c_i - x_m|, averaged over the channels."""
    return np.abs(components[:, None] - sources[None]).mean(-1)


def covariances(weights, losses):
    return np.array(
        [
            np.cov(w.ravel(), e.ravel(), bias=True)[0, 1]
            for w, e in zip(weights, losses, strict=True)
        ]
    )


def to_float32(*arrays):
    return [jnp.asarray(array, jnp.float32) for array in arrays]


def whole_scene(count, kind, seed=0, **options):
    """(fused, components, sources, weights) in float64, of an affine decoder of single pixels."""
    features, sources, decode = draw_scene(count, seed, **options)
    components = decode(features)
    own = np.abs(components - sources).mean(-1)
    weights = draw_weights(kind, own, seed)
    fused = decode((weights[..., None] * features).sum(axis=0))
    return fused, components, sources, weights


# The derivation -------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", WEIGHTINGS)
def test_every_link_of_the_derivation_holds_for_an_affine_decoder_of_single_pixels(count, kind):
    slack = 1e-12
    for seed in range(10):
        fused, components, sources, weights = whole_scene(count, kind, seed)
        e = errors(components, sources)
        own = np.diagonal(e).transpose(2, 0, 1)
        cross = e.sum(axis=(0, 1)) - own.sum(axis=0)
        risk = np.abs(fused - sources).mean(-1).sum(axis=0)

        # 0: the decoder commutes with the weights. 1: convexity of |.|, pixel by pixel.
        np.testing.assert_allclose(fused, (weights[..., None] * components).sum(axis=0), atol=1e-12)
        jensen = np.einsum("ihw,imhw->hw", weights, e)
        assert np.all(risk <= jensen + slack)
        # 2: the triangle inequality, pixel by pixel, in the sum over m.
        crossed = jensen - (weights * own).sum(axis=0)
        share = (count - 1) / count
        assert np.all(crossed <= share * (own.sum(axis=0) + cross) + slack)
        # 3: what a covariance is.
        products, parts = (weights * own).mean((1, 2)), covariances(weights, own)
        np.testing.assert_allclose(
            products, parts + weights.mean((1, 2)) * own.mean((1, 2)), atol=slack
        )
        # 4: weights are at most one.
        assert np.all(weights.mean((1, 2)) <= 1 + slack)
        # Together: the published right side.
        constant = ((2 * count - 1) * own.sum(axis=0) + (count - 1) * cross).mean() / count
        assert risk.mean() <= constant + parts.sum() + slack


@pytest.mark.parametrize(("kind", "sign"), [("negative", -1), ("positive", 1)])
def test_weights_that_follow_the_loss_have_the_covariance_of_that_sign(kind, sign):
    found = bound(*to_float32(*whole_scene(3, kind)))
    assert np.all(sign * found.covariance > 1e-3)


def test_the_triangle_link_can_be_an_equality_for_two_sources():
    """c_2 = x_1, and all weight on the first source: nothing smaller than e_mm / 2 would do."""
    x1, c1, x2 = 0.5, 0.2, 0.9
    e = errors(np.array([c1, x1]).reshape(2, 1, 1, 1), np.array([x1, x2]).reshape(2, 1, 1, 1))
    e = e[..., 0, 0]
    c1_outside = e[0, 1]  # w = (1, 0): of the cross terms only |c_1 - x_2| counts
    np.testing.assert_allclose(c1_outside, (e[0, 0] + e[1, 1] + e[0, 1] + e[1, 0]) / 2, atol=1e-12)


def test_the_triangle_link_fails_for_a_single_m_and_without_its_own_losses():
    # All weight on the second source, whose component is far from x_1, while c_1 = x_1.
    sources, components = np.array([0.0, 1.0]), np.array([0.0, 1.0])
    e = np.abs(components[:, None] - sources[None])
    for_first = e[1, 0]  # sum over i != 1 of w_i e_i1
    assert for_first > (e[0, 0] + e[1, 0]) / 2
    # Without e_mm: c_1 = 0.2 and x_2 = 0.9 are far apart, c_2 = x_1.
    e = np.abs(np.array([0.2, 0.5])[:, None] - np.array([0.5, 0.9])[None])
    assert e[0, 1] > (e[0, 1] + e[1, 0]) / 2


def test_covariances_of_the_cross_terms_cannot_be_left_out_for_free():
    """Weights large where the *other* source's loss is: the cross terms exceed their means."""
    found = 0
    for seed in range(10):
        _, components, sources, _ = whole_scene(2, "static", seed)
        e = errors(components, sources)
        weights = (np.stack([e[0, 1] > e[1, 0], e[0, 1] <= e[1, 0]])).astype(float)
        crossed = (weights[0] * e[0, 1] + weights[1] * e[1, 0]).mean()
        by_means = (weights.mean((1, 2)) * [e[0, 1].mean(), e[1, 0].mean()]).sum()
        found += crossed > by_means + 1e-3
    assert found == 10


def test_a_convex_decoder_is_not_enough():
    """D(z) = z^2, z = (-1, 1), x = 1: perfect components, and I = D(0) = 0."""
    features = jnp.array([-1.0, 1.0]).reshape(2, 1, 1, 1)
    components, sources = features**2, jnp.ones((2, 1, 1, 1))
    fused = jnp.mean(features, axis=0) ** 2
    found = bound(fused, components, sources, jnp.full((2, 1, 1), 0.5))
    assert (float(found.risk), float(found.total), bool(found.holds)) == (2.0, 0.0, False)
    assert found.risk <= found.total + found.departure


def test_a_linear_decoder_that_mixes_pixels_is_not_enough():
    """D sums two pixels; features (1, 0) and (0, 1) give c = x = 1, their weighted sum I = 2."""
    features = jnp.array([[1.0, 0.0], [0.0, 1.0]]).reshape(2, 1, 2, 1)

    def decode(z):
        return z + jnp.roll(z, 1, axis=-2)

    components, weights = decode(features), features[..., 0]  # each where its feature is
    sources = jnp.ones_like(components)
    fused = decode(jnp.sum(weights[..., None] * features, axis=0))
    found = bound(fused, components, sources, weights)
    np.testing.assert_array_equal(components, 1.0)
    assert (float(found.risk), float(found.total), bool(found.holds)) == (2.0, 0.0, False)
    # The same decoder and features with weights that are constant over its kernel.
    weights = jnp.array([0.3, 0.7]).reshape(2, 1, 1) * jnp.ones((2, 1, 2))
    fused = decode(jnp.sum(weights[..., None] * features, axis=0))
    assert bool(bound(fused, components, sources, weights).holds)


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("kind", WEIGHTINGS)
def test_with_the_departure_the_bound_holds_for_any_decoder(count, kind):
    """Neither affine nor pointwise, fed M * w, finished by clipping."""
    for seed in range(10):
        features, sources, affine = draw_scene(count, seed)
        features = features * 10.0 ** (seed % 3)

        def decode(z, affine=affine):
            return np.tanh(affine(z - 0.5 * np.roll(z, 1, axis=-2))) + 0.1 * affine(z) ** 2

        components = decode(features)
        weights = draw_weights(kind, np.abs(components - sources).mean(-1), seed)
        fused = np.clip(decode(count * (weights[..., None] * features).sum(axis=0)), 0, 1)
        found = bound(*to_float32(fused, components, sources, weights))
        assert found.risk <= (found.total + found.departure) * (1 + 1e-5)
        assert found.departure > 1e-2


# The function ---------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", WEIGHTINGS)
def test_bound_is_the_published_formula(count, kind):
    fused, components, sources, weights = whole_scene(count, kind)
    fused = fused + 0.05 * np.random.default_rng(1).normal(size=fused.shape)
    e = errors(components, sources)
    own = np.diagonal(e).transpose(2, 0, 1)
    constant = sum(
        ((2 * count - 1) * e[m, m] + (count - 1) * sum(e[i, m] for i in range(count) if i != m))
        for m in range(count)
    ).mean() / count  # fmt: skip
    expected = {
        "risk": np.abs(fused - sources).mean(-1).sum(axis=0).mean(),
        "constant": constant,
        "covariance": covariances(weights, own),
        "total": constant + covariances(weights, own).sum(),
        "departure": count * np.abs(fused - (weights[..., None] * components).sum(axis=0)).mean(),
    }
    found = bound(*to_float32(fused, components, sources, weights))
    for field, value in expected.items():
        np.testing.assert_allclose(
            getattr(found, field), value, rtol=1e-5, atol=1e-7, err_msg=field
        )
    assert bool(found.holds) == (expected["risk"] <= expected["total"])


def test_departure_is_zero_and_one_source_is_its_own_bound():
    fused, components, sources, weights = whole_scene(1, "random")
    found = bound(*to_float32(fused, components, sources, weights))
    np.testing.assert_allclose(found.departure, 0, atol=1e-6)
    np.testing.assert_allclose(found.risk, found.total, rtol=1e-6)
    assert bool(found.holds)


@pytest.mark.parametrize("count", [3, 7])
def test_static_weights_have_no_covariance(count):
    losses = 5 + jax.random.exponential(jax.random.key(count), (count, 31, 37))
    static = covariance(jnp.full(losses.shape, 1 / count), losses)
    np.testing.assert_allclose(static, 0, atol=1e-9)


@pytest.mark.parametrize("temperature", [1e-3, 1.0, 50.0])
def test_dominability_of_two_sources_has_negative_covariance_and_its_control_the_opposite(
    temperature,
):
    losses = jax.random.exponential(jax.random.key(0), (2, 31, 37))
    weigh = functools.partial(relative_dominability, losses, temperature=temperature)
    total = float(jnp.sum(covariance(weigh(), losses)))
    control = float(jnp.sum(covariance(weigh(correlation="positive"), losses)))
    assert total < 0
    np.testing.assert_allclose(control, -total, rtol=1e-3)


def test_covariance_survives_float32_when_values_dwarf_it():
    rng = np.random.default_rng(0)
    weights = np.float32(0.5 + 1e-4 * rng.normal(size=(2, 50, 60)))
    losses = np.float32(100 + 1e-2 * rng.normal(size=(2, 50, 60)) - 50 * (weights - 0.5))
    expected = covariances(np.float64(weights), np.float64(losses))
    found = covariance(jnp.asarray(weights), jnp.asarray(losses))
    np.testing.assert_allclose(found, expected, rtol=2e-3)
    naive = np.mean(weights * losses, axis=(1, 2)) - weights.mean((1, 2)) * losses.mean((1, 2))
    assert np.abs(naive / expected - 1).max() > 0.5  # what the order of operations is for


def test_the_bound_does_not_depend_on_the_order_of_the_sources():
    fused, components, sources, weights = to_float32(*whole_scene(3, "random"))
    order = np.array([2, 0, 1])
    first = bound(fused, components, sources, weights)
    second = bound(fused, components[order], sources[order], weights[order])
    np.testing.assert_allclose(second.total, first.total, rtol=1e-6)
    np.testing.assert_allclose(second.covariance, first.covariance[order], rtol=1e-4, atol=1e-7)


def test_weights_change_nothing_of_the_constant():
    fused, components, sources, weights = to_float32(*whole_scene(3, "negative"))
    first = bound(fused, components, sources, weights)
    second = bound(fused, components, sources, weights[::-1])
    assert first.constant == second.constant
    assert not np.allclose(first.covariance, second.covariance)


def test_pixels_that_do_not_count_change_nothing():
    scene = to_float32(*whole_scene(3, "random", size=(5, 4)))
    where = jnp.pad(jnp.ones((5, 4), bool), ((0, 2), (0, 3)))
    room = [((0, 2), (0, 3), (0, 0))] * 3 + [((0, 2), (0, 3))]
    larger = [
        jnp.pad(x, [*[(0, 0)] * (x.ndim - len(more)), *more], constant_values=9.0)
        for x, more in zip(scene, room, strict=True)
    ]
    found = quick_jit(functools.partial(theory.measure_moments, where=where))(*larger)
    for own, expected in zip(
        jax.tree.leaves((found, theory.bound(*larger, where=where))),
        jax.tree.leaves((measure_moments(*scene), bound(*scene))),
        strict=True,
    ):
        np.testing.assert_allclose(own, expected, rtol=1e-5, atol=1e-7)


def test_shapes_that_do_not_fit_are_refused():
    fused, components, sources, weights = to_float32(*whole_scene(2, "random"))
    for arguments in (
        (fused[1:], components, sources, weights),
        (fused, components[:1], sources, weights),
        (fused, components, sources, weights[:1]),
    ):
        with pytest.raises(AssertionError):
            bound(*arguments)


# Data sets ------------------------------------------------------------------------------------


def pooled(moments):
    return pool_moments(jax.tree.map(lambda *leaves: jnp.stack(leaves), *moments))


def test_a_pool_is_all_pixels_of_all_images():
    """Images of different sizes, as one wide image and one by one."""
    scenes = [whole_scene(3, "negative", seed, size=(4, 3 + 5 * seed)) for seed in range(4)]
    one_by_one = pooled([measure_moments(*to_float32(*scene)) for scene in scenes])
    wide = [np.concatenate([scene[k] for scene in scenes], axis=-2) for k in range(3)]
    wide.append(np.concatenate([scene[3] for scene in scenes], axis=-1))
    at_once = measure_moments(*to_float32(*wide))
    for field in dataclasses.fields(theory.Moments):
        np.testing.assert_allclose(
            getattr(one_by_one, field.name),
            getattr(at_once, field.name),
            rtol=1e-5,
            atol=1e-6,
            err_msg=field.name,
        )
    found, expected = (bound_from_moments(moments) for moments in (one_by_one, at_once))
    np.testing.assert_allclose(found.total, expected.total, rtol=1e-5)


def test_pools_can_be_pooled_again_and_padding_does_not_count():
    moments = [
        measure_moments(*to_float32(*whole_scene(2, "positive", seed, size=(3, 4 + seed))))
        for seed in range(4)
    ]
    padding = jax.tree.map(lambda leaf: leaf + 3.0, moments[0]).replace(pixels=jnp.array(0.0))
    at_once = pooled(moments)
    in_two = pooled([pooled(moments[:1]), pooled([*moments[1:], padding])])
    for found, expected in zip(jax.tree.leaves(in_two), jax.tree.leaves(at_once), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_covariance_between_images_is_part_of_a_pool():
    """Each image is constant, so all of its covariance lies between the images."""
    ones, scenes = jnp.ones((2, 4, 5)), []
    for weight, error in ((0.3, 0.6), (0.7, 0.2)):
        weights = ones * jnp.array([weight, 1 - weight]).reshape(2, 1, 1)
        components = ones[..., None] * jnp.array([error, 0.0]).reshape(2, 1, 1, 1)
        scenes.append((components[0], components, jnp.zeros_like(components), weights))
    moments = [measure_moments(*scene) for scene in scenes]
    for each in moments:
        np.testing.assert_allclose(each.covariance, 0, atol=1e-9)
    np.testing.assert_allclose(pooled(moments).covariance, [-0.2 * 0.2, 0], atol=1e-7)


def test_bound_can_be_jitted_and_vmapped():
    scenes = [to_float32(*whole_scene(2, "random", seed)) for seed in range(3)]
    stacked = [jnp.stack(part) for part in zip(*scenes, strict=True)]
    batch = jax.jit(jax.vmap(theory.bound))(*stacked)
    for index, scene in enumerate(scenes):
        for found, expected in zip(
            jax.tree.leaves(batch), jax.tree.leaves(bound(*scene)), strict=True
        ):
            np.testing.assert_allclose(found[index], expected, rtol=1e-5, atol=1e-7)
