"""Scenes of any size in windows: how high those may be, and the fusion of a scene.

Memory decides how high windows are that are as wide as the picture: strips. Windows of a given
shape let pictures of all sizes share their programs.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence

import chex
import jax
import numpy as np

from ttd_jax.core.dominability import DominabilitySettings
from ttd_jax.core.fusion import BoundNetwork, Fusion
from ttd_jax.errors import UserError
from ttd_jax.parts.maps import SceneOptions, check_finite, empty_maps, map_shapes
from ttd_jax.parts.memory import format_size, free_memory, overhead, parse_size
from ttd_jax.parts.sweeps import Programs, Rehearsal, Sweeper

_STEP = 8  # windows are multiples of so many rows


@dataclasses.dataclass(frozen=True)
class WindowPlan:
    """How a scene is cut.

    Attributes:
      window: rows and columns that are read at once.
      windows: the most that any of its sweeps has.
      steps: windows to be computed in all.
      memory: bytes that it should take at most.
    """

    window: tuple[int, int]
    windows: int
    steps: int
    memory: int


def default_memory(device: jax.Device | None = None) -> int:
    """Half of what is free where a device computes, in bytes."""
    return free_memory(device or jax.devices()[0]) // 2


class WindowFuser:
    """Fuses scenes of one kind in windows; keeps its compiled programs.

    Args:
      model: the network.
      options: how it fuses and what is kept.
      devices: those that share the windows of a picture; the first one by default.

    Raises:
      UserError: the network cannot be cut.
    """

    def __init__(
        self,
        model: BoundNetwork,
        options: SceneOptions,
        devices: Sequence[jax.Device] | None = None,
    ):
        fuser = model.spec and model.spec.fuser(model, options)
        if fuser is None:
            name = model.spec.name if model.spec else type(model.module).__name__
            raise UserError(
                f"{name} cannot be cut in windows, since its spec does not tell how far it "
                "sees: allow it more memory, or pass smaller pictures"
            )
        self._model, self._options = model, options
        self._devices = tuple(devices or jax.devices()[:1])
        self._programs = Programs()
        self._fuser = fuser

    @property
    def program_count(self) -> int:
        """How many programs were compiled."""
        return len(self._programs)

    def plan(
        self, shapes: Sequence[tuple[int, ...]], *, memory: int, beside: int = 0
    ) -> WindowPlan:
        """The highest strips that memory has room for.

        Args:
          shapes: of the M pictures, (H, W, 1 or 3).
          memory: bytes on the device; on a CPU those of the process beyond what it holds already.
          beside: bytes of the process that are taken by something else, such as the pictures.

        Raises:
          UserError: not even the lowest strips have room; names the least that would do.
        """
        height, width = shapes[0][:2]
        least = min(height, self._rehearse(shapes, (height, width)).least_window)
        rehearsal = self._rehearse(shapes, (least, width))
        taken = self._taken(rehearsal, beside)
        # A window's bytes grow no faster than its rows, so this is a lower bound of what fits.
        rows = least * (memory - taken) // rehearsal.widest_window_bytes()
        while True:
            rows = height if rows >= height else max(least, rows // _STEP * _STEP)
            plan = self._plan(shapes, (rows, width), beside)
            if plan.memory <= memory:
                return plan
            if rows == least:
                raise UserError(
                    f"{_too_much(shapes, plan.memory, memory)}: pass "
                    f"--max_memory={format_size(plan.memory)} or more, or smaller pictures"
                )
            fitting = rows * (memory - taken) // (plan.memory - taken)
            rows = min(rows - _STEP, fitting)

    def plan_window(
        self,
        shapes: Sequence[tuple[int, ...]],
        window: tuple[int, int],
        *,
        memory: int | None = None,
        beside: int = 0,
    ) -> WindowPlan:
        """A plan with windows of a given shape, which pictures of other sizes share.

        Smaller pictures have programs of their own.

        Args:
          shapes: of the M pictures, (H, W, 1 or 3).
          window: rows and columns.
          memory: see `plan`; None for no bound.
          beside: see `plan`.

        Raises:
          UserError: memory has no room for them, or they are too small.
        """
        size = shapes[0][:2]
        try:
            plan = self._plan(shapes, tuple(map(min, window, size)), beside)
        except ValueError as error:
            least = self._rehearse(shapes, size).least_window
            raise UserError(
                f"windows of {window[1]}x{window[0]} pixels are too small for what this network "
                f"sees around a pixel: pass {least} or more"
            ) from error
        if memory is not None and plan.memory > memory:
            raise UserError(f"{_too_much(shapes, plan.memory, memory)}: pass smaller windows")
        return plan

    def _plan(self, shapes, window, beside):
        rehearsal = self._rehearse(shapes, window)
        needed = self._taken(rehearsal, beside) + rehearsal.window_bytes()
        return WindowPlan(rehearsal.read, rehearsal.windows, rehearsal.steps, needed)

    def _taken(self, rehearsal, beside):
        """Bytes beside those of a window."""
        if self._devices[0].platform != "cpu":
            return 0
        return rehearsal.held + beside + overhead(rehearsal.program_count)

    def __call__(
        self,
        pictures: Sequence[np.ndarray],
        targets: Mapping[str, np.ndarray],
        plan: WindowPlan,
        *,
        how: str = "round",
        advance: Callable[[], object] = lambda: None,
    ) -> dict[str, np.ndarray]:
        """Fuses one scene.

        Args:
          pictures: M arrays [H, W, 1 or 3], integers or f32 in [0, 1].
          targets: what `empty_maps` gave; filled.
          plan: for pictures of these shapes.
          how: 'round' or 'truncate', where `targets` are integers.
          advance: called after every window.

        Raises:
          UserError: the network, or the loss map, gives what is no number.

        Returns:
          A dict of f32[M], `dominates` and `mean_dominability`: the share of the pixels that each
          source dominates, and its mean RD.
        """
        sweeper = Sweeper(
            self._programs,
            window=plan.window,
            devices=self._devices,
            advance=advance,
            check=functools.partial(check_finite, self._model, self._options.settings),
            how=how,
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


def _too_much(shapes, needed, memory):
    height, width = shapes[0][:2]
    return (
        f"pictures of {width}x{height} take at least {format_size(needed)}, more than the "
        f"{format_size(memory)} allowed"
    )


def fuse_in_windows(
    model: BoundNetwork,
    sources: Sequence[chex.Array],
    settings: DominabilitySettings | None,
    *,
    max_memory: int | str | None = None,
    window: tuple[int, int] | None = None,
    devices: Sequence[jax.Device] | None = None,
) -> Fusion:
    """Fuses a scene of any size in bounded memory, window by window.

    Equal to `ttd_jax.dynamic_fuse` or `ttd_jax.static_fuse` up to rounding.

    Args:
      model: the network, a `ttd_jax.networks.Model` whose spec tells how it is cut.
      sources: M arrays [H, W, C] of the network's channels, f32 in [0, 1] or integers.
      settings: how losses become weights; None for the static fusion.
      max_memory: bytes or a size such as '2GiB' that this may take: on a CPU of the process, beside
        `sources`, on an accelerator of the device. Half of what is free by default.
      window: rows and columns of a window with what is read around it, in place of strips as high
        as `max_memory` allows. Pictures that are larger share their programs.
      devices: those that share the windows; the first one by default.

    Returns:
      A `Fusion` of numpy arrays, f32.

    Raises:
      UserError: the network cannot be cut, there is too little memory for any strip, the window is
        too small, or `max_memory` is no size.

    Example:
      >>> fusion = fuse_in_windows(model, sources, model.settings, max_memory="2GiB")
      >>> fusion.image.shape
      (16, 16, 3)
    """
    pictures = [np.asarray(source) for source in sources]
    size, channels = pictures[0].shape[:2], pictures[0].shape[2]
    options = SceneOptions(
        settings=settings,
        mode="rgb" if channels == 3 else "gray",
        channels=channels,
        save=("fused", "dominability", "components", "losses"),
    )
    fuser = WindowFuser(model, options, devices)
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
