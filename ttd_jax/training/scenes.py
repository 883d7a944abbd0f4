"""The scenes that a network is trained on: several data sets as one, checked before the start."""

import concurrent.futures
import dataclasses
import hashlib
import itertools
from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from ttd_jax.errors import UserError
from ttd_jax.evaluation.units import decode_example

_DIGEST = 32  # bytes of a sha256


@dataclasses.dataclass(frozen=True)
class JoinedExamples(Sequence):
    """The examples of several data sets, one after the other.

    Attributes:
      parts: data set -> its examples; all with equally many sources.
    """

    parts: dict[str, Sequence]

    @property
    def names(self) -> tuple[str, ...]:
        """DATASET/SCENE of every example."""
        return tuple(f"{name}/{scene}" for name, part in self.parts.items() for scene in part.names)

    @property
    def roles(self) -> tuple[str, ...]:
        """Of the sources of the first set."""
        return next(iter(self.parts.values())).roles

    def __len__(self):
        return sum(map(len, self.parts.values()))

    def __getitem__(self, index):
        number = range(len(self))[index]
        ends = itertools.accumulate(map(len, self.parts.values()))
        for (name, part), end in zip(self.parts.items(), ends, strict=True):
            if number < end:
                example = part[number - end + len(part)]
                return dataclasses.replace(example, name=f"{name}/{example.name}")
        raise AssertionError("a number below the length lies in one of the parts")


@dataclasses.dataclass(frozen=True)
class Checked:
    """What was found in examples.

    Attributes:
      sha256: over their names, files and boxes.
      objects: the most in one of them; 0 where they have no boxes.
    """

    sha256: str
    objects: int


def join_examples(parts: dict[str, Sequence]) -> JoinedExamples:
    """Several data sets as one.

    Raises:
      UserError: no data set, or sets whose scenes differ in their number of sources.
    """
    if not parts:
        raise UserError("the config names no data set: pass FILE:MODEL,DATASET")
    counts = {name: len(part.roles) for name, part in parts.items()}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name} has {count}" for name, count in counts.items())
        raise UserError(f"scenes of different numbers of sources ({told}): train on one kind")
    return JoinedExamples(parts)


def held_back(
    count: int, out_of: int, *, name: str = "config.held_back"
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Numbers of the scenes to train on, and of those held back: evenly spread over all.

    Args:
      count: how many to hold back.
      out_of: how many there are.
      name: of the field that says so.

    Raises:
      UserError: none would be left to train on.
    """
    if not 0 <= count < out_of:
        raise UserError(f"{name}={count}: of {out_of} scenes hold back 0 to {out_of - 1}")
    kept_out = {(2 * i + 1) * out_of // (2 * count) for i in range(count)}
    return tuple(i for i in range(out_of) if i not in kept_out), tuple(sorted(kept_out))


def check_examples(examples, least: int = 1, share=None) -> Checked:
    """Decodes every example once.

    Args:
      examples: a sequence of `Example`.
      least: height and width that every picture must have.
      share: with several processes, `(process, processes, add)`: this one decodes only its part,
        and `add` sums an integer array over all of them.

    Returns:
      What was found, the same in every process.

    Raises:
      UserError: an unreadable picture, sources of different sizes, a picture too small, or a
        label file that is damaged.
    """
    process, processes, add = share or (0, 1, lambda table: table)
    mine = range(process, len(examples), processes)
    table = np.zeros((len(examples), _DIGEST + 1), np.int32)

    def check(index):
        example = examples[index]
        height, width = decode_example(example, gray=False)[0].size
        if min(height, width) < least:
            raise UserError(
                f"{example.name} is {width}x{height}: smaller than a crop of {least}x{least}: "
                "lower config.crop, or leave the scene out"
            )
        digest = hashlib.sha256(example.name.encode())
        for data in example.files:
            digest.update(hashlib.sha256(data).digest())
        if example.boxes is None:
            return digest.digest(), 0
        digest.update(repr((example.boxes, example.labels)).encode())
        return digest.digest(), len(example.boxes)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        found = pool.map(check, mine)
        bar = tqdm(found, "checking", len(mine), unit="scene", delay=1, disable=None)
        for index, (digest, objects) in zip(mine, bar, strict=True):
            table[index] = *digest, objects
    *digests, objects = add(table).T
    digests = np.stack(digests, axis=-1).astype(np.uint8)
    return Checked(hashlib.sha256(digests.tobytes()).hexdigest(), int(objects.max()))
