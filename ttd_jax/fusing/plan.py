"""Checks every source before anything is computed, and puts scenes of one shape into batches."""

import collections
import concurrent.futures
import dataclasses
import hashlib
import os
from collections.abc import Mapping, Sequence

from tqdm import tqdm

from ttd_jax.errors import UserError
from ttd_jax.pictures.images import read_bytes, read_picture
from ttd_jax.pictures.scenes import Scene

# A batch holds about this many pixels: enough to fill a device, little enough to hold in memory.
_BATCH_PIXELS = 2**20
_BATCH_LIMIT = 8
# Decoding takes about so many times the bytes of a compressed picture.
_DECODED = 50


@dataclasses.dataclass(frozen=True)
class CheckedScene:
    """A scene whose sources were all decoded once.

    Attributes:
      scene: its name and files.
      size: (H, W), the same for every source.
      colored: whether each source has color.
      sha256: of each source file.
    """

    scene: Scene
    size: tuple[int, int]
    colored: tuple[bool, ...]
    sha256: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Batch:
    """Scenes of one shape that are computed together.

    A scene keeps its slot whatever else was finished before, so that a resumed run computes the
    same bits: slots of finished scenes are filled with zeros.

    Attributes:
      slots: the scenes; fewer than `capacity` in the last batch of a shape.
      capacity: number of slots that the program is compiled for.
    """

    slots: tuple[CheckedScene, ...]
    capacity: int


def check_scenes(
    scenes: Sequence[Scene],
    *,
    gray: bool,
    finished: Mapping[str, dict],
    min_size: int = 1,
    max_memory: int | None = None,
) -> tuple[list[CheckedScene], set[str]]:
    """Decodes every source once; scenes that are finished are only hashed.

    Args:
      scenes: what to check.
      gray: whether sources are decoded to gray.
      finished: records of finished scenes, by name.
      min_size: smallest height and width that the network takes.
      max_memory: bytes that this may take; fewer scenes are then checked at a time if their files
        are large.

    Returns:
      The checked scenes in the given order, and the names of those still finished: a scene whose
      files have changed since is not.

    Raises:
      UserError: an unreadable source, or sources of different or too small sizes.
    """

    def check(scene):
        sha256 = tuple(_hash(path) for path in scene.sources)
        record = finished.get(scene.name)
        if record and sha256 == tuple(source["sha256"] for source in record["sources"]):
            colored = tuple(source["colored"] for source in record["sources"])
            return CheckedScene(scene, tuple(record["size"]), colored, sha256), True
        sizes, colored = [], []
        for path in scene.sources:  # one picture in memory at a time
            picture = read_picture(path, gray=gray)
            sizes.append(picture.size)
            colored.append(picture.colored)
            del picture
        _check_sizes(scene, sizes, min_size)
        return CheckedScene(scene, sizes[0], tuple(colored), sha256), False

    with concurrent.futures.ThreadPoolExecutor(_threads(scenes, max_memory)) as pool:
        results = pool.map(check, scenes)
        bar = tqdm(results, "checking", len(scenes), unit="scene", delay=1, disable=None)
        checked = list(bar)
    return [c for c, _ in checked], {c.scene.name for c, done in checked if done}


def fitting_batch(size: tuple[int, int]) -> int:
    """How many scenes of (H, W) make a batch: about a megapixel."""
    return max(1, min(_BATCH_LIMIT, _BATCH_PIXELS // (size[0] * size[1])))


def plan_batches(checked: Sequence[CheckedScene], batch_size: int = 0) -> list[Batch]:
    """Groups scenes by shape, then cuts each group into batches.

    Args:
      checked: all scenes of the run, finished ones included.
      batch_size: scenes in a batch; 0 chooses about a megapixel.

    Returns:
      Batches; all of one shape follow each other.
    """
    groups = collections.defaultdict(list)
    for scene in checked:
        groups[scene.size, scene.colored].append(scene)
    batches = []
    for (size, _), members in groups.items():
        capacity = min(batch_size or fitting_batch(size), len(members))
        for start in range(0, len(members), capacity):
            batches.append(Batch(tuple(members[start : start + capacity]), capacity))
    return batches


def _threads(scenes, max_memory):
    """How many pictures may be decoded at a time, None for as many as the machine likes."""
    if max_memory is None:
        return None
    largest = max((_bytes(path) for scene in scenes for path in scene.sources), default=0)
    allowed = max_memory // max(1, _DECODED * largest)
    return int(min(max(1, allowed), (os.cpu_count() or 1) + 4))


def _bytes(path):
    try:
        return path.stat().st_size
    except OSError:  # said when it is read
        return 0


def _hash(path):
    return hashlib.sha256(read_bytes(path)).hexdigest()


def _check_sizes(scene, sizes, min_size):
    for path, size in zip(scene.sources[1:], sizes[1:], strict=True):
        if size != sizes[0]:
            raise UserError(
                f"{scene.sources[0]} is {_named(sizes[0])} but {path} is {_named(size)}: the "
                "sources of a scene must be aligned and of one size"
            )
    if min(sizes[0]) < min_size:
        raise UserError(
            f"{scene.sources[0]} is {_named(sizes[0])}: this network needs at least "
            f"{min_size}x{min_size} pixels"
        )


def _named(size):
    return f"{size[1]}x{size[0]} (width x height)"
