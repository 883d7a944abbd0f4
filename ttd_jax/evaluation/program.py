"""What a device computes: fusions of a scene by several strategies, and their scores."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ttd_jax import metrics
from ttd_jax.core.dominability import DominabilitySettings
from ttd_jax.core.quantization import quantize
from ttd_jax.networks import Model, fuse_pictures


def score_scene(
    model: Model,
    pictures: Sequence[jax.Array],
    planes: jax.Array,
    extent: jax.Array | None = None,
    has_data: jax.Array | None = None,
    *,
    strategies: Mapping[str, DominabilitySettings | None],
    mode: str,
    how: str,
    protocol: str,
    names: Sequence[str],
) -> tuple[jax.Array, jax.Array]:
    """Scores one scene.

    Args:
      model: the network.
      pictures: M arrays f32[H, W, 1 or 3] in [0, 1].
      planes: of the sources, for the metrics; see `metrics.source_planes`.
      extent: i32[2], see `ttd_jax.dynamic_fuse`.
      has_data: bool[M, H, W], see there; judged are the pixels where all sources have data.
      strategies: name -> RD settings, None for the static fusion.
      mode: of `fuse_in_color`.
      how: 'round' or 'truncate', to 8 bits before scoring, as a saved picture would be.
      protocol: of the metrics.
      names: of the metrics.

    Returns:
      f32[strategies, metrics], and the sums of the fused pictures and losses, f32[strategies],
      which are no numbers where a pixel is none: as an integer it would be black. All strategies
      share one pass of the encoder.
    """
    rows, sums = [], []
    mask = None if has_data is None else jnp.all(has_data, axis=0)
    where = {"extent": extent, "has_data": has_data}
    for settings in strategies.values():
        fusion = fuse_pictures(model, pictures, settings, mode=mode, **where)
        judged = metrics.fused_planes(quantize(fusion.image, how=how), protocol=protocol)
        options = {"protocol": protocol, "names": names, "extent": extent, "mask": mask}
        scores = metrics.evaluate(judged, planes, **options)
        rows.append(jnp.stack([scores[name] for name in names]))
        losses = 0.0 if settings is None else jnp.sum(fusion.losses)
        sums.append(jnp.sum(fusion.image) + losses)
    return jnp.stack(rows), jnp.stack(sums)


def batch_program(
    *, resolve_mode: Callable[[tuple[bool, ...]], str], **options: Any
) -> Callable[..., tuple[jax.Array, jax.Array]]:
    """What one device computes.

    Args:
      resolve_mode: which sources have color -> the `mode` of `score_scene`.
      **options: its other static options.

    Returns:
      Function `(model, pictures, planes, extents, masks) -> (scores, sums)` of arrays with the
      leading axis [batch]; see `score_scene`.
    """

    def one_device(model, pictures, planes, extents, masks):
        mode = resolve_mode(tuple(picture.shape[-1] == 3 for picture in pictures))
        one = functools.partial(score_scene, mode=mode, **options)
        over_scenes = jax.vmap(one, in_axes=(None, 0, 0, 0, 0))
        return over_scenes(model, pictures, planes, extents, masks)

    return one_device


def device_program(
    devices: Sequence[jax.Device], **options: Any
) -> Callable[..., tuple[jax.Array, jax.Array]]:
    """The program of all local devices, compiled once per shape.

    Args:
      devices: the local devices to use.
      **options: of `batch_program`.

    Returns:
      `(model, (pictures, planes, extents, masks)) -> (scores, sums)`, of arrays with the leading
      axes [device, batch].
    """
    program = batch_program(**options)
    # Two arguments, since pmap mistakes `in_axes` for one axis a leaf where there are as many
    # leaves as arguments: here there are more.
    return jax.pmap(
        lambda model, scenes: program(model, *scenes), in_axes=(None, 0), devices=devices
    )
