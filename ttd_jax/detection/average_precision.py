"""How well objects are found: average precision as COCO defines it, and the best F1.

The matching and the interpolation are pycocotools' own, with COCO's parameters: IoU 0.50 to 0.95,
101 points of recall, at most 100 detections a picture and class.
"""

import contextlib
import dataclasses
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ttd_jax.errors import explain_missing

# Indices of pycocotools' axes.
_AREAS = {"all": 0, "small": 1, "medium": 2, "large": 3}  # below 32^2, below 96^2, above; pixels
_LIMITS = {1: 0, 10: 1, 100: 2}


@dataclasses.dataclass(frozen=True)
class Truth:
    """The objects of one picture.

    Attributes:
      boxes: f[N, 4], corners in pixels.
      classes: i[N], indices.
      crowd: bool[N], regions that count neither as found nor as missed; None for none of them.
      areas: f[N], which size each counts as; None for those of the boxes.
    """

    boxes: np.ndarray
    classes: np.ndarray
    crowd: np.ndarray | None = None
    areas: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class Found:
    """What was found in one picture.

    Attributes:
      boxes: f[N, 4], corners in pixels.
      classes: i[N], indices.
      scores: f[N].
    """

    boxes: np.ndarray
    classes: np.ndarray
    scores: np.ndarray

    @classmethod
    def of(cls, detections: Any, ratio: float = 1.0) -> "Found":
        """What `detect` found, without its padding, in pixels of the picture before `letterbox`."""
        there = np.asarray(detections.mask)
        boxes, classes, scores = (
            np.asarray(part)[there]
            for part in (detections.boxes, detections.classes, detections.scores)
        )
        return cls(boxes / ratio, classes, scores)

    def above(self, threshold: float) -> "Found":
        """What has at least a score of `threshold`."""
        kept = self.scores >= threshold
        return Found(self.boxes[kept], self.classes[kept], self.scores[kept])


@dataclasses.dataclass(frozen=True)
class OperatingPoint:
    """The threshold of the score at which F1 is largest, at IoU 0.5; the highest of equals.

    Precision and recall are counted, neither interpolated nor smoothed.

    Attributes:
      threshold: the lowest score that counts.
      precision, recall, f1: in [0, 1].
      found: true positives.
      used: detections that count.
      objects: what there was to be found, crowds left out.
    """

    threshold: float
    precision: float
    recall: float
    f1: float
    found: int
    used: int
    objects: int


@dataclasses.dataclass(frozen=True)
class AveragePrecision:
    """All figures of a set of pictures. None stands for what no object there could show.

    Attributes:
      figures: of all classes: 'AP' (mean over IoU 0.50 to 0.95), 'AP50', 'AP75', 'AP_small',
        'AP_medium', 'AP_large', the recalls 'AR1', 'AR10', 'AR100' (at most so many detections a
        picture), 'AR_small', 'AR_medium', 'AR_large'.
      per_iou: IoU as '0.50' -> AP.
      per_class: class -> 'AP', 'AP50', 'AP75', 'AR100' and 'recall50'.
      best: the detections of all classes sorted together.
      best_per_class: class -> its own best.
    """

    figures: Mapping[str, float | None]
    per_iou: Mapping[str, float | None]
    per_class: Mapping[str, Mapping[str, float | None]]
    best: OperatingPoint | None
    best_per_class: Mapping[str, OperatingPoint | None]


def measure(
    truths: Sequence[Truth], found: Sequence[Found], classes: Sequence[str]
) -> AveragePrecision:
    """Measures what was found against the truth.

    Args:
      truths: of every picture, those without objects too.
      found: of the same pictures in the same order.
      classes: names of all classes.

    Returns:
      An `AveragePrecision`.

    Raises:
      UserError: pycocotools is not installed.
      ValueError: not as many pictures in both, or a class that has no name.

    Reference: Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014.
    """
    evaluation = _evaluate(truths, found, classes)
    precision, recall = evaluation.eval["precision"], evaluation.eval["recall"]
    thresholds = [f"{iou:.2f}" for iou in evaluation.params.iouThrs]
    at50, at75 = thresholds.index("0.50"), thresholds.index("0.75")

    def ap(iou=slice(None), kind=slice(None), area="all"):
        return _mean(precision[iou, :, kind, _AREAS[area], _LIMITS[100]])

    def ar(iou=slice(None), kind=slice(None), area="all", limit=100):
        return _mean(recall[iou, kind, _AREAS[area], _LIMITS[limit]])

    sizes = ("small", "medium", "large")
    matches = [_matches(evaluation, index, at50) for index in range(len(classes))]
    return AveragePrecision(
        figures={
            "AP": ap(),
            "AP50": ap(at50),
            "AP75": ap(at75),
            **{f"AP_{size}": ap(area=size) for size in sizes},
            **{f"AR{limit}": ar(limit=limit) for limit in _LIMITS},
            **{f"AR_{size}": ar(area=size) for size in sizes},
        },
        per_iou={iou: ap(index) for index, iou in enumerate(thresholds)},
        per_class={
            name: {
                "AP": ap(kind=index),
                "AP50": ap(at50, index),
                "AP75": ap(at75, index),
                "AR100": ar(kind=index),
                "recall50": ar(at50, index),
            }
            for index, name in enumerate(classes)
        },
        best=_best(*(np.concatenate(parts) for parts in zip(*matches, strict=True))),
        best_per_class={name: _best(*found) for name, found in zip(classes, matches, strict=True)},
    )


