"""The scenes that a network is trained on: several data sets as one, some of them held back."""

import dataclasses
import itertools
from collections.abc import Sequence

from ttd_jax.errors import UserError
from ttd_jax.pictures.examples import Example, Examples


@dataclasses.dataclass(frozen=True)
class JoinedExamples(Examples):
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

    def __getitem__(self, index: int) -> Example:
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
