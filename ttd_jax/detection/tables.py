"""The results of a detector on a data set: figures, tables, and which scenes TTD changes."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from ttd_jax.detection.average_precision import Found, Truth, measure
from ttd_jax.detection.draw import match
from ttd_jax.errors import counted
from ttd_jax.report.markdown import table

# Side of a square, in pixels, below which an object is small and above which it is large.
_SMALL, _LARGE = 32, 96
_SHOWN = 20  # scenes in the table of changes
_OVERALL = ("input", "AP50", "AP50:95", "AP75", "precision", "recall", "F1", "threshold")
_BY_CLASS = ("input", "class", "objects", "AP50", "AP50:95", "precision", "recall")


def truth_in(record: Mapping) -> Truth:
    """The objects of a record's scene, in pixels."""
    boxes, classes = record["objects"]["boxes"], record["objects"]["classes"]
    return Truth(np.array(boxes, float).reshape(-1, 4), np.array(classes, int))


def found_in(record: Mapping, name: str, threshold: float = 0.0) -> Found:
    """What was found in an input of a record's scene with at least a score of `threshold`."""
    found = record["found"][name]
    boxes = np.array(found["boxes"], float).reshape(-1, 4)
    classes, scores = np.array(found["classes"], int), np.array(found["scores"], float)
    return Found(boxes, classes, scores).above(threshold)


def summarize(
    records: Sequence[Mapping],
    classes: Sequence[str],
    names: Sequence[str],
    *,
    shown: float,
    settings: Mapping,
) -> dict:
    """Everything the tables say.

    Args:
      records: of every scene: `image`, `objects` and `found`.
      classes: of the data set.
      names: of the inputs.
      shown: the least score of what `scenes` counts, the same for every input.
      settings: what the figures were made with.

    Returns:
      JSON-able: `settings` and `shown`; `images`, `empty` (images without objects), `objects`,
      `per_class` and `per_size` (numbers of objects); `inputs`: input -> the fields of an
      `AveragePrecision`; `compared`: the two inputs that `scenes` compares; `scenes`, those that
      change most first: `image`, `objects`, by input `found` (indices of objects) and
      `false_alarms`, and `change`: objects found in only one of the compared inputs plus the
      difference of their false alarms.
    """
    truths = [truth_in(record) for record in records]
    measured = {
        name: measure(truths, [found_in(record, name) for record in records], classes)
        for name in names
    }
    kinds = np.concatenate([truth.classes for truth in truths])
    boxes = np.concatenate([truth.boxes for truth in truths])
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    large = int(np.sum(areas > _LARGE**2))
    small = int(np.sum(areas < _SMALL**2))
    compared = _compared(names)
    scenes = [
        _scene(record, truth, names, shown, compared)
        for record, truth in zip(records, truths, strict=True)
    ]
    return {
        "settings": dict(settings),
        "shown": shown,
        "images": len(records),
        "empty": sum(not len(truth.boxes) for truth in truths),
        "objects": len(boxes),
        "per_class": {name: int(np.sum(kinds == i)) for i, name in enumerate(classes)},
        "per_size": {"small": small, "medium": len(boxes) - small - large, "large": large},
        "inputs": {name: dataclasses.asdict(one) for name, one in measured.items()},
        "compared": list(compared),
        "scenes": sorted(scenes, key=lambda scene: (-scene["change"], scene["image"])),
    }


def markdown(result: Mapping) -> str:
    """All inputs, then by class, by size, and the scenes that change."""
    settings, inputs = result["settings"], result["inputs"]
    height, width = settings["size"]
    overall = [
        [
            name,
            *_cells(one["figures"], ("AP50", "AP", "AP75")),
            *_cells(one["best"], ("precision", "recall", "f1", "threshold")),
        ]
        for name, one in inputs.items()
    ]
    by_class = [
        [
            *(name, kind, count),
            *_cells(one["per_class"][kind], ("AP50", "AP")),
            *_cells(one["best_per_class"][kind], ("precision", "recall")),
        ]
        for kind, count in result["per_class"].items()
        for name, one in inputs.items()
    ]
    sizes = [f"AP_{size}" for size in result["per_size"]]
    by_size = [[name, *_cells(one["figures"], sizes)] for name, one in inputs.items()]
    lines = [
        f"# Objects found in {settings['dataset']}, {settings['split']}",
        "",
        f"{counted(result['images'], 'image')} ({result['empty']} without objects), "
        f"{counted(result['objects'], 'object')}; {settings['detector']['model']} at "
        f"{width}x{height}. Precision and recall are those where F1 is largest, at IoU 0.5, at a "
        "threshold of each input's own.",
        "",
        *table(_OVERALL, overall),
        "",
        "## By class",
        "",
        *table(_BY_CLASS, by_class),
        "",
        "## AP50:95 by size",
        "",
        *table(["input", *(f"{k} ({n})" for k, n in result["per_size"].items())], by_size),
        *_changes(result),
    ]
    return "\n".join(lines) + "\n"


def _compared(names):
    """Static fusion and TTD where they are among the inputs, else the first and the last."""
    if "static" in names and "ttd" in names:
        return "static", "ttd"
    return names[0], names[-1]


def _scene(record, truth, names, shown, compared):
    found, false_alarms = {}, {}
    for name in names:
        owners = match(truth, found_in(record, name, shown))
        found[name] = sorted(owners[owners >= 0].tolist())
        false_alarms[name] = int(np.sum(owners < 0))
    first, second = compared
    return {
        "image": record["image"],
        "objects": len(truth.boxes),
        "found": found,
        "false_alarms": false_alarms,
        "change": len(set(found[first]) ^ set(found[second]))
        + abs(false_alarms[first] - false_alarms[second]),
    }


def _changes(result):
    first, second = result["compared"]
    changed = [scene for scene in result["scenes"] if scene["change"]]
    if first == second:
        return []
    lines = [
        "",
        f"## From {first} to {second}",
        "",
        f"{len(changed)} of {result['images']} images change where scores of {result['shown']} and "
        "above count" + (f", the first {_SHOWN}:" if len(changed) > _SHOWN else "."),
    ]
    if not changed:
        return lines
    head = [f"{kind}, {name}" for kind in ("found", "false alarms") for name in (first, second)]
    rows = [
        (
            *(scene["image"], scene["objects"]),
            *(len(scene["found"][name]) for name in (first, second)),
            *(scene["false_alarms"][name] for name in (first, second)),
        )
        for scene in changed[:_SHOWN]
    ]
    return [*lines, "", *table(["image", "objects", *head], rows)]


def _cells(figures, keys):
    """Some of the figures, '-' for those that could not be measured."""
    values = [figures and figures[key] for key in keys]
    return ["-" if value is None else f"{value:.3f}" for value in values]
