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


def held_back(count: int, out_of: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Numbers of the scenes to train on, and of those held back: evenly spread over all.

    Args:
      count: how many to hold back.
      out_of: how many there are.

    Raises:
      UserError: none would be left to train on.
    """
    if not 0 <= count < out_of:
        raise UserError(f"config.held_back={count}: of {out_of} scenes hold back 0 to {out_of - 1}")
    kept_out = {(2 * i + 1) * out_of // (2 * count) for i in range(count)}
    return tuple(i for i in range(out_of) if i not in kept_out), tuple(sorted(kept_out))


def check_examples(examples, least: int, share=None) -> str:
    """Decodes every example once.

    Args:
      examples: a sequence of `Example`.
      least: height and width that every picture must have.
      share: with several processes, `(process, processes, add)`: this one decodes only its part,
        and `add` sums an integer array over all of them.

    Returns:
      A sha256 over the names and files of all examples, the same in every process.

    Raises:
      UserError: an unreadable picture, sources of different sizes, or a picture too small.
    """
    process, processes, add = share or (0, 1, lambda table: table)
    mine = range(process, len(examples), processes)
    digests = np.zeros((len(examples), _DIGEST), np.int32)

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
        return np.frombuffer(digest.digest(), np.uint8)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        found = pool.map(check, mine)
        bar = tqdm(found, "checking", len(mine), unit="scene", delay=1, disable=None)
        for index, digest in zip(mine, bar, strict=True):
            digests[index] = digest
    return hashlib.sha256(add(digests).astype(np.uint8).tobytes()).hexdigest()
