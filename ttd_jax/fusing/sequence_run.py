"""Fuses the frames of a sequence, in their order, and writes them behind."""

import contextlib
import dataclasses
import functools
import time

import jax

from ttd_jax.errors import explain_exhausted
from ttd_jax.fusing.compute import BatchFuser
from ttd_jax.fusing.options import MAPS
from ttd_jax.fusing.sequence import SequenceJob
from ttd_jax.fusing.state import State
from ttd_jax.fusing.steady import SteadyFuser
from ttd_jax.fusing.tally import Tally
from ttd_jax.networks import Model
from ttd_jax.parts import batch_memory, format_size
from ttd_jax.pictures import transforms
from ttd_jax.pictures.batches import plan_batches
from ttd_jax.pictures.behind import Behind
from ttd_jax.report.progress import progress

# Pictures are decoded ahead only if that takes this share of the memory at most.
_AHEAD = 1 / 16
_STATE_EVERY = 8  # frames


def check_memory(job: SequenceJob, model: Model) -> None:
    """Refuses what `run_sequence` would find too large for the memory.

    It compiles what `run_sequence` then finds compiled.

    Raises:
      UserError: memory has no room for any strip of a frame.
    """
    fuser = _fuser(job, model)
    fuser.check(_batches(job, fuser)[0], job.options.fusing.given(job.first))


def _fuser(job, model):
    fusing = job.options.fusing
    options = {
        "color": fusing.color,
        "save": [name for name in fusing.save if name in MAPS],
        "memory": job.memory,
    }
    settings = model.strategy(fusing.strategy)
    if job.options.steady:
        return SteadyFuser(model, settings, smooth=job.options.smooth, **options)
    return BatchFuser(model, settings, **options)


@dataclasses.dataclass(frozen=True)
class _Alike:
    """What all frames have in common."""

    size: tuple[int, int]
    colored: tuple[bool, ...]
    masked: bool


def _batches(job, fuser):
    """All frames in batches, the same in every run."""
    given = job.options.fusing.given(job.first)
    frame = _Alike(
        size=given[0].size,
        colored=tuple(picture.colored for picture in given),
        masked=any(picture.has_data is not None for picture in given),
    )
    size = job.options.fusing.batch_size
    own_memory = batch_memory(jax.devices()[0]) is not None
    if job.options.steady and not own_memory:
        size = size or 1  # a CPU is busy with one, and a program of one is soonest compiled
    return plan_batches([frame] * len(job), size, fit=fuser.fit if own_memory else None)


def run_sequence(job: SequenceJob, model: Model) -> dict:
    """Fuses what is not finished and writes it.

    Args:
      job: from `plan_sequence`.
      model: the network.

    Returns:
      What `Tally.summary` tells of all frames and what else is known of them; `fused` and `reused`,
      how many were made now and before; and times, compiling aside in `frames_per_second`.

    Raises:
      UserError: a frame cannot be read, the output cannot be written, memory has no room for any
        strip of a frame, or it runs out.
      KeyboardInterrupt: what is finished stays.
    """
    begun, tally = time.perf_counter(), Tally()
    fuser = _fuser(job, model)
    batches = _batches(job, fuser)
    with contextlib.ExitStack() as stack:
        state = stack.enter_context(job.sink.opened(tally, batches[0].capacity))
        less = f"--batch_size=1 or --max_memory={format_size(job.memory // 2)}"
        stack.enter_context(explain_exhausted("fusing", f"pass {less}, or smaller frames"))
        _fuse_frames(job, fuser, batches, state, tally)
        counts = {"fused": len(job) - state.number, "reused": state.number}
        seconds = time.perf_counter() - begun
        times = {
            "seconds": seconds,
            "compile_seconds": fuser.compile_seconds,
            "frames_per_second": counts["fused"] / (seconds - fuser.compile_seconds),
        }
        job.sink.finish(_told(job, tally), {**times, **counts})
    return {**_told(job, tally), **counts, **times}


def _told(job, tally):
    """What is said of a sequence as a whole."""
    first, last = ([int(n) for n in job.pairing.indices[at]] for at in (0, -1))
    registration = job.registration and transforms.as_record(job.registration)
    return {
        **tally.summary(),
        "size": list(job.first[0].size),
        "color": job.options.fusing.resolve_color(tuple(p.colored for p in job.first)),
        "pairs": {"count": len(job), "first": first, "last": last},
        "registration": registration,
        "remarks": [*job.remarks, *job.sink.remarks],
    }


def _fuse_frames(job, fuser, batches, state, tally):
    """Fuses the frames that come after a state."""
    capacity = batches[0].capacity
    every = capacity * -(-_STATE_EVERY // capacity)
    a_frame = sum(4 * picture.pixels.size for picture in job.first)
    fits = 2 * (capacity + 1) * a_frame <= _AHEAD * job.memory
    frames = job.reader.read(state.number, state.gray, state.bounds, count=capacity + 1, fits=fits)
    carried = state.carried
    with (
        contextlib.closing(frames),
        Behind(2 * capacity) as behind,
        progress(description="fusing", total=len(job) - state.number, unit="frame") as bar,
    ):
        for batch in batches[-(-state.number // capacity) :]:
            own = [next(frames) for _ in batch.indices]
            given = {
                slot: (job.sink.name(frame.number), job.options.fusing.given(frame.pictures))
                for slot, frame in enumerate(own)
            }
            if job.options.steady:
                motions = {slot: frame.motion for slot, frame in enumerate(own)}
                results, carried = fuser.fuse(batch, given, motions, carried)
            else:
                results = (result for _, result in fuser(batch, given))
            for frame, result in zip(own, results, strict=True):
                write = functools.partial(job.sink.write, how=fuser.quantization)
                behind(_write, write, tally, frame, result)
            end = own[-1]
            if (end.number + 1) % every == 0:
                behind(job.sink.keep, State(end.number + 1, end.gray, end.bounds, carried))
            bar.update(len(own))


def _write(write, tally, frame, result):
    tally.add(write(frame, result))
