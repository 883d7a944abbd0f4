"""Sweeps: one compiled program run over all strips of a picture, for real or as a rehearsal."""

import collections
import dataclasses
import weakref
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from ttd_jax.data.images import quantise
from ttd_jax.tiling.memory import program_bytes
from ttd_jax.tiling.strips import cut


@dataclasses.dataclass(frozen=True, eq=False)
class Work:
    """What is done with each strip.

    Attributes:
      function: `(constants, windows, owned) -> (rows, sums)`. `windows` are f32[..., h, W, C], cut
        from the same rows; `owned`, bool[h, 1, 1], tells the rows that this strip keeps. `rows` is
        a dict of f32[..., h, W, C]; `sums` is a pytree of sums over owned rows.
      halo: how far, in rows, `rows` and `sums` depend on what is around a row.
    """

    function: Callable
    halo: int


class Programs:
    """Programs compiled for windows, by what they do, their shapes and their device."""

    def __init__(self):
        self._compiled = {}
        self._sums = {}

    def __len__(self):
        return len(self._compiled)

    def get(self, work: Work, arguments, device):
        """The program for such arguments on a device; compiles it if there is none yet."""
        key = *_key(work, arguments), device
        if key not in self._compiled:
            there = jax.sharding.SingleDeviceSharding(device)
            shapes = jax.tree.map(
                lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=there), arguments
            )
            self._compiled[key] = jax.jit(work.function).lower(*shapes).compile()
        return self._compiled[key]

    def sums(self, work: Work, arguments):
        """The shapes of the sums that a work gives of such arguments."""
        key = _key(work, arguments)
        if key not in self._sums:
            self._sums[key] = jax.eval_shape(work.function, *arguments)[1]
        return self._sums[key]


def _key(work, arguments):
    leaves, structure = jax.tree.flatten(arguments)
    return work, structure, tuple((a.shape, str(a.dtype)) for a in leaves)


class Sweeper:
    """Runs works over the strips of one picture.

    Arrays of the whole picture stay in the host's memory; only windows of them go to a device. Of
    several devices each takes the next strip, and their results are gathered in order.

    Attributes:
      window: rows that are read at once.
    """

    def __init__(
        self, programs: Programs, *, window: int, devices=None, advance=lambda: None, how="round"
    ):
        self.window = window
        self._programs = programs
        self._devices = devices or jax.devices()[:1]
        self._advance = advance
        self._how = how

    def empty(self, *shape: int) -> np.ndarray:
        """An array of the whole picture, f32[..., H, W, C], to be a sweep's target."""
        return np.empty(shape, np.float32)

    def sweep(self, work: Work, constants, sources, targets=None) -> Any:
        """Runs a work over all strips.

        A target may be one of the sources: its rows change only when no strip to come needs them.

        Args:
          work: what to do.
          constants: a pytree of arrays that every strip is given whole.
          sources: a pytree of arrays [..., H, W, C]; integers are scaled to [0, 1].
          targets: dict of arrays [..., H, W, C] to write `rows` of the same name to; into integers
            they are quantised.

        Returns:
          The sums over all rows, f32.
        """
        height = jax.tree.leaves(sources)[0].shape[-3]
        constants = [jax.device_put(constants, device) for device in self._devices]
        running, held = collections.deque(), collections.deque()
        total = None

        def gather():
            nonlocal total
            strip, (rows, sums) = running.popleft()
            kept = slice(strip.first - strip.start, strip.last - strip.start)
            rows = {name: np.asarray(rows[name])[..., kept, :, :] for name in targets or {}}
            sums = jax.tree.map(lambda s: np.asarray(s, np.float64), sums)
            total = sums if total is None else jax.tree.map(np.add, total, sums)
            held.append((strip, rows))
            self._advance()

        def write():
            strip, rows = held.popleft()
            for name, array in rows.items():
                target = targets[name][..., strip.first : strip.last, :, :]
                target[...] = _converted(array, target.dtype, self._how)

        for index, strip in enumerate(cut(height, self.window, work.halo)):
            if len(running) == len(self._devices):
                gather()
            while held and held[0][0].last <= strip.first - work.halo:
                write()
            number = index % len(self._devices)
            arguments = constants[number], *_read(sources, strip, min(self.window, height))
            program = self._programs.get(work, arguments, self._devices[number])
            running.append((strip, program(*jax.device_put(arguments, self._devices[number]))))
        while running:
            gather()
        while held:
            write()
        return jax.tree.map(np.float32, total)

    def whole(self, function: Callable, array: np.ndarray) -> np.ndarray:
        """A function of the whole of an array of few channels."""
        return np.asarray(jax.jit(function)(array))


