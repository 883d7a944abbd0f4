"""A fuse run from scenes to finished folder."""

import concurrent.futures
import dataclasses
import pathlib
import time
from collections.abc import Sequence

from tqdm import tqdm

from ttd_jax.errors import UserError
from ttd_jax.fusing.compute import BatchFuser, day_probability
from ttd_jax.fusing.options import FuseOptions
from ttd_jax.fusing.outputs import output_files, output_names
from ttd_jax.fusing.plan import Batch, check_scenes, plan_batches
from ttd_jax.networks import Model
from ttd_jax.networks.illumination import Classifier
from ttd_jax.parts import default_memory
from ttd_jax.pictures.images import read_picture
from ttd_jax.pictures.journal import Journal
from ttd_jax.pictures.scenes import Scene

# Pictures are decoded ahead only if that takes this share of the memory at most.
_AHEAD = 1 / 16


@dataclasses.dataclass(frozen=True)
class FuseJob:
    """A checked run, ready to start.

    Attributes:
      out: the output folder.
      labels: names of the sources.
      options: the user's choices.
      batches: all scenes, finished ones included.
      finished: records of scenes that need no work.
    """

    out: pathlib.Path
    labels: tuple[str, ...]
    options: FuseOptions
    batches: tuple[Batch, ...]
    finished: dict[str, dict]

    @property
    def scenes(self):
        """Checked scenes in the order of their names."""
        every = [scene for batch in self.batches for scene in batch.slots]
        return sorted(every, key=lambda checked: checked.scene.name)


def plan_job(
    scenes: Sequence[Scene],
    labels: tuple[str, ...],
    model: Model,
    options: FuseOptions,
    out: pathlib.Path,
    *,
    resume: bool = False,
    max_memory: int | None = None,
) -> FuseJob:
    """Checks sources and output names; writes nothing.

    Args:
      scenes: what to fuse.
      labels: names of the sources.
      model: the network.
      options: the user's choices.
      out: the output folder.
      resume: keep the finished scenes that are in it.
      max_memory: bytes that decoding may take; few large pictures are then checked at a time.

    Raises:
      UserError: see `check_scenes`; a source would be overwritten; other settings when resuming.
    """
    spec = model.spec
    if spec.source_count not in (None, len(labels)):
        raise UserError(
            f"{spec.name} fuses exactly {spec.source_count} sources, got {len(labels)}: pass "
            f"{spec.source_count}, or use another model"
        )
    finished = Journal(out).finished(options.as_record()) if resume else {}
    sources = {path.resolve(): path for scene in scenes for path in scene.sources}
    for scene in scenes:
        for name in output_names(scene.name, labels, options):
            source = sources.get((out / name).resolve())
            if source is not None:
                raise UserError(
                    f"{source}: would be overwritten by the result: choose another --out"
                )
    if out.exists() and not out.is_dir():
        raise UserError(f"{out}: is a file: choose a folder as --out")
    checked, unchanged = check_scenes(
        scenes,
        gray=options.decode_gray,
        finished=finished,
        min_size=spec.min_size,
        max_memory=max_memory,
    )
    return FuseJob(
        out=out,
        labels=labels,
        options=options,
        batches=tuple(plan_batches(checked, options.batch_size)),
        finished={name: record for name, record in finished.items() if name in unchanged},
    )


def run_job(
    job: FuseJob,
    model: Model,
    classifier: Classifier | None = None,
    *,
    max_memory: int | None = None,
) -> dict:
    """Fuses what is not finished and writes it.

    Args:
      job: from `plan_job`.
      model: the network.
      classifier: tells day from night on each first source; the record then has `day_probability`.
      max_memory: bytes that fusing may take; what does not fit is fused in strips. Half of what is
        free by default.

    Returns:
      `{'fused': count, 'reused': count, 'scenes': records}`.

    Raises:
      UserError: the output cannot be written, or memory has no room for any strip of a scene.
      KeyboardInterrupt: what is finished stays, for a run with `resume`.
    """
    memory = default_memory() if max_memory is None else max_memory
    journal = Journal(job.out)
    journal.open(job.finished)
    try:
        records, batch_times, seconds = _fuse_batches(
            job, BatchFuser(model, job.options, memory), journal, classifier
        )
    except BaseException:
        journal.abandon()
        raise
    fused = len(records)
    records |= job.finished
    summary = [records[checked.scene.name] for checked in job.scenes]
    timings = {
        "seconds": seconds,
        "fused": fused,
        "reused": len(summary) - fused,
        "batches": batch_times,
    }
    journal.close(summary, timings)
    return {"fused": fused, "reused": len(summary) - fused, "scenes": summary}


