"""`ttd-jax score` and `ttd-jax metrics`."""

import csv
import json
import shutil

import cv2
import numpy as np
import pytest

import ttd_jax
from tests.commands.conftest import draw
from ttd_jax import metrics
from ttd_jax.errors import UserError
from ttd_jax.metrics.temporal import TEMPORAL


@pytest.fixture
def folders(tmp_path):
    """Two sets of results of four scenes and their sources, of two sizes."""
    for i, size in enumerate([(32, 40), (32, 40), (27, 35), (32, 40)]):
        draw(tmp_path / "v" / f"{i}.png", size, channels=3, seed=i)
        draw(tmp_path / "i" / f"{i}.png", size, seed=10 + i)
        draw(tmp_path / "sharp" / f"{i}.png", size, channels=3, seed=20 + i)
        picture = cv2.imread(str(tmp_path / "sharp" / f"{i}.png"))
        (tmp_path / "soft").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "soft" / f"{i}.png"), cv2.blur(picture, (3, 3)))
    return tmp_path


def words(folders, *flags, fused=("sharp",)):
    fused = ",".join(str(folders / f) for f in fused)
    sources = f"{folders / 'v'},{folders / 'i'}"
    return ["score", f"--fused={fused}", f"--sources={sources}", f"--out={folders / 'o'}", *flags]


