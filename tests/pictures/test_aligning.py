"""Scenes whose sources are brought to line up on their way from files to arrays."""

import dataclasses

import cv2
import numpy as np
import pytest

from tests.commands.conftest import draw
from ttd_jax.align import Registration, Transform
from ttd_jax.align.alignment import Alignment
from ttd_jax.align.transform import as_matrix, resizing
from ttd_jax.errors import UserError
from ttd_jax.pictures.checking import Checked, check
from ttd_jax.pictures.decode import decode_example
from ttd_jax.pictures.images import Reading, all_have_data
from ttd_jax.pictures.scenes import find_scenes

SIZE, OTHER = (40, 57), (20, 31)
MOVED = as_matrix(resizing(OTHER, SIZE) @ [[1, 0, 4], [0, 1, -2], [0, 0, 1]])
FOUND = Registration(0, (SIZE, OTHER), (Transform(), Transform(MOVED, "similarity", 0.1, 0.5)))


@pytest.fixture
def scenes(tmp_path):
    """Two scenes whose second source is smaller."""
    for i in range(2):
        draw(tmp_path / "v" / f"{i}.png", SIZE, channels=3, seed=i)
        draw(tmp_path / "i" / f"{i}.png", OTHER, dtype=np.uint16, seed=10 + i)
    return find_scenes([tmp_path / "v", tmp_path / "i"])


def known(crop="reference", registration=FOUND, **fields):
    align = Alignment(crop=crop, known={"rig": registration}, known_sha256="0")
    return Reading(align=align, **fields)


def test_sources_come_to_the_reference_in_their_own_depth(scenes):
    found = check(scenes, reading=known())
    assert [one.size for one in found] == [SIZE, SIZE]
    assert all(one.masked and one.registration == FOUND for one in found)
    for memory in (None, 32 * 100):  # kept, and decoded again
        _, (first, second) = check(scenes, reading=known(), max_memory=memory).load(1)
        assert first.has_data is None
        assert second.pixels.shape == (*SIZE, 1)
        assert second.pixels.dtype == np.uint16
        assert second.has_data.sum() == 53 * 38
        assert np.array_equal(all_have_data([first, second]), second.has_data)


def test_what_all_have_is_left_by_the_common_crop(scenes):
    found = check(scenes, reading=known("common"))
    assert [(one.size, one.masked) for one in found] == [((38, 53), False)] * 2
    whole = check(scenes, reading=known()).load(0)[1]
    for one, other in zip(found.load(0)[1], whole, strict=True):
        assert one.has_data is None
        np.testing.assert_array_equal(one.pixels, other.pixels[2:, :53])


def test_other_processes_are_told(scenes):
    one = check(scenes, reading=known())[0]
    assert Checked.of_text(one.as_text()) == one


def test_results_are_not_moved(tmp_path, scenes):
    for i in range(2):
        draw(tmp_path / "f" / f"{i}.png", SIZE, seed=20 + i)
    with_results = find_scenes([tmp_path / "f", tmp_path / "v", tmp_path / "i"])
    pictures = check(with_results, reading=known(results=1)).load(0)[1]
    alone = decode_example(with_results[0], known(results=1))[0]
    np.testing.assert_array_equal(pictures[0].pixels, alone.pixels)
    assert pictures[0].has_data is None
    with pytest.raises(UserError, match=r"is 57x40 .* but .* is 53x38: .*--crop=common\?"):
        check(with_results, reading=known("common", results=1))


def test_what_does_not_fit_is_told(scenes, tmp_path):
    swapped = dataclasses.replace(FOUND, sizes=(OTHER, SIZE))
    with pytest.raises(UserError, match=r"0.png is 57x40 .* its transform is for 31x20"):
        check(scenes, reading=known(registration=swapped))
    three = find_scenes([tmp_path / "v", tmp_path / "i", tmp_path / "v"])
    with pytest.raises(UserError, match="has 3 sources, and --transforms tells of 2"):
        check(three, reading=known())
    with pytest.raises(UserError, match="align_to=2: there are 2 sources, from 0"):
        check(scenes, reading=Reading(align=Alignment("affine", to=2)))
    with pytest.raises(UserError, match="fov has 1 angle for 2 sources"):
        check(scenes, reading=Reading(align=Alignment("affine", fov=(50.0,))))
    with pytest.raises(UserError, match=r"0.png is 57x40 .* but .*0.png is 31x20"):
        check(scenes, reading=Reading(align=Alignment("check")))


def test_a_shift_is_measured_and_told_once_for_each_role(tmp_path, capsys):
    noise = np.random.default_rng(0).random((140, 180), np.float32)
    view = cv2.GaussianBlur(noise, (0, 0), 2)
    view = (255 * (view - view.min()) / (view.max() - view.min())).astype(np.uint8)
    for i in range(3):
        for role, (down, right) in (("v", (0, 0)), ("i", (4, -9)), ("j", (0, 0))):
            path = tmp_path / role / f"{i}.png"
            path.parent.mkdir(exist_ok=True)
            cv2.imwrite(str(path), view[20 - down : 120 - down, 20 - right : 160 - right])
    scenes = find_scenes([tmp_path / "v", tmp_path / "i", tmp_path / "j"])
    found = check(scenes, reading=Reading(align=Alignment("check")))
    first, second = found[0].shifts
    assert (first.y, first.x) == pytest.approx((4, -9), abs=0.3)
    assert (second.y, second.x) == pytest.approx((0, 0), abs=0.3)
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "9.8 pixels off " in line
    assert "(-9.0 right, +4.0 down): --align=similarity registers them" in line
    assert line.endswith("(and 2 more of i)")
    assert check(scenes, reading=Reading(align=Alignment("off")))[0].shifts == ()
    assert not capsys.readouterr().err
