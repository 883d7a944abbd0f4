"""Scores saved pictures of any method against their sources."""

import dataclasses
import pathlib
import time
from collections.abc import Sequence

import jax
import numpy as np

from ttd_jax import metrics
from ttd_jax.errors import UserError, some
from ttd_jax.evaluation import tables
from ttd_jax.pictures.ahead import ahead
from ttd_jax.pictures.decode import decode_example
from ttd_jax.pictures.examples import Example, FolderExamples
from ttd_jax.pictures.records import UNFINISHED, Records
from ttd_jax.pictures.scenes import folder_images
from ttd_jax.report.progress import progress


@dataclasses.dataclass(frozen=True)
class ScoreJob:
    """What to score.

    Attributes:
      pictures: every saved picture and its sources: the method is the first role.
      protocol: a key of `metrics.PROTOCOLS`.
      names: the metrics.
      out: the output folder.
    """

    pictures: tuple[Example, ...]
    protocol: str
    names: tuple[str, ...]
    out: pathlib.Path


def plan_score(
    fused: Sequence[pathlib.Path],
    labels: Sequence[str],
    scenes: FolderExamples,
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
                f"({some(strange)}): pass the sources they were fused from"
            )
        methods[label] = pictures
    first, *others = methods.items()
    for label, pictures in others:
        different = sorted(pictures.keys() ^ first[1].keys())
        if different:
            raise UserError(
                f"{label} and {first[0]} differ in {len(different)} pictures "
                f"({some(different)}): compare results for the same scenes"
            )
    found = tuple(
        Example(name, (label, *scenes.roles), (pictures[name], *by_name[name].sources))
        for label, pictures in methods.items()
        for name in sorted(pictures)
    )
    return ScoreJob(found, **options)


def run_score(job: ScoreJob, *, resume: bool = False) -> list[dict]:
    """Scores what is not finished; writes scores.csv, scores.json, scores.md and summary.json.

    Returns:
      One record for each picture: `method`, `image`, and the metrics under `scores`.

    Raises:
      UserError: an unreadable picture, sizes that differ, or an output that cannot be written.
    """
    start = time.perf_counter()
    settings = {"protocol": job.protocol, "metrics": list(job.names)}
    store = Records(job.out, folder=UNFINISHED, key=_key)
    finished = store.find(settings) if resume else {}
    evaluate = jax.jit(
        lambda fused, sources: metrics.evaluate(
            fused, sources, protocol=job.protocol, names=job.names
        )
    )

    def load(example):
        """A picture's record, if it has one, and else the arguments of `evaluate`."""
        record = {
            "method": example.roles[0],
            "image": example.name,
            "sha256": list(example.sha256),
        }
        known = finished.get(_key(record))
        return (known, None) if known else (record, _grays(example, job.protocol))

    records, scored = [], 0
    store.open(settings, finished.values())
    try:
        bar = progress(total=len(job.pictures), description="scoring", unit="image")
        with bar:
            for _, (record, arrays) in ahead(load, job.pictures):
                if arrays is not None:
                    record["scores"] = {k: float(v) for k, v in evaluate(*arrays).items()}
                    store.append(record)
                    scored += 1
                records.append(record)
                bar.update()
    except BaseException:
        store.abandon()
        raise
    counts = {"scored": scored, "reused": len(records) - scored}
    timings = {"seconds": time.perf_counter() - start, **counts}
    files = tables.score_files(records, job.protocol, job.names)
    store.close(settings, records, timings, files)
    return records


def _key(record):
    return record["method"], record["image"], *record["sha256"]


def _grays(example, protocol):
    """A fused picture f32[H, W] and its sources f32[M, H, W]; 16 bits are rounded to 8."""
    sources = len(example.roles) - 1
    fused, *pictures = decode_example(example, gray=(False, *[True] * sources))
    grays = [metrics.source_gray(picture.as_bytes()) for picture in pictures]
    return metrics.fused_gray(fused.as_bytes(), protocol=protocol), np.stack(grays)
