"""Frames of a sequence beside their neighbors: the motion between them, and what else changes."""

import dataclasses
import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence

import jax
import numpy as np

from ttd_jax.metrics import temporal
from ttd_jax.pictures.images import Picture
from ttd_jax.pictures.motion import Motion, measure_both

STEP_METRICS = ("Flicker", "Flicker_of_RD", "BiSWE", "MS2R")  # of a method
SOURCE = "Flicker_of_source"  # the same for all methods


@dataclasses.dataclass(frozen=True)
class Frame:
    """One frame of all streams.

    Attributes:
      index: its number in the sequence, from 0.
      fused: the result of every method.
      sources: of the scene, of the same size.
      lumas: f32[H, W] in 0..255, of every result and then of every source.
      dominability: RD of every method, f32[M, H, W]; None where it is not known.
    """

    index: int
    fused: Sequence[Picture]
    sources: Sequence[Picture]
    lumas: Sequence[np.ndarray]
    dominability: Sequence[np.ndarray | None]


@dataclasses.dataclass(frozen=True)
class Step:
    """What moved between two frames.

    Attributes:
      motion: of the first source.
      backs: f32[S, H, W, 2], the flow of the later frame to the earlier, of every luma.
      forths: f32[S, H, W, 2], of the earlier frame to the later.
    """

    motion: Motion
    backs: np.ndarray
    forths: np.ndarray


@dataclasses.dataclass(frozen=True)
class Neighbors:
    """A frame and those beside it.

    Attributes:
      previous: None where there is none.
      current: the frame itself.
      following: None where there is none.
      before: the step to the frame; None likewise.
      after: the step from it.
    """

    previous: Frame | None
    current: Frame
    following: Frame | None
    before: Step | None
    after: Step | None


def neighbors(frames: Iterable[Frame], wanted: Collection[int]) -> Iterator[Neighbors]:
    """The wanted frames with their neighbors; the motion of each step is measured once.

    Args:
      frames: by their numbers: those that are wanted and those beside them.
      wanted: numbers.
    """
    before = previous = None
    for current, following in itertools.pairwise(itertools.chain(frames, [None])):
        beside = following is not None and following.index == current.index + 1
        after = measure_step(current, following) if beside else None
        if current.index in wanted:
            yield Neighbors(previous, current, following if beside else None, before, after)
        previous, before = (current, after) if beside else (None, None)


def measure_step(previous: Frame, current: Frame) -> Step:
    """The motion between two frames of all streams."""
    pairs = zip(previous.lumas, current.lumas, strict=True)
    found = [measure_both(*(np.rint(luma).astype(np.uint8) for luma in pair)) for pair in pairs]
    motions, backs, forths = zip(*found, strict=True)
    return Step(motions[len(current.fused)], np.stack(backs), np.stack(forths))


def judge_steps(found: Neighbors) -> list[dict[str, float | None]]:
    """What changes around a frame.

    Args:
      found: the frame and its neighbors.

    Returns:
      For every method 'Flicker' of its luma, 'Flicker_of_source', that of the first source, both
      in gray levels, 'Flicker_of_RD', all along the motion of the first source from the previous
      frame; 'BiSWE' and 'MS2R' of the three frames, see `ttd_jax.metrics.temporal`. None at the
      ends, across a cut, and where RD is not known.
    """
    methods = len(found.current.fused)
    before, after = (step and not step.motion.cut and step for step in (found.before, found.after))
    figures = [dict.fromkeys((*STEP_METRICS, SOURCE)) for _ in range(methods)]
    if before:
        along = {"flow": before.motion.flow, "mask": before.motion.mask}
        pair = (np.stack(frame.lumas[: methods + 1]) for frame in (found.previous, found.current))
        *lumas, source = map(float, _flickers(*pair, **along))
        maps = zip(found.previous.dominability, found.current.dominability, strict=True)
        for own, luma, pair in zip(figures, lumas, maps, strict=True):
            own |= {"Flicker": luma, SOURCE: source}
            if all(one is not None for one in pair):
                own["Flicker_of_RD"] = float(_flicker(*pair, **along))
    if before and after:
        flows = np.stack([before.backs, after.forths], axis=1)
        backs = np.stack([before.forths[methods:], after.backs[methods:]], axis=1)
        onward = np.stack([before.forths, after.forths], axis=1)
        three = (found.previous, found.current, found.following)
        for method, own in enumerate(figures):
            frames = np.stack([frame.lumas[method] for frame in three])
            sources = {"source_flows": flows[methods:], "source_backs": backs}
            own["BiSWE"] = float(_biswe(frames, flows=flows[method], **sources))
            own["MS2R"] = float(_ms2r(onward[method], onward[methods:]))
    return figures


_flicker, _biswe, _ms2r = map(jax.jit, (temporal.flicker, temporal.biswe, temporal.ms2r))


@jax.jit
def _flickers(previous, current, *, flow, mask):
    """f32[S], of every map f32[S, H, W]."""

    def one(*pair):
        return temporal.flicker(*pair, flow=flow, mask=mask)

    return jax.vmap(one)(previous, current)