@pytest.mark.parametrize("protocol", ["paper", "vifb"])
def test_tables_hold_what_the_functions_give(command_line, folders, protocol):
    result = command_line(*words(folders, f"--protocol={protocol}"))
    assert result.returncode == 0, result.stderr
    assert f"`{protocol}`" in result.stdout
    with (folders / "o" / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == ["0", "1", "2", "3"]
    for row in rows:
        assert row["protocol"] == protocol
        paths = [folders / f / f"{row['image']}.png" for f in ("v", "i")]
        fused = cv2.imread(str(folders / "sharp" / f"{row['image']}.png"))[..., ::-1]
        expected = metrics.evaluate(
            metrics.fused_planes(fused, protocol=protocol),
            metrics.source_planes(
                [cv2.imread(str(p))[..., ::-1] for p in paths], protocol=protocol
            ),
            protocol=protocol,
        )
        for name, value in expected.items():
            assert float(row[name]) == pytest.approx(float(value), rel=1e-5, abs=1e-6), name
    content = json.loads((folders / "o" / "scores.json").read_text())
    assert content["protocol"] == protocol
    mean = np.mean([float(row["AG"]) for row in rows])
    assert content["methods"]["sharp"]["AG"]["mean"] == pytest.approx(mean)
    assert content["methods"]["sharp"]["AG"]["count"] == 4


def test_several_results_are_compared_in_pairs(command_line, folders):
    result = command_line(*words(folders, "--json", fused=("soft", "sharp")))
    assert result.returncode == 0, result.stderr
    content = json.loads(result.stdout)
    assert content["baseline"] == "soft"
    gain = content["differences"]["sharp"]["AG"]
    assert gain["improved"] == 1
    means = {m: content["methods"][m]["AG"]["mean"] for m in ("soft", "sharp")}
    assert gain["mean"] == pytest.approx(means["sharp"] - means["soft"], rel=1e-6)
    assert gain["low"] <= gain["mean"] <= gain["high"]
    assert "sharp - soft" in (folders / "o" / "scores.md").read_text()


@pytest.fixture
def masks(folders):
    """The left part of each picture is its object; the last one has none."""
    for i, (height, width) in enumerate([(32, 40), (32, 40), (27, 35), (32, 40)]):
        mask = np.zeros((height, width), np.uint8)
        mask[:, : 17 if i < 3 else 0] = 1
        (folders / "m").mkdir(exist_ok=True)
        cv2.imwrite(str(folders / "m" / f"{i}.png"), mask)
    return folders / "m"


def test_object_and_background_are_scored_apart(command_line, refused, folders, masks):
    flags = f"--region={masks}", "--metrics=SD,MSE", "--resume"
    result = command_line(*words(folders, *flags, fused=("soft", "sharp")))
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("3 images; mean") == 1
    assert "1 image without a pixel of it left out." in result.stdout
    with (folders / "o" / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 16
    for row in rows:
        fused, *sources = (
            cv2.imread(str(folders / folder / f"{row['image']}.png"))[..., ::-1]
            for folder in (row["method"], "v", "i")
        )
        cut = np.s_[:, :17] if row["region"] == "object" else np.s_[:, 17 * (row["image"] != "3") :]
        if row["region"] == "object" and row["image"] == "3":
            assert row["SD"] == row["MSE"] == ""
            continue
        expected = ttd_jax.score(fused[cut], [s[cut] for s in sources], names=["SD", "MSE"])
        for name, value in expected.items():  # which look at pixels, not at their neighbors
            assert float(row[name]) == pytest.approx(value, rel=1e-5)
    regions = json.loads((folders / "o" / "scores.json").read_text())["regions"]
    assert [regions[name]["empty"] for name in ("object", "background")] == [1, 0]
    assert regions["object"]["methods"]["sharp"]["SD"]["count"] == 3
    assert set(regions["background"]["ranks"]) == {"soft", "sharp"}
    tables = (folders / "o" / "scores.md").read_text()
    draw(masks / "0.png", (32, 40), seed=5)
    assert command_line(*words(folders, *flags, fused=("soft", "sharp"))).returncode == 0
    timings = json.loads((folders / "o" / "timings.json").read_text())
    assert (timings["scored"], timings["reused"]) == (2, 6)
    assert (folders / "o" / "scores.md").read_text() != tables
    refused(*words(folders, *flags[1:], fused=("soft", "sharp")), named=["regions"])
    draw(masks / "1.png", (9, 9))
    refused(*words(folders, *flags, fused=("soft", "sharp")), named=["m/1.png", "9x9", "40x32"])
    (masks / "1.png").unlink()
    refused(*words(folders, *flags), named=["no mask for 1 of 4 pictures (1)"])


def test_a_picture_in_memory_has_regions_too(folders, masks):
    fused, *sources = (cv2.imread(str(folders / f / "0.png"), 0) for f in ("soft", "v", "i"))
    mask = cv2.imread(str(masks / "0.png"), 0)
    found = ttd_jax.score(fused, sources, names=["SD"], region=mask)
    assert set(found) == {"object", "background"}
    assert found["background"]["SD"] == pytest.approx(np.std(fused[:, 17:]), rel=1e-5)
    assert np.isnan(ttd_jax.score(fused, sources, names=["SD"], region=0 * mask)["object"]["SD"])
    with pytest.raises(UserError, match=r"region is bool\[3, 3\], not a mask \[32, 40\]"):
        ttd_jax.score(fused, sources, region=np.ones((3, 3)))


def test_results_have_the_names_they_are_given(command_line, folders, monkeypatch):
    monkeypatch.setenv("HOME", str(folders))
    fused = f"--fused=ours=~/sharp,{folders / 'soft'}"
    result = command_line(*words(folders, fused, "--json", "--metrics=EN"))
    assert result.returncode == 0, result.stderr
    assert set(json.loads(result.stdout)["methods"]) == {"ours", "soft"}


def test_one_picture_has_no_interval(command_line, folders):
    for folder in ("v", "i", "sharp", "soft"):
        for number in (1, 2, 3):
            (folders / folder / f"{number}.png").unlink()
    result = command_line(*words(folders, "--metrics=EN", fused=("soft", "sharp")))
    assert result.returncode == 0, result.stderr
    assert "`paper`, 1 image.\n" in result.stdout
    assert not set("[]±%") & set(result.stdout)


def test_resuming_scores_only_what_changed(command_line, folders):
    assert command_line(*words(folders)).returncode == 0
    tables = {p.name: p.read_bytes() for p in (folders / "o").iterdir()}
    assert command_line(*words(folders, "--resume")).returncode == 0
    timings = json.loads((folders / "o" / "timings.json").read_text())
    assert (timings["scored"], timings["reused"]) == (0, 4)
    for name in ("scores.csv", "scores.json", "scores.md", "summary.json"):
        assert (folders / "o" / name).read_bytes() == tables[name]
    draw(folders / "sharp" / "2.png", (27, 35), seed=77)
    assert command_line(*words(folders, "--resume")).returncode == 0
    timings = json.loads((folders / "o" / "timings.json").read_text())
    assert (timings["scored"], timings["reused"]) == (1, 3)


def test_scores_of_pictures_that_are_gone_are_not_lost(command_line, refused, folders):
    assert command_line(*words(folders, "--metrics=EN")).returncode == 0
    before = (folders / "o" / "scores.csv").read_bytes()
    (folders / "sharp" / "2.png").unlink()
    refused(*words(folders, "--metrics=EN", "--resume"), named=["other pictures (2)"])
    assert (folders / "o" / "scores.csv").read_bytes() == before


def test_mistakes_are_told_in_one_line(refused, folders):
    draw(folders / "sharp" / "extra.png")
    refused(*words(folders), named=["sharp", "1 of 5", "extra"])
    (folders / "sharp" / "extra.png").unlink()
    (folders / "soft" / "3.png").unlink()
    refused(*words(folders, fused=("sharp", "soft")), named=["differ in 1", "(3)"])
    refused(*words(folders, "--metrics=EN,SD,QAB"), named=["QAB"])
    refused(*words(folders, "--protocol=mine"), named=["mine"])
    refused(*words(folders, fused=("none",)), named=["none", "no such folder"])
    both = f"--fused=a={folders / 'sharp'},a={folders / 'soft'}"
    refused(*words(folders, both), named=["a, a", "name of its own"])
    draw(folders / "sharp" / "2.png", (20, 20))
    refused(*words(folders), named=["2.png", "20x20", "35x27"])
    draw(folders / "sharp" / "0.png", (32, 40)).write_bytes(b"x")
    refused(*words(folders), named=["0.png"])
    shutil.rmtree(folders / "v")
    refused(*words(folders), named=["no such folder"])
    assert not (folders / "o" / "scores.csv").exists()


def test_the_registry_is_printed(command_line):
    result = command_line("metrics")
    assert result.returncode == 0
    for name in metrics.METRICS:
        assert f"\n{name} " in result.stdout
    told = json.loads(command_line("metrics", "--json").stdout)
    assert told["metrics"]["CE"]["better"] == "down"
    assert told["metrics"]["EN"]["needs_sources"] is False
    for name, known in told["temporal"].items():
        assert f"\n{name} " in result.stdout
        assert known["reference"] in result.stdout
    assert told["temporal"].keys() == TEMPORAL.keys()


@pytest.mark.parametrize("protocol", ["paper", "vifb", "tang", "ivif_zoo"])
def test_a_picture_scored_against_itself_is_perfect(command_line, tmp_path, protocol):
    rng = np.random.default_rng(0)
    smooth = cv2.resize(rng.integers(9, 240, (5, 6, 3)).astype(np.uint8), (40, 32))
    for suffix in ("png", "jpg", "tiff"):
        for kind, picture in {"gray": smooth[..., 0], "color": smooth}.items():
            if kind == "gray" or protocol != "paper":  # whose results' red and blue are exchanged
                (tmp_path / "in").mkdir(exist_ok=True)
                cv2.imwrite(str(tmp_path / "in" / f"{kind}_{suffix}.{suffix}"), picture)
    folder, out = tmp_path / "in", tmp_path / "out"
    words = [f"--fused={folder}", f"--sources={folder},{folder}", f"--out={out}"]
    result = command_line("score", *words, f"--protocol={protocol}")
    assert result.returncode == 0, result.stderr
    with (out / "scores.csv").open() as file:
        rows = [
            {name: float(cell) for name, cell in row.items() if name in metrics.CORE and cell}
            for row in csv.DictReader(file)
        ]
    assert len(rows) == (3 if protocol == "paper" else 6)
    shared = {"paper": 2 * np.log(2), "vifb": 2 * np.log(2), "tang": 2, "ivif_zoo": 2}[protocol]
    for row in rows:
        assert row["SSIM"] == pytest.approx(1 if protocol == "tang" else 2, rel=1e-5)
        assert row["MI"] == pytest.approx(shared * row["EN"], rel=1e-5)
        assert row.get("MSE", 0) == 0
        assert row.get("NMI", 2) == pytest.approx(2, rel=1e-5)
