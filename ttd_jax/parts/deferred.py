"""A network on pictures that stay on the host: its steps are put off until sums are needed.

What `run` and `map` give is `Deferred`: a note of what is computed from what. Sums over the picture
cannot be put off: a sweep over its windows then computes, in one program, all steps between what
the host holds and the sums, and stores what the network wants kept. Anything else is computed anew
wherever it is read, so that few arrays of the whole picture are held.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from ttd_jax.parts.part import Part
from ttd_jax.parts.sweeps import Sweeper, Work
from ttd_jax.parts.tiles import run_in_tiles, unbind

_STAND_IN = 16  # pixels a side, of pictures whose shapes are asked for: quickly traced


@dataclasses.dataclass(eq=False)
class Deferred:
    """Pictures of the size of a scene, [..., H, W, C], computed or yet to be.

    Attributes:
      struct: shape and dtype that they would have if the scene were no larger than `_STAND_IN`.
      sums: shapes and dtypes of the sums that come with them.
      step: how they are computed; None for what the host holds.
      inputs: from what.
      constants: arrays that every window is given whole, a pytree.
      array: what the host holds.
      kept: whether it shall hold them once a sweep has computed them.
      temporary: whether what is made of them may take the place where they are held.
    """

    struct: jax.ShapeDtypeStruct
    sums: Any = ()
    step: "_Step | None" = None
    inputs: "tuple[Deferred, ...]" = ()
    constants: Any = ()
    array: np.ndarray | None = None
    kept: bool = False
    temporary: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """That of `struct`."""
        return self.struct.shape

    @property
    def ndim(self) -> int:
        """How many axes they have."""
        return len(self.shape)


@dataclasses.dataclass(frozen=True)
class _Step:
    """What is computed, by its function and by what else programs depend on.

    Attributes:
      function: a method of the module, or a function of pixels.
      name: what tells functions apart.
      module: unbound; None for a function.
      margin: see `Part.run`.
      sums: whether it gives sums beside its pictures.
      order: which of a function's arguments are pictures.
    """

    function: Any = dataclasses.field(compare=False)
    name: Any
    module: nn.Module | None = None
    margin: int = 0
    sums: bool = False
    order: tuple[bool, ...] = ()

    def __call__(self, part, pictures, constants):
        """Pictures and sums of a window."""
        if self.module is not None:
            variables, constants = constants
            own = self.module, self.function, variables
            keywords = {"margin": self.margin, "constants": constants, "sums": self.sums}
            return run_in_tiles(part, own, pictures, **keywords)
        pictures, constants = iter(pictures), iter(constants)
        arguments = [next(pictures if here else constants) for here in self.order]
        if self.sums:
            return self.function(*arguments, part=part)
        return self.function(*arguments), ()


class HostPart:
    """A scene on the host, as a network's methods take a `Part`.

    Args:
      sweeper: goes over the windows of the scene.
      size: its height and width.
      works: what windows of earlier scenes were used for, so that their programs are used again.
    """

    def __init__(self, sweeper: Sweeper, size: tuple[int, int], works: dict):
        self._sweeper, self._size, self._works = sweeper, size, works

    def hold(self, array: np.ndarray) -> Deferred:
        """What the host holds, [..., H, W, C]; integers are scaled to [0, 1]."""
        small = (min(side, _STAND_IN) for side in self._size)
        shape = (*array.shape[:-3], *small, array.shape[-1])
        return Deferred(jax.ShapeDtypeStruct(shape, np.float32), array=array)

    def run(
        self, step: Callable, *pictures: Deferred, margin: int = 0, constants: Sequence = ()
    ) -> Deferred:
        """See `Part.run`."""
        return self._of_module(step, pictures, margin, constants, sums=False)

    def measure(
        self, step: Callable, *pictures: Deferred, margin: int = 0, constants: Sequence = ()
    ) -> tuple[Deferred, Any]:
        """See `Part.measure`; the host then holds those of the pictures that are to be kept."""
        found = self._of_module(step, pictures, margin, constants, sums=True)
        return found, self._sweep(found, kept=[each for each in pictures if each.kept])

    def map(self, function: Callable, *arguments: Any, margin: int = 0) -> Deferred:
        """See `Part.map`; a function that looks beyond single pixels tells how far by a margin."""
        return self._of_pixels(function, arguments, sums=False, margin=margin)

    def mean(self, x: Deferred) -> np.ndarray:
        """See `Part.mean`."""
        return self._sweep(self._of_pixels(_total, [x], sums=True)) / np.prod(self._size)

    def extremes(self, x: Deferred) -> tuple[np.float32, np.float32]:
        """See `Part.extremes`; the host then holds the pictures."""
        self._sweep(x, kept=[x])
        return self._sweeper.extremes(x.array)

    def keep(self, x: Deferred) -> Deferred:
        """See `Part.keep`."""
        x.kept = True
        return x

    def temporary(self, x: Deferred) -> Deferred:
        """See `Part.temporary`."""
        x = self.map(_same, x)
        x.temporary = True
        return x

    def repeat(self, modules: Sequence[nn.Module], x: Deferred) -> Deferred:
        """See `Part.repeat`."""
        for index, module in enumerate(modules):
            x = module(self.temporary(x) if index else x, part=self)
        return x

    def settle(self, x: Deferred) -> Deferred:
        """Pictures, held once they are if they depend on what is held for them alone."""
        if any(node.temporary and node.step is None for node in _in_order(x)):
            self._sweep(x, kept=[x])
        return x

    def write(self, function: Callable, *arguments: Any, targets: Mapping[str, np.ndarray]) -> Any:
        """Writes what a function makes of pixels.

        Args:
          function: `(*arguments, part=) -> (pictures, sums)`, with a dict of f32[..., H, W, C].
          *arguments: Deferred or constants.
          targets: where to write those of the same names.

        Returns:
          The sums.
        """
        return self._sweep(self._of_pixels(function, arguments, sums=True), targets=targets)

    def _of_module(self, step, pictures, margin, constants, *, sums):
        module, method, variables = unbind(step)
        step = _Step(method, method, module, margin, sums)
        return self._put_off(step, tuple(pictures), (variables, tuple(constants)))

    def _of_pixels(self, function, arguments, *, sums, margin=0):
        order = tuple(isinstance(each, Deferred) for each in arguments)
        pictures = tuple(each for each in arguments if isinstance(each, Deferred))
        constants = [each for each in arguments if not isinstance(each, Deferred)]
        constants = jax.tree.map(jnp.asarray, constants)
        function, name = _named(function)
        step = _Step(function, name, margin=margin, sums=sums, order=order)
        return self._put_off(step, pictures, constants)

    def _put_off(self, step, inputs, constants):
        given = Part(), [each.struct for each in inputs], constants
        leaves, structure = jax.tree.flatten(given)
        key = step, structure, tuple((a.shape, a.dtype) for a in leaves)
        if key not in self._works:
            self._works[key] = jax.eval_shape(step, *given)
        struct, sums = self._works[key]
        return Deferred(struct, sums, step, inputs, constants)

    def _sweep(self, last, *, kept=(), targets=None):
        """Computes a step's sums, and what is to be held or written, in one sweep."""
        kept = [node for node in kept if node.step is not None]
        if not kept and targets is None and not jax.tree.leaves(last.sums):
            return ()
        nodes = _in_order(last)
        inputs = tuple(tuple(map(nodes.index, node.inputs)) for node in nodes)
        steps = tuple(node.step or node.struct.dtype for node in nodes)
        stored = None if targets is not None else tuple(map(nodes.index, kept))
        key = steps, inputs, stored, tuple(jax.tree.leaves(last.sums))
        if key not in self._works:
            function = functools.partial(_compute, steps, inputs, stored)
            self._works[key] = Work(function, _reach(nodes), sums=last.sums)
        leaves = [node for node in nodes if node.step is None]
        arrays = [leaf.array for leaf in leaves]
        if targets is None:
            targets = {str(nodes.index(node)): self._room(node, leaves) for node in kept}
        constants = [node.constants for node in nodes if node.step is not None]
        sums = self._sweeper.sweep(self._works[key], constants, arrays, targets)
        for node in kept:
            node.array = targets[str(nodes.index(node))]
            node.step, node.inputs, node.constants = None, (), ()
        return jax.tree.map(lambda like, found: found.astype(like.dtype), last.sums, sums)

    def _room(self, node, leaves):
        """Where to hold what is made of leaves."""
        for leaf in leaves:
            if leaf.temporary and leaf.shape == node.shape and leaf.array is not None:
                array, leaf.array = leaf.array, None
                return array
        return self._sweeper.empty(*node.shape[:-3], *self._size, node.shape[-1])


