"""Looks at every scene of a run once, before anything is computed."""

import collections
import concurrent.futures
import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence

from ttd_jax.align.check import Shift
from ttd_jax.align.transform import Registration
from ttd_jax.pictures import transforms
from ttd_jax.pictures.ahead import ahead
from ttd_jax.pictures.aligning import line_up, warped
from ttd_jax.pictures.decode import decode_example
from ttd_jax.pictures.examples import Example, FolderExamples
from ttd_jax.pictures.images import Picture, Reading
from ttd_jax.pictures.sizes import check_least_size, check_same_size
from ttd_jax.places import on_disk
from ttd_jax.processes import gather_texts
from ttd_jax.report.progress import progress, remark

# Decoded pictures are kept while they take so many bytes, and this share of the memory, at most.
_KEPT = 2**28
_SHARE = 32
# Decoding takes about so many times the bytes of a compressed picture.
_DECODED = 50


@dataclasses.dataclass(frozen=True)
class Checked:
    """What is known of a scene.

    Attributes:
      size: (H, W), the same for every source.
      colored: whether each source has color.
      sha256: see `Example.sha256`.
      objects: how many have boxes; 0 where the set has none.
      shifts: of each source against the first, where they were measured; () where not.
      registration: how the sources were brought to line up; None where they are as they were.
      masked: whether one lacks data somewhere.
    """

    size: tuple[int, int]
    colored: tuple[bool, ...]
    sha256: tuple[str, ...]
    objects: int = 0
    shifts: tuple[Shift, ...] = ()
    registration: Registration | None = None
    masked: bool = False

    def as_text(self) -> str:
        """JSON, for other processes."""
        record = dataclasses.asdict(self)
        found = self.registration
        return json.dumps({**record, "registration": found and transforms.as_record(found)})

    @classmethod
    def of_text(cls, text: str) -> "Checked":
        """What `as_text` is of."""
        record = json.loads(text)
        found = record["registration"]
        return cls(
            tuple(record["size"]),
            tuple(record["colored"]),
            tuple(record["sha256"]),
            record["objects"],
            tuple(Shift(**shift) for shift in record["shifts"]),
            found and transforms.of_record(found),
            record["masked"],
        )


@dataclasses.dataclass(frozen=True)
class Scenes(Sequence):
    """The checked scenes of a run; a sequence of `Checked`.

    Attributes:
      examples: the scenes, and perhaps others after them.
      gray: whether networks are given their grays.
      reading: how their files become pictures.
      checked: what is known of each.
      kept: index -> example and pictures of those that stay decoded.
    """

    examples: Sequence[Example]
    gray: bool
    reading: Reading
    checked: tuple[Checked, ...]
    kept: Mapping[int, tuple[Example, list[Picture]]] = dataclasses.field(repr=False)

    def __len__(self) -> int:
        return len(self.checked)

    def __getitem__(self, index: int) -> Checked:
        return self.checked[index]

    @property
    def keys(self) -> tuple[tuple[str, ...], ...]:
        """What a result of each scene is of: its name and its hashes."""
        names = self.examples.names[: len(self)]
        return tuple((name, *one.sha256) for name, one in zip(names, self, strict=True))

    @property
    def sha256(self) -> str:
        """Over the names and hashes of all."""
        return hashlib.sha256(repr(self.keys).encode()).hexdigest()

    def found(self, index: int) -> list[Picture]:
        """A scene's decoded pictures before anything was aligned; of one size if nothing is.

        Raises:
          UserError: they cannot be read any more.
        """
        return decode_example(self.examples[index], self.reading)

    def load(self, index: int) -> tuple[Example, list[Picture]]:
        """A scene and its decoded pictures.

        Raises:
          UserError: it cannot be read any more.
        """
        if index in self.kept:
            return self.kept[index]
        example, reading = self.examples[index], self.reading
        pictures = decode_example(example, reading)
        results, sources = pictures[: reading.results], pictures[reading.results :]
        moved = warped(sources, self[index].registration, reading.align.crop)
        return example, [*results, *moved]

    def given(self, pictures: Sequence[Picture]) -> list[Picture]:
        """What a network is given of a scene's pictures."""
        return [picture.grayed() for picture in pictures] if self.gray else list(pictures)


