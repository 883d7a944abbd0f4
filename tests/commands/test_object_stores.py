"""Commands whose files are in object stores: the same results as on a disk, through any kill."""

import json
import secrets
import time

import pytest

from tests import object_stores
from tests.commands.conftest import draw, start_two
from tests.detection.small import random_detector
from tests.detection.small import save as save_detector
from tests.object_stores import content, copy, make_bucket, remove_bucket
from tests.training.small_run import draw_pairs, small_config
from ttd_jax.pictures.records import Records
from ttd_jax.places import is_url, place
from ttd_jax.training.finetune import finetune
from ttd_jax.training.folder import RunFolder
from ttd_jax.weights.store import read_manifest

SCENES = 8


@pytest.fixture(scope="module", params=object_stores.KINDS)
def kind(request):
    with object_stores.served(request.param):
        yield request.param


@pytest.fixture(scope="module")
def folder(random_weights, tmp_path_factory):
    """On a disk: pairs of pictures, and weights."""
    root = tmp_path_factory.mktemp("data")
    for i in range(SCENES):
        draw(root / "v" / f"{i}.png", channels=3, seed=i)
        draw(root / "i" / f"{i}.png", seed=100 + i)
    copy_of = root / "weights" / "ifcnn_sum"
    copy_of.parent.mkdir()
    copy_of.symlink_to(random_weights)
    return root


@pytest.fixture
def bucket(kind, folder, random_weights):
    """The same in a bucket."""
    found = make_bucket(kind, f"box-{secrets.token_hex(4)}")
    copy(folder, found / "data")
    copy(random_weights, found / "data" / "weights" / "ifcnn_sum")
    return found


def evaluate(data, out, *flags):
    """The words of a command whose data and results are in these places."""
    return [
        "evaluate",
        f"--out={out}",
        "--config=evaluate.py:ifcnn_sum,mine",
        f"--config.weights_dir={data}/weights",
        f"--config.sources=('{data}/v','{data}/i')",
        "--config.metrics=('EN','SD')",
        "--config.batch_size=1",
        "--config.gallery=0",
        "--config.sizes=exact",
        *flags,
    ]


@pytest.fixture(scope="module")
def tables(command_line, folder, tmp_path_factory):
    """Of a run on a disk that nothing stopped."""
    out = tmp_path_factory.mktemp("whole") / "out"
    assert command_line(*evaluate(folder, out)).returncode == 0
    return {name: data for name, data in content(out).items() if name.startswith("results.")}


def records(out):
    """The images of every record that is there, in the order of the objects' names."""
    parts = (file for file in out.files() if file.match("records/process-*"))
    lines = (line for part in parts for line in part.read_text("utf-8").splitlines())
    return [json.loads(line)["image"] for line in lines]


def test_two_processes_and_a_kill_give_the_tables_of_a_disk(bucket, tables):
    out = bucket / "out"
    processes = start_two(evaluate(bucket / "data", out))
    deadline = time.monotonic() + 120
    while not records(out) and time.monotonic() < deadline:
        assert all(p.poll() is None for p in processes), [p.communicate() for p in processes]
    for process in processes:
        process.kill()
        process.communicate()
    before = records(out)
    processes = start_two(evaluate(bucket / "data", out, "--resume"))
    for process in processes:
        _, stderr = process.communicate(timeout=240)
        assert process.returncode == 0, stderr
    assert sorted(records(out)) == sorted(map(str, range(SCENES)))  # none is scored twice
    assert set(before) <= set(records(out))
    found = content(out)
    assert {name: found[name] for name in tables} == tables


def test_fuse_and_score_resume_where_they_were_stopped(
    command_line, monkeypatch, bucket, folder, tmp_path
):
    results = {}
    for data, out in ((folder, tmp_path), (bucket / "data", bucket / "out")):
        words = ["fuse", f"--weights={data}/weights/ifcnn_sum", f"--out={out / 'fused'}"]
        words += ["--save=fused,dominability", f"{data}/v", f"{data}/i"]
        scored = ["score", f"--fused=mine={out / 'fused'}", f"--sources={data}/v,{data}/i"]
        scored += [f"--out={out / 'scores'}", "--metrics=EN,SD"]
        for command, name in ((words, "fused"), (scored, "scores")):
            if out != tmp_path:
                _stop_after(3, monkeypatch, command_line, command)
                assert not (out / name / "summary.json").exists()
                command = [*command, "--resume"]
            result = command_line(*command)
            assert result.returncode == 0, result.stderr
            if out != tmp_path:
                timings = json.loads((out / name / "timings.json").read_bytes())
                assert timings["reused"] == 3
            results.setdefault(name, []).append(_of_content(content(out / name)))
    for on_disk, in_store in results.values():
        assert in_store == on_disk


def _stop_after(count, monkeypatch, command_line, words):
    """Runs a command and stops it once it has as many records."""
    added = []
    append = Records.append

    def stop(self, *arguments):
        added.append(append(self, *arguments))
        if len(added) == count:
            raise KeyboardInterrupt
        return added[-1]

    with monkeypatch.context() as patch:
        patch.setattr(Records, "append", stop)
        assert command_line(*words).returncode == 2


