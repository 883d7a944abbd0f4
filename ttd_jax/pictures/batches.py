"""Scenes of one shape that are computed together, the same in every run and on every device."""

import collections
import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence

import chex
import jax
import numpy as np

# A batch holds about this many pixels: enough to fill a device, little enough to hold in memory.
_PIXELS = 2**20
_LIMIT = 8


@dataclasses.dataclass(frozen=True)
class Batch:
    """Scenes of one shape.

    Every scene has its slot in a batch of fixed capacity, whatever else was finished before and
    whichever device computes it, so that its results are the same bits in every run.

    Attributes:
      indices: of the scenes; fewer than `capacity` in the last batch of a shape.
      capacity: slots that the program is compiled for.
      size: (H, W) of its pictures.
      colored: whether each source has color.
    """

    indices: tuple[int, ...]
    capacity: int
    size: tuple[int, int]
    colored: tuple[bool, ...]

    @property
    def shapes(self) -> tuple[tuple[int, int, int], ...]:
        """(H, W, 1 or 3) of every source."""
        return tuple((*self.size, 3 if colored else 1) for colored in self.colored)

    def missing(self, finished: Collection[int]) -> dict[int, int]:
        """Slot -> index of the scenes that are not finished."""
        return {slot: i for slot, i in enumerate(self.indices) if i not in finished}


def plan_batches(scenes: Sequence, batch_size: int = 0) -> list[Batch]:
    """Groups scenes by shape, then cuts each group into batches.

    Args:
      scenes: all of the run, finished ones included, with `size` and `colored`.
      batch_size: scenes in a batch; 0 chooses about a megapixel.

    Returns:
      Batches; all of one shape follow each other.
    """
    groups = collections.defaultdict(list)
    for index, scene in enumerate(scenes):
        groups[scene.size, scene.colored].append(index)
    batches = []
    for (size, colored), members in groups.items():
        fitting = max(1, min(_LIMIT, _PIXELS // (size[0] * size[1])))
        capacity = min(batch_size or fitting, len(members))
        for start in range(0, len(members), capacity):
            indices = tuple(members[start : start + capacity])
            batches.append(Batch(indices, capacity, size, colored))
    return batches


def unfinished(batches: Sequence[Batch], finished: Collection[int]) -> list[tuple]:
    """`(batch, slot -> index of a scene that is not finished)` of those that have any."""
    todo = [(batch, batch.missing(finished)) for batch in batches]
    return [(batch, slots) for batch, slots in todo if slots]


def stack(capacity: int, slots: Mapping, convert: Callable = np.asarray) -> chex.ArrayTree:
    """Arrays side by side; slots without any hold zeros.

    Args:
      capacity: number of slots.
      slots: slot -> a pytree, all of one structure and shape; one at least.
      convert: of every leaf to its array.

    Returns:
      A pytree with the leading axis `capacity`.

    Example:
      >>> stack(3, {1: np.ones(2)}).tolist()
      [[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]
    """

    def join(*leaves):
        stacked = None
        for slot, leaf in zip(slots, leaves, strict=True):  # one is converted at a time
            array = convert(leaf)
            if stacked is None:
                stacked = np.zeros((capacity, *array.shape), array.dtype)
            stacked[slot] = array
        return stacked

    return jax.tree.map(join, *slots.values())
