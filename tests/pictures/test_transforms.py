"""The file of transforms, and the fields that say how sources line up."""

import json

import numpy as np
import pytest

from ttd_jax.align import Registration, Transform
from ttd_jax.align.alignment import Alignment
from ttd_jax.errors import UserError
from ttd_jax.pictures.transforms import (
    as_record,
    file_text,
    of_record,
    with_transforms,
)

FOUND = Registration(
    to=0,
    sizes=((48, 64), (24, 33)),
    transforms=(
        Transform(),
        Transform(((0.1, 1 / 3, 2.0), (0.0, 1.5, 1e-17), (0.0, 0.0, 1.0)), "affine", 0.25, 0.75),
    ),
)


def written(tmp_path, **scenes):
    path = tmp_path / "transforms.json"
    path.write_text(file_text({name: as_record(one) for name, one in scenes.items()}))
    return path


def test_a_registration_comes_back_exactly(tmp_path):
    assert of_record(json.loads(json.dumps(as_record(FOUND)))) == FOUND
    known = with_transforms(Alignment("check"), "common", str(written(tmp_path, a=FOUND)))
    assert known.known == {"a": FOUND}
    assert known.moves
    assert known.crop == "common"
    assert len(known.as_record()["transforms"]) == 64
    assert with_transforms(Alignment("affine"), "common", "") == Alignment("affine", crop="common")


def test_a_scene_takes_its_own_or_the_only_one(tmp_path):
    other = Registration(1, FOUND.sizes, FOUND.transforms[::-1])
    alone = with_transforms(Alignment(), "reference", str(written(tmp_path, a=FOUND)))
    assert alone.of_scene("b") is alone.of_scene("a")
    two = with_transforms(Alignment(), "reference", str(written(tmp_path, a=FOUND, b=other)))
    assert two.of_scene("b") == other
    with pytest.raises(UserError, match="c: --transforms has 2 scenes and not this one"):
        two.of_scene("c")
    assert Alignment("affine").of_scene("a") is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda scene: scene.update(to=2), "there is no source 2"),
        (lambda scene: scene["sources"][1].update(matrix=[[1.0]]), "three rows"),
        (lambda scene: scene["sources"][1].update(matrix=np.ones((3, 3)).tolist()), "nothing of"),
        (lambda scene: scene["sources"][1].update(matrix=[[1.0], [2.0, 3.0]]), "three rows"),
        (lambda scene: scene["sources"][1]["matrix"][2].__setitem__(0, -0.1), "the horizon"),
        (lambda scene: scene["sources"][0]["matrix"][0].__setitem__(2, 9.0), "is the identity"),
        (lambda scene: scene["sources"][1].update(model="bent"), "a model is one of"),
        (lambda scene: scene["sources"][1].update(size=[3]), "height and width"),
        (lambda scene: scene.pop("to"), "damaged"),
        (lambda scene: scene["sources"][0].update(matrix=[["a"]]), "damaged"),
    ],
)
def test_a_damaged_file_is_told(tmp_path, change, said):
    path = written(tmp_path, a=FOUND)
    content = json.loads(path.read_text())
    change(content["scenes"]["a"])
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=f"transforms.json: .*{said}"):
        with_transforms(Alignment(), "reference", str(path))


def test_files_that_are_none_are_told(tmp_path):
    path = tmp_path / "x.json"
    with pytest.raises(UserError, match="no such file"):
        with_transforms(Alignment(), "reference", str(path))
    path.write_text("{")
    with pytest.raises(UserError, match=r"unreadable: pass a transforms\.json"):
        with_transforms(Alignment(), "reference", str(path))
    path.write_text('{"scenes": {}}')
    with pytest.raises(UserError, match="has no scenes"):
        with_transforms(Alignment(), "reference", str(path))


def test_choices_that_cannot_be_are_told(tmp_path):
    with pytest.raises(UserError, match="align must be one of check, off, translation"):
        Alignment("shift")
    with pytest.raises(UserError, match="angles of view lie between 0 and 180"):
        Alignment(fov=(60.0, 200.0))
    with pytest.raises(UserError, match="crop=common cuts what was warped"):
        with_transforms(Alignment("check"), "common", "")
    with pytest.raises(UserError, match="leave one out"):
        with_transforms(Alignment("affine"), "reference", str(written(tmp_path, a=FOUND)))
