"""`ttd-jax fuse --align`: what is written, told, used again and resumed."""

import dataclasses
import json

import cv2
import numpy as np
import pytest

import ttd_jax
from ttd_jax.pictures.images import read_picture
from ttd_jax.pictures.transforms import of_record

SIZE, DOWN, RIGHT = (120, 160), 4, -9


def view(seed, size=(160, 210)):
    """A scene larger than a picture of it."""
    noise = np.random.default_rng(seed).random(size, np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    return (255 * (smooth - smooth.min()) / np.ptp(smooth)).astype(np.uint8)


def cut(scene, down=0, right=0):
    """What a camera sees that shows everything so far down and to the right."""
    return scene[20 - down :, 20 - right :][: SIZE[0], : SIZE[1]]


@pytest.fixture
def folders(tmp_path):
    """Two scenes whose second source is off, and negative as infrared may be."""
    for role in ("v", "i"):
        (tmp_path / role).mkdir()
    for i in range(2):
        scene = view(i)
        color = np.repeat(cut(scene)[..., None], 3, -1) // np.uint8([1, 2, 1])
        cv2.imwrite(str(tmp_path / "v" / f"{i}.png"), color)
        moved = 255 - cut(scene, DOWN, RIGHT)
        cv2.imwrite(str(tmp_path / "i" / f"{i}.png"), moved.astype(np.uint16) * 257)
    return tmp_path / "v", tmp_path / "i"


def fused_of(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.png")}


def test_sources_are_registered_and_what_was_found_is_used_again(
    command_line, fuse, folders, tmp_path
):
    out = tmp_path / "out"
    found = command_line(*fuse(out, "--align=translation", "--save=fused,alignment", *folders))
    assert found.returncode == 0, found.stderr
    (line,) = found.stderr.splitlines()
    assert line == f"{out}: 2 scenes fused, 0 reused; 2 of 2 sources registered"
    scenes = json.loads((out / "transforms.json").read_text())["scenes"]
    assert sorted(scenes) == ["0", "1"]
    for scene in scenes.values():
        first, second = scene["sources"]
        assert (first["model"], second["model"]) == ("none", "translation")
        np.testing.assert_allclose(second["matrix"][0], [1, 0, RIGHT], atol=0.3)
        np.testing.assert_allclose(second["matrix"][1], [0, 1, DOWN], atol=0.3)
        assert second["after"] > second["before"]
    (record, _) = json.loads((out / "summary.json").read_text())
    assert record["masked"]
    assert record["settings"]["align"]["model"] == "translation"
    sheet = read_picture(out / "alignment" / "0_2_i.png")
    assert sheet.colored

    again = tmp_path / "again"
    given = f"--transforms={out / 'transforms.json'}"
    result = command_line(*fuse(again, given, *folders))
    assert result.returncode == 0, result.stderr
    assert fused_of(again) == fused_of(out)
    assert not (again / "transforms.json").exists()

    resumed = command_line(*fuse(again, given, "--resume", *folders))
    assert "0 scenes fused, 2 reused" in resumed.stderr
    other = command_line(*fuse(again, given, "--crop=common", "--resume", *folders))
    assert other.returncode == 2
    assert "holds results made with another align" in other.stderr


def test_a_pair_that_is_off_is_told_by_default(command_line, fuse, folders, tmp_path):
    result = command_line(*fuse(tmp_path / "out", *folders))
    assert result.returncode == 0, result.stderr
    line, _ = result.stderr.splitlines()
    assert "--align=similarity" in line
    assert line.endswith("(and 1 more of i)")
    for record in json.loads((tmp_path / "out" / "summary.json").read_text()):
        first, second = record["sources"]
        assert first["shift"] is None
        assert second["shift"]["x"] == pytest.approx(RIGHT, abs=0.5)
        assert second["shift"]["y"] == pytest.approx(DOWN, abs=0.5)


def test_what_was_measured_survives_a_resumed_run(command_line, fuse, folders, tmp_path):
    out = tmp_path / "out"
    command_line(*fuse(out, *folders))
    summary = (out / "summary.json").read_text()
    (out / "1.png").unlink()
    resumed = command_line(*fuse(out, "--resume", *folders))
    assert "1 scene fused, 1 reused" in resumed.stderr
    assert (out / "summary.json").read_text() == summary


def test_a_file_of_another_run_is_not_replaced(command_line, fuse, pair, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "transforms.json").write_text("mine")
    result = command_line(*fuse(tmp_path / "out", "--align=affine", *pair))
    assert result.returncode == 2
    assert "transforms.json: is of another run: move it" in result.stderr
    assert (tmp_path / "out" / "transforms.json").read_text() == "mine"


def test_sources_of_other_sizes_are_fused_in_the_reference_s(command_line, fuse, tmp_path):
    scene = view(7)
    cv2.imwrite(str(tmp_path / "vis.png"), cut(scene))
    small = cv2.resize(255 - cut(scene), (80, 60), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(tmp_path / "ir.png"), small)
    pair = tmp_path / "vis.png", tmp_path / "ir.png"
    refused = command_line(*fuse(tmp_path / "out", *pair))
    assert refused.returncode == 2
    assert "is 160x120 (width x height) but" in refused.stderr
    assert refused.stderr.endswith(": --align=affine brings them together\n")
    result = command_line(*fuse(tmp_path / "out", "--align=similarity", *pair))
    assert result.returncode == 0, result.stderr
    assert read_picture(tmp_path / "out" / "vis.png").size == SIZE
    (scene,) = json.loads((tmp_path / "out" / "transforms.json").read_text())["scenes"].values()
    corner = np.array(scene["sources"][1]["matrix"]) @ [159, 119, 1]
    np.testing.assert_allclose(corner[:2] / corner[2], [79.25, 59.25], atol=0.5)


def test_featureless_pictures_are_left_as_they_are(command_line, fuse, tmp_path):
    for name, value in (("a", 90), ("b", 200)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((24, 32), value, np.uint8))
    pair = tmp_path / "a.png", tmp_path / "b.png"
    result = command_line(*fuse(tmp_path / "out", "--align=affine", *pair))
    assert result.returncode == 0, result.stderr
    assert "b.png: not aligned: " in result.stderr
    plain = command_line(*fuse(tmp_path / "plain", *pair))
    assert fused_of(tmp_path / "out") == fused_of(tmp_path / "plain")
    assert "align" not in plain.stderr


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--align_to=2", "--align=affine"], "align_to=2: there are 2 sources, from 0"),
        (["--fov=40,wide", "--align=affine"], "--fov: could not convert string to float: 'wide'"),
        (["--fov=40", "--align=affine"], "fov has 1 angle for 2 sources"),
        (["--transforms=nowhere.json"], "nowhere.json: no such file"),
    ],
)
def test_mistakes_are_told(command_line, fuse, pair, tmp_path, flags, said):
    result = command_line(*fuse(tmp_path / "out", *flags, *pair))
    assert result.returncode == 2
    assert said in result.stderr
    assert not (tmp_path / "out").exists()


