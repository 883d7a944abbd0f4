"""Scores saved pictures of any method against their sources."""

import dataclasses
import functools
import pathlib
import time
from collections.abc import Sequence

import jax

from ttd_jax import metrics
from ttd_jax.errors import UserError, counted, some
from ttd_jax.evaluation import tables
from ttd_jax.evaluation.judged import judged_planes
from ttd_jax.evaluation.regions import REGIONS, check_masks, empty_regions, score_regions
from ttd_jax.files import jsonable
from ttd_jax.folders import alone
from ttd_jax.pictures.ahead import ahead
from ttd_jax.pictures.batches import choose_frames, fill_up
from ttd_jax.pictures.checking import check
from ttd_jax.pictures.examples import Example, FolderExamples
from ttd_jax.pictures.images import Reading, all_have_data
from ttd_jax.pictures.ranges import Range, of_result_and_sources
from ttd_jax.pictures.records import UNFINISHED, Records, check_covered, versions_of
from ttd_jax.pictures.scenes import folder_images
from ttd_jax.report.progress import progress

_MASK = Range("values", 0.0, 1.0)  # whatever is above 0 is object


def match_results(
    folders: Sequence[pathlib.Path],
    labels: Sequence[str],
    scenes: FolderExamples,
    region: pathlib.Path | None = None,
) -> list[Example]:
    """Matches result folders with scenes by stem.

    Args:
      folders: of fused pictures.
      labels: names of the folders.
      scenes: the sources.
      region: folder of masks.

    Returns:
      Every fused picture, its mask if there are any, and its sources: the label is the first role.

    Raises:
      UserError: a result without sources or mask, or sets of results that differ in their names.
    """
    by_name = {scene.name: scene for scene in scenes}
    masks = folder_images(region) if region else {}
    methods = {}
    for folder, label in zip(folders, labels, strict=True):
        pictures = folder_images(folder)
        strange = sorted(pictures.keys() - by_name.keys())
        if strange:
            raise UserError(
                f"{folder}: {len(strange)} of {len(pictures)} pictures have no sources "
                f"({some(strange)}): pass the sources they were fused from"
            )
        if region and (lost := sorted(pictures.keys() - masks.keys())):
            raise UserError(
                f"{region}: no mask for {len(lost)} of {len(pictures)} pictures ({some(lost)}): "
                "a mask has the name of its picture"
            )
        methods[label] = pictures
    first, *others = methods.items()
    for label, pictures in others:
        different = sorted(pictures.keys() ^ first[1].keys())
        if different:
            raise UserError(
                f"{label} and {first[0]} differ in {counted(len(different), 'picture')} "
                f"({some(different)}): compare results for the same scenes"
            )
    mask = ("mask",) if region else ()
    return [
        Example(
            name,
            (label, *mask, *scenes.roles),
            (pictures[name], *(masks[name] for _ in mask), *by_name[name].sources),
        )
        for label, pictures in methods.items()
        for name in sorted(pictures)
    ]


