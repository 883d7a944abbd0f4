"""`ttd-jax evaluate`: tables, devices, processes, kills."""

import json
import pathlib
import shutil
import signal
import time

import numpy as np
import pytest

from tests.commands.conftest import draw, start_two
from ttd_jax.evaluation import evaluate as evaluation
from ttd_jax.report.published import BENCHMARKS, agrees

CONFIG = pathlib.Path(__file__).resolve().parents[2] / "configs" / "evaluate.py"
SCENES = 19


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Scenes of two shapes in two folders."""
    root = tmp_path_factory.mktemp("pairs")
    for i in range(SCENES):
        size = (48, 64) if i % 4 else (41, 57)
        draw(root / "v" / f"{i:02}.png", size, channels=3, seed=i)
        draw(root / "i" / f"{i:02}.png", size, seed=100 + i)
    return root


@pytest.fixture(scope="module")
def evaluate(random_weights, folders):
    """`evaluate(out, *flags)` gives the words of a command on the folders."""

    def words(out, *flags, names=("EN", "SD", "AG", "SSIM")):
        return [
            "evaluate",
            f"--out={out}",
            f"--config={CONFIG}:ifcnn_sum,mine",
            f"--config.weights_dir={random_weights.parent}",
            f"--config.sources=('{folders / 'v'}','{folders / 'i'}')",
            f"--config.metrics={names!r}",
            "--config.batch_size=2",
            "--config.gallery=0",
            "--config.sizes=exact",
            *flags,
        ]

    return words


def scores(out):
    """(image, strategy, metric) -> score, of every record."""
    found = {}
    for path in out.glob("*/records/*.jsonl"):
        for line in path.read_text().splitlines():
            record = json.loads(line)
            for strategy, row in record["scores"].items():
                for name, value in row.items():
                    key = record["image"], strategy, name
                    assert key not in found  # nothing is scored twice
                    found[key] = value
    return found


@pytest.fixture(scope="module")
def whole(command_line, evaluate, tmp_path_factory):
    """An uninterrupted run of one process on one device."""
    out = tmp_path_factory.mktemp("whole") / "out"
    result = command_line(*evaluate(out))
    assert result.returncode == 0, result.stderr
    return out


def test_pictures_of_many_sizes_keep_their_scores_in_larger_arrays(
    command_line, evaluate, whole, tmp_path
):
    words = evaluate(tmp_path / "out", "--config.sizes=bucket", "--config.gallery=2")
    result = command_line(*words)
    assert result.returncode == 0, result.stderr
    found, expected = scores(tmp_path / "out"), scores(whole)
    assert found.keys() == expected.keys()
    for key, score in found.items():
        # a level of a truncated pixel may fall either way
        assert score == pytest.approx(expected[key], rel=2e-3), key


def test_scores_are_those_of_as_many_scenes_as_a_device_holds(
    command_line, evaluate, whole, tmp_path, monkeypatch
):
    monkeypatch.setattr(evaluation, "batch_memory", lambda device: 2**33)
    result = command_line(*evaluate(tmp_path / "out", "--config.batch_size=0"))
    assert result.returncode == 0, result.stderr
    found, expected = scores(tmp_path / "out"), scores(whole)
    assert found.keys() == expected.keys()
    for key, score in found.items():
        assert score == pytest.approx(expected[key], rel=2e-3), key


@pytest.mark.parametrize(
    ("own", "others", "expected"),
    [(3 << 20, 2 << 20, 2 << 20), (3 << 20, None, None), (None, 2 << 20, None), (None, None, None)],
)
def test_processes_agree_on_memory_even_where_some_know_none(own, others, expected, monkeypatch):
    def greatest(number):  # of this process and another one, which waits for it
        return max(number, -((others or 0) >> 20))

    monkeypatch.setattr(evaluation, "batch_memory", lambda device: own)
    monkeypatch.setattr(evaluation, "greatest", greatest)
    assert evaluation._memory() == expected


def test_scores_are_those_of_fuse_and_score(command_line, whole, folders, random_weights, tmp_path):
    for strategy in ("static", "ttd"):
        words = ["--model=ifcnn_sum", f"--weights={random_weights}", "--color=network"]
        words += [f"--strategy={strategy}", f"--out={tmp_path / strategy}"]
        result = command_line("fuse", *words, folders / "v", folders / "i")
        assert result.returncode == 0, result.stderr
    fused = f"--fused={tmp_path / 'static'},{tmp_path / 'ttd'}"
    sources = f"--sources={folders / 'v'},{folders / 'i'}"
    flags = ["--metrics=EN,SD,AG,SSIM", "--json", f"--out={tmp_path / 'scores'}"]
    expected = json.loads(command_line("score", fused, sources, *flags).stdout)["methods"]
    (table,) = json.loads((whole / "results.json").read_text())["comparisons"]
    for strategy in ("static", "ttd"):
        for name, cell in table["strategies"][strategy].items():
            # a level of a truncated pixel may fall either way between the two programs
            assert cell["mean"] == pytest.approx(expected[strategy][name]["mean"], rel=2e-3)


def test_tables_come_in_four_forms(whole):
    assert {p.name for p in whole.iterdir() if p.is_file()} >= {
        "results.md",
        "results.csv",
        "results.json",
        "results.tex",
    }
    (table,) = json.loads((whole / "results.json").read_text())["comparisons"]
    assert table["count"] == SCENES
    assert set(table["strategies"]) == {"static", "ttd"}
    gain = table["gains"]["ttd"]["SD"]
    means = {s: table["strategies"][s]["SD"]["mean"] for s in ("static", "ttd")}
    assert gain["mean"] == pytest.approx(means["ttd"] - means["static"], abs=1e-6)
    assert 0 <= gain["improved"] <= 1
    assert r"\toprule" in (whole / "results.tex").read_text()
    assert "| SD ↑ |" in (whole / "results.md").read_text()


def test_two_processes_of_two_devices_give_the_same_bits_through_any_kill(
    evaluate, whole, tmp_path
):
    out = tmp_path / "out"
    generator = np.random.default_rng(0)
    for kill in range(2):
        flags = ["--resume"] if kill else []
        before = scores(out)
        processes = start_two(evaluate(out, *flags))
        # A random moment: after a random number of further images, in a random process.
        enough = len(before) + int(generator.integers(0, 3)) * 8
        deadline = time.monotonic() + 60
        while len(scores_so_far(out)) < enough and time.monotonic() < deadline:
            if any(p.poll() is not None for p in processes):
                break
            time.sleep(0.01)
        processes[int(generator.integers(2))].send_signal(signal.SIGKILL)
        for p in processes:  # the other would wait for its dead peer: it is stopped as well
            p.kill()
            p.communicate()
        assert before.items() <= scores_so_far(out).items()
    words = evaluate(out, "--resume")
    processes = start_two(words, told="environment")
    for p in processes:
        _, stderr = p.communicate(timeout=240)
        assert p.returncode == 0, stderr
    assert scores(out) == scores(whole)
    assert (out / "results.md").read_text() == (whole / "results.md").read_text()


def scores_so_far(out):
    """Like `scores`, while a process may be in the middle of a line."""
    found = {}
    for path in out.glob("*/records/*.jsonl"):
        for line in path.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                record = json.loads(line)
                for strategy, row in record["scores"].items():
                    for name, value in row.items():
                        found[record["image"], strategy, name] = value
    return found


def test_resuming_a_finished_run_scores_nothing(command_line, evaluate, whole, tmp_path):
    shutil.copytree(whole, tmp_path / "out")
    result = command_line(*evaluate(tmp_path / "out", "--resume"))
    assert result.returncode == 0, result.stderr
    assert scores(tmp_path / "out") == scores(whole)


def test_resuming_in_another_order_gives_tables_in_that_order(
    command_line, evaluate, whole, tmp_path
):
    out = shutil.copytree(whole, tmp_path / "out")
    result = command_line(*evaluate(out, "--resume", "--config.strategies=('ttd','static')"))
    assert result.returncode == 0, result.stderr
    for place, expected in ((whole, ["static", "ttd"]), (out, ["ttd", "static"])):
        rows = (place / "results.csv").read_text().splitlines()[1:]
        assert [*dict.fromkeys(row.split(",")[2] for row in rows)] == expected


def test_images_that_are_gone_are_not_lost_from_the_tables(
    refused, evaluate, whole, folders, tmp_path
):
    out, fewer = (shutil.copytree(one, tmp_path / one.name) for one in (whole, folders))
    for role in "vi":
        (fewer / role / "07.png").unlink()
    sources = f"--config.sources=('{fewer / 'v'}','{fewer / 'i'}')"
    refused(*evaluate(out, "--resume", sources), named=["other images (07 of mine)"])
    assert (out / "results.json").read_bytes() == (whole / "results.json").read_bytes()


def test_mistakes_are_told_in_one_line(refused, evaluate, whole, folders, tmp_path):
    refused(*evaluate(whole), named=[whole, "--resume"])
    refused(*evaluate(whole, "--resume", "--config.color=gray"), named=[whole, "color"])
    out = tmp_path / "out"
    refused(*evaluate(out, names=("EN", "SSMI")), named=["SSMI"])
    strategies = "--config.strategies=('static','best')"
    refused(*evaluate(out, strategies), named=["best", "intensity"])
    refused(*evaluate(out, "--config.protocol=mine"), named=["mine"])
    refused(*evaluate(out, "--config.weights_dir=none"), named=["none/ifcnn_sum"])
    refused(*evaluate(out, f"--config.sources=('{folders / 'v'}','none')"), named=["none"])
    refused("evaluate", f"--out={out}", f"--config={CONFIG}:ifcnn_sun,x", named=["ifcnn_sum"])
    refused(*evaluate(out, "--processes=2"), named=["--coordinator"])
    assert not out.exists()


@pytest.mark.usefixtures("thorough_compilation")
def test_real_pairs_reproduce_the_measured_rows(shared, real_weights, command_line, tmp_path):
    data = shared / "data" / "harvard" / "MRI_CT"
    names = ("EN", "SD", "AG", "EI", "SF", "SSIM", "CE")
    result = command_line(
        "evaluate",
        f"--out={tmp_path}",
        f"--config={CONFIG}:ifcnn_sum,harvard_medical/mri_ct",
        f"--config.weights_dir={real_weights.parent}",
        f"--config.sources=('{data / 'MRI'}','{data / 'CT'}')",
        "--config.strategies=('static','ttd','intensity','self')",
        f"--config.metrics={names!r}",
        "--config.gallery=0",
        "--json",
    )
    assert result.returncode == 0, result.stderr
    (table,) = json.loads(result.stdout)
    rows = {
        "static": (4.619, 61.9746, 7.857, 19.922, 31.058, 1.494, 4.719),
        "ttd": (4.635, 63.594, 8.423, 21.435, 33.211, 1.491, 4.597),
        "intensity": (4.664, 65.479, 8.237, 20.976, 32.600, 1.500, 4.650),
        "self": (4.613, 61.192, 7.876, 19.965, 31.001, 1.493, 4.717),
    }
    for strategy, row in rows.items():
        cells = table["strategies"][strategy]
        for name, expected in zip(names, row, strict=True):
            tolerance = 0.002 if name in ("SD", "AG", "EI", "SF") else 0.001
            assert cells[name]["mean"] == pytest.approx(expected, abs=tolerance), (strategy, name)
    assert "published" not in table["strategies"]["static"]["SD"]  # whatever the folders hold
    published = BENCHMARKS["harvard_medical/mri_ct"]
    means = {name: cell["mean"] for name, cell in table["strategies"]["static"].items()}
    wrong = [name for name in names if not agrees(means[name], published.figure("IFCNN", name))]
    assert wrong == ["SD"]
