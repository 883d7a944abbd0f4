"""How arguments become scenes."""

import pytest

from ttd_jax.errors import UserError
from ttd_jax.pictures.scenes import find_scenes, source_labels


def make(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_files_are_one_scene_named_after_the_first(tmp_path):
    make(tmp_path, "a/v.png", "b/i.jpg", "c/u.png")
    paths = [tmp_path / "a/v.png", tmp_path / "b/i.jpg", tmp_path / "c/u.png"]
    (scene,) = find_scenes(paths)
    assert scene.name == "v"
    assert scene.sources == tuple(paths)


def test_folders_are_matched_by_stem_whatever_the_suffix(tmp_path):
    make(tmp_path, "v/2.png", "v/1.JPG", "i/1.png", "i/2.bmp", "v/notes.txt", "i/.hidden.png")
    scenes = find_scenes([tmp_path / "v", tmp_path / "i"])
    assert [scene.name for scene in scenes] == ["1", "2"]
    assert [p.name for p in scenes[0].sources] == ["1.JPG", "1.png"]


@pytest.mark.parametrize(
    ("files", "named"),
    [
        (["v/1.png", "v/1.jpg", "i/1.png"], ["1.png", "1.jpg", "same stem"]),
        (["v/1.png", "i/notes.txt"], ["no images"]),
        ([f"v/{i}.png" for i in range(9)] + ["i/0.png"], ["8 of 9", "1, 2, 3, 4, 5, ..."]),
        (["v/1.png", "i/1.png", "i/2.png"], ["1 of 2", "(2)"]),
    ],
)
def test_folders_that_do_not_fit_are_explained(tmp_path, files, named):
    make(tmp_path, *files)
    with pytest.raises(UserError) as error:
        find_scenes([tmp_path / "v", tmp_path / "i"])
    for words in named:
        assert words in str(error.value)


def test_arguments_that_do_not_fit_are_explained(tmp_path):
    make(tmp_path, "v/1.png", "i/1.png")
    with pytest.raises(UserError, match=r"got only .*1\.png"):
        find_scenes([tmp_path / "v/1.png"])
    with pytest.raises(UserError, match="got none"):
        find_scenes([])
    with pytest.raises(UserError, match="no such file"):
        find_scenes([tmp_path / "v", tmp_path / "none"])
    with pytest.raises(UserError, match="a folder among files"):
        find_scenes([tmp_path / "v", tmp_path / "i/1.png"])


def test_labels_are_the_first_part_that_tells_sources_apart(tmp_path):
    make(tmp_path, "visible/test/1.png", "infrared/test/1.png", "x/a.png")
    folders = [tmp_path / "visible/test", tmp_path / "infrared/test"]
    assert source_labels(folders) == ("visible", "infrared")
    assert source_labels([f / "1.png" for f in folders]) == ("visible", "infrared")
    assert source_labels([folders[0] / "1.png", tmp_path / "x/a.png"]) == ("1", "a")
    assert source_labels([folders[0], folders[0]]) == ("source1", "source2")
