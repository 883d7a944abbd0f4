"""Scenes that are computed together, the same in every run and on every device."""

import collections
import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence

import chex
import jax
import numpy as np

from ttd_jax.pictures.buckets import choose_buckets
from ttd_jax.pictures.images import Picture

SIZES = ("bucket", "exact")
# A batch holds about this many pixels: enough to fill a device, little enough to hold in memory.
_PIXELS = 2**20
_LIMIT = 8


@dataclasses.dataclass(frozen=True)
class Frame:
    """The arrays that hold a scene's pictures.

    Attributes:
      size: their height and width.
      shared: pictures of other sizes have the same: where a picture ends in them is then data.
    """

    size: tuple[int, int]
    shared: bool

    def extent(self, size: tuple[int, int]) -> np.ndarray | None:
        """i32[2], of a picture (H, W) in them; None where they hold nothing else."""
        return np.array(size, np.int32) if self.shared else None


@dataclasses.dataclass(frozen=True)
class Batch:
    """Scenes in arrays of one shape.

    Every scene has its slot in a batch of fixed capacity, whatever else was finished before and
    whichever device computes it, so that its results are the same bits in every run.

    Attributes:
      indices: of the scenes; fewer than `capacity` in the last batch of a shape.
      capacity: slots that the program is compiled for.
      frame: its arrays.
      colored: whether each source has color.
      sizes: (H, W) of the scenes' pictures.
      masked: whether some sources lack data somewhere, and come with a mask.
    """

    indices: tuple[int, ...]
    capacity: int
    frame: Frame
    colored: tuple[bool, ...]
    sizes: tuple[tuple[int, int], ...]
    masked: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of its arrays."""
        return self.frame.size

    @property
    def extents(self) -> np.ndarray | None:
        """i32[capacity, 2], of every slot; None where arrays hold nothing else."""
        if not self.frame.shared:
            return None
        unused = [self.size] * (self.capacity - len(self.sizes))
        return np.array([*self.sizes, *unused], np.int32)

    @property
    def shapes(self) -> tuple[tuple[int, int, int], ...]:
        """(H, W, 1 or 3) of every source."""
        return tuple((*self.size, 3 if colored else 1) for colored in self.colored)

    @property
    def mask_shape(self) -> tuple[int, int, int] | None:
        """(M, H, W) of where sources have data; None where they have everywhere."""
        return (len(self.colored), *self.size) if self.masked else None

    def missing(self, finished: Collection[int]) -> dict[int, int]:
        """Slot -> index of the scenes that are not finished."""
        return {slot: i for slot, i in enumerate(self.indices) if i not in finished}


def plan_batches(
    scenes: Sequence,
    batch_size: int = 0,
    *,
    exact: bool = True,
    fit: Callable[[Batch], int] | None = None,
) -> list[Batch]:
    """Groups scenes by the shapes of their arrays, then cuts each group into batches.

    Args:
      scenes: all of the run, finished ones included, with `size`, `colored` and `masked`.
      batch_size: scenes in a batch; 0 chooses: what fits, or about a megapixel; eight at most.
      exact: arrays have the sizes of their pictures; otherwise, where those are several, those of
        few buckets.
      fit: a batch -> how many of its scenes the memory of a device has room for at once.

    Returns:
      Batches; all of one shape follow each other.
    """
    groups = collections.defaultdict(list)
    frames = choose_frames([scene.size for scene in scenes], exact=exact)
    for index, frame in enumerate(frames):
        groups[frame, scenes[index].colored, scenes[index].masked].append(index)
    batches = []
    for (frame, colored, masked), members in groups.items():

        def cut(capacity, frame=frame, colored=colored, masked=masked, members=members):
            capacity = min(capacity, len(members))
            for start in range(0, len(members), capacity):
                indices = tuple(members[start : start + capacity])
                sizes = tuple(scenes[index].size for index in indices)
                yield Batch(indices, capacity, frame, colored, sizes, masked)

        capacity = batch_size or max(1, min(_LIMIT, _PIXELS // (frame.size[0] * frame.size[1])))
        if fit is not None and not batch_size:
            capacity = fit(next(cut(_LIMIT)))
        batches += cut(capacity)
    return batches


def choose_frames(sizes: Sequence[tuple[int, int]], *, exact: bool = True) -> list[Frame]:
    """The arrays of every scene.

    Args:
      sizes: (H, W) of the pictures of all scenes of the run.
      exact: see `plan_batches`.
    """
    if exact:
        return [Frame(size, shared=False) for size in sizes]
    buckets = choose_buckets(collections.Counter(sizes))
    members = collections.Counter(buckets.values())
    return [
        Frame(buckets[size], shared=True)
        if members[buckets[size]] > 1
        else Frame(size, shared=False)
        for size in sizes
    ]


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


def fill_up(array: np.ndarray, size: tuple[int, int], *, axis: int = 0) -> np.ndarray:
    """An array with zeros below and to the right of a picture whose rows are along an axis.

    Example:
      >>> fill_up(np.ones((1, 2)), (2, 3)).tolist()
      [[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    """
    missing = [side - own for side, own in zip(size, array.shape[axis:], strict=False)]
    if not any(missing):
        return array
    return np.pad(
        array, [(0, 0)] * axis + [(0, m) for m in missing] + [(0, 0)] * (array.ndim - axis - 2)
    )


def stack_masks(pictures: Sequence[Picture], size: tuple[int, int]) -> np.ndarray:
    """Where each of a scene's pictures has data, bool[M, H, W]; nowhere beyond it in larger arrays.

    Args:
      pictures: M pictures; one without a mask has data everywhere.
      size: (H, W) of the arrays.
    """
    whole = np.ones(pictures[0].size, bool)
    masks = (whole if picture.has_data is None else picture.has_data for picture in pictures)
    return np.stack([fill_up(mask, size) for mask in masks])