def test_scoring_takes_the_same_transforms(command_line, fuse, folders, tmp_path):
    out, results = tmp_path / "out", tmp_path / "results"
    command_line(*fuse(out, "--align=translation", *folders))
    results.mkdir()
    for path in out.glob("*.png"):
        path.rename(results / path.name)
    scored = command_line(
        "score",
        f"--fused={results}",
        f"--sources={folders[0]},{folders[1]}",
        f"--transforms={out / 'transforms.json'}",
        f"--out={tmp_path / 'scores'}",
        "--protocol=vifb",
        "--metrics=MI,PSNR",
    )
    assert scored.returncode == 0, scored.stderr
    rows = (tmp_path / "scores" / "scores.csv").read_text().splitlines()
    known = json.loads((out / "transforms.json").read_text())["scenes"]
    for row, name in zip(rows[1:], ("0", "1"), strict=True):
        registration = of_record(known[name])
        fused, *sources = (read_picture(folder / f"{name}.png") for folder in (results, *folders))
        arrays = [source.pixels for source in sources]
        warped, has_data = ttd_jax.align.warp(arrays, registration.transforms)
        assert not has_data.all()
        found = ttd_jax.metrics.evaluate(
            ttd_jax.metrics.fused_planes(fused.as_bytes(), protocol="vifb"),
            ttd_jax.metrics.source_planes(
                [dataclasses.replace(sources[0], pixels=one).as_bytes() for one in warped],
                protocol="vifb",
            ),
            protocol="vifb",
            names=("MI", "PSNR"),
            mask=has_data.all(axis=0),
        )
        told = [float(figure) for figure in row.split(",")[-2:]]
        np.testing.assert_allclose(told, [found["MI"], found["PSNR"]], rtol=1e-5)
