"""`ttd-jax fuse` after a user's mistake: one line, status 2, nothing written."""

import shutil

import cv2
import jax
import numpy as np
import pytest

from tests.commands.conftest import draw
from ttd_jax.networks import networks
from ttd_jax.weights.store import load, save


@pytest.fixture
def rejects(refused, fuse, tmp_path):
    """The command is refused and leaves no output folder."""

    def check(*arguments, named=(), **options):
        line = refused(*fuse(tmp_path / "out", *arguments), named=named, **options)
        assert not (tmp_path / "out").exists()
        return line

    return check


def test_missing_file(rejects, pair, tmp_path):
    rejects(pair[0], tmp_path / "none.png", named=["none.png", "no such file"])


def test_a_folder_named_like_a_picture(refused, fuse, pair, tmp_path):
    out = tmp_path / "fused.png"
    refused(*fuse(out, *pair), named=[f"--out={out}", "pass the folder"])
    assert not out.exists()


def test_empty_folder(rejects, pair, tmp_path):
    (tmp_path / "empty").mkdir()
    draw(tmp_path / "v" / "1.png")
    rejects(tmp_path / "v", tmp_path / "empty", named=["empty", "no images"])


def test_names_that_do_not_match(rejects, tmp_path):
    for i in range(7):
        draw(tmp_path / "v" / f"{i}.png")
    draw(tmp_path / "i" / "0.png")
    rejects(tmp_path / "v", tmp_path / "i", named=["6 of 7", "1, 2, 3, 4, 5, ..."])


def test_sources_of_different_sizes(rejects, pair, tmp_path):
    other = draw(tmp_path / "other.png", (20, 30))
    rejects(pair[0], other, named=["32x24", "30x20", pair[0], other])