def _fuse_batches(job, fuser, journal, classifier):
    start = time.perf_counter()
    todo = [
        (batch, [c.scene.name not in job.finished for c in batch.slots]) for batch in job.batches
    ]
    todo = [(batch, wanted) for batch, wanted in todo if any(wanted)]
    count = sum(sum(wanted) for _, wanted in todo)
    records, times = {}, []
    with tqdm(total=count, desc="fusing", unit="scene", delay=1, disable=None) as bar:
        for batch, pictures in _decoded(todo, job.options, fuser.memory):
            begun, compiled = time.perf_counter(), fuser.compile_seconds
            scenes = len(pictures)
            for slot, result in fuser(batch, pictures):
                checked, first = batch.slots[slot], pictures[slot][0]
                record = _record(job, checked, result)
                if classifier is not None:
                    record["day_probability"] = day_probability(
                        classifier, checked.scene.sources[0]
                    )
                files = output_files(
                    checked.scene.name,
                    job.labels,
                    job.options,
                    result,
                    first=first,
                    quantize_how=fuser.quantization,
                )
                journal.write_scene(record, files)
                records[checked.scene.name] = record
                bar.update()
                del result, files, first  # a large scene leaves before the next one comes
            pictures.clear()
            compile_seconds = fuser.compile_seconds - compiled
            times.append(
                {
                    "size": list(batch.slots[0].size),
                    "scenes": scenes,
                    "compile_seconds": compile_seconds,
                    "seconds": time.perf_counter() - begun - compile_seconds,
                }
            )
    return records, times, time.perf_counter() - start


def _decoded(todo, options, memory):
    """Batches with the pictures of their wanted slots; small ones are decoded a batch ahead."""
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        ahead = None
        for index, (batch, wanted) in enumerate(todo):
            pictures = ahead.result() if ahead else _decode(batch, wanted, options)
            following = todo[index + 1 : index + 2]
            ahead = None
            if following and _decoding_bytes(following[0][0]) <= _AHEAD * memory:
                ahead = thread.submit(_decode, *following[0], options)
            yield batch, pictures


def _decode(batch, wanted, options):
    """Slot -> the pictures of its scene."""
    return {
        slot: tuple(read_picture(path, gray=options.decode_gray) for path in checked.scene.sources)
        for slot, checked in enumerate(batch.slots)
        if wanted[slot]
    }


def _decoding_bytes(batch):
    """About what the pictures of a batch take while they are decoded."""
    height, width = batch.slots[0].size
    channels = sum(3 if colored else 1 for colored in batch.slots[0].colored)
    return 4 * len(batch.slots) * height * width * channels


def _record(job, checked, result):
    scene, options = checked.scene, job.options
    return {
        "scene": scene.name,
        "size": list(checked.size),
        "color": options.resolve_color(checked.colored),
        "windows": result["windows"],
        "files": [str(name) for name in output_names(scene.name, job.labels, options)],
        "settings": options.as_record(),
        "sources": [
            {
                "name": label,
                "file": str(path),
                "sha256": sha256,
                "colored": colored,
                "dominates": round(float(result["dominates"][m]), 6),
                "mean_dominability": round(float(result["mean_dominability"][m]), 6),
            }
            for m, (label, path, sha256, colored) in enumerate(
                zip(job.labels, scene.sources, checked.sha256, checked.colored, strict=True)
            )
        ],
    }
