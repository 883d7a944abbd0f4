"""Every scene is looked at once."""

import numpy as np
import pytest

from tests.commands.conftest import draw
from ttd_jax.errors import UserError
from ttd_jax.pictures import checking
from ttd_jax.pictures.checking import Checked, check
from ttd_jax.pictures.examples import Example
from ttd_jax.pictures.images import encode_picture
from ttd_jax.pictures.scenes import find_scenes


@pytest.fixture
def scenes(tmp_path):
    """Five scenes of two shapes, the first source in color."""
    for i in range(5):
        size = (24, 32) if i % 2 else (17, 23)
        draw(tmp_path / "v" / f"{i}.png", size, channels=3, seed=i)
        draw(tmp_path / "i" / f"{i}.png", size, seed=10 + i)
    return find_scenes([tmp_path / "v", tmp_path / "i"])


@pytest.fixture
def decoded(monkeypatch):
    """Names of the scenes that are decoded, in the order in which they are."""
    names, decode = [], checking.decode_example

    def counted(example, reading):
        names.append(example.name)
        return decode(example, reading)

    monkeypatch.setattr(checking, "decode_example", counted)
    return names


def test_sizes_colors_and_hashes_are_found(scenes):
    found = check(scenes)
    assert [one.size for one in found] == [(17, 23), (24, 32), (17, 23), (24, 32), (17, 23)]
    assert {one.colored for one in found} == {(True, False)}
    assert {one.colored for one in check(scenes, gray=True)} == {(False, False)}
    assert [one.sha256 for one in found] == [scene.sha256 for scene in scenes]
    assert found.keys[3] == ("3", *scenes[3].sha256)
    assert len(check(scenes, count=2)) == len(check(scenes, count=2).keys) == 2


def test_a_small_scene_is_decoded_once_and_a_large_one_again(scenes, decoded):
    found = check(scenes)
    pictures = [found.load(index)[1] for index in range(5)]
    assert sorted(decoded) == ["0", "1", "2", "3", "4"]
    little = check(scenes, max_memory=32 * 100)
    again = [little.load(index)[1] for index in range(5)]
    assert len(decoded) == 15
    for one, other in zip(pictures, again, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a.pixels, b.pixels)


def test_what_is_kept_is_bounded(scenes):
    for memory in (10**3, 10**5, 10**6, 10**7):
        kept = check(scenes, max_memory=memory).kept.values()
        taken = sum(picture.nbytes for _, pictures in kept for picture in pictures)
        assert taken <= memory / 32
    assert len(kept) == 5


def test_known_scenes_are_hashed_but_not_decoded(scenes, decoded, tmp_path):
    known = {key: Checked((17, 23), (True, True), key[1:]) for key in check(scenes).keys[::2]}
    decoded.clear()
    draw(tmp_path / "i" / "2.png", (17, 23), seed=77)
    found = check(scenes, known=known)
    assert sorted(decoded) == ["1", "2", "3"]
    assert [one.colored[1] for one in found] == [True, False, False, False, True]


def test_processes_look_at_their_part_and_know_all(scenes, decoded):
    alone = check(scenes)
    decoded.clear()
    every = {}

    def collect(texts):
        every.update(texts)
        return {index: texts.get(index, texts[min(texts)]) for index in range(5)}

    for process in range(2):
        check(scenes, share=(process, 2), gather=collect)
    assert sorted(decoded) == ["0", "1", "2", "3", "4"]
    joined = check(scenes, share=(0, 2), gather=lambda _: every)
    assert joined.checked == alone.checked
    assert joined.sha256 == alone.sha256


def test_objects_are_counted_and_hashed():
    class Labeled(tuple):
        names, roles = ("a", "b"), ("v",)

    data = encode_picture(np.zeros((4, 6, 1), np.uint8), ".png")
    box = (0.0, 0.0, 0.5, 0.5)
    found = check(Labeled([Example("a", ("v",), (data,), (box,), (0,))]))
    other = check(Labeled([Example("a", ("v",), (data,), (box,), (1,))]))
    assert (found[0].objects, len(found[0].sha256)) == (1, 2)
    assert found[0].sha256[0] == other[0].sha256[0]
    assert found[0].sha256[1] != other[0].sha256[1]
    none = check(Labeled([Example("a", ("v",), (data,), (), ())]))
    assert (none[0].objects, len(none[0].sha256)) == (0, 2)


def test_mistakes_name_the_files(scenes, tmp_path):
    with pytest.raises(UserError, match=r"0\.png is 23x17 .*this network needs at least 18x18"):
        check(scenes, least=18)
    draw(tmp_path / "i" / "3.png", (24, 30))
    with pytest.raises(UserError, match=r"v.3\.png is 32x24 .*i.3\.png is 30x24:") as error:
        check(scenes)
    assert "aligned" in str(error.value)
    (tmp_path / "v" / "1.png").write_bytes(b"x")
    with pytest.raises(UserError, match=r"1\.png: truncated"):
        check(scenes)
