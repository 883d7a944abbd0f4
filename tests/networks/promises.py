"""What TTD promises of a network that adds or averages features, and the ways to compute it."""

import jax
import jax.numpy as jnp
import numpy as np

import ttd_jax
from tests.compilation import quick_jit
from tests.parts.in_windows import fuse_in_windows
from ttd_jax.parts import tiles

MAPS = ("image", "components", "losses", "dominability")


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


def check_ways(model, sizes, monkeypatch, *, rows, atol=2e-6):
    """Whole, in the tiles of larger arrays and in windows, pictures of two sizes are the same."""
    scenes = [
        scene(*size, channels=model.spec.channels, seed=seed) for seed, size in enumerate(sizes)
    ]
    whole = [quick_jit(ttd_jax.dynamic_fuse)(model, sources) for sources in scenes]
    windows = fuse_in_windows(model, scenes[0], model.settings, rows=rows)
    arrays = np.full((2, 2, *np.max(sizes, axis=0) + 5, model.spec.channels), 0.7, np.float32)
    for array, sources, (height, width) in zip(arrays, scenes, sizes, strict=True):
        array[:, :height, :width] = sources
    monkeypatch.setattr(tiles, "SIZE", (8, 8))
    jax.clear_caches()
    try:
        fuse = quick_jit(lambda *args, extent: ttd_jax.dynamic_fuse(*args, extent=extent))
        larger = [
            fuse(model, array, extent=jnp.array(size))
            for array, size in zip(arrays, sizes, strict=True)
        ]
    finally:
        jax.clear_caches()
    for name in MAPS:
        np.testing.assert_allclose(
            getattr(windows, name), getattr(whole[0], name), atol=atol, err_msg=f"windows: {name}"
        )
        for found, expected, (height, width) in zip(larger, whole, sizes, strict=True):
            own = getattr(found, name)
            own = own[:height, :width] if name == "image" else own[:, :height, :width]
            np.testing.assert_allclose(
                own, getattr(expected, name), atol=atol, err_msg=f"larger: {name}"
            )
