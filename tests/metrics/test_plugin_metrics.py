"""Metrics of other packages: what they may give, and what is told of those that give no number."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ttd_jax
from tests.small_networks import registered
from ttd_jax import metrics
from ttd_jax.errors import UserError

PICTURE = np.arange(0, 240, dtype=np.uint8).reshape(12, 20)


def metric(name, function, **fields):
    return ttd_jax.Metric(
        name=name, function=function, high=1.0, description="d", reference="r", **fields
    )


def score(name, give):
    with registered():
        ttd_jax.register_metric(metric(name, lambda fused, sources, *, protocol: give(fused)))
        return ttd_jax.score(PICTURE, [PICTURE, PICTURE], names=[name])[name]


@pytest.mark.parametrize(
    ("name", "give", "figure"),
    [
        ("gives_int", lambda fused: jnp.sum(fused > 200), 39),
        ("gives_bool", lambda fused: jnp.any(fused > 200), 1),
        ("gives_float", lambda fused: 3.0, 3),
        ("gives_half", lambda fused: jnp.float16(0.5), 0.5),
        ("gives_numpy", lambda fused: np.float64(0.25), 0.25),
    ],
)
def test_one_number_of_any_type_will_do(name, give, figure):
    found = score(name, give)
    assert found == figure
    assert isinstance(found, float)


@pytest.mark.parametrize(
    ("name", "give", "message"),
    [
        ("gives_vector", lambda fused: fused.mean(0), r"one real number.*float32\[20\]"),
        ("gives_one", lambda fused: fused.mean()[None], r"float32\[1\]"),
        ("gives_none", lambda fused: None, "it gives None"),
        ("gives_tuple", lambda fused: (1.0, 2.0), r"it gives \(1.0, 2.0\)"),
        ("gives_complex", lambda fused: jnp.fft.fft2(fused)[0, 0], "one real number"),
        ("asks_numpy", lambda fused: np.mean(np.asarray(fused)), "write it with jax.numpy"),
        ("asks_float", lambda fused: float(fused.mean()), "write it with jax.numpy"),
        ("raises", lambda fused: 1 / 0, "fails: ZeroDivisionError"),
    ],
)
def test_anything_else_is_told_in_a_line_with_its_name(name, give, message):
    with pytest.raises(UserError, match=f"metric '{name}'.*{message}") as refused:
        score(name, give)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"function": lambda fused: 0}, r"must take \(fused, sources\)"),
        ({"function": None}, "needs a function"),
        ({"better": "high"}, "better must be one of up, down"),
        ({"low": 5.0}, "low=5.0 must be below high=1.0"),
    ],
)
def test_a_metric_that_cannot_be_is_refused_in_a_line(fields, message):
    with pytest.raises(UserError, match=f"metric 'x'.*{message}"):
        metric(**{"name": "x", "function": lambda f, s=None, *, protocol: 0, **fields})


@pytest.mark.parametrize("name", ["sd", "SD", "a,b", "", "all"])
def test_names_that_are_none_or_taken_are_refused(name):
    with pytest.raises(UserError, match=r"registered already|cannot be named"):
        ttd_jax.register_metric(metric(name, lambda fused, sources, *, protocol: 0.0))
    assert ttd_jax.score(PICTURE, [PICTURE], names=["sd"])["SD"] > 1


def test_what_is_no_metric_is_not_registered():
    with pytest.raises(UserError, match=r"register_metric takes a ttd_jax\.Metric"):
        ttd_jax.register_metric(lambda fused: 1)


def test_a_metric_that_is_registered_again_is_the_new_one():
    grays = jnp.float32(PICTURE)
    with registered():
        for figure in (1.0, 2.0):
            ttd_jax.register_metric(metric("twice", lambda f, s, *, protocol, y=figure: y))
            assert metrics.evaluate(grays, grays[None], names=["twice"])["twice"] == figure


def test_by_default_a_plugin_changes_no_results():
    with registered():
        ttd_jax.register_metric(metric("another", lambda fused, sources, *, protocol: 0.0))
        own = list(metrics.evaluate(jnp.float32(PICTURE), jnp.float32(PICTURE)[None]))
        assert own == list(metrics.CORE)
        assert metrics.choose() == metrics.choose(()) == tuple(own)
        assert metrics.choose(["all"])[-1] == "another"
        assert metrics.choose(["sd", "ANOTHER", "SD"]) == ("SD", "another")


def test_a_metric_that_takes_no_extent_is_named_where_there_is_one():
    grays = jnp.float32(PICTURE)
    with registered():
        takes_none = lambda fused, sources, *, protocol, **options: 0.0  # noqa: E731
        ttd_jax.register_metric(metric("fixed", takes_none))
        ttd_jax.register_metric(
            metric("sized", lambda fused, sources, *, protocol, extent=None: extent[0])
        )
        assert metrics.lacking(metrics.METRICS, "extent") == ["fixed"]
        assert metrics.evaluate(grays, grays[None], names=["fixed"])["fixed"] == 0
        with pytest.raises(
            UserError, match=r"^fixed cannot do with an extent: cut the picture to its size$"
        ):
            metrics.evaluate(grays, grays[None], names=["SD", "fixed", "sized"], extent=(5, 7))
        found = metrics.evaluate(grays, grays[None], names=["SD", "sized"], extent=(5, 7))
        assert found["sized"] == 5


def test_a_text_is_no_list_of_names():
    with pytest.raises(UserError, match=r"pass \['SD'\], not 'SD'"):
        ttd_jax.score(PICTURE, [PICTURE], names="SD")


@pytest.mark.parametrize(
    ("reads", "message"),
    [("components", r"such as \('components',\), got 'components'"), (("sources",), "got")],
)
def test_a_loss_map_says_what_it_reads(reads, message):
    with pytest.raises(UserError, match=f"loss map 'x': reads must hold .*{message}"):
        ttd_jax.register_loss("x", lambda c, s, static: c - s, reads=reads)


@pytest.mark.parametrize(
    ("name", "function", "message"),
    [
        ("scalar", lambda c, s, f: jnp.mean(c - s), r"must give f32\[M, H, W, C\].*float32\[\]"),
        ("flat", lambda c, s, f: (c - s)[..., 0], r"\[2, 4, 3, 1\]: it gives float32\[2, 4, 3\]"),
        ("none", lambda c, s, f: None, "it gives None"),
        ("raises", lambda c, s, f: 1 / 0, "fails: ZeroDivisionError"),
    ],
)
def test_a_loss_map_that_gives_something_else_is_named(name, function, message):
    from ttd_jax.core.dominability import loss_maps

    sources = jnp.zeros((2, 4, 3, 1))
    with registered():
        ttd_jax.register_loss(f"gives_{name}", function)
        with pytest.raises(UserError, match=f"loss map 'gives_{name}'.*{message}"):
            jax.jit(loss_maps, static_argnames="loss")(
                sources, sources, sources[0], loss=f"gives_{name}"
            )


@pytest.mark.parametrize("name", ["static", "TTD", "a,b", "Self", "self"])
def test_names_of_loss_maps_are_names_that_are_free(name):
    with pytest.raises(UserError, match=r"registered already|cannot be named"):
        ttd_jax.register_loss(name, lambda c, s, static: c - s)


def test_a_loss_map_takes_three_arrays():
    with pytest.raises(UserError, match=r"loss map 'x'.*\(components, sources, static\)"):
        ttd_jax.register_loss("x", lambda c, s: c - s)
