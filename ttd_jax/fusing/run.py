"""A fuse run from scenes to finished folder."""

import concurrent.futures
import dataclasses
import pathlib
import time
from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from ttd_jax.backbones import BackboneRow, Model
from ttd_jax.backbones.illumination import Classifier
from ttd_jax.data.images import read_picture
from ttd_jax.data.journal import Journal
from ttd_jax.data.scenes import Scene
from ttd_jax.errors import UserError
from ttd_jax.fusing.compute import BatchFuser, day_probability
from ttd_jax.fusing.options import FuseOptions
from ttd_jax.fusing.outputs import output_files, output_names
from ttd_jax.fusing.plan import Batch, check_scenes, plan_batches


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
    row: BackboneRow,
    options: FuseOptions,
    out: pathlib.Path,
    *,
    resume: bool = False,
) -> FuseJob:
    """Checks sources and output names; writes nothing.

    Raises:
      UserError: see `check_scenes`; a source would be overwritten; other settings when resuming.
    """
    if row.source_count not in (None, len(labels)):
        raise UserError(
            f"{row.name} fuses exactly {row.source_count} sources, got {len(labels)}: pass "
            f"{row.source_count}, or use another model"
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
        scenes, gray=options.decode_gray, finished=finished, min_size=row.min_size
    )
    return FuseJob(
        out=out,
        labels=labels,
        options=options,
        batches=tuple(plan_batches(checked, options.batch_size)),
        finished={name: record for name, record in finished.items() if name in unchanged},
    )


def run_job(
    job: FuseJob, model: Model, row: BackboneRow, classifier: Classifier | None = None
) -> dict:
    """Fuses what is not finished and writes it.

    Args:
      job: from `plan_job`.
      model: the network.
      row: its row.
      classifier: tells day from night on each first source; the record then has `day_probability`.

    Returns:
      `{'fused': count, 'reused': count, 'scenes': records}`.

    Raises:
      UserError: the output cannot be written.
      KeyboardInterrupt: what is finished stays, for a run with `resume`.
    """
    journal = Journal(job.out)
    journal.open(job.finished)
    try:
        records, batch_times, seconds = _fuse_batches(job, model, row, journal, classifier)
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


def _fuse_batches(job, model, row, journal, classifier):
    start = time.perf_counter()
    fuser = BatchFuser(model, row, job.options)
    todo = [
        (batch, [c.scene.name not in job.finished for c in batch.slots]) for batch in job.batches
    ]
    todo = [(batch, wanted) for batch, wanted in todo if any(wanted)]
    count = sum(sum(wanted) for _, wanted in todo)
    records, times = {}, []
    with (
        concurrent.futures.ThreadPoolExecutor(1) as ahead,
        tqdm(total=count, desc="fusing", unit="scene", delay=1, disable=None) as bar,
    ):
        loads = (ahead.submit(_load, batch, wanted, job.options) for batch, wanted in todo)
        pending = next(loads, None)
        for batch, wanted in todo:
            pictures, arrays = pending.result()
            pending = next(loads, None)  # decode the next batch while this one is computed
            begun = time.perf_counter()
            results, compile_seconds = fuser(arrays)
            for slot, checked in enumerate(batch.slots):
                if not wanted[slot]:
                    continue
                result = {name: array[slot] for name, array in results.items()}
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
                    first=pictures[slot],
                    quantise_how=row.quantise if job.options.color == "network" else "round",
                )
                journal.write_scene(record, files)
                records[checked.scene.name] = record
                bar.update()
            times.append(
                {
                    "size": list(batch.slots[0].size),
                    "scenes": sum(wanted),
                    "compile_seconds": compile_seconds,
                    "seconds": time.perf_counter() - begun - compile_seconds,
                }
            )
    return records, times, time.perf_counter() - start


def _load(batch, wanted, options):
    """First sources' pictures by slot, and the batch's arrays: M of f32[B, H, W, 1 or 3]."""
    first = batch.slots[0]
    arrays = [
        np.zeros((batch.capacity, *first.size, 3 if coloured else 1), np.float32)
        for coloured in first.coloured
    ]
    pictures = {}
    for slot, checked in enumerate(batch.slots):
        if not wanted[slot]:
            continue
        for m, path in enumerate(checked.scene.sources):
            picture = read_picture(path, gray=options.decode_gray)
            arrays[m][slot] = picture.as_float()
            if m == 0:
                pictures[slot] = picture
    return pictures, tuple(arrays)


def _record(job, checked, result):
    scene, options = checked.scene, job.options
    return {
        "scene": scene.name,
        "size": list(checked.size),
        "color": options.resolve_color(checked.coloured),
        "files": [str(name) for name in output_names(scene.name, job.labels, options)],
        "settings": options.as_record(),
        "sources": [
            {
                "name": label,
                "file": str(path),
                "sha256": sha256,
                "coloured": coloured,
                "dominates": round(float(result["dominates"][m]), 6),
                "mean_dominability": round(float(result["mean_dominability"][m]), 6),
            }
            for m, (label, path, sha256, coloured) in enumerate(
                zip(job.labels, scene.sources, checked.sha256, checked.coloured, strict=True)
            )
        ],
    }
