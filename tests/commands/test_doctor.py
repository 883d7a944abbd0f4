"""`ttd-jax doctor`: what it reports, and what it calls a problem."""

import json
import os
import shutil
import subprocess
import sys

import jax
import pytest
from absl import flags

from ttd_jax.commands import doctor as command
from ttd_jax.doctor import report, selftest
from ttd_jax.version import __version__
from ttd_jax.weights.store import ARRAYS, MANIFEST

# Runs the command line and tells, last on stderr, which heavy modules it had to import.
TELLING = """
import sys
from ttd_jax.main import main
status = main(["ttd-jax", *sys.argv[1:]])
heavy = {"tensorflow", "torch", "tensorflow_datasets"} & set(sys.modules)
print("imported:", *sorted(heavy), file=sys.stderr)
sys.exit(status)
"""


@pytest.fixture
def doctor(tmp_path, capsys, monkeypatch):
    """Runs `ttd-jax doctor ...` in this process; returns its status, stdout and stderr."""
    monkeypatch.setattr(command.common, "use_compilation_cache", lambda: None)
    monkeypatch.setattr(report.store, "SHIPPED", tmp_path / "none" / "shipped")

    def run(*words):
        values = flags.FlagValues()
        command.define_flags(values)
        places = (f"--weights_dir={tmp_path / 'w'}", f"--data_dir={tmp_path / 'd'}")
        arguments = values(["doctor", *places, *words])[1:]
        status = command.run(values, arguments)
        return status, *capsys.readouterr()

    return run


