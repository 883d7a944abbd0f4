"""Results that are never mixed up: what commands do to an --out that holds something."""

import json
import pathlib
import shutil

import numpy as np
import pytest

from tests.commands.conftest import draw
from ttd_jax import registry
from ttd_jax.folders import alone

CONFIG = pathlib.Path(__file__).resolve().parents[2] / "configs" / "evaluate.py"


@pytest.fixture
def folders(tmp_path):
    """Two scenes in two folders."""
    for name in "ab":
        draw(tmp_path / "v" / f"{name}.png", channels=3, seed=ord(name))
        draw(tmp_path / "i" / f"{name}.png", seed=100 + ord(name))
    return tmp_path / "v", tmp_path / "i"


@pytest.fixture
def succeeds(command_line):
    """Runs a command that ends well; what it printed."""

    def run(*words, **options):
        result = command_line(*words, **options)
        assert result.returncode == 0, result.stderr
        return result.stdout

    return run


@pytest.fixture
def evaluate(random_weights, folders):
    def words(out, *flags, sources=folders, dataset="mine"):
        return (
            "evaluate",
            f"--out={out}",
            f"--config={CONFIG}:ifcnn_sum,{dataset}",
            f"--config.weights_dir={random_weights.parent}",
            f"--config.sources={tuple(s if isinstance(s, tuple) else str(s) for s in sources)!r}",
            "--config.metrics=('EN','SD')",
            "--config.gallery=0",
            *flags,
        )

    return words


@pytest.fixture
def score(folders):
    def words(out, fused, *flags):
        sources = ",".join(map(str, folders))
        return "score", f"--fused={fused}", f"--sources={sources}", f"--out={out}", *flags

    return words


def summary(out):
    return json.loads((out / "summary.json").read_text())


def content(out):
    return {p: p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}


# fuse ---------------------------------------------------------------------------------------------


def test_a_loop_over_pairs_keeps_the_records_of_all(succeeds, refused, fuse, folders, tmp_path):
    out = tmp_path / "out"
    pairs = {name: [folder / f"{name}.png" for folder in folders] for name in "ab"}
    succeeds(*fuse(out, *pairs["a"]))
    refused(*fuse(out, *pairs["a"]), named=[out, "results of a already", "pass --resume"])
    told = json.loads(succeeds(*fuse(out, "--json", *pairs["b"])))
    assert [scene["scene"] for scene in told["scenes"]] == ["b"]
    assert [record["scene"] for record in summary(out)] == ["a", "b"]
    (out / "a.png").unlink()  # what is not there any more is in no summary
    succeeds(*fuse(out, "--resume", *pairs["b"]))
    assert [record["scene"] for record in summary(out)] == ["b"]


def test_another_scene_of_the_same_name_replaces_nothing(
    succeeds, refused, fuse, folders, tmp_path
):
    out = tmp_path / "out"
    pair = [folder / "a.png" for folder in folders]
    succeeds(*fuse(out, *pair))
    before = content(out)
    other = [draw(tmp_path / "card2" / name / "a.png", seed=7) for name in "vi"]
    refused(*fuse(out, "--resume", *other), named=[out, pair[0], "choose another --out"])
    assert content(out) == before
    draw(pair[0], channels=3, seed=8)  # the same scene, touched up
    succeeds(*fuse(out, "--resume", *pair))
    assert (out / "a.png").read_bytes() != before[out / "a.png"]
    assert len(summary(out)) == 1


def test_a_result_that_is_not_what_was_written_is_made_again(succeeds, fuse, folders, tmp_path):
    out = tmp_path / "out"
    succeeds(*fuse(out, *folders))
    whole = (out / "a.png").read_bytes()
    (out / "a.png").write_bytes(whole[:100])
    told = json.loads(succeeds(*fuse(out, "--resume", "--json", *folders)))
    assert (told["fused"], told["reused"]) == (1, 1)
    assert (out / "a.png").read_bytes() == whole


