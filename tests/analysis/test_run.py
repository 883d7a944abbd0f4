"""A study from configuration to results, stopped and gone on with."""

import json
import shutil

import chex
import cv2
import pytest

from ttd_jax.analysis import probing, program
from ttd_jax.analysis.run import analyze, plan
from ttd_jax.analysis.studies import STUDIES
from ttd_jax.errors import UserError


def test_a_stopped_study_ends_with_the_same_bytes(configure, tmp_path):
    config = configure("theory,lytro/pairs")
    (result,) = analyze(config, tmp_path)
    whole = (tmp_path / "theory" / "results.json").read_bytes()
    assert json.loads(whole)["rows"] == json.loads(json.dumps(result["rows"]))
    records = tmp_path / "theory" / "passes" / "all" / "records" / "process-00000.jsonl"
    first, _ = records.read_text().splitlines()
    records.write_text(first + '\n{"torn')
    (tmp_path / "theory" / "results.json").unlink()
    analyze(config, tmp_path, resume=True)
    assert (tmp_path / "theory" / "results.json").read_bytes() == whole
    assert (tmp_path / "theory" / "plot.png").read_bytes().startswith(b"\x89PNG")
    table = (tmp_path / "theory" / "results.md").read_text()
    assert "| intensity, positive |" in table
    with pytest.raises(UserError, match="another crop"):
        analyze(configure("theory,lytro/pairs", crop=16), tmp_path, resume=True)
    with pytest.raises(UserError, match="--resume"):
        analyze(config, tmp_path)
    with pytest.raises(UserError, match=r"other data sets \(lytro/pairs\): name all data sets of"):
        analyze(configure("theory,generated/focus"), tmp_path, resume=True)
    records.write_text(records.read_text().replace('"AG": ', '"AG": "", "": ', 1))
    with pytest.raises(UserError, match="line 1 is damaged"):
        analyze(config, tmp_path, resume=True)
    (tmp_path / "theory" / "results.json").write_text("[1]")
    with pytest.raises(UserError, match=r"results\.json: damaged: remove it"):
        analyze(config, tmp_path, resume=True)


def test_a_study_of_a_changed_picture_goes_on_with_the_others(configure, benchmarks, tmp_path):
    root = shutil.copytree(benchmarks, tmp_path / "benchmarks")
    config = configure("theory,lytro/pairs", root=str(root))
    (before,) = analyze(config, tmp_path / "out")
    picture = cv2.imread(str(root / "lytro" / "lytro-02-B.jpg"))
    cv2.imwrite(str(root / "lytro" / "lytro-02-B.jpg"), 255 - picture)
    (after,) = analyze(config, tmp_path / "out", resume=True)
    (fresh,) = analyze(config, tmp_path / "fresh")
    assert after == fresh
    assert after != before
    lines = tmp_path / "out" / "theory" / "passes" / "all" / "records" / "process-00000.jsonl"
    images = [json.loads(line)["image"] for line in lines.read_text().splitlines()]
    assert sorted(images) == ["lytro-01", "lytro-02", "lytro-02"]
    for letter in "AB":
        (root / "lytro" / f"lytro-02-{letter}.jpg").unlink()
    with pytest.raises(UserError, match=r"other images \(lytro-02 of lytro/pairs\)"):
        analyze(config, tmp_path / "out", resume=True)


def test_results_hold_what_each_row_promises(configure, tmp_path):
    (result,) = analyze(configure("theory,lytro/pairs"), tmp_path)
    rows = {row["weighing"]: row for row in result["rows"]}
    pooled = rows["static"]["pooled_bound"]
    assert pooled["covariance"] == pytest.approx([0, 0], abs=1e-9)
    assert pooled["risk"] <= (pooled["total"] + pooled["departure"]) * 1.0001
    for name in ("self", "intensity", "fused"):
        assert rows[name]["count"] == 2
        assert rows[name]["negative_covariance"] == 1
        assert rows[f"{name}, positive"]["negative_covariance"] == 0
        assert set(rows[name]["gains"]) == set(rows[name]["measures"]) & set(rows[name]["gains"])


def test_probes_measure_every_corruption_and_draw_it(configure, tmp_path):
    config = configure(
        "probes,lytro/pairs", severities=(0.0, 1.0), images=1, corruptions=("mask", "blur")
    )
    (result,) = analyze(config, tmp_path)
    assert {row["pass"] for row in result["rows"]} == {"mask", "blur"}
    assert all(0.26 < row["measures"]["rd_region"]["mean"] < 0.74 for row in result["rows"])
    assert (tmp_path / "probes" / "lytro_pairs.png").is_file()


def test_number_of_sources_takes_the_spread_ones(configure, tmp_path):
    config = configure("sources,generated/focus", images=1, crop=32, metrics=("SD",))
    (result,) = analyze(config, tmp_path)
    assert [row["coordinate"] for row in result["rows"]] == [2, 2, 3, 3, 4, 4, 5, 5]
    assert len({row["measures"]["SD"]["mean"] for row in result["rows"]}) == 8


@pytest.mark.parametrize(("study", "traced"), [("correlation", program), ("probes", probing)])
def test_scenes_of_many_sizes_give_the_same_results(
    configure, tmp_path, monkeypatch, study, traced
):
    fields = {"corruptions": ("noise",), "severities": (1.0,), "metrics": ("SD", "SSIM")}
    found = {}
    for how, traces in (("bucket", 1), ("exact", 2)):
        name = "measure_scene" if traced is program else "probe_scene"
        with monkeypatch.context() as patch:
            chex.clear_trace_counter()
            patch.setattr(traced, name, chex.assert_max_traces(getattr(traced, name), n=traces))
            config = configure(f"{study},lytro/pairs", sizes=how, **fields)
            (result,) = analyze(config, tmp_path / how)
        found[how] = {
            (row["weighing"], name): measure["mean"]
            for row in result["rows"]
            for name, measure in row["measures"].items()
        }
    assert found["bucket"] == pytest.approx(found["exact"], rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("study", STUDIES)
@pytest.mark.parametrize("model", ["ifcnn_sum", "cddfuse_ivf", "piafusion"])
def test_every_study_is_planned_for_every_network(configure, study, model):
    if (study, model) == ("sources", "piafusion"):
        with pytest.raises(UserError, match="takes 2"):
            plan(configure(f"{study},lytro/pairs", model=model))
        return
    ((planned, datasets),) = plan(configure(f"{study},lytro/pairs", model=model))
    assert planned.name == study
    assert len(datasets["lytro/pairs"]) == 2
    names = [weighing.name for one in planned.passes for weighing in one.weighings]
    assert all(name for name in names)


@pytest.mark.parametrize(
    ("argument", "fields", "message"),
    [
        ("thoery,lytro/pairs", {}, "known studies"),
        ("theory,lytro/pear", {}, "did you mean 'pairs'"),
        ("theory,lytro/triples", {}, "is missing|needs"),
        ("theory,lytro/pairs", {"model": "ifcnn"}, "known models"),
        ("theory,lytro/pairs", {"metrics": ("SDD",)}, "SD"),
        ("probes,lytro/pairs", {"damaged": 2}, "has 2 sources"),
        ("grid,lytro/pairs", {"temperatures": (0.0,)}, "temperature must be positive"),
        ("gradient,lytro/pairs", {"channel": 64}, "channel"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(
    configure, tmp_path, argument, fields, message
):
    with pytest.raises(UserError, match=message):
        analyze(configure(argument, **fields), tmp_path / "out")
    assert not (tmp_path / "out").exists()
