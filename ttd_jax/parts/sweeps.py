"""Sweeps: one compiled program run over all windows of a picture, for real or as a rehearsal."""

import collections
import dataclasses
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import chex
import jax
import numpy as np

from ttd_jax.core.quantization import as_float, quantize
from ttd_jax.parts.memory import program_bytes
from ttd_jax.parts.windows import cut, fit


@dataclasses.dataclass(frozen=True, eq=False)
class Work:
    """What is done with each window.

    Attributes:
      function: `(constants, windows, owned) -> (parts, sums)`. `windows` are f32[..., h, W, C], cut
        from the same place; `owned`, i32[2, 2], from which row and column on, and up to which,
        excluded, this window keeps its pixels.
        `parts` is a dict of f32[..., h, W, C]; `sums` is a pytree of sums over owned pixels.
      halo: how far, in pixels, `parts` and `sums` depend on what is around a pixel.
      align: windows begin at multiples of so many pixels: see `ttd_jax.parts.windows.cut`.
      sums: shapes of `sums`, for who reads them in a rehearsal.
    """

    function: Callable
    halo: int
    align: int = 1
    sums: Any = ()


class Programs:
    """Programs compiled for windows, by what they do, their shapes and their device."""

    def __init__(self):
        self._compiled = {}

    def __len__(self) -> int:
        return len(self._compiled)

    def get(self, work: Work, arguments: tuple, device: jax.Device) -> jax.stages.Compiled:
        """The program for such arguments on a device; compiles it if there is none yet."""
        key = *_key(work, arguments), device
        if key not in self._compiled:
            there = jax.sharding.SingleDeviceSharding(device)
            shapes = jax.tree.map(
                lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=there), arguments
            )
            self._compiled[key] = jax.jit(work.function).lower(*shapes).compile()
        return self._compiled[key]


def _key(work, arguments):
    leaves, structure = jax.tree.flatten(arguments)
    return work, structure, tuple((a.shape, str(a.dtype)) for a in leaves)


class Sweeper:
    """Runs works over the windows of one picture.

    Arrays of the whole picture stay in the host's memory; only windows of them go to a device. Of
    several devices each takes the next window, and their results are gathered in order.

    Attributes:
      rows: that are read at once, a window.
    """

    def __init__(
        self,
        programs: Programs,
        *,
        rows: int,
        devices: Sequence[jax.Device] | None = None,
        advance: Callable[[], object] = lambda: None,
        check: Callable[[Any], object] = lambda results: None,
        how: str = "round",
    ):
        self.rows = rows
        self._programs = programs
        self._devices = devices or jax.devices()[:1]
        self._advance, self._check = advance, check
        self._how = how

    def empty(self, *shape: int) -> np.ndarray:
        """An array of the whole picture, f32[..., H, W, C], to be a sweep's target."""
        return np.empty(shape, np.float32)

    def extremes(self, array: np.ndarray) -> tuple[np.float32, np.float32]:
        """The least and the greatest value of an array of the whole picture."""
        return np.min(array), np.max(array)

    def sweep(
        self,
        work: Work,
        constants: chex.ArrayTree,
        sources: chex.ArrayTree,
        targets: Mapping[str, np.ndarray] | None = None,
    ) -> Any:
        """Runs a work over all windows.

        A target may be one of the sources: it changes only where no window to come reads it.

        Args:
          work: what to do.
          constants: a pytree of arrays that every window is given whole.
          sources: a pytree of arrays [..., H, W, C]; integers are scaled to [0, 1].
          targets: dict of arrays [..., H, W, C] to write `parts` of the same name to; into integers
            they are quantized.

        Returns:
          The sums over all pixels, f32.
        """
        height, width = _size(sources)
        rows = fit(height, self.rows, work.align)
        constants = [jax.device_put(constants, device) for device in self._devices]
        running, held = collections.deque(), collections.deque()
        total = None

        def gather():
            nonlocal total
            window, (parts, sums) = running.popleft()
            kept = ..., window.kept, slice(None), slice(None)
            parts = {name: np.asarray(parts[name])[kept] for name in targets or {}}
            sums = jax.tree.map(lambda s: np.asarray(s, np.float64), sums)
            self._check((parts, sums))
            total = sums if total is None else jax.tree.map(np.add, total, sums)
            held.append((window, parts))
            self._advance()

        def write():
            window, parts = held.popleft()
            results = ..., window.results, slice(None), slice(None)
            for name, array in parts.items():
                target = targets[name][results]
                target[...] = _converted(array, target.dtype, self._how)

        for index, window in enumerate(cut(height, rows, work.halo, work.align)):
            if len(running) == len(self._devices):
                gather()
            while held and held[0][0].last_reader < index:
                write()
            number = index % len(self._devices)
            arguments = constants[number], *_read(sources, window, (rows, width))
            program = self._programs.get(work, arguments, self._devices[number])
            running.append((window, program(*jax.device_put(arguments, self._devices[number]))))
        while running:
            gather()
        while held:
            write()
        return jax.tree.map(np.float32, total)


