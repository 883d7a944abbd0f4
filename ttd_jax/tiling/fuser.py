"""Scenes of any size in bounded memory: how high strips may be, and the fusion of a scene."""

import dataclasses

import jax
import numpy as np

from ttd_jax.backbones import Model
from ttd_jax.backbones.cddfuse import CDDFuse
from ttd_jax.backbones.ifcnn import IFCNN
from ttd_jax.backbones.piafusion import PIAFusion
from ttd_jax.core.fusion import Fusion
from ttd_jax.errors import UserError
from ttd_jax.tiling.cddfuse import LayeredFuser
from ttd_jax.tiling.local import LocalFuser
from ttd_jax.tiling.maps import SceneOptions, empty_maps, map_shapes
from ttd_jax.tiling.memory import format_size, free_memory, overhead, parse_size
from ttd_jax.tiling.sweeps import Programs, Rehearsal, Sweeper

_FUSERS = {IFCNN: LocalFuser, PIAFusion: LocalFuser, CDDFuse: LayeredFuser}
_STEP = 8  # windows are multiples of so many rows


@dataclasses.dataclass(frozen=True)
class StripPlan:
    """How a scene is cut.

    Attributes:
      window: rows that are read at once.
      strips: the most that any of its sweeps has.
      steps: windows to be computed in all.
      memory: bytes that it should take at most.
    """

    window: int
    strips: int
    steps: int
    memory: int


def default_memory(device=None) -> int:
    """Half of what is free where a device computes, in bytes."""
    return free_memory(device or jax.devices()[0]) // 2