def score_results(
    pictures: Sequence[Example],
    out: pathlib.Path,
    *,
    protocol: str,
    names: Sequence[str],
    resume: bool = False,
    reading: Reading = Reading(),  # noqa: B008 - frozen
    sizes: str = "bucket",
    masked: bool = False,
) -> list[dict]:
    """Scores what is not finished; writes scores.csv, scores.json, scores.md and summary.json.

    Args:
      pictures: see `match_results`.
      out: the output folder.
      protocol: a key of `metrics.PROTOCOLS`.
      names: the metrics.
      resume: keep the finished scores.
      reading: how the files of the sources become pictures; results have the range of their type.
      sizes: 'bucket': pictures of many sizes are scored in arrays of few, if all metrics can;
        'exact'.
      masked: the second of each picture's files is a mask, whose object (what is not 0) and
        background are scored apart.

    Returns:
      One record for each picture: `method`, `image`, whether it is `colored`, and the metrics under
      `scores`, of 8 bits: 16 are rounded; of masked ones under `regions`, by the region, with
      `empty`: those without a pixel.

    Raises:
      UserError: an unreadable picture, sizes that differ, a metric that cannot judge a region, or
        an output that cannot be written; `out` has results of other settings, methods or pictures,
        or another run is writing there.
    """
    start = time.perf_counter()
    settings = {
        "protocol": protocol,
        "metrics": list(names),
        "range": [str(one) for one in reading.ranges],
        "bands": reading.bands and list(reading.bands),
        "align": reading.align.as_record(),
        "versions": versions_of(functions=[metrics.lookup(name).function for name in names]),
    }
    like = {"method": str, "image": str, "sha256": [str], "colored": bool}
    scores = dict.fromkeys(names, float | None)
    if masked:
        settings["regions"] = list(REGIONS)
        like |= {"regions": dict.fromkeys(REGIONS, scores), "empty": [str]}
    else:
        like["scores"] = scores
    store = Records(out, like=like, folder=UNFINISHED, key=_key)

    function = score_regions if masked else metrics.evaluate
    evaluate = jax.jit(functools.partial(function, protocol=protocol, names=names))

    # A damaged picture or another size is told before anything is written.
    masks = (_MASK,) * masked
    ranges = of_result_and_sources(reading.ranges, len(pictures[0].roles) - 1 - masked)
    ranges = (ranges[0], *masks, *ranges[1:])
    reading = dataclasses.replace(reading, ranges=ranges, results=1 + masked)
    checked = check(FolderExamples(pictures), reading=reading)
    check_masks(names, protocol, regions=masked, masked=any(scene.masked for scene in checked))
    exact = sizes == "exact" or metrics.lacking(names, "extent", protocol)
    frames = choose_frames([scene.size for scene in checked], exact=bool(exact))

    def load(index):
        """A picture's record, if it has one, and else the arguments of `evaluate`."""
        example = pictures[index]
        record = {
            "method": example.roles[0],
            "image": example.name,
            "sha256": list(checked[index].sha256),
        }
        known = finished.get(_key(record))
        if known:
            return known, None
        _, (fused, *sources) = checked.load(index)
        record["colored"] = fused.colored
        arrays = judged_planes(fused, sources[masked:], protocol)
        if masked:
            arrays["region"] = sources[0].pixels.any(axis=-1)
        if checked[index].masked:
            arrays["mask"] = all_have_data(sources)
        if masked:
            record["empty"] = empty_regions(arrays["region"], arrays.get("mask"))
        frame = frames[index]
        filled = {
            name: fill_up(plane, frame.size, axis=plane.ndim - 2) for name, plane in arrays.items()
        }
        return record, {**filled, "extent": frame.extent(checked[index].size)}

    records, scored = [], 0
    with alone(out, "score"), store.leaving_no_trace():
        finished = store.find(settings, resume=resume)
        held = [record["method"] for record in finished.values()]
        methods = {example.roles[0] for example in pictures}
        check_covered(out, "methods", held, methods, "name their folders in --fused, too")
        held = [record["image"] for record in finished.values()]
        given = {example.name for example in pictures}
        check_covered(out, "pictures", sorted(held), given, "score all of them")
        store.open(settings)
        loaded = ahead(load, range(len(pictures)))
        with progress(loaded, "scoring", len(pictures), unit="image") as bar:
            for _, (record, arrays) in bar:
                if arrays is not None:
                    found = jax.tree.map(float, evaluate(**arrays))
                    record["regions" if masked else "scores"] = jsonable(found)
                    store.append(record)
                    scored += 1
                records.append(record)
        counts = {"scored": scored, "reused": len(records) - scored}
        timings = {"seconds": time.perf_counter() - start, **counts}
        store.close(settings, records, timings, tables.score_files(records, protocol, names))
    return records


def _key(record):
    return record["method"], record["image"], *record["sha256"]
