"""Scenes of any size in windows: how high those may be, and the fusion of a scene."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence

import jax
import numpy as np

from ttd_jax.core.fusion import BoundNetwork
from ttd_jax.errors import UserError
from ttd_jax.parts.maps import SceneOptions, check_finite, map_shapes
from ttd_jax.parts.memory import format_size, free_memory, overhead
from ttd_jax.parts.sweeps import Programs, Rehearsal, Sweeper

_STEP = 8  # windows are multiples of so many rows


@dataclasses.dataclass(frozen=True)
class WindowPlan:
    """How a scene is cut.

    Attributes:
      rows: that are read at once.
      windows: the most that any of its sweeps has.
      steps: windows to be computed in all.
      memory: bytes that it should take at most.
    """

    rows: int
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
        """The highest windows that memory has room for.

        Args:
          shapes: of the M pictures, (H, W, 1 or 3).
          memory: bytes on the device; on a CPU those of the process beyond what it holds already.
          beside: bytes of the process that are taken by something else, such as the pictures.

        Raises:
          UserError: not even the lowest windows have room; names the least that would do.
        """
        height, width = shapes[0][:2]
        least = min(height, self._rehearse(shapes, height).least_window)
        rehearsal = self._rehearse(shapes, least)
        taken = self._taken(rehearsal, beside)
        # A window's bytes grow no faster than its rows, so this is a lower bound of what fits.
        rows = least * (memory - taken) // rehearsal.widest_window_bytes()
        while True:
            rows = height if rows >= height else max(least, rows // _STEP * _STEP)
            plan = self._plan(shapes, rows, beside)
            if plan.memory <= memory:
                return plan
            if rows == least:
                raise UserError(
                    f"pictures of {width}x{height} take at least {format_size(plan.memory)}, more "
                    f"than the {format_size(memory)} allowed: pass "
                    f"--max_memory={format_size(plan.memory)} or more, or smaller pictures"
                )
            fitting = rows * (memory - taken) // (plan.memory - taken)
            rows = min(rows - _STEP, fitting)

    def _plan(self, shapes, rows, beside):
        rehearsal = self._rehearse(shapes, rows)
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
        has_data: np.ndarray | None = None,
        carried: tuple[np.ndarray, np.ndarray] | None = None,
        how: str = "round",
        advance: Callable[[], object] = lambda: None,
    ) -> dict[str, np.ndarray]:
        """Fuses one scene.

        Args:
          pictures: M arrays [H, W, 1 or 3], integers or f32 in [0, 1].
          targets: what `empty_maps` gave; filled.
          plan: for pictures of these shapes.
          has_data: bool[M, H, W], see `ttd_jax.dynamic_fuse`, if `SceneOptions.masked`.
          carried: losses f32[M, H, W] of the frame before and bool[H, W], where they are known, if
            `SceneOptions.smooth`: see `ttd_jax.core.steadiness.mix_losses`.
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
            rows=plan.rows,
            devices=self._devices,
            advance=advance,
            check=functools.partial(check_finite, self._model, self._options.settings),
            how=how,
        )
        masks = has_data[..., None] if self._options.masked else None
        if carried is not None:
            carried = carried[0][..., None], carried[1][None, ..., None]
        sums = self._fuser(sweeper, pictures, targets, masks, carried)
        height, width = pictures[0].shape[:2]
        even = np.full(len(pictures), 1 / len(pictures), np.float32)
        return {
            name: sums[name] / np.float32(height * width) if name in sums else even
            for name in ("dominates", "mean_dominability")
        }

    def _rehearse(self, shapes, rows):
        rehearsal = Rehearsal(self._programs, rows=rows, devices=self._devices)
        pictures = [np.broadcast_to(np.uint8(0), shape) for shape in shapes]
        count, size = len(shapes), shapes[0][:2]
        targets = {
            name: np.broadcast_to(np.float32(0), shape)
            for name, shape in map_shapes(self._options, count, size).items()
        }
        masks = np.broadcast_to(True, (count, *size, 1)) if self._options.masked else None
        carried = None
        if self._options.smooth:
            carried = tuple(np.broadcast_to(np.float32(0), (n, *size, 1)) for n in (count, 1))
        self._fuser(rehearsal, pictures, targets, masks, carried)
        return rehearsal