def test_a_memory_without_room_for_a_strip_leaves_what_is_there(
    succeeds, refused, fuse, folders, tmp_path
):
    out = tmp_path / "out"
    succeeds(*fuse(out, *folders))
    draw(folders[0] / "a.png", channels=3, seed=9)
    before = content(out)
    refused(*fuse(out, "--resume", "--max_memory=1", *folders), named=["--max_memory"])
    assert content(out) == before
    draw(folders[0] / "a.png", channels=3, seed=ord("a"))
    assert json.loads(succeeds(*fuse(out, "--resume", "--json", *folders)))["reused"] == 2


# All of them --------------------------------------------------------------------------------------


def test_results_of_another_kind_are_left_alone(
    succeeds, refused, fuse, score, evaluate, folders, tmp_path
):
    made = {"fuse": tmp_path / "fused", "score": tmp_path / "scores", "evaluate": tmp_path / "e"}
    words = {
        "fuse": lambda out, *flags: fuse(out, *flags, *folders),
        "score": lambda out, *flags: score(out, made["fuse"], *flags),
        "evaluate": evaluate,
    }
    for kind, out in made.items():
        succeeds(*words[kind](out))
        before = content(out)
        refused(*words[kind](out), named=[out, "pass --resume"])
        for other in words.keys() - {kind}:
            for flags in ((), ("--resume",)):
                named = [out, f"holds results of `ttd-jax {kind}`"]
                if other != "fuse":  # which looks into the folder before it takes it
                    refused(*words[other](out, *flags), named=named)
                else:
                    refused(*words[other](out, *flags), named=[out])
        assert content(out) == before
        with alone(out, kind):
            refused(*words[kind](out, "--resume"), named=[out, "another run is writing there"])
        succeeds(*words[kind](out, "--resume"))


def test_results_of_another_version_are_not_gone_on_with(
    succeeds, refused, fuse, score, evaluate, folders, tmp_path, monkeypatch
):
    fused, scores, evaluated = (tmp_path / name for name in ("fused", "scores", "evaluated"))
    runs = [
        fuse(fused, "--resume", *folders),
        score(scores, fused, "--resume"),
        evaluate(evaluated, "--resume"),
    ]
    for words in runs:
        succeeds(*words)
    monkeypatch.setattr(registry, "__version__", "99")
    for words in runs:
        refused(*words, named=["another versions.ttd-jax"])


def test_code_of_other_packages_is_told_by_its_version(monkeypatch):
    own = registry.versions()
    assert registry.versions(registry.Registry, registry.versions) == own
    assert registry.versions(np.mean) == {**own, "numpy": np.__version__}


@pytest.mark.parametrize("flag", ["--out=", "--workdir="])
def test_an_unset_variable_of_the_shell_is_no_folder(refused, flag):
    of_workdir = (("finetune",), ("detect", "train"))
    of_out = (("fuse",), ("score",), ("evaluate",), ("analyze",), ("detect", "eval"), ("demo",))
    of_out += (("convert",), ("export",), ("weights", "list"), ("benchmark",))
    for words in of_out if flag == "--out=" else of_workdir:
        refused(*words, flag, named=[flag[:-1], "is empty"])


# evaluate, score ----------------------------------------------------------------------------------


def test_a_mistake_does_not_keep_the_right_command_out(succeeds, refused, evaluate, tmp_path):
    out = tmp_path / "out"
    mistakes = {
        "--config.color=foo": ["config.color", "foo"],
        "--config.batch_size=-1": ["config.batch_size"],
        "--config.strategies=()": ["config.strategies"],
        "--config.bands=(1,2)": ["bands 1,2"],
    }
    for flag, named in mistakes.items():
        refused(*evaluate(out, flag), named=named)
        assert not out.exists()
    (out / "ifcnn_sum" / "records").mkdir(parents=True)  # as a killed run leaves it
    (out / "ifcnn_sum" / "records" / "settings.json").write_text('{"color": "foo"}')
    succeeds(*evaluate(out))


def test_other_sources_of_the_same_names_are_evaluated_anew(succeeds, evaluate, folders, tmp_path):
    succeeds(*evaluate(tmp_path / "out"))
    flat = [tmp_path / "flat" / name for name in "vi"]
    for folder in flat:
        for name in "ab":
            draw(folder / f"{name}.png", size=(24, 32), dtype=np.uint8, seed=5)
    told = json.loads(succeeds(*evaluate(tmp_path / "out", "--resume", "--json", sources=flat)))
    fresh = json.loads(succeeds(*evaluate(tmp_path / "fresh", "--json", sources=flat)))
    assert told == fresh