def test_it_reports_as_json_and_imports_neither_tensorflow_nor_torch(random_weights, tmp_path):
    weights = shutil.copytree(random_weights, tmp_path / "w" / "mine")
    places = (f"--weights_dir={tmp_path / 'w'}", f"--data_dir={tmp_path / 'd'}")
    result = subprocess.run(
        [sys.executable, "-c", TELLING, "doctor", "--json", *places],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == "imported:\n"
    found = json.loads(result.stdout)
    assert set(found) == {
        *("versions", "devices", "machine", "cache", "weights", "data", "extras", "selftest"),
        "problems",
    }
    assert found["problems"] == []
    assert found["versions"]["ttd-jax"] == __version__
    assert found["versions"]["jax"] == jax.__version__
    assert found["devices"][0]["platform"] == jax.default_backend()
    assert found["machine"]["cores"] >= 1
    assert found["cache"]["path"] == os.environ["JAX_COMPILATION_CACHE_DIR"]
    row = next(row for row in found["weights"] if row["path"] == str(weights))
    manifest = json.loads((weights / MANIFEST).read_text())
    assert (row["model"], row["sha256"]) == ("ifcnn_sum", manifest["sha256"])
    assert {row["name"] for row in found["extras"]} >= {"convert", "datasets", "tpu"}
    assert found["selftest"]["differences"].keys() == selftest.EXPECTED.keys()


def test_it_is_readable_and_nothing_missing_is_a_problem(doctor):
    status, out, err = doctor()
    assert (status, err) == (0, "")
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert "none" in lines["weights"]
    assert "none" in lines["benchmark"]
    assert lines["self-test"].split()[1] == "passed"
    assert __version__ in lines["ttd-jax"]


def test_damaged_weights_are_reported_beside_sound_ones(doctor, random_weights, tmp_path):
    def damage(name, **changes):
        folder = shutil.copytree(random_weights, tmp_path / "w" / name)
        manifest = json.loads((folder / MANIFEST).read_text())
        (folder / MANIFEST).write_text(json.dumps({**manifest, **changes}))
        return folder

    shutil.copytree(random_weights, tmp_path / "w" / "sound")
    damage("hash", sha256="0" * 64)
    damage("model", model="dreamfuse")
    damage("kind", model=["ifcnn_sum"])
    damage("settings", settings={"sharpness": 3})
    (damage("manifest") / MANIFEST).unlink()
    shutil.rmtree(damage("arrays") / ARRAYS)
    (damage("json") / MANIFEST).write_text("{")
    (tmp_path / "w" / "something_else").mkdir()

    status, out, err = doctor("--json")
    found = json.loads(out)
    problems = {row["path"].rsplit("/", 1)[1]: row["problem"] for row in found["weights"]}
    assert problems.pop("sound") is None
    assert problems.keys() == {"hash", "model", "kind", "settings", "manifest", "arrays", "json"}
    for name, problem in problems.items():
        assert f"w/{name}" in problem
        assert f"ttd-jax: {problem}\n" in err
    assert "do not match their manifest" in problems["hash"]
    assert len(found["problems"]) == len(err.splitlines()) == len(problems)
    assert status == 1


def test_damaged_files_are_told_without_the_libraries_words(command_line, random_weights, tmp_path):
    for name in ("cut", "lacking"):
        folder = shutil.copytree(random_weights, tmp_path / "w" / name)
        largest = max((folder / ARRAYS).rglob("d/*"), key=lambda path: path.stat().st_size)
        largest.write_bytes(largest.read_bytes()[:1000] if name == "cut" else b"")
    places = (f"--weights_dir={tmp_path / 'w'}", f"--data_dir={tmp_path / 'd'}")
    result = command_line("doctor", *places, process=True)
    assert result.returncode == 1
    lines = result.stderr.splitlines()
    assert [line.rsplit("/", 1)[1] for line in lines] == [
        "cut: damaged weights: convert them again, or go on with their training by --resume",
        "lacking: damaged weights: convert them again, or go on with their training by --resume",
    ]


def test_prepared_benchmarks_are_counted_and_damaged_ones_reported(doctor, tmp_path):
    sound, torn = (tmp_path / "d" / name / "fusion" / "1.0.0" for name in ("tno", "msrs"))
    splits = [{"name": "test", "shardLengths": ["4", "3"]}]
    for folder, text in ((sound, json.dumps({"splits": splits})), (torn, '{"splits"')):
        folder.mkdir(parents=True)
        (folder / "dataset_info.json").write_text(text)
    status, out, err = doctor()
    assert "tno/fusion/1.0.0: test 7\n" in out
    assert "msrs/fusion/1.0.0: DAMAGED\n" in out
    assert str(torn) in err
    assert status == 1


def test_a_failed_self_test_is_one_clear_line_and_status_1(doctor, monkeypatch):
    monkeypatch.setitem(selftest.EXPECTED, "ttd", [[0.5, 0.5, 0.5]] * len(selftest.PIXELS))
    status, out, err = doctor()
    assert status == 1
    assert err.startswith("ttd-jax: self-test failed: ttd differs by 0.")
    assert len(err.splitlines()) == 1
    assert out.splitlines()[-1].split() == ["self-test", "FAILED"]


def test_a_machine_without_devices_is_reported(doctor, monkeypatch):
    def none():
        raise RuntimeError("Unable to initialize backend 'cuda'")

    monkeypatch.setattr(jax, "devices", none)
    status, out, err = doctor("--json")
    assert status == 1
    assert "finds no device: Unable to initialize backend 'cuda'" in err
    assert json.loads(out)["selftest"] is None


def test_what_extras_lack_is_named_with_the_line_that_installs_it(doctor, monkeypatch):
    needs = {
        "ttd-jax": ['absent>=1; extra == "convert"', 'ttd-jax[convert]; extra == "demo"', "jax>=1"],
    }
    monkeypatch.setattr(report.metadata, "requires", lambda name: needs.get(name))
    _, out, _ = doctor("--json")
    extras = {row["name"]: row for row in json.loads(out)["extras"]}
    for name in ("convert", "demo"):
        assert extras[name]["missing"] == ["absent"]
        assert extras[name]["install"] == f"pip install 'ttd-jax[{name}]'"
    assert extras["datasets"]["missing"] == []