def _evaluate(truths, found, classes):
    with explain_missing("average precision", "detection"):
        from pycocotools.cocoeval import COCOeval
    if len(truths) != len(found):
        raise ValueError(f"truth of {len(truths)} pictures, but detections of {len(found)}")
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools tells of every step it takes
        objects = _dataset(truths, classes, _object)
        detections = _dataset(found, classes, _detection)
        evaluation = COCOeval(objects, detections, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def _dataset(pictures, classes, describe):
    """The boxes of all pictures as pycocotools takes them, `describe(picture, index)` of each."""
    from pycocotools.coco import COCO

    annotations = []
    for image, picture in enumerate(pictures):
        for index, box in enumerate(picture.boxes):
            kind = int(picture.classes[index])
            if not 0 <= kind < len(classes):
                raise ValueError(f"class {kind} of a box in picture {image} has no name")
            left, top, right, bottom = map(float, box)
            annotation = {
                "id": 1 + len(annotations),  # its matching takes id 0 for no match
                "image_id": image,
                "category_id": kind,
                "bbox": [left, top, right - left, bottom - top],
                **describe(picture, index),
            }
            annotations.append(annotation)
    coco = COCO()
    coco.dataset = {
        "images": [{"id": image} for image in range(len(pictures))],
        "categories": [{"id": index, "name": name} for index, name in enumerate(classes)],
        "annotations": annotations,
    }
    coco.createIndex()
    return coco


def _object(truth, index):
    area = _area(truth.boxes[index]) if truth.areas is None else truth.areas[index]
    crowd = truth.crowd is not None and truth.crowd[index]
    return {"area": float(area), "iscrowd": int(crowd)}


def _detection(found, index):
    return {"area": float(_area(found.boxes[index])), "score": float(found.scores[index])}


def _area(box):
    return (box[2] - box[0]) * (box[3] - box[1])


def _mean(values):
    """Over what could be measured: pycocotools marks the rest with -1."""
    valid = values[values > -1]
    return float(valid.mean()) if valid.size else None


def _matches(evaluation, index, iou):
    """Scores and hits of a class's detections, picture by picture, and how many objects it has."""
    images = len(evaluation.params.imgIds)
    start = index * len(evaluation.params.areaRng) * images + _AREAS["all"] * images
    pictures = [one for one in evaluation.evalImgs[start : start + images] if one is not None]
    scores, hits = [np.zeros(0)], [np.zeros(0, bool)]
    for one in pictures:
        counted = ~one["dtIgnore"][iou].astype(bool)
        scores.append(np.asarray(one["dtScores"], float)[counted])
        hits.append(one["dtMatches"][iou][counted] > 0)
    objects = sum(int(np.sum(np.asarray(one["gtIgnore"]) == 0)) for one in pictures)
    return np.concatenate(scores), np.concatenate(hits), np.array([objects])


def _best(scores, hits, objects):
    total = int(objects.sum())
    if not total or not len(scores):
        return None
    order = np.argsort(-scores, kind="stable")
    found = np.cumsum(hits[order])
    used = np.arange(1, len(scores) + 1)
    precision, recall = found / used, found / total
    f1 = 2 * precision * recall / np.maximum(precision + recall, np.finfo(float).tiny)
    last = int(np.argmax(f1))
    return OperatingPoint(
        threshold=float(scores[order][last]),
        precision=float(precision[last]),
        recall=float(recall[last]),
        f1=float(f1[last]),
        found=int(found[last]),
        used=last + 1,
        objects=total,
    )
