"""Fuses the frames of a sequence, each with losses that carry on those of the frame before."""

import dataclasses
import functools
import time
from collections.abc import Mapping, Sequence
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np

from ttd_jax.core.color import rgb_to_luma
from ttd_jax.core.dominability import DominabilitySettings
from ttd_jax.core.quantization import as_float
from ttd_jax.core.steadiness import carry, steady_losses
from ttd_jax.fusing.compute import BatchFuser, batch_of_one, fuse_scene, saved_maps, stack_scenes
from ttd_jax.metrics.temporal import flicker
from ttd_jax.networks import Model
from ttd_jax.pictures.batches import Batch, stack
from ttd_jax.pictures.images import Picture
from ttd_jax.pictures.motion import Motion

CARRIED = ("losses", "dominability", "luma")  # of a frame, for the next one


class SteadyFuser(BatchFuser):
    """Fuses batches of frames that follow each other; see `BatchFuser`.

    Args:
      model: the network.
      settings: how losses become weights.
      smooth: how much of the losses before stays; see `steady_losses`.
      color: one of `ttd_jax.fusing.options.FUSE_COLORS` but 'authors'.
      save: which of `ttd_jax.fusing.options.SAVES` are kept.
      memory: bytes that fusing may take.
    """

    def __init__(
        self,
        model: Model,
        settings: DominabilitySettings,
        *,
        smooth: float,
        color: str,
        save: Sequence[str],
        memory: int,
    ):
        super().__init__(model, settings, color=color, save=save, memory=memory)
        self._smooth = smooth

    def fuse(
        self,
        batch: Batch,
        frames: Mapping[int, tuple[str, Sequence[Picture]]],
        motions: Mapping[int, Motion],
        carried: Mapping[str, chex.Array] | None,
    ) -> tuple[list[dict[str, Any]], dict[str, chex.Array]]:
        """Fuses frames that follow each other.

        Args:
          batch: of the frames; they have the sizes of its arrays.
          frames: slot, from 0 on -> what to call the frame, and its M `Picture`s.
          motions: slot -> the motion against the frame before, whose mask is empty for the first.
          carried: what this gave for the frames before; None for the first.

        Returns:
          What `BatchFuser` gives of each frame, with its `flicker`, a dict of mean changes along
          the motion: `dominability` and `luma`; and what the frames after need.

        Raises:
          UserError: see `BatchFuser`.
        """
        if carried is None:
            shapes = _carried_shapes(batch)
            carried = {name: np.zeros(own.shape, own.dtype) for name, own in shapes.items()}
        start = time.perf_counter()
        program = self._whole(batch)
        self.compile_seconds += time.perf_counter() - start
        if program is None:
            return self._fuse_each(batch, frames, motions, carried)
        moved = stack(batch.capacity, {slot: (m.flow, m.mask) for slot, m in motions.items()})
        beside = carried, *moved, np.float32(self._smooth)
        found = program(*jax.tree.leaves((self._model, *stack_scenes(batch, frames), *beside)))
        carried = found.pop("carried")
        flicker = {name: np.asarray(own) for name, own in found.pop("flicker").items()}
        results = [
            result | {"flicker": {name: own[slot] for name, own in flicker.items()}}
            for slot, result in self._each(batch, frames, found)
        ]
        return results, carried

    def _fuse_each(self, batch, frames, motions, carried):
        """The same of frames that do not fit in memory, one after the other."""
        results = []
        for slot, (name, pictures) in frames.items():
            flow, mask = motions[slot].flow, motions[slot].mask
            before = np.asarray(_carry(carried["losses"], flow)), mask
            result = self._fuse_in_windows(batch, name, pictures, carried=before)
            now = {one: result[one] for one in CARRIED[:2]}
            now["luma"] = np.asarray(_luma(as_float(result["fused"])))
            flicker = {
                one: _flicker_of_one(carried[one], now[one], flow, mask) for one in CARRIED[1:]
            }
            for one in {"fused", *CARRIED[:2]}.difference(saved_maps(self._save)):
                del result[one]
            results.append(result | {"flicker": flicker})
            carried = now
        return results, carried

    def _scene_options(self, batch):
        options = super()._scene_options(batch)
        save = tuple(dict.fromkeys((*options.save, "fused", *CARRIED[:2])))
        return dataclasses.replace(options, save=save, smooth=self._smooth)

    def _batched(self, batch):
        mode = self._mode(batch)
        function = functools.partial(
            fuse_frames, settings=self._settings, mode=mode, save=self._save
        )
        shapes = _carried_shapes(batch)
        count, (height, width) = batch.capacity, batch.size
        beside = (
            shapes,
            jax.ShapeDtypeStruct((count, height, width, 2), jnp.float32),
            jax.ShapeDtypeStruct((count, height, width), jnp.bool_),
            jax.ShapeDtypeStruct((), jnp.float32),
        )
        return function, beside, f"steady {self._settings} {mode} {self._save}"


