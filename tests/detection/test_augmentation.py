"""Frames with their objects: what is drawn where, before and after every change."""

import numpy as np
import pytest

from ttd_jax.detection.augmentation import Augmentation, augment, make_frame, mirror, mosaic, move
from ttd_jax.detection.frames import PADDING

SIZE = (64, 96)
BACKGROUND = 40


def scene(color=200, box=(8, 6, 24, 26), size=(32, 48)):
    """Two sources with one bright rectangle, which is the object."""
    picture = np.full((*size, 3), BACKGROUND, np.uint8)
    left, top, right, bottom = box
    picture[top:bottom, left:right] = color
    box = np.array([box], np.float32)
    return make_frame([picture, 255 - picture[..., :1]], box, [0], SIZE)


def drawn_where_they_say(frame, colors=(200,)):
    """Every object's color fills its box, up to the smoothing of its edge, and nothing near it."""
    assert len(frame.boxes) == len(colors)
    for box, color in zip(frame.boxes, colors, strict=True):
        left, top, right, bottom = box.astype(int)
        inside = np.s_[top + 3 : bottom - 2, left + 3 : right - 2]
        around = np.ones(frame.covered.shape, bool)
        around[max(top - 2, 0) : bottom + 3, max(left - 2, 0) : right + 3] = False
        around[: max(top - 6, 0)] = around[bottom + 6 :] = False
        around[:, : max(left - 6, 0)] = around[:, right + 6 :] = False
        for picture, shown in zip(frame.pictures, (color, 255 - color), strict=True):
            assert picture[inside].size
            assert (np.abs(picture[inside].astype(int) - shown) <= 1).all()
            assert (np.abs(picture[around].astype(int) - shown) > 20).all()


@pytest.mark.parametrize("size", [(32, 48), (31, 45)])
def test_boxes_of_all_sources_go_into_the_frame_with_the_picture(size):
    frame = scene(size=size)
    drawn_where_they_say(frame)
    rows, columns = frame.covered.any(axis=1).sum(), frame.covered.any(axis=0).sum()
    assert (rows, columns) == tuple(int(side * min(64 / size[0], 96 / size[1])) for side in size)
    assert (frame.pictures[:, ~frame.covered] == PADDING).all()


def test_moved_objects_are_where_they_are_drawn_and_cut_at_the_edge():
    moved = move(scene(), SIZE, zoom=0.5, shift=(20, 7))
    drawn_where_they_say(moved)
    assert (moved.pictures[:, 40:, 75:] == PADDING).all()
    cut = move(scene(), SIZE, zoom=1.0, shift=(-30, 0))
    assert cut.boxes[0, 0] == 0
    drawn_where_they_say(cut)
    assert not len(move(scene(), SIZE, zoom=1.0, shift=(-46, 0)).boxes)  # two pixels are left


def test_mirrored_twice_nothing_has_changed():
    frame = scene()
    once = mirror(frame)
    drawn_where_they_say(once)
    assert not np.array_equal(once.boxes, frame.boxes)
    for name in ("pictures", "covered", "boxes", "classes"):
        np.testing.assert_array_equal(getattr(mirror(once), name), getattr(frame, name))


def test_four_scenes_meet_at_the_point_and_keep_their_objects():
    colors = (150, 180, 210, 240)
    joined = mosaic([scene(color) for color in colors], (90, 60))
    assert joined.pictures.shape == (2, 128, 192, 3)
    drawn_where_they_say(joined, colors)
    assert joined.covered[:120, :186].all()
    assert not joined.covered[124:].any()


def test_every_augmentation_keeps_objects_on_what_they_are():
    augmentation = Augmentation(mirror=True, zoom=(0.7, 1.3), shift=0.2)
    generator = np.random.default_rng(0)
    for _ in range(20):
        frame = augment([scene()], augmentation, generator)
        if len(frame.boxes):
            drawn_where_they_say(frame)
    same = augment([scene()], Augmentation(mirror=False), generator)
    np.testing.assert_array_equal(same.pictures, scene().pictures)


@pytest.mark.parametrize(
    "changes", [{"zoom": (1.2, 0.8)}, {"zoom": (0, 1)}, {"shift": 1.0}, {"mosaic": 1.1}]
)
def test_impossible_augmentations_are_refused(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        Augmentation(**changes)