def check(
    examples: Sequence[Example],
    *,
    gray: bool = False,
    reading: Reading = Reading(),  # noqa: B008 - frozen
    count: int | None = None,
    least: int = 1,
    needs: str = "this network",
    known: Mapping[tuple, Checked] | None = None,
    share: tuple[int, int] = (0, 1),
    gather: Callable[[Mapping[int, str]], Mapping[int, str]] = gather_texts,
    max_memory: int | None = None,
    also: Callable[[Sequence[Picture]], object] = len,
) -> Scenes:
    """Decodes every source once; those of small scenes are kept. Tells what is remarkable of them.

    Args:
      examples: with `names` and `roles`.
      gray: whether networks are given grays, see `Picture.grayed`; no source counts as colored.
      reading: how files become pictures.
      count: the first so many only.
      least: smallest height and width.
      needs: what needs them, for the message.
      known: by `Scenes.keys`: these scenes are only hashed.
      share: `(process, processes)`: this process looks at every so many-th example only.
      gather: puts the texts of all processes together.
      max_memory: bytes that this may take; fewer are then decoded at a time if their files are
        large.
      also: further checks of a scene's pictures: raises an error of its own.

    Returns:
      What was found, the same in every process.

    Raises:
      UserError: an unreadable source, sources of different or too small sizes, or ones that cannot
        be aligned as the reading says.
    """
    process, processes = share
    every = range(len(examples))[:count]
    mine = every[process::processes]
    threads = _threads(examples, max_memory)
    room = _KEPT if max_memory is None else min(_KEPT, max_memory // _SHARE)
    small = room // (threads + 1)  # so many are decoded at a time
    reading = dataclasses.replace(reading, luma=gray)
    remarks = collections.defaultdict(list)

    def look(index):
        example = examples[index]
        sha256 = example.sha256
        found = (known or {}).get((example.name, *sha256))
        if found is not None:
            return found, None, 0
        titles, pictures = example.titles, decode_example(example, reading)
        for role, picture in zip(example.roles, pictures, strict=True):
            if picture.remark:
                remarks[role, ""].append(picture.remark)
        own = slice(reading.results, None)  # the sources
        lined_up = line_up(example.name, titles[own], pictures[own], reading.align)
        pictures = [*pictures[: reading.results], *lined_up.pictures]
        cut = ": was it cut with --crop=common? pass that here, too"
        check_same_size(titles, [picture.size for picture in pictures], cut)
        for source, off in lined_up.remarks.items():
            remarks[example.roles[own][source], "alignment"].append(off)
        also(pictures)
        size = pictures[0].size
        check_least_size(titles[0], size, least, needs)
        found = Checked(
            size=size,
            colored=tuple(picture.colored and not gray for picture in pictures),
            sha256=sha256,
            objects=len(example.boxes or ()),
            shifts=lined_up.shifts,
            registration=lined_up.registration,
            masked=any(picture.has_data is not None for picture in pictures),
        )
        taken = sum(picture.nbytes for picture in pictures)
        return found, (example, pictures) if taken <= small else None, taken

    kept, own = {}, {}
    with progress(description="checking", total=len(mine)) as bar:
        for index, (found, loaded, taken) in ahead(look, mine, threads):
            own[index] = found.as_text()
            if loaded is not None and taken <= room:
                kept[index], room = loaded, room - taken
            bar.update()
    texts = gather(own)
    checked = tuple(Checked.of_text(texts[index]) for index in every)
    for (role, _), found in sorted(remarks.items()):
        others = f" (and {len(found) - 1} more of {role})" if len(found) > 1 else ""
        remark(found[0] + others)
    return Scenes(examples, gray, reading, checked, kept)


def _threads(examples, max_memory):
    """How many scenes may be decoded at a time."""
    usual = min(32, (os.cpu_count() or 1) + 4)  # as a pool of threads chooses
    if max_memory is None or not isinstance(examples, FolderExamples):
        return usual
    with concurrent.futures.ThreadPoolExecutor() as pool:
        largest = max(pool.map(lambda example: sum(map(_bytes, example.sources)), examples))
    return min(max(1, max_memory // max(1, _DECODED * largest)), usual)


def _bytes(path):
    try:
        return path.stat().st_size if on_disk(path) else path.size()
    except OSError:  # said when it is read
        return 0