class Rehearsal(Sweeper):
    """Goes through the motions: computes nothing, and finds what a real run would take.

    Attributes:
      steps: how many windows are computed.
      windows: the most of any sweep.
      read: rows of a window, which may be fewer than asked for: see `fit`.
      held: most bytes of arrays of the whole picture that live at one time.
    """

    def __init__(
        self,
        programs: Programs,
        *,
        rows: int,
        devices: Sequence[jax.Device] | None = None,
    ):
        super().__init__(programs, rows=rows, devices=devices)
        self.steps = self.windows = self.held = 0
        self.read = rows
        self._alive = 0
        self._works = {}

    @property
    def least_window(self) -> int:
        """Rows of the smallest sensible window: it keeps as many as it reads around them."""
        return max(4 * (work.halo + work.align) for work, _ in self._works.values())

    @property
    def program_count(self) -> int:
        """How many programs a run needs."""
        return len(self._works)

    def empty(self, *shape: int) -> np.ndarray:
        array = np.broadcast_to(np.float32(0), shape)
        self._hold(array)
        return array

    def extremes(self, array: np.ndarray) -> tuple[np.float32, np.float32]:
        return np.float32(0), np.float32(0)

    def sweep(
        self,
        work: Work,
        constants: chex.ArrayTree,
        sources: chex.ArrayTree,
        targets: Mapping[str, np.ndarray] | None = None,
    ) -> Any:
        del targets
        shapes = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), constants)
        height, width = _size(sources)
        cuts = cut(height, self.rows, work.halo, work.align)
        self.read = fit(height, self.rows, work.align)
        shape = self.read, width
        windows = jax.tree.map(
            lambda a: jax.ShapeDtypeStruct((*a.shape[:-3], *shape, a.shape[-1]), np.float32),
            sources,
        )
        owned = jax.ShapeDtypeStruct((2, 2), np.int32)
        arguments = shapes, windows, owned
        self.steps, self.windows = self.steps + len(cuts), max(self.windows, len(cuts))
        self._works[_key(work, arguments)] = work, arguments
        return jax.tree.map(lambda s: np.broadcast_to(np.float32(0), s.shape), work.sums)

    def window_bytes(self) -> int:
        """Compiles every program; the most that a window takes, copies on the way included."""
        return max(self._bytes(*each) for each in self._works.values())

    def widest_window_bytes(self) -> int:
        """The same of the one program that is given most, and does most with it: a good guess."""

        def given(each):
            work, (_, windows, _) = each
            return sum(leaf.size for leaf in jax.tree.leaves(windows)), work.halo

        return self._bytes(*max(self._works.values(), key=given))

    def _bytes(self, work, arguments):
        compiled = self._programs.get(work, arguments, self._devices[0])
        if self._devices[0].platform != "cpu":
            return program_bytes(compiled)
        # A window is copied before it is given to a device; the results of up to two wait until
        # they can be written, and two more are on their way to integers. All devices are one
        # machine.
        sizes = compiled.memory_analysis()
        copies = sizes.argument_size_in_bytes + 4 * sizes.output_size_in_bytes
        return (program_bytes(compiled) + copies) * len(self._devices)

    def _hold(self, array):
        size = int(np.prod(array.shape)) * 4

        def release():
            self._alive -= size

        self._alive += size
        self.held = max(self.held, self._alive)
        weakref.finalize(array, release)


def _size(sources):
    return jax.tree.leaves(sources)[0].shape[-3:-1]


def _read(sources, window, shape):
    """What a window reads, as arrays of their own, and which of its pixels it owns."""
    rows, width = shape

    def part(array):
        part = array[..., window.start : window.start + rows, :, :]
        if np.issubdtype(part.dtype, np.integer):
            return as_float(part)
        # A copy: a device may compute from the host's own bytes while the picture is written to.
        return np.array(part, np.float32)

    owned = np.int32([[window.kept.start, 0], [window.kept.stop, width]])
    return jax.tree.map(part, sources), owned


def _converted(array, dtype, how):
    return quantize(array, dtype, how=how) if np.issubdtype(dtype, np.integer) else array