def test_tables_keep_what_they_hold(succeeds, refused, evaluate, score, folders, tmp_path):
    out = tmp_path / "out"
    succeeds(*evaluate(out))
    named = [out, "ifcnn_sum on mine", "MODEL+MODEL"]
    refused(*evaluate(out, "--resume", dataset="yours"), named=named)
    metrics = "--config.metrics=('AG',)"
    refused(*evaluate(out, "--resume", metrics), named=[out, "another metrics"])
    both = [tuple(map(str, folders))] * 2
    succeeds(*evaluate(out, "--resume", dataset="mine+yours", sources=both))
    assert "yours" in (out / "results.md").read_text()

    scores, second = tmp_path / "scores", shutil.copytree(folders[0], tmp_path / "second")
    succeeds(*score(scores, folders[0]))
    refused(*score(scores, second, "--resume"), named=[scores, "other methods (v)", "--fused"])
    succeeds(*score(scores, f"{folders[0]},{second}", "--resume"))
    assert "second - v" in (scores / "scores.md").read_text()


def test_damaged_results_are_told_in_one_line(succeeds, refused, evaluate, fuse, folders, tmp_path):
    out, fused = tmp_path / "out", tmp_path / "fused"
    succeeds(*evaluate(out))
    records = out / "ifcnn_sum" / "records"
    for file in (records / "process-00000.jsonl", records / "settings.json", out / "results.json"):
        whole = file.read_bytes()
        for damage in (
            b"\n",
            b"\0\n",
            b"[1]\n",
            b"\xff\n",
            b'{"scores": {}}\n',
            b"[" * 9999 + b"\n",
        ):
            file.write_bytes(damage)
            refused(*evaluate(out, "--resume"), named=[out])
        file.write_bytes(whole)
    scored = json.loads((records / "process-00000.jsonl").read_text().splitlines()[0])
    scored["scores"]["ttd"]["EN"] = 10**400  # no float
    (records / "process-00000.jsonl").write_text(json.dumps(scored) + "\n")
    refused(*evaluate(out, "--resume"), named=[out, "line 1 is damaged"])
    succeeds(*fuse(fused, *folders))
    (record, _) = summary(fused)
    for damage in (3, [{}], [{**record, "sources": 3}], [{**record, "files": 3}]):
        (fused / "summary.json").write_text(json.dumps(damage))
        refused(*fuse(fused, "--resume", *folders), named=["summary.json", "remove it"])


# Names, terminals, disks --------------------------------------------------------------------------


def test_names_that_are_no_utf8_come_back_on_resume(succeeds, fuse, tmp_path):
    name = b"\xbf\xbc.png".decode("utf-8", "surrogateescape")
    sides = []
    for seed, side in enumerate("vi"):
        drawn = draw(tmp_path / side / "x.png", seed=seed)
        drawn.rename(drawn.with_name(name))
        sides.append(drawn.parent.rename(tmp_path / f"{side}{name}"))
    out = tmp_path / "out"
    save = "--save=fused,dominability"
    # As where the locale knows no other letters, and the terminal neither.
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}
    succeeds(*fuse(out, save, *sides), process=True, env=plain)
    assert (out / name).is_file()
    told = json.loads(succeeds(*fuse(out, "--resume", "--json", save, *sides)))
    assert (told["fused"], told["reused"]) == (0, 1)
    sources = ",".join(map(str, sides))
    words = ("score", f"--fused={out}", f"--sources={sources}", f"--out={tmp_path / 's'}")
    words += ("--metrics=EN",)
    assert "\\u2191" in succeeds(*words, process=True, env=plain)


def test_a_full_standard_output_is_told(command_line):
    result = command_line(
        "metrics", process=True, prefix=("sh", "-c", 'exec "$@" > /dev/full', "sh")
    )
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert "standard output cannot be written" in line
