"""Scores saved pictures of any method against their sources."""

import concurrent.futures
import dataclasses
import hashlib
import pathlib
import time
from collections.abc import Sequence

import jax
import numpy as np
from tqdm import tqdm

from ttd_jax import metrics
from ttd_jax.errors import UserError
from ttd_jax.evaluation import tables
from ttd_jax.pictures.images import quantize, read_bytes, read_picture
from ttd_jax.pictures.journal import Journal
from ttd_jax.pictures.scenes import Scene, folder_images


@dataclasses.dataclass(frozen=True)
class ScoreJob:
    """What to score.

    Attributes:
      methods: label of each set of results -> scene name -> its picture.
      scenes: the sources, by scene name.
      protocol: a key of `metrics.PROTOCOLS`.
      names: the metrics.
      out: the output folder.
    """

    methods: dict[str, dict[str, pathlib.Path]]
    scenes: dict[str, Scene]
    protocol: str
    names: tuple[str, ...]
    out: pathlib.Path

    @property
    def settings(self) -> dict:
        """What must be the same for a resumed run."""
        return {"protocol": self.protocol, "metrics": list(self.names)}


def plan_score(
    fused: Sequence[pathlib.Path],
    labels: Sequence[str],
    scenes: Sequence[Scene],
    **options,
) -> ScoreJob:
    """Matches result folders with scenes by stem.

    Raises:
      UserError: a result without sources, or sets of results that differ in their names.
    """
    by_name = {scene.name: scene for scene in scenes}
    methods = {}
    for folder, label in zip(fused, labels, strict=True):
        pictures = folder_images(folder)
        strange = sorted(pictures.keys() - by_name.keys())
        if strange:
            raise UserError(
                f"{folder}: {len(strange)} of {len(pictures)} pictures have no sources "
                f"({tables.some(strange)}): pass the sources they were fused from"
            )
        methods[label] = pictures
    first, *others = methods.items()
    for label, pictures in others:
        different = sorted(pictures.keys() ^ first[1].keys())
        if different:
            raise UserError(
                f"{label} and {first[0]} differ in {len(different)} pictures "
                f"({tables.some(different)}): compare results for the same scenes"
            )
    wanted = {name: by_name[name] for name in sorted(first[1])}
    return ScoreJob(methods=methods, scenes=wanted, **options)


def run_score(job: ScoreJob, *, resume: bool = False) -> list[dict]:
    """Scores what is not finished; writes scores.csv, scores.json, scores.md and summary.json.

    Returns:
      One record for each picture: `method`, `image`, and the metrics under `scores`.

    Raises:
      UserError: an unreadable picture, sizes that differ, or an output that cannot be written.
    """
    start = time.perf_counter()
    journal = Journal(job.out)
    finished = journal.finished(job.settings) if resume else {}
    tasks = [(m, name) for m, pictures in job.methods.items() for name in sorted(pictures)]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        loads = (pool.submit(_load, job, *task) for task in tasks)
        records, reused = _score_all(job, tasks, loads, finished, journal)
    files = tables.score_files(records, job.protocol, job.names)
    timings = {
        "seconds": time.perf_counter() - start,
        "scored": len(records) - reused,
        "reused": reused,
    }
    journal.close(records, timings, files)
    return records


def _score_all(job, tasks, loads, finished, journal):
    records, reused = [], 0
    opened = False
    evaluate = jax.jit(
        lambda fused, sources: metrics.evaluate(
            fused, sources, protocol=job.protocol, names=job.names
        )
    )
    pending = [next(loads, None), next(loads, None)]  # decode ahead of the device
    bar = tqdm(tasks, "scoring", unit="image", delay=1, disable=None)
    try:
        for method, name in bar:
            hashes, arrays = pending.pop(0).result()
            pending.append(next(loads, None))
            if not opened:
                journal.open(finished)
                opened = True
            scene = f"{method}/{name}"
            known = finished.get(scene)
            if known and known["sha256"] == hashes:
                records.append(known)
                reused += 1
                continue
            scores = {k: float(v) for k, v in evaluate(*arrays).items()}
            record = {
                "scene": scene,
                "method": method,
                "image": name,
                "files": [],
                "settings": job.settings,
                "sha256": hashes,
                "scores": scores,
            }
            journal.write_scene(record, [])
            records.append(record)
    except BaseException:
        journal.abandon()
        raise
    return records, reused


def _load(job, method, name):
    """Hashes and grays of one picture and its sources."""
    path, sources = job.methods[method][name], job.scenes[name].sources
    fused = metrics.fused_gray(_bytes(read_picture(path)), protocol=job.protocol)
    grays = [metrics.source_gray(_bytes(read_picture(p, gray=True))) for p in sources]
    for source, gray in zip(sources, grays, strict=True):
        if gray.shape != fused.shape:
            raise UserError(
                f"{path} is {fused.shape[1]}x{fused.shape[0]} but {source} is "
                f"{gray.shape[1]}x{gray.shape[0]}: results must have the size of their sources"
            )
    hashes = [hashlib.sha256(read_bytes(p)).hexdigest() for p in (path, *sources)]
    return hashes, (fused, np.stack(grays))


def _bytes(picture):
    """The protocols judge 8-bit pictures; 16-bit ones are rounded to that."""
    if picture.pixels.dtype == np.uint8:
        return picture.pixels
    return quantize(picture.as_float(), np.uint8)
