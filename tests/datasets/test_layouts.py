"""Which file is which scene's and role's."""

import pytest
from ttd_jax_datasets.layouts import Endings, Folders, SceneFolders

from ttd_jax.errors import UserError


def make(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def names(found):
    return [{scene: path.name for scene, path in files.items()} for files in found]


def test_folders_match_by_stem_within_a_split(tmp_path):
    make(tmp_path, "vi/test/1.png", "vi/train/2.png", "ir/test/1.bmp", "ir/train/2.png")
    layout = Folders(("vi/{split}", "ir/{split}"))
    assert names(layout.files(tmp_path, "test")) == [{"1": "1.png"}, {"1": "1.bmp"}]
    assert layout.files(tmp_path, "val") == [None, None]


def test_endings_tell_the_roles_and_other_files_are_left_aside(tmp_path):
    make(tmp_path, "l-01-A.jpg", "l-01-B.jpg", "l-02-A.jpg", "readme.txt", "all.jpg")
    make(tmp_path, ".l-03-A.jpg", "More/l-09-A.jpg")
    found = names(Endings("", ("-A", "-B")).files(tmp_path, "test"))
    assert found == [{"l-01": "l-01-A.jpg", "l-02": "l-02-A.jpg"}, {"l-01": "l-01-B.jpg"}]
    assert names(Endings("More", ("-A",)).files(tmp_path, "test")) == [{"l-09": "l-09-A.jpg"}]
    assert Endings("None", ("-A",)).files(tmp_path, "test") == [None]


def test_scene_folders_ignore_the_case_of_letters_and_originals(tmp_path):
    make(tmp_path, "input/Sky/sKY_a.png", "input/Sky/Sky_B.png", "input/Sky/under.png")
    make(tmp_path, "input/garage/Garage_A.jpg", "input/garage/Garage_B.jpg", "input/garage/ev.txt")
    make(tmp_path, "input/notes.txt")
    assert names(SceneFolders("input", ("_A", "_B")).files(tmp_path, "test")) == [
        {"Sky": "sKY_a.png", "garage": "Garage_A.jpg"},
        {"Sky": "Sky_B.png", "garage": "Garage_B.jpg"},
    ]


def test_two_files_for_one_role_are_refused(tmp_path):
    make(tmp_path, "input/Sky/Sky_A.png", "input/Sky/Sky_a.jpg", "input/Sky/Sky_B.png")
    with pytest.raises(UserError, match=r"Sky_A\.png and Sky_a\.jpg both .* scene Sky"):
        SceneFolders("input", ("_A", "_B")).files(tmp_path, "test")
