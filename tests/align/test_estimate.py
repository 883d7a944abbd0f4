"""Warps that are known are found on real pairs of each task, and nothing is made up."""

import functools

import cv2
import numpy as np
import pytest

from ttd_jax import align
from ttd_jax.align.estimate import estimate_pair
from ttd_jax.align.fitting import within_bounds
from ttd_jax.align.transform import corner_error, resizing
from ttd_jax.errors import UserError

TOLERANCE = {"translation": 0.5, "similarity": 1.0, "affine": 1.0, "homography": 1.5}
PAIRS = {
    "exposure": ("mefb/input/Farmhouse/Farmhouse_A.png", "mefb/input/Farmhouse/FarmHouse_B.png"),
    "focus": ("lytro/lytro-04-A.jpg", "lytro/lytro-04-B.jpg"),
    "infrared": ("roadscene/vi/FLIR_00211.jpg", "roadscene/ir/FLIR_00211.jpg"),
    "medical": ("harvard/MRI_CT/MRI/15.png", "harvard/MRI_CT/CT/15.png"),
}


def known(model, size):
    """A warp about the middle of (H, W)."""
    y, x = ((each - 1) / 2 for each in size)
    matrix = np.array([[1, 0, 21.3], [0, 1, -14.6], [0, 0, 1]])
    if model != "translation":
        cos, sin = 1.06 * np.cos(np.deg2rad(4)), 1.06 * np.sin(np.deg2rad(4))
        matrix[:2, :2] = [[cos, -sin], [sin, cos]]
    if model == "homography":
        matrix[2, :2] = 0.01 / x, -0.02 / y
    middle = np.array([[1, 0, x], [0, 1, y], [0, 0, 1]])
    return middle @ matrix @ np.linalg.inv(middle)


def moved(picture, matrix):
    """The picture that shows at `matrix @ p` what this one does at p."""
    size = picture.shape[1::-1]
    return cv2.warpPerspective(picture, matrix, size, flags=cv2.INTER_CUBIC)


@pytest.fixture(scope="module")
def pair(shared):
    @functools.cache
    def read(task):
        return tuple(cv2.imread(str(shared / "data" / each)) for each in PAIRS[task])

    return read


@pytest.mark.parametrize(
    ("task", "model"),
    [
        ("exposure", "affine"),
        ("focus", "homography"),
        ("infrared", "translation"),
        ("infrared", "affine"),
        ("medical", "affine"),
    ],
)
def test_a_known_warp_is_found(pair, task, model):
    """Beside what the pair itself is off by: the sets line up within some pixels."""
    reference, source = pair(task)
    matrix = known(model, reference.shape[:2])
    (still, own), (_, found) = (
        align.estimate([reference, each], model=model) for each in (source, moved(source, matrix))
    )
    assert still == align.Transform()
    assert found.model == model
    assert found.before < found.after
    error = corner_error(found.array, matrix @ own.array, reference.shape[:2])
    assert error < TOLERANCE[model]


@pytest.fixture(scope="module")
def scene():
    """f32[240, 320]: shapes with edges of all directions."""
    random = np.random.default_rng(0)
    canvas = np.full((240, 320), 0.5, np.float32)
    for x, y, side, turn, gray in random.uniform(0, 1, (60, 5)):
        box = cv2.boxPoints(((x * 320, y * 240), (8 + side * 50, 8 + side * 25), turn * 180))
        cv2.fillConvexPoly(canvas, box.astype(np.int32), float(gray))
    return cv2.GaussianBlur(canvas, (0, 0), 1)


@pytest.mark.parametrize("size", [(240, 320), (239, 319), (240, 317)])
def test_even_and_odd_sizes_are_found_alike(scene, size):
    reference = scene[: size[0], : size[1]]
    matrix = known("similarity", size)
    found = estimate_pair(reference, 1 - moved(reference, matrix), model="similarity")
    assert corner_error(found.array, matrix, size) < 0.3