class Rehearsal(Sweeper):
    """Goes through the motions: computes nothing, and finds what a real run would take.

    Attributes:
      steps: how many windows are computed.
      strips: the most of any sweep.
      held: most bytes of arrays of the whole picture that live at one time.
    """

    def __init__(self, programs: Programs, *, window: int, devices=None):
        super().__init__(programs, window=window, devices=devices)
        self.steps = self.strips = self.held = 0
        self._alive = 0
        self._works = {}

    @property
    def least_window(self) -> int:
        """Rows of the smallest sensible window: it keeps as many as it reads around them."""
        return max(4 * work.halo + 4 for work, _ in self._works.values())

    @property
    def program_count(self) -> int:
        """How many programs a run needs."""
        return len(self._works)

    def empty(self, *shape):
        array = np.broadcast_to(np.float32(0), shape)
        self._hold(array)
        return array

    def sweep(self, work, constants, sources, targets=None):
        del targets
        shapes = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), constants)
        height = jax.tree.leaves(sources)[0].shape[-3]
        rows = min(self.window, height)
        windows = jax.tree.map(
            lambda a: jax.ShapeDtypeStruct((*a.shape[:-3], rows, *a.shape[-2:]), np.float32),
            sources,
        )
        owned = jax.ShapeDtypeStruct((rows, 1, 1), bool)
        arguments = shapes, windows, owned
        strips = len(cut(height, self.window, work.halo))
        self.steps, self.strips = self.steps + strips, max(self.strips, strips)
        self._works[_key(work, arguments)] = work, arguments
        sums = self._programs.sums(work, arguments)
        return jax.tree.map(lambda s: np.broadcast_to(np.float32(0), s.shape), sums)

    def whole(self, function, array):
        shape = jax.eval_shape(function, jax.ShapeDtypeStruct(array.shape, np.float32)).shape
        return self.empty(*shape)

    def window_bytes(self) -> int:
        """Compiles every program; the most that a window takes, copies on the way included."""
        return max(self._bytes(*each) for each in self._works.values())

    def widest_window_bytes(self) -> int:
        """The same of the one program that is given most: a guess that compiles little."""

        def given(each):
            _, (_, windows, _) = each
            return sum(leaf.size for leaf in jax.tree.leaves(windows))

        return self._bytes(*max(self._works.values(), key=given))

    def _bytes(self, work, arguments):
        compiled = self._programs.get(work, arguments, self._devices[0])
        if self._devices[0].platform != "cpu":
            return program_bytes(compiled)
        # A window is copied before it is given to a device; of the results up to two strips wait
        # until they can be written, and two more are on their way to integers. All devices are one
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


def _read(sources, strip, rows):
    """The windows of a strip, as arrays of their own, and which of their rows it owns."""

    def window(array):
        part = array[..., strip.start : strip.start + rows, :, :]
        if np.issubdtype(part.dtype, np.integer):
            scaled = part.astype(np.float32)
            scaled /= np.float32(np.iinfo(part.dtype).max)
            return scaled
        # A copy: a device may compute from the host's own bytes while the picture is written to.
        return np.array(part, np.float32)

    index = strip.start + np.arange(rows)
    owned = (index >= strip.first) & (index < strip.last)
    return jax.tree.map(window, sources), owned[:, None, None]


def _converted(array, dtype, how):
    return quantise(array, dtype, how=how) if np.issubdtype(dtype, np.integer) else array