def _compute(steps, inputs, stored, constants, windows, owned):
    """A window's part of what steps give, by their numbers, and the sums of the last one."""
    windows, constants, part = iter(windows), iter(constants), Part(owned=owned)
    found = []
    for step, places in zip(steps, inputs, strict=True):
        if isinstance(step, _Step):
            pictures = [found[place][0] for place in places]
            found.append(step(part, pictures, next(constants)))
        else:
            found.append((next(windows).astype(step), ()))
    pictures, sums = found[-1]
    return (pictures if stored is None else {str(at): found[at][0] for at in stored}), sums


def _in_order(last, before=()):
    """What pictures are made of, each once, and after what it is made of itself."""
    # No function within this one: it would refer to itself, and keep arrays that nobody needs.
    nodes = list(before)
    if last not in nodes:
        for each in last.inputs:
            nodes = _in_order(each, nodes)
        nodes.append(last)
    return nodes


def _reach(nodes):
    """How far, in pixels, the last of them looks at what the host holds."""
    found = {}
    for node in nodes:
        inner = max((found[each] for each in node.inputs), default=0)
        found[node] = inner + (node.step.margin if node.step else 0)
    return found[nodes[-1]]


def _named(function):
    """A function of pixels, and what is equal for functions that do the same."""
    if isinstance(function, functools.partial):
        return function, (function.func, function.args, tuple(function.keywords.items()))
    if isinstance(getattr(function, "__self__", None), nn.Module):
        module, method, _ = unbind(function)
        return functools.partial(module.apply, {}, method=method), (module, method)
    return function, function


def _same(x):
    return x


def _total(x, part):
    return x, jnp.sum(part.own(x), axis=(-3, -2), keepdims=True)
