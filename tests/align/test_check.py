"""The cheap check for a shift: found whatever the contrast, silent where there is none to find."""

import cv2
import numpy as np
import pytest

from ttd_jax.align.check import Shift, measure_shift


def _scene(height=240, width=320, seed=0):
    """Overlapping disks: edges of all directions, f32[H, W] in [0, 1]."""
    rng = np.random.default_rng(seed)
    scene = np.zeros((height, width), np.float32)
    for _ in range(80):
        center = rng.integers(0, (width, height)).tolist()
        radius, gray = int(rng.integers(5, 40)), float(rng.random())
        cv2.circle(scene, center, radius, gray, thickness=-1)
    return scene


def _shifted(scene, y, x, margin=40):
    """Two views of the inside of a scene, the second's content `y` and `x` further on."""
    inner = scene[margin:-margin, margin:-margin]
    move = np.float32([[1, 0, margin - x], [0, 1, margin - y]])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return inner, cv2.warpAffine(scene, move, inner.shape[::-1], flags=flags)


@pytest.mark.parametrize(("y", "x"), [(0, 4), (-7, 5.5), (20.25, -11)])
def test_it_finds_a_shift_of_a_negative(y, x):
    reference, source = _shifted(_scene(), y, x)
    shift = measure_shift(reference, (1 - source) ** 2)  # darker where the other is brighter
    assert shift.off
    assert (shift.y, shift.x) == pytest.approx((y, x), abs=0.3)
    assert shift.pixels == pytest.approx(np.hypot(y, x), abs=0.3)


def test_pictures_that_line_up_are_clear_and_not_off():
    reference, source = _shifted(_scene(), 0, 1)
    for other in (reference, source, cv2.GaussianBlur(1 - reference, (0, 0), 1)):
        shift = measure_shift(reference, other)
        assert shift.clear
        assert not shift.off


def test_pictures_of_different_scenes_are_not_off():
    shifts = [measure_shift(_scene(seed=2 * i), _scene(seed=2 * i + 1)) for i in range(5)]
    assert any(shift.clear for shift in shifts)  # disks of one size, by chance
    assert not any(shift.off for shift in shifts)


def test_an_object_that_moved_is_no_shift_of_the_picture():
    reference = _scene()
    source = reference.copy()
    source[40:120, 50:150] = reference[40:120, 62:162]
    assert not measure_shift(reference, source).off


def test_a_clear_peak_that_the_blocks_do_not_confirm_is_not_off():
    assert Shift(5.0, 5.0, clarity=0.9, agreement=9.0).off
    assert not Shift(5.0, 5.0, clarity=0.9, agreement=1.0).off
    assert not Shift(5.0, 5.0, clarity=0.1, agreement=9.0).off
    assert not Shift(1.0, 1.0, clarity=0.9, agreement=9.0).off


def test_the_shift_of_large_pictures_is_in_their_own_pixels():
    scene = cv2.resize(_scene(), (1283, 963), interpolation=cv2.INTER_CUBIC)
    shift = measure_shift(*_shifted(scene, 13, -18))
    assert (shift.y, shift.x) == pytest.approx((13, -18), abs=0.5)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_integers_of_any_range(dtype):
    reference, source = _shifted(_scene(), 6, 3)
    whole = np.iinfo(dtype).max
    shift = measure_shift(*(dtype(np.clip(gray, 0, 1) * whole) for gray in (reference, source)))
    assert (shift.y, shift.x) == pytest.approx((6, 3), abs=0.2)


@pytest.mark.parametrize("size", [(100, 101), (8, 8), (1, 500), (500, 1), (1, 1_000_000)])
def test_where_there_is_nothing_to_see_it_says_nothing(size):
    noise = np.random.default_rng(0).random(size, np.float32)
    for source in (np.full(size, 0.3, np.float32), noise[::-1, ::-1].copy()):
        shift = measure_shift(noise, source)
        assert not shift.clear
        assert np.isfinite([shift.y, shift.x, shift.clarity, shift.agreement]).all()


def _read(shared, name):
    return cv2.imread(str(shared / "data" / name), cv2.IMREAD_GRAYSCALE)


@pytest.mark.parametrize(
    ("reference", "source"),
    [
        ("msrs/test/vi/00004N.png", "msrs/test/ir/00004N.png"),
        ("roadscene/vi/FLIR_00211.jpg", "roadscene/ir/FLIR_00211.jpg"),
        ("harvard/MRI_CT/MRI/18.png", "harvard/MRI_CT/CT/18.png"),
        ("lytro/lytro-01-A.jpg", "lytro/lytro-01-B.jpg"),
    ],
)
def test_pairs_of_public_sets(shared, reference, source):
    first, second = (_read(shared, name) for name in (reference, source))
    assert not measure_shift(first, second).off
    shift = measure_shift(first[:-18, 24:], second[18:, :-24])
    assert shift.off
    assert (shift.y, shift.x) == pytest.approx((-18, 24), abs=4)  # what the sets themselves are off


def test_a_shift_with_a_turn(shared):
    first, second = (_read(shared, f"lytro/lytro-10-{letter}.jpg") for letter in "AB")
    move = cv2.getRotationMatrix2D((260, 260), 2, 1)
    move[:, 2] += 20, 12
    shift = measure_shift(first, cv2.warpAffine(second, move, (520, 520)))
    assert shift.off
    assert (shift.y, shift.x) == pytest.approx((12, 20), abs=4)