class StripFuser:
    """Fuses scenes of one kind in strips; keeps its compiled programs.

    Args:
      model: the network.
      options: how it fuses and what is kept.
      devices: those that share the strips of a picture; the first one by default.

    Raises:
      UserError: the network cannot be cut in strips.
    """

    def __init__(self, model: Model, options: SceneOptions, devices=None):
        kind = type(model.module)
        if kind not in _FUSERS:
            raise UserError(
                f"{kind.__name__} cannot be cut in strips: allow it more memory, or pass smaller "
                "pictures"
            )
        self._options = options
        self._devices = tuple(devices or jax.devices()[:1])
        self._programs = Programs()
        self._fuser = _FUSERS[kind](model, options)

    @property
    def program_count(self) -> int:
        """How many programs were compiled."""
        return len(self._programs)

    def plan(self, shapes, *, memory: int, beside: int = 0) -> StripPlan:
        """The highest strips that memory has room for.

        Args:
          shapes: of the M pictures, (H, W, 1 or 3).
          memory: bytes on the device; on a CPU those of the process beyond what it holds already.
          beside: bytes of the process that are taken by something else, such as the pictures.

        Raises:
          UserError: not even the lowest strips have room; names the least that would do.
        """
        height, width = shapes[0][:2]
        on_host = self._devices[0].platform == "cpu"
        least = min(height, self._rehearse(shapes, height).least_window)
        rehearsal = self._rehearse(shapes, least)
        taken = rehearsal.held + beside + overhead(rehearsal.program_count) if on_host else 0
        # A window's bytes grow no faster than its rows, so this is a lower bound of what fits.
        window = least * (memory - taken) // rehearsal.widest_window_bytes()
        while True:
            window = height if window >= height else max(least, window // _STEP * _STEP)
            rehearsal = self._rehearse(shapes, window)
            needed = taken + rehearsal.window_bytes()
            if needed <= memory:
                return StripPlan(window, rehearsal.strips, rehearsal.steps, needed)
            if window == least:
                raise UserError(
                    f"pictures of {width}x{height} take at least {format_size(needed)}, more than "
                    f"the {format_size(memory)} allowed: pass --max_memory={format_size(needed)} "
                    "or more, or smaller pictures"
                )
            fitting = window * (memory - taken) // (needed - taken)
            window = min(window - _STEP, fitting)

    def plan_window(self, shapes, window: int) -> StripPlan:
        """A plan with windows of so many rows, whatever memory they take.

        Raises:
          ValueError: a window is too low to keep any row.
        """
        rehearsal = self._rehearse(shapes, min(window, shapes[0][0]))
        return StripPlan(rehearsal.window, rehearsal.strips, rehearsal.steps, 0)

    def __call__(self, pictures, targets, plan: StripPlan, *, how="round", advance=lambda: None):
        """Fuses one scene.

        Args:
          pictures: M arrays [H, W, 1 or 3], integers or f32 in [0, 1].
          targets: what `empty_maps` gave; filled.
          plan: for pictures of these shapes.
          how: 'round' or 'truncate', where `targets` are integers.
          advance: called after every window.

        Returns:
          A dict of f32[M], `dominates` and `mean_dominability`: the share of the pixels that each
          source dominates, and its mean RD.
        """
        sweeper = Sweeper(
            self._programs, window=plan.window, devices=self._devices, advance=advance, how=how
        )
        sums = self._fuser(sweeper, pictures, targets)
        height, width = pictures[0].shape[:2]
        even = np.full(len(pictures), 1 / len(pictures), np.float32)
        return {
            name: sums[name] / np.float32(height * width) if self._options.dynamic else even
            for name in ("dominates", "mean_dominability")
        }

    def _rehearse(self, shapes, window):
        rehearsal = Rehearsal(self._programs, window=window, devices=self._devices)
        pictures = [np.broadcast_to(np.uint8(0), shape) for shape in shapes]
        count, size = len(shapes), shapes[0][:2]
        targets = {
            name: np.broadcast_to(np.float32(0), shape)
            for name, shape in map_shapes(self._options, count, size).items()
        }
        self._fuser(rehearsal, pictures, targets)
        return rehearsal


def fuse_in_strips(
    model: Model, sources, *, strategy="ttd", max_memory=None, window=None, devices=None
) -> Fusion:
    """Fuses a scene of any size in bounded memory, strip by strip.

    Equal to `ttd_jax.dynamic_fuse` or `ttd_jax.static_fuse` up to rounding.

    Args:
      model: the network: IFCNN, PIAFusion or CDDFuse.
      sources: M arrays [H, W, C] of the network's channels, f32 in [0, 1] or integers.
      strategy: 'ttd' or 'static'.
      max_memory: bytes or a size such as '2GiB' that this may take: on a CPU of the process, beside
        `sources`, on an accelerator of the device. Half of what is free by default.
      window: rows of a strip with what is read around it, in place of what `max_memory` allows.
      devices: those that share the strips; the first one by default.

    Returns:
      A `Fusion` of numpy arrays, f32.

    Raises:
      UserError: the network cannot be cut, or there is too little memory for any strip.
      ValueError: `max_memory` is no size, or the window is too low.

    Example:
      >>> fusion = fuse_in_strips(model, sources, max_memory="2GiB")  # doctest: +SKIP
    """
    pictures = [np.asarray(source) for source in sources]
    size, channels = pictures[0].shape[:2], pictures[0].shape[2]
    options = SceneOptions(
        strategy=strategy,
        mode="rgb" if channels == 3 else "gray",
        channels=channels,
        save=("fused", "dominability", "components", "losses"),
    )
    fuser = StripFuser(model, options, devices)
    shapes = [picture.shape for picture in pictures]
    if window is not None:
        plan = fuser.plan_window(shapes, window)
    else:
        if isinstance(max_memory, str):
            max_memory = parse_size(max_memory)
        kept = map_shapes(options, len(pictures), size)
        plan = fuser.plan(
            shapes,
            memory=default_memory() if max_memory is None else max_memory,
            beside=sum(4 * int(np.prod(shape)) for shape in kept.values()),
        )
    maps = empty_maps(options, len(pictures), size, np.float32)
    fuser(pictures, maps, plan)
    return Fusion(
        image=maps["fused"],
        dominability=maps["dominability"][..., 0],
        components=maps["components"],
        losses=maps["losses"][..., 0],
    )
