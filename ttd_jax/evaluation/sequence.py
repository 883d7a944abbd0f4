"""Scores fused sequences against their sources, frame by frame and from frame to frame."""

import functools
import pathlib
import time
from collections.abc import Iterator, Sequence

import jax
import numpy as np

from ttd_jax import metrics
from ttd_jax.errors import UserError, some
from ttd_jax.evaluation import sequence_tables
from ttd_jax.evaluation.frames import read_pictures
from ttd_jax.evaluation.judged import judged_planes, luma_of
from ttd_jax.evaluation.matched import Matched, find_maps, sha256_of
from ttd_jax.evaluation.steps import SOURCE, STEP_METRICS, Frame, judge_steps, neighbors
from ttd_jax.files import jsonable
from ttd_jax.folders import alone
from ttd_jax.pictures.ahead import ahead
from ttd_jax.pictures.images import read_picture
from ttd_jax.pictures.ranges import Range
from ttd_jax.pictures.records import UNFINISHED, Records, check_covered, versions_of
from ttd_jax.pictures.sizes import check_same_size
from ttd_jax.report.progress import progress


def score_sequences(
    matched: Matched,
    out: pathlib.Path,
    *,
    protocol: str,
    names: Sequence[str],
    ranges: Sequence[Range] = (Range(),),
    resume: bool = False,
) -> list[dict]:
    """Scores what is not finished; writes scores.csv, scores.json, scores.md and summary.json.

    Three frames of each stream are in memory at a time, and what is read ahead.

    Args:
      matched: see `match_sequences`.
      out: the output folder.
      protocol: a key of `metrics.PROTOCOLS`.
      names: the metrics of frames.
      ranges: what becomes black and white in the sources; results have the range of their type.
      resume: keep the finished scores.

    Returns:
      One record for each frame of each method: `method`, `frame` from 0, `time` in seconds, whether
      the fused frame is `colored`, whether it begins another scene (`cut`), the metrics under
      `scores`, and under `temporal` what `judge_steps` gives.

    Raises:
      UserError: a frame that cannot be read, or an output that cannot be written; `out` has results
        of other settings, methods or frames, or another run is writing there.
    """
    start = time.perf_counter()
    settings = {
        "sequence": True,
        "protocol": protocol,
        "metrics": list(names),
        "range": [str(one) for one in ranges],
        "versions": versions_of(functions=[metrics.lookup(name).function for name in names]),
    }
    like = {
        "method": str,
        "frame": int,
        "time": float | None,
        "sha256": [str],
        "colored": bool,
        "cut": bool,
        "scores": dict.fromkeys(names, float | None),
        "temporal": dict.fromkeys((*STEP_METRICS, SOURCE), float | None),
    }
    store = Records(out, like=like, folder=UNFINISHED, key=_key)
    evaluate = jax.jit(functools.partial(metrics.evaluate, protocol=protocol, names=names))
    maps = _find_maps(matched)
    blank = _blank_records(matched, maps)
    scored = 0
    with alone(out, "score"), store.leaving_no_trace():
        finished = store.find(settings, resume=resume)
        held = [record["method"] for record in finished.values()]
        check_covered(out, "methods", held, matched.labels, "name them in --fused, too")
        store.open(settings)
        todo = {r["frame"] for r in blank.values() if _key(r) not in finished}
        found = neighbors(_frames(matched, maps, ranges, todo), todo)
        # A thread of its own decodes and follows the motion while metrics are computed.
        loaded = ahead(lambda _: next(found), range(len(todo)), threads=1)
        with progress(loaded, "scoring", len(todo), unit="frame") as bar:
            for _, one in bar:
                steps = judge_steps(one)
                for method, label in enumerate(matched.labels):
                    record = blank[label, one.current.index]
                    if _key(record) in finished:
                        continue
                    fused = one.current.fused[method]
                    planes = judged_planes(fused, one.current.sources, protocol)
                    record |= {
                        "colored": fused.colored,
                        "cut": one.before is not None and one.before.motion.cut,
                        "scores": jsonable(jax.tree.map(float, evaluate(**planes))),
                        "temporal": jsonable(steps[method]),
                    }
                    store.append(record)
                    scored += 1
        records = [finished.get(_key(record), record) for record in blank.values()]
        counts = {"scored": scored, "reused": len(records) - scored}
        timings = {"seconds": time.perf_counter() - start, **counts}
        store.close(
            settings, records, timings, sequence_tables.sequence_files(records, protocol, names)
        )
    return records


def _key(record):
    return record["method"], record["frame"], *record["sha256"]


def _find_maps(matched):
    """For every method the RD maps of each of its frames that has any, by its number."""
    found = []
    for stream in matched.fused:
        stems = [path.stem for path in stream.files]
        maps = find_maps(stream.path, stems) if stems else {}
        own = {i: maps[stem] for i, stem in enumerate(stems) if stem in maps}
        most = max(map(len, own.values()), default=0)
        for paths in own.values():
            if len(paths) < most:
                raise UserError(
                    f"{paths[0].parent}: {some([path.name for path in paths])} where other frames "
                    f"have {most} maps: add what is missing, or remove these"
                )
        found.append(own)
    return found


def _blank_records(matched, maps):
    """(method, frame) -> its record, so far as it is known."""
    sources = [sha256_of(stream) for stream in matched.sources]
    times = matched.times
    records = {}
    for label, stream, own in zip(matched.labels, matched.fused, maps, strict=True):
        sha256 = [sha256_of(stream, [path for paths in own.values() for path in paths]), *sources]
        for frame in range(len(matched.indices)):
            records[label, frame] = {
                "method": label,
                "frame": frame,
                "time": None if times is None else round(float(times[frame]), 6),
                "sha256": sha256,
            }
    return records


def _frames(matched, maps, ranges, todo) -> Iterator[Frame]:
    """The frames that are to be scored, and those beside them."""
    methods, count = len(matched.fused), len(matched.indices)
    wanted = sorted({i + step for i in todo for step in (-1, 0, 1)} & {*range(count)})
    for index, pictures in read_pictures(matched, ranges, wanted):
        numbers = matched.indices[index]
        yield Frame(
            index,
            pictures[:methods],
            pictures[methods:],
            [luma_of(picture) for picture in pictures],
            [
                _read_maps(own.get(int(i)), pictures[0].size)
                for own, i in zip(maps, numbers, strict=False)
            ],
        )


def _read_maps(paths, size):
    """RD f32[M, H, W] of its files; None without."""
    if not paths:
        return None
    maps = [read_picture(path) for path in paths]
    check_same_size(["the frame", *map(str, paths)], [size, *(one.size for one in maps)])
    return np.stack([one.as_float()[..., 0] for one in maps])
