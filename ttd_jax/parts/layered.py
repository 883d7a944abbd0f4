"""Networks that work in parts, on scenes of the host: see `ttd_jax.parts.deferred`."""

import functools
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax.core import FrozenDict

from ttd_jax.core import color, filling, fusion
from ttd_jax.core.dominability import LOSS_MAPS, mask_dominability, weigh_losses
from ttd_jax.parts.deferred import HostPart
from ttd_jax.parts.maps import SceneOptions, as_mask, mix_in, parts_and_sums
from ttd_jax.parts.sweeps import Sweeper


class LayeredFuser:
    """Fuses scenes in windows with a network whose methods take a `part`.

    The order of `ttd_jax.core.fusion.dynamic_fuse`, for pictures that are computed when they are
    needed: one source after the other where none depends on the others, and none for nothing.

    Args:
      model: the network, a `ttd_jax.networks.Model`.
      options: how it fuses and what is kept.
    """

    def __init__(self, model: fusion.BoundNetwork, options: SceneOptions):
        self._model, self._options = model, options
        self._bare = model.replace(variables=FrozenDict())  # what programs depend on
        self._works = {}

    def __call__(
        self,
        sweeper: Sweeper,
        pictures: Sequence[np.ndarray],
        targets: Mapping[str, np.ndarray],
        has_data: np.ndarray | None = None,
        carried: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> dict:
        """Fuses one scene; see `ttd_jax.parts.local.LocalFuser.__call__`."""
        options, settings, count = self._options, self._model.settings, len(pictures)
        settings = options.settings or settings
        reads = LOSS_MAPS[settings.loss].reads
        wants_losses = options.dynamic or "losses" in options.save
        wants_components = "components" in options.save or (wants_losses and "components" in reads)
        wants_copies = wants_losses and "copies" in reads
        wants_static = not options.dynamic or (wants_losses and "static" in reads)

        part = HostPart(sweeper, pictures[0].shape[:2], self._works)
        call = functools.partial(self._call, part)
        held = [part.hold(picture) for picture in pictures]
        mask = None if has_data is None else part.hold(has_data)
        view = functools.partial(_view, self._bare, options)
        x = part.map(view, mask, *held, margin=0 if mask is None else filling.REACH)
        alone = [x]
        if not self._model.coupled:
            alone = [part.map(_source, x, index) for index in range(count)]
        features = [call("encode", one) for one in alone]
        components = copies = static = losses = rd = None

        def decode_alone(**options):
            pairs = zip(alone, features, strict=True)
            found = [part.settle(call("solo", one, own, **options)) for one, own in pairs]
            return part.map(_together, *found)

        if wants_components:
            components = decode_alone()
        if wants_copies:
            copies = decode_alone(copies=count)
        features = jax.tree.map(lambda *leaves: part.map(_together, *leaves), *features)
        if wants_static:
            static = part.settle(call("decode", call("merge", features, part.map(_ones, x)), x))
        if wants_losses:
            measure = functools.partial(_measure, self._bare, settings)
            losses = part.map(measure, x, components, copies, static)
        if carried is not None:
            mix = functools.partial(mix_in, options.smooth)
            losses = part.map(mix, losses, *map(part.hold, carried))
        raw = static
        if options.dynamic:
            rd = part.map(functools.partial(_dominability, settings), losses, mask)
            weights = part.map(functools.partial(_weights, settings), losses, mask)
            raw = call("decode", call("merge", features, weights), x)
        image = call(self._model.last_step, raw)
        paint = functools.partial(_paint, self._bare, options)
        return part.write(paint, image, components, rd, losses, mask, *held, targets=targets)

    def _call(self, part, method, *args, **options):
        """A method of the network; in bfloat16 as `ttd_jax.networks.Model` does it."""
        module, variables = self._model.module, self._model.variables
        half = module.precision == "bfloat16" and method != self._model.last_step
        if half:
            variables = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.bfloat16), variables)
            args = jax.tree.map(lambda leaf: part.map(_as_half, leaf), args)
        found = module.apply(variables, *args, part=part, method=method, **options)
        return jax.tree.map(lambda leaf: part.map(_as_float, leaf), found) if half else found


def _as_half(x):
    return x.astype(jnp.bfloat16)


def _as_float(x):
    return x.astype(jnp.float32)


def _view(model, options, has_data, *pictures):
    """What the network is given."""
    sources = color.network_sources(pictures, mode=options.mode, channels=options.channels)
    return model.prepare(filling.fill_in(sources, as_mask(has_data)))


def _source(x, index):
    # Data, so that all sources share a program.
    return jax.lax.dynamic_slice_in_dim(x, index, 1)


def _together(*pictures):
    return jnp.concatenate(pictures)


def _ones(x):
    return jnp.ones(x.shape[:-1], x.dtype)


def _measure(model, settings, x, components, copies, static):
    """Losses, f32[M, H, W]; what they do not read is None."""
    components = jnp.zeros_like(x) if components is None else components
    static = jnp.zeros_like(x[0]) if static is None else static
    parts = fusion.Decomposition(x, None, components, static, copies)
    return fusion.measure_losses(model, model.restore(x), parts, settings)


def _dominability(settings, losses, has_data):
    return weigh_losses(losses, settings, as_mask(has_data))[0]


def _weights(settings, losses, has_data):
    return weigh_losses(losses, settings, as_mask(has_data))[1]


def _paint(model, options, image, components, rd, losses, has_data, *pictures, part):
    """The finished picture in its colors, and what is kept beside it."""
    count = len(pictures)
    zeros = jnp.zeros((count, *image.shape), image.dtype)
    has_data = as_mask(has_data)
    rd = mask_dominability(zeros[..., 0] + 1 / count, has_data) if rd is None else rd
    losses = zeros[..., 0] if losses is None else losses
    components = zeros if components is None else model.restore(components)
    fused = fusion.Fusion(image=image, dominability=rd, components=components, losses=losses)
    fused = color.fuse_in_color(
        lambda sources: fused,
        pictures,
        mode=options.mode,
        channels=options.channels,
        has_data=has_data,
    )
    return parts_and_sums(fused, part, options)
