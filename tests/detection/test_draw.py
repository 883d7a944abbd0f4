"""Boxes over a picture: what counts as found, and that each kind is drawn in its color."""

import itertools

import cv2
import numpy as np

from ttd_jax.detection.average_precision import Found, Truth
from ttd_jax.detection.draw import COLORS, draw, match

BOXES = np.array([[20.0, 30.0, 60.0, 90.0], [100.0, 30.0, 140.0, 90.0]])
TRUTH = Truth(BOXES, np.array([0, 0]))


def _found(boxes, scores, classes=None):
    classes = np.zeros(len(scores), int) if classes is None else np.array(classes)
    return Found(np.array(boxes, float).reshape(-1, 4), classes, np.array(scores))


def _has(picture, color):
    return (picture == color).all(axis=-1)


def test_the_strongest_detection_has_the_object_and_others_are_false_alarms():
    found = _found([BOXES[0] + 1, BOXES[0], BOXES[1]], [0.5, 0.9, 0.8], [0, 0, 1])
    np.testing.assert_array_equal(match(TRUTH, found), [-1, 0, -1])
    np.testing.assert_array_equal(match(TRUTH, _found([], [])), [])
    nothing = Truth(np.zeros((0, 4)), np.zeros(0, int))
    np.testing.assert_array_equal(match(nothing, found), [-1, -1, -1])


def test_each_kind_is_drawn_where_it_is_in_its_color():
    picture = np.full((120, 200, 1), 80, np.uint8)
    found = _found([BOXES[0], [150, 100, 190, 118]], [0.9, 0.4])
    before = picture.copy()
    drawn = draw(picture, TRUTH, found)
    np.testing.assert_array_equal(picture, before)
    assert drawn.shape[1:] == (200, 3)
    assert drawn.shape[0] > 120
    for kind, (x, y) in {
        "found": (20, 60),
        "missed": (100, 60),
        "false alarm": (190, 110),
    }.items():
        assert _has(drawn, COLORS[kind])[y, x], kind
        assert _has(drawn[120:], COLORS[kind]).any(), kind
    assert (drawn[50, 40] == 80).all()  # inside of a box the picture shows


def test_boxes_beyond_the_border_are_drawn_as_far_as_they_go():
    picture = np.zeros((64, 96, 3), np.uint8)
    drawn = draw(picture, Truth(np.zeros((0, 4)), []), _found([[-30, -30, 500, 40]], [1.0]))
    assert _has(drawn[:64], COLORS["false alarm"])[40].all()


def test_scores_of_boxes_that_overlap_stand_apart(monkeypatch):
    plates = []
    monkeypatch.setattr(cv2, "rectangle", lambda canvas, *plate: plates.append(plate))
    boxes = [BOXES[0] + shift for shift in (0, 1, 2, 3)]
    draw(np.zeros((120, 200, 1), np.uint8), TRUTH, _found(boxes, [0.9, 0.8, 0.7, 0.6]))
    plates = [(*low, *high) for low, high, _, kind in plates if kind == cv2.FILLED]
    assert len(plates) == 4
    for one, other in itertools.combinations(plates, 2):
        apart = [one[i] > other[i + 2] or other[i] > one[i + 2] for i in (0, 1)]
        assert any(apart), (one, other)
