"""Average precision against figures that pycocotools gave, and against cases done by hand."""

import json

import numpy as np
import pytest

from ttd_jax.detection.average_precision import Found, Truth, measure

NAMES = {
    "AP": "AP50_95",
    "AR1": "AR_max1",
    "AR10": "AR_max10",
    "AR100": "AR_max100",
    "recall50": "recall_iou50_max100",
}


def _read(folder, case):
    """The truth and the detections of a case, picture by picture."""
    truth = json.loads((folder / f"{case}_gt.json").read_text())
    found = json.loads((folder / f"{case}_det.json").read_text())
    classes = [category["id"] for category in truth["categories"]]

    def of(records, image):
        mine = [record for record in records if record["image_id"] == image["id"]]
        boxes = np.array([record["bbox"] for record in mine], float).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        return mine, boxes, [classes.index(record["category_id"]) for record in mine]

    truths, detections = [], []
    for image in truth["images"]:
        mine, *boxes = of(truth["annotations"], image)
        crowd, areas = [r["iscrowd"] for r in mine], [r["area"] for r in mine]
        truths.append(Truth(*boxes, crowd=crowd, areas=areas))
        mine, *boxes = of(found, image)
        detections.append(Found(*boxes, scores=[r["score"] for r in mine]))
    return truths, detections, [str(index) for index in classes]


def _assert_same_point(found, expected):
    for name in ("threshold", "precision", "recall", "f1"):
        assert getattr(found, name) == pytest.approx(expected[name], abs=1e-9)
    assert found.found == expected["true_positives"]
    assert found.used == expected["detections_used"]
    assert found.objects == expected["gt"]


@pytest.mark.parametrize("case", ["one_class", "three_class", "one_class_crowd"])
def test_every_figure_equals_the_reference(shared, case, capfd):
    folder = shared / "golden/detection_map"
    expected = json.loads((folder / "expected.json").read_text())[case]
    result = measure(*_read(folder, case))
    for name, figure in result.figures.items():
        assert figure == pytest.approx(expected[NAMES.get(name, name)], abs=1e-6), name
    assert result.per_iou == pytest.approx(expected["AP_per_iou"], abs=1e-6)
    for kind, figures in result.per_class.items():
        for name, figure in figures.items():
            reference = expected["per_class"][kind][NAMES.get(name, name)]
            assert figure == pytest.approx(reference, abs=1e-6), (kind, name)
        _assert_same_point(result.best_per_class[kind], expected["per_class"][kind]["best_f1"])
    _assert_same_point(result.best, expected["best_f1_pooled_over_classes"])
    assert capfd.readouterr() == ("", "")


BOX = np.array([[10.0, 20.0, 60.0, 90.0]])


def test_what_is_found_exactly_has_precision_one_and_absent_classes_have_none():
    found = Found(BOX, [1], [0.4])
    result = measure([Truth(BOX, [1])], [found], ["car", "person"])
    assert result.figures["AP"] == pytest.approx(1)
    assert result.figures["AP_medium"] == pytest.approx(1)
    assert result.figures["AP_large"] is None
    assert result.per_class["car"]["AP50"] is None
    assert result.best_per_class["car"] is None
    assert (result.best.threshold, result.best.f1, result.best.used) == (0.4, 1.0, 1)


def test_nothing_found_has_precision_zero_and_no_best_threshold():
    nothing = Found(np.zeros((0, 4)), [], [])
    result = measure([Truth(BOX, [0]), Truth(np.zeros((0, 4)), [])], [nothing] * 2, ["person"])
    assert result.figures["AP50"] == 0
    assert result.figures["AR100"] == 0
    assert result.best is None


def test_no_objects_at_all_give_no_figure():
    result = measure([Truth(np.zeros((0, 4)), [])], [Found(BOX, [0], [0.9])], ["person"])
    assert set(result.figures.values()) == {None}
    assert result.best is None


def test_a_false_alarm_above_the_hit_halves_precision():
    boxes = np.concatenate([BOX + 200, BOX])
    result = measure([Truth(BOX, [0])], [Found(boxes, [0, 0], [0.9, 0.8])], ["person"])
    assert result.figures["AP50"] == pytest.approx(0.5)
    assert (result.best.precision, result.best.recall, result.best.used) == (0.5, 1.0, 2)


def test_pictures_must_pair_up_and_classes_must_have_names():
    with pytest.raises(ValueError, match="truth of 1 pictures, but detections of 0"):
        measure([Truth(BOX, [0])], [], ["person"])
    with pytest.raises(ValueError, match="class 3 of a box in picture 0 has no name"):
        measure([Truth(BOX, [3])], [Found(BOX, [0], [0.5])], ["person"])
