"""Whether what windows rely on is true: tried on a small random picture before anything is cut."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ttd_jax.core import fusion
from ttd_jax.core.dominability import LOSS_MAPS, DominabilitySettings, loss_maps
from ttd_jax.core.fusion import BoundNetwork
from ttd_jax.errors import UserError
from ttd_jax.parts.local import LocalFuser
from ttd_jax.parts.maps import SceneOptions, empty_maps
from ttd_jax.parts.sweeps import Programs, Sweeper

_TOLERANCE = 1e-3  # of what a picture spans: rounding is a hundredth of it, and less
_STEP = 7  # windows begin at multiples of it, which are hardly ever those of a network's strides
_WIDTH = 24  # of the pictures that are tried: windows are as wide as they are
_tried = set()


def check_reach(
    model: BoundNetwork, options: SceneOptions, *, features: int, picture: int, align: int
) -> None:
    """Compares a fusion in windows with the whole one, once for every network and its settings.

    Args:
      model: the network.
      options: how it fuses.
      features: see `LocalFuser`.
      picture: see there.
      align: see there.

    Raises:
      UserError: they differ by more than rounding.
    """
    if _key(model, options.settings) in _tried:
        return
    exact, spec = _exact(model), model.spec
    small = SceneOptions(
        settings=options.settings,
        mode="rgb" if spec.channels == 3 else "gray",
        channels=spec.channels,
        save=("fused", "components", "losses"),
    )
    fuser = LocalFuser(exact, small, features, picture, align)
    step = _STEP * align
    kept = max(step, spec.min_size - 2 * fuser.halo)
    window = 2 * fuser.halo + -(-kept // step) * step
    side = window + step + 3 * align
    size = side, max(_WIDTH, spec.min_size)
    noise = np.random.default_rng(0)
    sources = noise.random((spec.source_count or 2, *size, spec.channels), np.float32)
    off = _farthest(*(_fused(fuser, small, sources, rows) for rows in (side, window)))
    if off:
        raise UserError(
            f"{spec.name} sees further than its spec's reach says (features={features}, "
            f"picture={picture}, align={align}): in windows its {off}: "
            "raise the reach, make align the product of the strides, or leave the reach out "
            "where a pixel depends on the whole picture"
        )
    _tried.add(_key(model, options.settings))


def check_part(model: BoundNetwork, settings: DominabilitySettings | None) -> None:
    """Compares a fusion in larger arrays with the one alone, once for every network and settings.

    Args:
      model: a network whose methods take a part.
      settings: how it fuses; None for the static fusion.

    Raises:
      UserError: they differ by more than rounding.
    """
    if _key(model, settings) in _tried:
        return
    exact = _exact(model)
    count, height, width, channels = model.spec.input_shape
    sides = height + _STEP, width + 2 * _STEP
    arrays = np.random.default_rng(0).random((count, *sides, channels), np.float32)

    def maps(arrays, **extent):
        found = fusion.fuse(exact, arrays, settings, **extent)
        own = {name: getattr(found, name)[:, :height, :width] for name in ("components", "losses")}
        return {"image": found.image[:height, :width], **own}

    whole, parts = maps(arrays[:, :height, :width]), maps(arrays, extent=(height, width))
    off = _farthest(whole, parts)
    if off:
        raise UserError(
            f"{model.spec.name} looks beyond a picture in larger arrays: there its {off}: "
            "look around pixels, and at all of them, by what the part offers only, "
            "see ttd_jax.parts, or let its methods take none"
        )
    _tried.add(_key(model, settings))


def _key(model, settings):
    """What has to be tried once."""
    return model.module, model.spec, settings, settings and LOSS_MAPS[settings.loss]


def _exact(model):
    """The same without rounding of its products to fewer bits."""
    return model.replace(module=model.module.clone(precision=lax.Precision.HIGHEST))


def _farthest(whole, parts):
    """Which of the maps differs most, and by how much of what it spans; None for rounding alone."""
    offs = {}
    for name, expected in whole.items():
        if not np.isfinite(expected).all():
            return None  # that is another mistake, and told where it is seen
        spread = max(float(np.ptp(expected)), 1e-6)
        offs[name] = float(np.max(np.abs(parts[name] - expected))) / spread
    name, off = max(offs.items(), key=lambda item: np.nan_to_num(item[1], nan=np.inf))
    return None if off <= _TOLERANCE else f"{name} is off by {off:.1%}"


def _fused(fuser, options, sources, rows):
    maps = empty_maps(options, len(sources), sources.shape[1:3], np.float32)
    sweeper = Sweeper(Programs(), rows=rows, devices=jax.local_devices()[:1])
    fuser(sweeper, list(sources), maps)
    return maps


def check_pixelwise(loss: str, shape: Sequence[int]) -> None:
    """Compares a loss map of a part of a picture with that of the whole, and looks what it reads.

    Args:
      loss: a key of `LOSS_MAPS`.
      shape: M and C of the scenes to come.

    Raises:
      UserError: a pixel's loss depends on other pixels, or on what the loss map says not to read.
    """
    count, channels = shape
    noise = np.random.default_rng(0)
    draw = lambda *lead: jnp.asarray(noise.random((*lead, 11, 13, channels), np.float32))  # noqa: E731
    given = {"components": draw(count), "sources": draw(count), "static": draw()}
    other = {"components": draw(count), "static": draw()}
    whole = loss_maps(**given, loss=loss, norm="l1")
    part = {name: array[..., 3:8, 4:8, :] for name, array in given.items()}
    if not _close(whole[:, 3:8, 4:8], loss_maps(**part, loss=loss, norm="l1")):
        raise UserError(
            f"loss map {loss!r} makes a pixel depend on other pixels: pictures cannot be fused in "
            "windows with it: allow more memory, or choose another loss map"
        )
    for name in other.keys() - LOSS_MAPS[loss].reads:
        if not _close(whole, loss_maps(**given | {name: other[name]}, loss=loss, norm="l1")):
            raise UserError(
                f"loss map {loss!r} looks at {name}, which its reads={set(LOSS_MAPS[loss].reads)} "
                "leaves out: mend it"
            )


def _close(one, other):
    return np.allclose(one, other, rtol=_TOLERANCE, atol=1e-6, equal_nan=True)
