"""Pictures that show whether two others line up."""

import cv2
import numpy as np
import pytest

from ttd_jax.report.alignment import alignment_sheet, checkerboard, edges_over
from ttd_jax.report.palette import ORANGE, SKY_BLUE, rgb


def _disks(height=120, width=160):
    picture = np.full((height, width), 30, np.uint8)
    for x, gray in ((40, 200), (80, 120), (120, 250)):
        cv2.circle(picture, (x * width // 160, height // 2), height // 6, gray, thickness=-1)
    return picture


def _share(picture, color):
    return (picture == color).all(axis=-1).mean()


def test_squares_of_two_pictures_in_turn():
    first, second = np.full((5, 7), 10, np.uint8), np.full((5, 7, 3), (1, 2, 3), np.uint8)
    board = checkerboard(first, second, 2)
    assert board.shape == (5, 7, 3)
    assert board[:2, :2].tolist() == [[[10] * 3] * 2] * 2
    assert board[0, 2].tolist() == board[2, 0].tolist() == [1, 2, 3]
    assert board[2, 2].tolist() == board[4, 4].tolist() == [10] * 3


def test_edges_are_white_where_pictures_line_up():
    picture = _disks()
    drawn = edges_over(picture, 255 - picture)
    assert _share(drawn, (255, 255, 255)) > 0.005
    assert _share(drawn, rgb(ORANGE)) == _share(drawn, rgb(SKY_BLUE)) == 0
    nearly = edges_over(picture, np.roll(picture, 1, axis=0))
    assert _share(nearly, rgb(SKY_BLUE)) < 0.1 * _share(nearly, (255, 255, 255))
    moved = edges_over(picture, np.roll(255 - picture, 6, axis=0))
    assert _share(moved, rgb(ORANGE)) > 0.005
    assert _share(moved, rgb(SKY_BLUE)) > 0.005
    assert _share(moved, (255, 255, 255)) < 0.5 * _share(drawn, (255, 255, 255))


def test_no_edge_is_drawn_where_data_end():
    picture = _disks()
    where = np.zeros(picture.shape, bool)
    where[:, :60] = True
    cut = np.where(where, picture, 255)
    blue = (edges_over(np.zeros_like(picture), cut, where) == rgb(SKY_BLUE)).all(axis=-1)
    assert blue[:, :58].any()
    assert not blue[:, 58:].any()


def test_noise_too_faint_to_see_has_no_edges():
    noise = np.random.default_rng(0).integers(100, 110, (64, 64)).astype(np.uint8)
    assert not _share(edges_over(noise, noise), (255, 255, 255))


def test_a_sheet_shows_before_above_after():
    picture = _disks()
    sheet = alignment_sheet(
        picture, np.roll(picture, 6, axis=0), picture[..., None], np.ones(picture.shape, bool)
    )
    assert sheet.dtype == np.uint8
    blue = (sheet == rgb(SKY_BLUE)).all(axis=-1)
    rows = sheet.shape[0] // 2
    assert blue[:rows].any()
    assert not blue[rows : rows + 250].any()  # the legend is below


def test_squares_without_data_are_white():
    dark = np.full((160, 160), 100, np.uint8)
    dark[:40, :40] = 255  # what is brightest already is not brightened
    nothing = np.zeros(dark.shape, bool)
    full, none = (alignment_sheet(dark, dark, dark, where) for where in (~nothing, nothing))
    assert (none == 255).mean() > (full == 255).mean() + 0.05


def test_a_night_is_brightened():
    night = np.full((160, 160), 20, np.uint8)
    sheet = alignment_sheet(night, night, night, np.ones(night.shape, bool))
    assert (sheet[60:200, 60:200] == 255).all()


@pytest.mark.parametrize(
    ("size", "other"),
    [((900, 4000), (90, 400)), ((16, 20), (16, 20)), ((2200, 20), (10, 10)), ((1, 1), (1, 1))],
)
def test_a_sheet_of_any_size_fits_a_screen(size, other):
    reference = np.zeros((*size, 3), np.uint8)
    source = np.zeros(other, np.uint8)
    sheet = alignment_sheet(
        reference,
        source,
        reference,
        np.ones(size, bool),
        labels=("a long name " * 9, "source"),
    )
    assert 800 <= sheet.shape[1] <= 2000
    assert sheet.shape[0] < 3200