def test_a_smaller_picture_of_the_same_view_is_brought_to_size(scene):
    small = cv2.resize(scene, (107, 80), interpolation=cv2.INTER_AREA)
    _, found = align.estimate([scene, small], model="similarity")
    assert found.model == "similarity"
    error = corner_error(found.array, resizing(small.shape, scene.shape), scene.shape)
    assert error < 0.3  # of the small picture's pixels


@pytest.mark.parametrize("fov", [None, (60.0, 2 * np.rad2deg(np.arctan(np.tan(np.pi / 6) / 2)))])
def test_a_narrower_view_is_found_whether_or_not_its_angle_is_known(scene, fov):
    source = cv2.resize(scene[60:180, 80:240], (200, 150), interpolation=cv2.INTER_CUBIC)
    _, found = align.estimate([scene, source], model="similarity", fov=fov)
    matrix = resizing((150, 200), (120, 160)) @ [[1, 0, -80], [0, 1, -60], [0, 0, 1]]
    assert corner_error(found.array, matrix, scene.shape) < 0.5


def test_each_is_aligned_by_its_neighbour_and_the_matrices_are_chained(scene):
    step = known("similarity", scene.shape)
    step[:2, 2] /= 2
    steps = (np.eye(3), step, step @ step)
    bracket = [
        np.clip(gain * moved(scene, each), 0, 1)
        for gain, each in zip((1, 1.5, 2), steps, strict=True)
    ]
    found = align.estimate(bracket, model="similarity")
    assert [each.model for each in found] == ["none", "similarity", "similarity"]
    for each, matrix in zip(found, steps, strict=True):
        assert corner_error(each.array, matrix, scene.shape) < 1


def test_what_lines_up_is_left_as_it_is(scene):
    _, found = align.estimate([scene, scene], model="homography")
    assert (found.model, found.remark, found.matrix) == ("none", None, align.Transform().matrix)
    assert found.before == found.after == pytest.approx(1)


@pytest.mark.parametrize("model", ["translation", "homography"])
@pytest.mark.parametrize(
    ("picture", "remark"),
    [
        (np.zeros((8, 8), np.uint8), "too small"),
        (np.zeros((1, 1, 3), np.float32), "too small"),
        (np.full((64, 65), 7, np.uint8), "no edges"),
        (np.full((40, 300), 65535, np.uint16), "no edges"),
    ],
)
def test_pictures_without_features_are_refused_in_a_phrase(scene, picture, remark, model):
    for pictures in ([picture, picture], [scene, picture], [picture, scene]):
        _, found = align.estimate(pictures, model=model)
        assert found.model == "none"
        assert remark in found.remark
        assert np.isfinite(found.array).all()


def test_noise_is_not_aligned(scene):
    noise = np.random.default_rng(1).random(scene.shape, np.float32)
    _, found = align.estimate([scene, noise], model="affine")
    assert found.model == "none"
    assert found.remark.startswith("not aligned")
    assert found.before == found.after


def test_a_warp_further_than_cameras_are_apart_is_out_of_bounds():
    size, start = (240, 320), np.eye(3)
    assert within_bounds(known("homography", size), start, size)
    for far in (
        [[1, 0, 90], [0, 1, 0], [0, 0, 1]],
        [[1.5, 0, -80], [0, 1.5, -60], [0, 0, 1]],
        [[1, 0.4, -48], [0, 1, 0], [0, 0, 1]],
        [[0, -1, 280], [1, 0, -40], [0, 0, 1]],
        [[-1, 0, 319], [0, 1, 0], [0, 0, 1]],
        [[1, 0, 0], [0, 1, 0], [2e-3, 0, 1]],
    ):
        assert not within_bounds(np.array(far, float), start, size)


@pytest.mark.parametrize(
    ("options", "named"),
    [({"model": "rigid"}, "rigid"), ({"to": 2}, "source 2"), ({"fov": (60,)}, "fov")],
)
def test_mistakes_are_told_in_a_line(scene, options, named):
    with pytest.raises(UserError, match=named):
        align.estimate([scene, scene], **options)