def _of_content(found):
    """What of a folder does not depend on where it is and when it was made."""
    summary = json.loads(found.pop("summary.json"))
    for record in summary:
        for source in record.get("sources", ()):
            del source["file"], source["path"]
    return {n: data for n, data in found.items() if n != "timings.json"} | {"summary": summary}


def test_a_training_that_is_killed_goes_on_to_the_same_weights(
    kind, bucket, random_weights, monkeypatch, tmp_path
):
    pairs = draw_pairs(tmp_path / "pairs")
    copy(pairs, bucket / "pairs")
    digests = []
    for data, workdir in ((pairs, tmp_path / "run"), (bucket / "pairs", bucket / "run")):
        weights = bucket / "data" / "weights" / "ifcnn_sum" if is_url(data) else random_weights
        config = small_config(data, weights, validate_every=0, final="last")
        config.phases = config.phases[:1]
        if is_url(data):
            _kill_at(2, monkeypatch, config, workdir)
            assert [file.name for file in (workdir / "checkpoints").iterdir()] == ["2.tar"]
        outcome = finetune(config, workdir, resume=is_url(data))
        assert outcome.weights == workdir / "ifcnn_sum"
        digests.append(read_manifest(workdir / "ifcnn_sum")["sha256"])
    assert digests[0] == digests[1]
    names = {file.name for file in (bucket / "run").files()}
    assert {"log.jsonl", "settings.json", "manifest.json"} <= names
    assert sum(name.startswith("events.") for name in names) == 2
    assert {name for name in names if name.endswith(".tar")} == {"6.tar", "7.tar"}


def _kill_at(count, monkeypatch, config, workdir):
    """Trains until so many checkpoints are there; what was not published by then is lost."""
    publish, seen = RunFolder.publish, []

    def stop(self):
        seen.append(publish)
        if len(seen) == count:
            raise RuntimeError("killed")
        publish(self)

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "publish", stop)
        with pytest.raises(RuntimeError, match="killed"):
            finetune(config, workdir)


def test_a_bucket_that_vanishes_meanwhile_is_told_in_a_line(refused, monkeypatch, bucket):
    extend = Records.extend

    def vanish(self, found):
        extend(self, found)
        remove_bucket(bucket)

    monkeypatch.setattr(Records, "extend", vanish)
    words = evaluate(bucket / "data", bucket / "out")
    refused(*words, named=[bucket / "out", f"there is no bucket '{bucket.name}'"])


def test_places_that_are_not_there_are_told_in_a_line(refused, bucket):
    wrong = place(f"{bucket}x")
    refused(*evaluate(bucket / "data", wrong / "out"), named=[f"there is no bucket '{wrong.name}'"])
    refused(*evaluate(wrong, bucket / "out"), named=[f"there is no bucket '{wrong.name}'"])
    none = bucket / "none"
    refused(*evaluate(none, bucket / "out"), named=[f"{none}/weights/ifcnn_sum: no weights here"])
    words = ["--config=finetune.py:ifcnn_sum,mine", f"--config.weights={bucket}/none"]
    refused("finetune", f"--workdir={wrong}", *words, named=[f"no bucket '{wrong.name}'"])
    assert not (bucket / "out").exists()


def test_studies_and_detections_are_written_to_a_store(command_line, tmp_path):
    root, store = tmp_path / "benchmarks", place("memory://box")
    for n, letter in enumerate("AB"):
        draw(root / "lytro" / f"lytro-01-{letter}.png", (20, 23), seed=n)
    draw(root / "msrs/test/vi/00001N.png", (64, 96), channels=3)
    draw(root / "msrs/test/ir/00001N.png", (64, 96), seed=1)
    (root / "msrs/labels/fusion/test").mkdir(parents=True)
    (root / "msrs/labels/fusion/test/00001N.txt").write_text("0 0.5 0.5 0.25 0.5")
    detector = save_detector(tmp_path / "nano", random_detector())
    root = f"--config.root={copy(root, store / 'benchmarks')}"
    detector = f"--config.detector={copy(detector, store / 'nano')}"
    study = [
        "analyze",
        "--config=analyze.py:form,lytro/pairs",
        "--config.weights_dir=shipped",
        root,
    ]
    found = ["detect", "eval", "--config=detect.py:msrs/detection", "--config.size=(64,96)", root]
    found += ["--config.inputs=('visible',)", detector]
    for words, results in ((study, "form/results.json"), (found, "pictures/01_00001N.png")):
        result = command_line(*words, f"--out={store / words[0]}")
        assert result.returncode == 0, result.stderr
        assert (store / words[0] / results).is_file()
    store.rmtree()


def test_flags_that_need_a_disk_refuse_urls(refused, tmp_path):
    url = "memory://box/out"
    refused("demo", f"--out={url}", named=["--out", "URL", "disk"])
    refused("weights", "fetch", "ifcnn_sum", f"--out={url}", named=["--out", "URL"])
    refused("datasets", "list", f"--data_dir={url}", named=["--data_dir", "URL"])
    refused("datasets", "list", env={"TFDS_DATA_DIR": url}, named=["--data_dir"])
