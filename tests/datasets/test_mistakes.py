"""Files that are missing, unmatched or damaged: one line that says what, where and what to do."""

import shutil

import cv2
import numpy as np
import pytest

from ttd_jax.errors import UserError

SMALL = cv2.imencode(".png", np.zeros((8, 8), np.uint8))[1].tobytes()


@pytest.fixture
def refuses(prepare, tmp_path):
    """Preparing ends in one line with every word of `named`, and leaves nothing behind."""

    def check(words, root, *named):
        with pytest.raises(UserError) as error:
            prepare(words, root)
        line = str(error.value)
        assert "\n" not in line
        for word in named:
            assert str(word) in line
        assert not (tmp_path / "prepared").exists()

    return check


def test_no_folder_and_an_empty_one(refuses, tmp_path):
    expected = ("llvip/fusion", "visible/train", "infrared/test", "12025", "3463", "https://")
    refuses("llvip", tmp_path / "none", tmp_path / "none", "no such folder", *expected)
    (tmp_path / "empty").mkdir()
    refuses("llvip", tmp_path / "empty", tmp_path / "empty", "is empty", *expected)


def test_a_folder_of_something_else(refuses, drawn):
    root = drawn("tno")
    for name in "abcdef":
        (root / name).touch()
    refuses("m3fd", root, root, "holds a, b, c, d, e, ...", "M3FD_Fusion/Vis", "300")


def test_a_missing_modality(refuses, drawn):
    root = drawn("msrs")
    shutil.rmtree(root / "test" / "ir")
    refuses("msrs", root, root, "test/ir is missing", "test/vi has 2 images", "361")


def test_a_modality_without_pictures(refuses, drawn):
    root = drawn("tno")
    for path in (root / "ir").iterdir():
        path.rename(path.with_suffix(".txt"))
    refuses("tno", root, root / "ir", "no images")


def test_a_scene_folder_without_one_exposure(refuses, drawn):
    root = drawn("mefb")
    (root / "input" / "Sky" / "Sky_B.png").unlink()
    refuses("mefb", root, root, "*_B.*", "1 of 3", "(Sky)")


def test_unmatched_names_are_listed_up_to_five(refuses, drawn):
    root = drawn("roadscene")
    for number in range(7):
        shutil.copy(root / "vi" / "FLIR_00211.jpg", root / "vi" / f"x{number}.jpg")
    refuses("roadscene", root, "ir lacks 7 of 9", "(x0, x1, x2, x3, x4, ...)")


def test_sources_of_different_sizes(refuses, drawn):
    root = drawn("tno")
    (root / "ir" / "02.png").write_bytes(SMALL)
    refuses("tno", root, root / "ir" / "02.png", "8x8", root / "vi" / "02.png", "32x24")


@pytest.mark.parametrize("spoil", [lambda data: data[:-20], lambda data: b"", lambda data: b"no"])
def test_a_damaged_picture(refuses, drawn, spoil):
    root = drawn("tno")
    path = root / "ir" / "02.png"
    path.write_bytes(spoil(path.read_bytes()))
    refuses("tno", root, path)


def test_no_example_is_left(refuses, drawn, shared):
    refuses(
        "llvip/ttd_subset",
        shared / "data" / "llvip",
        "none of the 69",
        "the 6 of visible/test",
    )
    root = drawn("llvip")
    shutil.rmtree(root / "Annotations")
    refuses("llvip/detection", root, "Annotations", "no label file", "2 of visible/test")


@pytest.mark.parametrize(
    ("words", "file", "data", "named"),
    [
        ("msrs/detection_visible", "labels/visible/test/00004N.txt", b"0 0.5", "truncated"),
        ("msrs/detection_visible", "labels/visible/test/00004N.txt", b"0 1 1 1 1", "inside"),
        ("msrs/detection_visible", "labels/visible/test/00004N.txt", b"9 .5 .5 .1 .1", "class 9"),
        ("llvip/detection", "Annotations/190001.xml", b"<annotation>", "truncated"),
    ],
)
def test_a_damaged_label_file(refuses, drawn, words, file, data, named):
    root = drawn(words.partition("/")[0])
    (root / file).write_bytes(data)
    refuses(words, root, root / file, named, "mend the file")