def _carried_shapes(batch):
    maps = jax.ShapeDtypeStruct((len(batch.colored), *batch.size), jnp.float32)
    luma = jax.ShapeDtypeStruct(batch.size, jnp.float32)
    return dict(zip(CARRIED, (maps, maps, luma), strict=True))


def fuse_frames(
    model: Model,
    pictures: Sequence[chex.Array],
    extents: None,
    has_data: chex.Array | None,
    carried: Mapping[str, chex.Array],
    flows: chex.Array,
    masks: chex.Array,
    smooth: chex.Numeric,
    *,
    settings: DominabilitySettings,
    mode: str,
    save: Sequence[str],
) -> dict[str, Any]:
    """T frames in one program: all their losses are measured at once, then carried along.

    Args:
      model: the network.
      pictures: of each of M sources f32[T, H, W, 1 or 3] in [0, 1].
      extents: None: frames have the size of their arrays.
      has_data: bool[T, M, H, W]; None where all have data everywhere.
      carried: of the frame before: `losses` and `dominability` f32[M, H, W], `luma` f32[H, W].
      flows: f32[T, H, W, 2]; see `ttd_jax.core.steadiness`.
      masks: bool[T, H, W], where they are reliable.
      smooth: see `steady_losses`.
      settings: how losses become weights.
      mode: see `ttd_jax.core.color.fuse_in_color`.
      save: what is kept; see `fuse_scene`.

    Returns:
      What `fuse_scene` gives of each frame; `flicker`, of `dominability` and `luma` f32[T], NaN
      where nothing is known of the motion; and `carried`, of the last frame.
    """

    def step(before, frame):
        losses, flow, mask = frame
        now = steady_losses(before, losses, flow, mask=mask, a=smooth)
        return now, now

    def carry_on(losses):
        # Of all frames, on none's own axis: so this runs once and not for each of them.
        every = jax.lax.all_gather(losses, "time")
        _, steady = jax.lax.scan(step, carried["losses"], (every, flows, masks))
        return steady[jax.lax.axis_index("time")]

    def carry_on_one(losses):
        return step(carried["losses"], (losses, flows[0], masks[0]))[0]

    def one(model, sources, there, losses):
        own = {"settings": settings, "mode": mode, "save": (*save, *CARRIED[:2], "fused")}
        return fuse_scene(model, sources, None, there, losses=losses, **own)

    if len(flows) == 1:
        each = batch_of_one(functools.partial(one, losses=carry_on_one))
    else:
        each = jax.vmap(
            functools.partial(one, losses=carry_on), in_axes=(None, 0, 0), axis_name="time"
        )
    found = each(model, pictures, has_data)
    luma, moved = _luma(found["fused"]), (flows, masks)
    now = {"losses": found["losses"], "dominability": found["dominability"], "luma": luma}
    found["flicker"] = {
        name: _flicker(jnp.concatenate([carried[name][None], now[name][:-1]]), now[name], *moved)
        for name in CARRIED[1:]
    }
    for name in {"fused", *CARRIED[:2]}.difference(saved_maps(save)):
        del found[name]
    return found | {"carried": {name: now[name][-1] for name in CARRIED}}


def _luma(image):
    return (image if image.shape[-1] == 1 else rgb_to_luma(image))[..., 0]


def _flicker_one(before, now, flow, mask):
    return flicker(before, now, flow=flow, mask=mask)


_carry = jax.jit(carry)
_flicker = jax.vmap(_flicker_one)
_flicker_of_one = jax.jit(_flicker_one)
