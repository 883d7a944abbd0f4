"""A scene fused in windows is the scene fused whole."""

import functools
import os
import subprocess
import sys

import jax
import numpy as np
import pytest

import ttd_jax
from tests.parts.in_windows import fuse_in_windows, kept, options_of
from tests.random_models import random_model
from ttd_jax.core import color
from ttd_jax.errors import UserError
from ttd_jax.networks import Model, lookup
from ttd_jax.networks.folding import fold
from ttd_jax.networks.ifcnn import IFCNN
from ttd_jax.parts import SceneOptions, WindowFuser, parse_size
from ttd_jax.parts.memory import overhead
from ttd_jax.parts.sweeps import Work

FUSE = {"ttd": ttd_jax.dynamic_fuse, "static": ttd_jax.static_fuse}


@functools.cache
def model(name, preset=None):
    bound = fold(random_model(name))
    return bound if preset is None else bound.replace(settings=bound.spec.presets[preset])


def scene(*size, channels=1, count=2, seed=0):
    """Sources f32[M, H, W, C]: steps of brightness from top to bottom under fine noise."""
    rng = np.random.default_rng(seed)
    steps = rng.random((count, -(-size[0] // 5), 1, 1)).repeat(5, axis=1)[:, : size[0]]
    return np.float32(0.7 * steps + 0.3 * rng.random((count, *size, channels)))


def compare(model, sources, *, rows, atol, strategy="ttd"):
    whole = jax.jit(FUSE[strategy])(model, sources)
    strips = fuse_in_windows(model, sources, model.strategy(strategy), rows)
    for name in ("image", "dominability", "components", "losses"):
        expected, found = getattr(whole, name), getattr(strips, name)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, atol=atol, err_msg=name)
    if strategy == "ttd":
        assert np.ptp(strips.dominability) > 1e-3  # there is something to compare
    return strips


@pytest.mark.parametrize(
    ("preset", "strategy", "size"),
    [
        ("fused", "ttd", (40, 33)),
        ("intensity", "ttd", (21, 17)),
        ("self", "ttd", (33, 8)),
        ("fused", "static", (21, 17)),
    ],
)
def test_ifcnn(preset, strategy, size):
    sources = scene(*size, channels=3)
    compare(model("ifcnn_sum", preset), sources, rows=16, strategy=strategy, atol=1e-6)


def test_ifcnn_with_three_sources_and_a_maximum():
    compare(model("ifcnn_max"), scene(21, 17, channels=3, count=3), rows=14, atol=1e-6)


def test_piafusion_whose_means_are_global():
    # Wide enough for the form that its layers take on large pictures.
    compare(model("piafusion", "self"), scene(31, 137), rows=30, atol=1e-6)


def test_cddfuse_whose_attention_is_global():
    compare(model("cddfuse_ivf", "self"), scene(37, 13), rows=24, atol=1e-5)


def test_the_halo_is_as_wide_as_it_must_be_and_no_wider():
    sources = scene(30, 9, channels=3)
    own = model("ifcnn_sum")
    whole = np.asarray(jax.jit(ttd_jax.dynamic_fuse)(own, sources).image)
    fuser = WindowFuser(own, options_of(sources, own.settings, save=("fused",)))
    np.testing.assert_allclose(kept(fuser, sources, 14)[0]["fused"], whole, atol=1e-6)
    works = fuser._fuser._works
    (key,) = (key for key, work in works.items() if isinstance(work, Work))
    works[key] = Work(works[key].function, works[key].halo - 1)
    assert np.abs(kept(fuser, sources, 14)[0]["fused"] - whole).max() > 1e-5


def test_shares_and_means_are_those_of_the_maps():
    sources = scene(21, 17, channels=3)
    sources[1, :10] = sources[0, :10]  # ties
    own = model("ifcnn_sum", "self")
    options = options_of(sources, own.settings, save=("dominability",))
    maps, shares = kept(WindowFuser(own, options), sources, 14)
    rd = maps["dominability"][..., 0]
    np.testing.assert_allclose(shares["mean_dominability"], rd.mean((1, 2)), atol=1e-6)
    leads = (rd == rd.max(0)) / (rd == rd.max(0)).sum(0)
    np.testing.assert_allclose(shares["dominates"], leads.mean((1, 2)), atol=1e-6)
    assert shares["dominates"].min() > 0.2


def test_color_is_put_back():
    """Pictures in integers, of which one has color, into integers."""
    name, strategy = "ifcnn_sum", "static"
    rng = np.random.default_rng(0)
    pictures = [np.uint8(255 * rng.random((30, 12, c))) for c in (3, 1)]
    own, channels = model(name, "fused"), lookup(name).channels
    options = SceneOptions(
        settings=own.strategy(strategy), mode="luma", channels=channels, save=("fused",)
    )
    maps, _ = kept(WindowFuser(own, options), pictures, 22, np.uint8)
    whole = color.fuse_in_color(
        jax.jit(functools.partial(FUSE[strategy], own)),
        [np.float32(p) / np.float32(255) for p in pictures],
        mode="luma",
        channels=channels,
    )
    assert maps["fused"].shape == (30, 12, 3)
    np.testing.assert_allclose(maps["fused"], 255 * whole.image, atol=0.505)


# Plans ----------------------------------------------------------------------------------------


def test_more_memory_gives_higher_strips_until_the_picture_is_one():
    fuser = WindowFuser(
        model("ifcnn_sum"),
        SceneOptions(settings=model("ifcnn_sum").settings, mode="rgb", channels=3, save=("fused",)),
    )
    shapes = [(300, 16, 3)] * 2
    plans = []
    for extra in (4, 8, 1000):
        memory = overhead(1) + extra * 2**20
        plans.append(fuser.plan(shapes, memory=memory))
        assert plans[-1].memory <= memory
    rows = [plan.rows for plan in plans]
    assert rows[0] < rows[1] < rows[2] == 300
    assert plans[2].windows == 1
    beside = fuser.plan(shapes, memory=overhead(1) + 8 * 2**20, beside=4 * 2**20)
    assert beside.rows == rows[0]


def test_too_little_memory_is_refused_with_what_would_do():
    fuser = WindowFuser(
        model("ifcnn_sum"),
        SceneOptions(settings=model("ifcnn_sum").settings, mode="rgb", channels=3, save=("fused",)),
    )
    shapes = [(300, 16, 3)] * 2
    with pytest.raises(UserError, match=r"16x300 take at least .*--max_memory=") as refused:
        fuser.plan(shapes, memory=2**20)
    least = parse_size(str(refused.value).split("--max_memory=")[1].split()[0])
    assert fuser.plan(shapes, memory=least).windows > 1
    with pytest.raises(UserError):
        fuser.plan(shapes, memory=least - 2 * 2**20)


def test_cddfuse_keeps_one_array_a_source_and_one_more():
    options = SceneOptions(
        settings=model("cddfuse_ivf").settings, mode="gray", channels=1, save=("fused",)
    )
    fuser = WindowFuser(model("cddfuse_ivf"), options)
    held, again = (fuser._rehearse([(64, 32, 1)] * 2, 44).held for _ in range(2))
    assert held == again  # nothing outlives what reads it
    features = 64 * 32 * 64 * 4
    assert 3 * features < held < 3.4 * features
    assert fuser.program_count == 0  # a rehearsal compiles nothing


def test_a_network_of_unknown_reach_is_refused():
    class Other(IFCNN):
        pass

    own = model("ifcnn_sum")
    stranger = Model(variables=own.variables, module=Other(folded=True))
    with pytest.raises(UserError, match="Other cannot be cut"):
        fuse_in_windows(stranger, scene(21, 17, channels=3), own.settings, 16)


# Devices --------------------------------------------------------------------------------------

_SHARED = """
import jax, numpy as np
from tests.parts.test_fuse_in_windows import model, scene
from tests.parts.in_windows import fuse_in_windows

sources = scene(40, 9, channels=3)
own = model("ifcnn_sum")
one = fuse_in_windows(own, sources, own.settings, 16)
three = fuse_in_windows(own, sources, own.settings, 16, jax.devices())
assert len(jax.devices()) == 3
for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(three), strict=True):
    np.testing.assert_array_equal(a, b)
"""


def test_several_devices_share_the_strips():
    environment = {**os.environ, "JAX_NUM_CPU_DEVICES": "3", "JAX_PLATFORMS": "cpu"}
    result = subprocess.run(
        [sys.executable, "-c", _SHARED],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr
