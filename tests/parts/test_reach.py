"""What windows rely on: how far a network sees, where its steps lie, and pixelwise loss maps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import ttd_jax
from tests import small_networks as small
from tests.parts.in_windows import fuse_in_windows
from ttd_jax.core.dominability import DominabilitySettings
from ttd_jax.errors import UserError
from ttd_jax.networks import takes_extents
from ttd_jax.parts.part import WHOLE
from ttd_jax.parts.windows import cut, fit


def scene(*size):
    return np.random.default_rng(0).random((2, *size, 1), np.float32)


def fused(model, size, rows, settings=small.SETTINGS):
    return fuse_in_windows(model, scene(*size), settings, rows)


@pytest.mark.parametrize("size", [(40, 33), (41, 36)])  # multiples of the step, and not
@pytest.mark.parametrize("rows", [20, 17])
def test_a_network_with_steps_is_cut_at_its_steps(size, rows):
    model = small.bound(small.STRIDED)
    whole = jax.jit(ttd_jax.dynamic_fuse)(model, scene(*size))
    parts = fused(model, size, rows)
    for name in ("image", "dominability", "losses"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), atol=1e-6)


@pytest.mark.parametrize("align", [2, 3, 8])
@pytest.mark.parametrize("height", [40, 41, 47])
def test_aligned_windows_begin_at_multiples_and_cover_a_picture_once(align, height):
    halo, rows = 3, fit(height, 21, align)
    assert 21 - align < rows <= 21
    assert rows % align == height % align
    windows = cut(height, 21, halo, align)
    assert [row for w in windows for row in range(w.first, w.last)] == list(range(height))
    for window in windows:
        assert window.start % align == 0
        assert window.start <= max(window.first - halo, 0)
        assert min(window.last + halo, height) <= window.start + rows <= height


def test_a_window_that_keeps_less_than_a_step_is_refused():
    with pytest.raises(ValueError, match="keeps none"):
        cut(40, 8, 3, 4)


class Leveled(small.Local):
    """Its pictures have no mean."""

    def merge(self, features, weights):
        latent = super().merge(features, weights)
        return latent - latent.mean(axis=(0, 1))


@pytest.mark.parametrize(
    ("build", "reach"),
    [
        (small.Local, ttd_jax.Reach(0, 1)),
        (small.Local, ttd_jax.Reach(1, 0)),
        (small.Strided, ttd_jax.Reach(3, 1)),  # it sees no further, but from where it stands
        (small.Strided, ttd_jax.Reach(3, 1, align=3)),
        (Leveled, ttd_jax.Reach(1, 1)),
    ],
)
def test_a_reach_that_is_wrong_is_refused_before_a_picture_is_cut(build, reach):
    model = small.bound(build=build, reach=reach)
    with pytest.raises(UserError, match="small_local sees further than its spec's reach says"):
        fused(model, (40, 33), 30)


class Parted(small.Local):
    """The same network, whose methods take a part."""

    def encode(self, x, part=WHOLE):
        return part.run(self.features, x, margin=1)

    def merge(self, features, weights, part=WHOLE):
        return part.map(super().merge, features, weights)

    def decode(self, latent, x, part=WHOLE):
        return part.run(self.picture, latent, margin=1)

    def features(self, x, part):
        return nn.relu(self.encoder(part.pad(x)))

    def picture(self, x, part):
        return nn.sigmoid(4 * self.decoder(part.pad(x)))

    def setup(self):
        layer = {"padding": "VALID", "precision": self.precision}
        self.encoder, self.decoder = nn.Conv(4, (3, 3), **layer), nn.Conv(1, (3, 3), **layer)


class Unheeding(Parted):
    """Its border is where the array ends, not the picture."""

    def features(self, x, part):
        return nn.relu(self.encoder(WHOLE.pad(x)))


@pytest.mark.parametrize("use", ["windows", "larger arrays"])
def test_a_part_that_is_not_heeded_is_refused(use):
    def run(build):
        model = small.bound(build=build, reach=None)
        if use == "windows":
            return fused(model, (40, 33), 30)
        return takes_extents(model, [small.SETTINGS, None])

    assert run(Parted)
    with pytest.raises(UserError, match="small_local looks beyond a picture in larger arrays"):
        run(Unheeding)


def test_a_network_without_a_reach_is_named():
    with pytest.raises(UserError, match="small_local cannot be cut in windows"):
        fused(small.bound(reach=None), (40, 33), 20)


def test_a_reach_is_tried_once():
    model = small.bound()
    fused(model, (40, 33), 20)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ttd_jax.parts.reach._fused", None)  # it would be called
        fused(model, (40, 33), 20)


@pytest.mark.parametrize("fields", [(-3, 2), (1.5, 2), ("1", 2), (1, None), (1, 1, 0), (True, 1)])
def test_a_reach_is_in_whole_pixels(fields):
    with pytest.raises(UserError, match=r"reach: .* must be a whole number"):
        ttd_jax.Reach(*fields)


@pytest.mark.parametrize(
    ("name", "function", "reads", "message"),
    [
        ("mean", lambda c, s, static: c - s.mean(axis=(1, 2), keepdims=True), None, "other pixels"),
        ("rolled", lambda c, s, static: c - jnp.roll(s, 1, axis=1), None, "other pixels"),
        ("liar", lambda c, s, static: c - static, ("components",), "looks at static"),
    ],
)
def test_windows_refuse_loss_maps_that_are_no_functions_of_a_pixel(name, function, reads, message):
    with small.registered():
        ttd_jax.register_loss(f"not_local_{name}", function, **({"reads": reads} if reads else {}))
        settings = DominabilitySettings(loss=f"not_local_{name}")
        with pytest.raises(UserError, match=f"loss map 'not_local_{name}'.*{message}"):
            fused(small.bound(), (40, 33), 20, settings)


def test_windows_take_a_loss_map_of_another_package():
    with small.registered():
        ttd_jax.register_loss("local_mean", lambda c, s, static: c - s.mean(axis=0))
        settings = DominabilitySettings(loss="local_mean", temperature=5.0)
        model = small.bound()
        whole = jax.jit(ttd_jax.dynamic_fuse)(model, scene(40, 33), settings)
        parts = fused(model, (40, 33), 20, settings)
        np.testing.assert_allclose(parts.image, whole.image, atol=1e-6)
