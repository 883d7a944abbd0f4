"""Warping: values, dtypes, masks and crops."""

import numpy as np
import pytest

from ttd_jax.align import Transform, estimate, warp
from ttd_jax.align.transform import as_matrix, resizing
from ttd_jax.align.warp import common, covered, warp_one
from ttd_jax.errors import UserError

TILTED = np.array([[0.998, -0.03, 3.37], [0.03, 0.998, -2.21], [1e-5, 0, 1]])


def wave(x, y):
    return 0.5 + 0.25 * np.sin(x / 7) + 0.2 * np.cos(y / 5)


@pytest.mark.parametrize("size", [(97, 120), (96, 121), (60, 1100)])  # one of several areas
@pytest.mark.parametrize(("dtype", "top"), [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1)])
def test_a_warped_picture_is_the_scene_seen_from_there(size, dtype, top):
    rows, columns = np.mgrid[: size[0], : size[1]]
    picture = wave(columns, rows) * top
    picture = (np.rint(picture) if top > 1 else picture).astype(dtype)
    found = warp_one(picture, TILTED, size)
    x, y, z = (line[0] * columns + line[1] * rows + line[2] for line in TILTED)
    seen = wave(x / z, y / z) * top
    inner = (x / z > 6) & (x / z < size[1] - 7) & (y / z > 6) & (y / z < size[0] - 7)
    assert found.dtype == dtype
    error = np.abs(found.astype(np.float64) - seen)[inner]
    assert error.max() < (1.5 if top == 255 else 3e-4 * top)


def test_the_identity_changes_nothing_and_whole_pixels_are_exact():
    picture = np.random.default_rng(0).integers(0, 256, (31, 44, 3), np.uint8)
    assert warp_one(picture, np.eye(3), (31, 44)) is picture
    moved = warp_one(picture, np.array([[1, 0, 5], [0, 1, -3], [0, 0, 1]]), (31, 44))
    np.testing.assert_array_equal(moved[3:, :-5], picture[:-3, 5:])
    there = covered(np.array([[1, 0, 5], [0, 1, -3], [0, 0, 1]]), (31, 44), (31, 44))
    assert there[3:, :-5].all()
    assert there.sum() == 28 * 39


def test_what_is_made_smaller_is_averaged():
    stripes = np.tile(np.array([0, 255], np.uint8), (60, 80))[..., None]
    small = warp_one(stripes, resizing((60, 160), (15, 40)), (15, 40))
    assert small.shape == (15, 40, 1)
    assert 120 < small.min() <= small.max() < 136


def test_sources_of_other_sizes_come_to_the_reference_s():
    pictures = [np.zeros((48, 64, 3), np.uint8), np.full((13, 17), 9, np.uint16)]
    matrix = as_matrix(resizing((13, 17), (48, 64)))
    warped, has_data = warp(pictures, [Transform(), Transform(matrix, "similarity")])
    assert [one.shape for one in warped] == [(48, 64, 3), (48, 64)]
    assert has_data.all()
    assert (warped[1] == 9).all()


def test_borders_without_data_repeat_the_border_or_are_cut():
    picture = np.tile(np.arange(20, dtype=np.float32) / 19, (10, 1))
    transforms = [Transform(), Transform(((1, 0, 4), (0, 1, 0), (0, 0, 1)), "translation")]
    (_, moved), has_data = warp([picture, picture], transforms)
    assert has_data[0].all()
    assert has_data[1].sum() == 160
    np.testing.assert_allclose(moved[:, -4:], 1, atol=1e-6)
    (first, moved), has_data = warp([picture, picture], transforms, crop="common")
    assert first.shape == moved.shape == (10, 16)
    assert has_data.all()
    np.testing.assert_allclose(moved, first + 4 / 19, atol=1e-6)


def test_the_common_rectangle_lies_within_the_mask():
    mask = covered(TILTED, (90, 121), (97, 120))
    rows, columns = common(mask)
    assert mask[rows, columns].all()
    assert mask[rows, columns].size > 0.85 * mask.sum()
    with pytest.raises(UserError, match="nothing in common"):
        common(np.zeros((4, 5), bool))


def test_results_are_the_caller_s_own():
    picture = np.zeros((4, 5), np.uint8)
    (result,), _ = warp([picture], [Transform()])
    result[:] = 9
    assert not picture.any()


@pytest.mark.parametrize(
    ("pictures", "said"),
    [
        (np.zeros((2, 4, 4), np.uint8), "pictures is one array"),
        ([], "no pictures"),
        ([np.zeros((4, 4), int)], r"picture 1 is no array \[H, W\] .* int64"),
        ([np.zeros((4, 4), np.uint8), np.zeros(3, np.uint8)], "picture 2 is no array"),
        ([np.zeros((4, 4, 5), np.uint8)], "picture 1 has 5 channels"),
        ([np.full((4, 4), np.nan, np.float32)], "picture 1 has values that are no numbers"),
    ],
)
def test_what_is_no_picture_is_told(pictures, said):
    with pytest.raises(UserError, match=said):
        warp(pictures, [Transform()] * len(pictures))
    with pytest.raises(UserError, match=said):
        estimate(pictures)


def test_wrong_arguments_are_told():
    with pytest.raises(UserError, match="to=2: there are 1 pictures"):
        warp([np.zeros((4, 4), np.uint8)], [Transform()], to=2)
    with pytest.raises(UserError, match=r"transforms are not those of estimate: .*horizon"):
        warp([np.zeros((4, 4), np.uint8)], [Transform(((1, 0, 0), (0, 1, 0), (-1, 0, 1)))])
    with pytest.raises(UserError, match=r"fov .* is not 1 angles between 0 and 180 degrees"):
        estimate([np.zeros((4, 4), np.uint8)], fov=57)
    with pytest.raises(UserError, match="1 transforms for 2 pictures"):
        warp([np.zeros((4, 4), np.uint8)] * 2, [Transform()])
    with pytest.raises(UserError, match="crop must be one of reference, common"):
        warp([np.zeros((4, 4), np.uint8)], [Transform()], crop="all")