def test_unreadable_pictures(rejects, pair, tmp_path):
    jpeg = cv2.imencode(".jpg", cv2.imread(str(pair[0])))[1].tobytes()
    for name, data in {
        "text.png": b"not a picture",
        "half.jpg": jpeg[: len(jpeg) // 2],
        "zero.png": b"",
    }.items():
        (tmp_path / name).write_bytes(data)
        rejects(pair[0], tmp_path / name, named=[name])


def test_one_bad_picture_in_a_folder_is_found_before_anything_is_written(rejects, tmp_path):
    for i in range(3):
        draw(tmp_path / "v" / f"{i}.png")
        draw(tmp_path / "i" / f"{i}.png")
    bad = tmp_path / "i" / "2.png"
    bad.write_bytes(bad.read_bytes()[:-20])
    rejects(tmp_path / "v", tmp_path / "i", named=[bad])


def test_float_pictures(rejects, pair, tmp_path):
    cv2.imwrite(str(tmp_path / "f.tiff"), np.full((24, 32), 20, np.float32))
    rejects(pair[0], tmp_path / "f.tiff", named=["f.tiff", "float32", "--range"])


def test_one_source_only(rejects, pair):
    rejects(pair[0], named=["two or more", pair[0]])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_with_nan_or_inf(refused, random_weights, pair, tmp_path, value):
    model = load(random_weights)
    variables = jax.tree.map(np.array, model.variables)
    variables["params"]["conv4"]["bias"][1] = value
    save(tmp_path / "bad", model.replace(variables=variables), source={})
    words = ["fuse", "--model=ifcnn_sum", f"--weights={tmp_path / 'bad'}"]
    refused(*words, f"--out={tmp_path / 'out'}", *pair, named=["conv4/bias", "NaN or Inf"])
    assert not (tmp_path / "out").exists()


def test_weights_that_are_missing_damaged_or_of_another_model(
    refused, random_weights, pair, tmp_path
):
    def check(model, weights, named):
        words = ["fuse", f"--model={model}", f"--weights={weights}", f"--out={tmp_path / 'out'}"]
        refused(*words, *pair, named=named)
        assert not (tmp_path / "out").exists()

    check("ifcnn_max", random_weights, ["--model=ifcnn_sum", random_weights])
    check("ifcnn_sum", tmp_path / "none", ["none", "ttd-jax convert"])
    checkpoint = tmp_path / "x.pth"
    checkpoint.write_bytes(b"x")
    check("ifcnn_sum", checkpoint, ["x.pth", "ttd-jax convert"])
    damaged = tmp_path / "damaged"
    shutil.copytree(random_weights, damaged)
    largest = max(damaged.rglob("*"), key=lambda p: p.stat().st_size if p.is_file() else 0)
    data = bytearray(largest.read_bytes())
    data[len(data) // 2] ^= 0xFF
    largest.write_bytes(data)
    check("ifcnn_sum", damaged, [damaged, "convert"])
    (damaged / "manifest.json").write_text("{")
    check("ifcnn_sum", damaged, ["manifest.json", "unreadable"])


def test_unknown_names_suggest_the_nearest(rejects, refused, pair, tmp_path):
    refused("fuse", "--model=ifcn_sum", "--weights=x", "--out=y", named=["'ifcnn_sum'"])
    rejects("--dominability=best", *pair, named=["best", "fused, intensity, self"])
    rejects("--save=fusion", *pair, named=["fusion", "fused, dominability"])
    rejects("--color=grey", *pair, named=["gray"])
    rejects("--strategy=static", "--dominability=self", *pair, named=["--dominability", "static"])
    rejects("--no_such_flag", *pair, named=["no_such_flag", "--help"])
    assert "ifcnn_max" in networks()


def test_outputs_that_cannot_be_written(refused, fuse, pair, tmp_path):
    (tmp_path / "file").write_text("x")
    refused(*fuse(tmp_path / "file", *pair), named=["file"])
    refused(*fuse(tmp_path / "file" / "out", *pair), named=["out", "cannot write"])
    assert (tmp_path / "file").read_text() == "x"


def test_a_full_disk_leaves_nothing_half_written(refused, fuse, tmp_path):
    pair = [draw(tmp_path / f / "big.png", (256, 256), channels=3) for f in ("v", "i")]

    # No file may grow beyond a few blocks: what a full disk does, without one.
    limited = ("sh", "-c", 'ulimit -f 20 && exec "$@"', "sh")
    refused(
        *fuse(tmp_path / "out", *pair),
        named=["out", "full"],
        process=True,
        prefix=limited,
        env={"JAX_ENABLE_COMPILATION_CACHE": "0"},
    )
    assert not (tmp_path / "out").exists()


def test_a_source_is_never_overwritten(refused, fuse, pair, tmp_path):
    before = pair[0].read_bytes()
    refused(*fuse(tmp_path, *pair), named=[pair[0], "overwritten"])
    assert pair[0].read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ir.png", "vis.png"]


def test_empty_paths_of_sources_are_not_the_current_folder(rejects, pair, tmp_path, monkeypatch):
    monkeypatch.chdir(pair[0].parent)
    rejects("", "", named=["source is empty"])
    rejects(pair[0], "", named=["source is empty"])


def test_a_folder_of_sources_does_not_take_the_results(refused, fuse, tmp_path):
    draw(tmp_path / "v" / "a.jpg", channels=3)
    draw(tmp_path / "i" / "a.jpg")
    out = tmp_path / "i" / ".." / "v"
    refused(*fuse(out, tmp_path / "v", tmp_path / "i"), named=[out, "folder of sources"])
    assert [path.name for path in (tmp_path / "v").iterdir()] == ["a.jpg"]


def test_results_of_two_scenes_never_have_one_name(command_line, rejects, refused, fuse, tmp_path):
    for name in ("a", "a_1"):
        draw(tmp_path / "overlay" / f"{name}.png", channels=3)
        draw(tmp_path / "i" / f"{name}.png", seed=1)
    folders, save = (tmp_path / "overlay", tmp_path / "i"), "--save=dominability"
    rejects(save, *folders, named=["a_1_overlay.png", "rename"])
    for folder in folders:  # nor one after the other
        (folder / "a_1.png").rename(folder / "a_1.later")
    assert command_line(*fuse(tmp_path / "out", save, *folders)).returncode == 0
    for folder in folders:
        (folder / "a_1.later").rename(folder / "a_1.png")
    refused(*fuse(tmp_path / "out", "--resume", save, *folders), named=["a_1_overlay.png"])


def test_results_are_not_put_among_weights(refused, fuse, random_weights, pair, tmp_path):
    weights = shutil.copytree(random_weights, tmp_path / "w" / "ifcnn_sum")
    refused(*fuse(weights, *pair), named=[weights, "holds weights", "--out"])
    assert sorted(path.name for path in weights.iterdir()) == ["arrays", "manifest.json"]
