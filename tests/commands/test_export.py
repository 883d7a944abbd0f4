"""`ttd-jax export`: its files, its mistakes, and running them with jax alone."""

import contextlib
import dataclasses
import hashlib
import json
import runpy
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest
from absl import flags

import ttd_jax
from ttd_jax.commands import export as command
from ttd_jax.errors import UserError
from ttd_jax.export import runner
from ttd_jax.export.program import fuse_batch

# Runs a file as if nothing but jax and numpy were installed.
ALONE = """
import runpy, sys
for name in ("ttd_jax", "flax", "chex", "absl", "orbax"):
    sys.modules[name] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def export(random_weights):
    """Runs `ttd-jax export ...` in this process."""

    def run(out, *words):
        values = flags.FlagValues()
        command.define_flags(values)
        common = ("--model=ifcnn_sum", f"--weights={random_weights}", f"--out={out}")
        command.run(values, values(["export", *common, *words])[1:])
        return out

    return run


@pytest.fixture(scope="module")
def beside(export, tmp_path_factory):
    words = ("--params=beside", "--dominability=self", "--platforms=cpu,tpu")
    return export(tmp_path_factory.mktemp("beside") / "net.v2.stablehlo", *words)


@pytest.fixture(scope="module")
def sources():
    return np.random.default_rng(0).random((2, 3, 6, 5, 3), np.float32)


@pytest.fixture(scope="module")
def expected(random_weights, sources):
    """What this package computes with the same options."""
    model = ttd_jax.load(random_weights, dominability="self", fold=True)
    return jax.jit(lambda sources: fuse_batch(model, sources, model.settings))(sources)


def test_a_process_with_jax_alone_runs_it(beside, sources, expected, tmp_path):
    np.save(tmp_path / "sources.npy", sources)
    words = (runner.__file__, beside, tmp_path / "sources.npy", tmp_path / "fused.npz")
    result = subprocess.run(
        [sys.executable, "-c", ALONE, *map(str, words)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    with np.load(tmp_path / "fused.npz") as found:
        assert sorted(found) == ["dominability", "image"]
        for name in found:
            np.testing.assert_allclose(found[name], expected[name], atol=1e-6, rtol=0)


def test_parameters_inside_give_the_same(export, sources, expected, tmp_path, capsys):
    out = export(tmp_path / "x.stablehlo", "--dominability=self", "--platforms=cpu")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.json", "x.stablehlo"]
    assert "image: float32[batch, height, width, 3]" in capsys.readouterr().out
    found = runpy.run_path(runner.__file__)["load"](out)(sources)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=1e-6, rtol=0)


def test_the_json_tells_what_it_is_and_proves_the_files(beside, random_weights):
    card = json.loads(beside.with_suffix(".json").read_text())
    manifest = json.loads((random_weights / "manifest.json").read_text())
    assert card["model"] == "ifcnn_sum"
    assert card["strategy"] == "ttd"
    settings = ttd_jax.load(random_weights, dominability="self").settings
    assert card["settings"] == dataclasses.asdict(settings)
    assert card["weights"] == {"sha256": manifest["sha256"], "license": "random"}
    assert card["platforms"] == ["cpu", "tpu"]
    assert card["inputs"]["sources"]["shape"] == ["batch", "sources", "height", "width", 3]
    assert card["inputs"]["sources"]["constraints"] == ["height >= 1", "width >= 1"]
    assert card["versions"]["jax"] == jax.__version__
    assert card["program"]["file"] == "net.v2.stablehlo"
    assert card["parameters"]["file"] == "net.v2.npz"
    for name in ("program", "parameters"):
        data = (beside.parent / card[name]["file"]).read_bytes()
        assert card[name]["sha256"] == hashlib.sha256(data).hexdigest()
        assert card[name]["bytes"] == len(data)


@pytest.mark.parametrize("shape", [(2, 6, 5, 3), (1, 0, 6, 5, 3), (1, 2, 0, 5, 3), (1, 2, 6, 5, 1)])
def test_the_runner_says_what_is_too_small(beside, shape):
    with pytest.raises(ValueError, match=r"sources .*at least \[1, 1, 1, 1, 3\] is needed"):
        runner.load(beside)(np.zeros(shape, np.float32))


def test_a_file_of_another_export_is_not_run(beside, tmp_path):
    out = shutil.copytree(beside.parent, tmp_path / "copy") / beside.name
    with np.load(out.with_suffix(".npz")) as arrays:
        np.savez(out.with_suffix(".npz"), **{name: arrays[name] * 2 for name in arrays})
    with pytest.raises(ValueError, match=r"net\.v2\.npz: not the file that was exported"):
        runner.load(out)


GOOD = np.full((1, 2, 6, 5, 3), 0.5, np.float32)
BAD = {
    "no batch": (GOOD[0], ["sources[None]"]),
    "no numbers of color": (GOOD[0, 0], ["f32[B, M, H, W, C]"]),
    "other channels": (GOOD[..., [0, 0, 1, 2]], ["C is 4", "takes 3"]),
    "bytes": ((GOOD * 255).astype(np.uint8), ["uint8", "/ 255"]),
    "0 to 255": (GOOD * 255, ["127.5", "[0, 1]"]),
    "not a number": (GOOD * np.nan, ["nan", "[0, 1]"]),
    "text": (np.array("a"), ["sources ()"]),
    "objects": (np.array([None]), ["allow_pickle=False"]),
}


@pytest.mark.parametrize("case", BAD)
def test_the_runner_tells_each_mistake_in_one_line(beside, tmp_path, capsys, case):
    sources, named = BAD[case]
    np.save(tmp_path / "sources.npy", sources, allow_pickle=True)
    words = [beside, tmp_path / "sources.npy", tmp_path / "fused.npz"]
    assert runner.main([str(word) for word in words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    for word in named:
        assert word in line
    assert [path.name for path in tmp_path.iterdir()] == ["sources.npy"]


def test_the_runner_tells_how_it_is_used_and_which_file_is_missing(beside, tmp_path, capsys):
    assert runner.main([]) == 2
    assert capsys.readouterr().err == f"{runner.USAGE}\n"
    assert runner.main([str(beside), str(tmp_path / "none.npy"), "x"]) == 2
    assert (
        capsys.readouterr().err == f"runner: {tmp_path / 'none.npy'}: No such file or directory\n"
    )
    (tmp_path / "x.json").write_text('{"program": 3}')
    assert runner.main([str(tmp_path / "x.stablehlo"), "", ""]) == 2
    assert "x.json: not what `ttd-jax export` wrote" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "words", "named"),
    [
        ("x.stablehlo", ["--platforms=cpu,gpuu"], ["--platforms", "'gpuu'", "cpu, cuda, tpu"]),
        ("x.stablehlo", ["--platforms="], ["--platforms is empty"]),
        ("none/x.stablehlo", [], ["--out", "there is no folder", "none"]),
        ("x.onnx", [], ["--out", "NAME.stablehlo"]),
        ("x.stablehlo", ["--dominability=sharpest"], ["'sharpest'", "fused, intensity, self"]),
        ("x.stablehlo", ["--model=ifcnn_sun"], ["did you mean 'ifcnn_sum'"]),
        ("x.stablehlo", ["--model=piafusion"], ["holds weights of ifcnn_sum"]),
        ("x.stablehlo", ["more"], ["unexpected argument 'more'"]),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(export, tmp_path, name, words, named):
    with pytest.raises(UserError) as error:
        export(tmp_path / name, *words)
    assert "\n" not in str(error.value)
    for word in named:
        assert word in str(error.value)
    assert not list(tmp_path.iterdir())


def test_files_are_replaced_only_when_asked(export, tmp_path):
    out = tmp_path / "x.stablehlo"
    out.with_suffix(".json").write_text("mine")
    with pytest.raises(UserError, match=r"x\.json: already exists.*--overwrite"):
        export(out)
    assert not out.exists()
    export(out, "--overwrite", "--strategy=static", "--platforms=cpu")
    card = json.loads(out.with_suffix(".json").read_text())
    assert (card["strategy"], card["settings"]) == ("static", None)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["x.json", "x.stablehlo"]


def test_a_folder_that_cannot_be_written_is_one_line(export, tmp_path, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ttd_jax.export.program.write_whole", full)
    with pytest.raises(UserError, match=r"x\.stablehlo: cannot write: the disk or quota is full"):
        export(tmp_path / "x.stablehlo", "--platforms=cpu", "--strategy=static")


def test_two_exports_at_once_do_not_replace_one_another(export, tmp_path, monkeypatch):
    @contextlib.contextmanager
    def busy(folder, **options):  # another export ends before this one has the folder
        (folder / "x.json").write_text("of the other")
        yield

    monkeypatch.setattr(command, "alone", busy)
    with pytest.raises(UserError, match=r"x\.json: already exists"):
        export(tmp_path / "x.stablehlo", "--platforms=cpu")
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_parameters_beside_do_not_outlive_their_program(beside, export, tmp_path):
    out = shutil.copytree(beside.parent, tmp_path / "copy") / beside.name
    export(out, "--overwrite", "--platforms=cpu")
    assert not out.with_suffix(".npz").exists()
    out.with_suffix(".npz").write_bytes(b"mine")
    export(out, "--overwrite", "--platforms=cpu")
    assert out.with_suffix(".npz").read_bytes() == b"mine"


def test_two_runs_of_the_runner_never_write_one_file(beside, sources, tmp_path, monkeypatch):
    savez, written = np.savez, []
    words = [str(beside), str(tmp_path / "sources.npy"), str(tmp_path / "fused.npz")]
    np.save(words[1], sources)

    def save(file, **arrays):
        written.append(file.name)
        if len(written) == 1:
            assert runner.main(words) == 0  # another one, meanwhile
        savez(file, **arrays)

    monkeypatch.setattr(runner.np, "savez", save)
    assert runner.main(words) == 0
    assert len(set(written)) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fused.npz", "sources.npy"]
    with np.load(words[2]) as fused:
        assert set(fused) == {"image", "dominability"}


def test_programs_for_a_bucket_fuse_smaller_pictures_with_jax_alone(
    export, random_weights, sources, tmp_path
):
    words = ("--bucket=9x8", "--platforms=cpu", "--params=beside", "--dominability=self")
    out = export(tmp_path / "x.stablehlo", *words)
    card = json.loads((tmp_path / "x.json").read_text())
    assert card["inputs"]["sources"]["shape"] == [1, 2, 9, 8, 3]
    assert card["inputs"]["extents"]["shape"] == [1, 2]
    found = runner.load(out)(sources[:, :2])
    model = ttd_jax.load(random_weights, dominability="self", fold=True)
    whole = fuse_batch(model, sources[:, :2], model.settings)
    for name, array in found.items():
        np.testing.assert_allclose(array, whole[name], atol=1e-6)
    with pytest.raises(ValueError, match="H is 10, this program has 9"):
        runner.load(out)(np.zeros((1, 2, 10, 8, 3), np.float32))
    with pytest.raises(ValueError, match="M is 3, this program takes 2"):
        runner.load(out)(sources)


def test_arrays_that_a_device_may_still_read_are_not_written_to(sources):
    given = []

    def later(arrays, extents):
        given.append(arrays)
        return {"image": arrays[:, 0], "dominability": arrays[..., 0]}

    runner._each(later, sources, (1, 3, 9, 8, 3))
    for arrays, scene in zip(given, sources, strict=True):
        np.testing.assert_array_equal(arrays[0, :, :6, :5], scene)


def test_a_bucket_that_is_no_size_is_refused(export, tmp_path):
    with pytest.raises(UserError, match=r"--bucket=9: pass height x width, such as 480x640"):
        export(tmp_path / "x.stablehlo", "--bucket=9")
