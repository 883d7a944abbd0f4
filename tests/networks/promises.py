"""What TTD promises of a network that adds or averages features, and the ways to compute it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

import ttd_jax
from tests.parts.in_windows import fuse_in_windows
from ttd_jax.parts import tiles

MAPS = ("image", "components", "losses", "dominability")

# What runs once or twice, on few pixels: optimizing its code would cost more than it saves.
quick_jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def scene(*size, channels=1, count=2, seed=0):
    """Sources f32[M, H, W, C]: blocks of 4x4 pixels under fine noise."""
    rng = np.random.default_rng(seed)
    coarse = rng.random((count, *(-(-side // 4) for side in size), channels))
    blocks = coarse.repeat(4, axis=1).repeat(4, axis=2)[:, : size[0], : size[1]]
    return np.float32(0.8 * blocks + 0.2 * rng.random(blocks.shape))


@quick_jit
def _everything(model, scenes):
    """Scenes as a batch, the first one alone, with equal losses, static; a slope in its sources."""

    def brightness(sources):
        return jnp.mean(ttd_jax.dynamic_fuse(model, sources).image)

    sources = scenes[0]
    equal = jnp.full(sources.shape[:3], 0.3)
    return {
        "batch": jax.vmap(lambda each: ttd_jax.dynamic_fuse(model, each))(scenes),
        "one": ttd_jax.dynamic_fuse(model, sources),
        "equal": ttd_jax.dynamic_fuse(model, sources, losses=equal).image,
        "static": ttd_jax.static_fuse(model, sources).image,
        "slope": jax.grad(brightness)(sources),
    }


def check_promises(model, *, atol=1e-6):
    """RD, equal losses, derivatives and batches."""
    scenes = [scene(9, 12, channels=model.spec.channels, seed=seed) for seed in (0, 1)]
    found = _everything(model, np.stack(scenes))
    one, rd = found["one"], found["one"].dominability
    np.testing.assert_allclose(rd.sum(axis=0), 1, atol=1e-6)
    assert np.ptp(rd) > 0.01
    np.testing.assert_allclose(found["equal"], found["static"], atol=atol)
    assert np.abs(one.image - found["static"]).max() > 1e-3
    for name in MAPS:
        np.testing.assert_allclose(getattr(found["batch"], name)[0], getattr(one, name), atol=atol)
    assert np.isfinite(found["slope"]).all()
    assert (np.abs(found["slope"]).max(axis=(1, 2, 3)) > 0).all()


def check_ways(model, sources, monkeypatch, *, rows, atol=2e-6):
    """Whole, in tiles, in larger arrays (in tiles, too) and in windows, pictures are the same."""
    count, *size, channels = sources.shape
    whole = quick_jit(ttd_jax.dynamic_fuse)(model, sources)
    windows = fuse_in_windows(model, sources, model.settings, rows=rows)
    larger = np.full((count, *(side + 7 for side in size), channels), 0.7, np.float32)
    larger[:, : size[0], : size[1]] = sources
    monkeypatch.setattr(tiles, "SIZE", (8, 8))
    jax.clear_caches()
    try:
        fuse = quick_jit(lambda *args, extent: ttd_jax.dynamic_fuse(*args, extent=extent))
        tiled = fuse(model, sources, extent=None)
        around = fuse(model, larger, extent=jnp.array(size))
    finally:
        jax.clear_caches()
    for name in MAPS:
        expected, beside = getattr(whole, name), getattr(around, name)
        own = (slice(size[0]), slice(size[1]))
        inner = beside[own] if name == "image" else beside[:, *own]
        for way, found in (("tiles", getattr(tiled, name)), ("larger", inner)):
            np.testing.assert_allclose(found, expected, atol=atol, err_msg=f"{way}: {name}")
        np.testing.assert_allclose(
            getattr(windows, name), expected, atol=atol, err_msg=f"windows: {name}"
        )
