"""Runs that are killed at any of their writes, and two at a time in one folder: nothing is lost.

A few seconds in the suite. For longer: `TTD_JAX_KILLS=60 pytest tests/commands/test_kills.py`
kills so many runs of each kind, of those too that take long, and starts half as many pairs.
"""

import collections
import contextlib
import hashlib
import json
import os
import pathlib
import random
import shutil

import pytest
import ttd_jax_datasets

from tests.commands.conftest import draw
from tests.fork_server import ForkServer

KILLS = int(os.environ.get("TTD_JAX_KILLS", 0))
CONFIGS = pathlib.Path(__file__).resolve().parents[2] / "configs"
NAMES = "abcde"
FRAMES = 20  # more than a sequence's state is kept after, twice


@pytest.fixture(scope="module")
def server():
    with ForkServer() as one:
        yield one


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("pairs")
    for number, name in enumerate(NAMES):
        draw(root / "v" / f"{name}.png", channels=3, seed=number)
        draw(root / "i" / f"{name}.png", seed=100 + number)
    return root


# What is killed: words of a command, and what of its result must not depend on kills ------------


def _fuse(folders, weights):
    save = "--save=fused,dominability,losses"
    words = ["fuse", f"--weights={weights}", save, "--batch_size=2"]
    return lambda out: [*words, f"--out={out}", "--resume", folders / "v", folders / "i"]


def _sequence(folders, weights):
    for role in "vi":
        for number in range(FRAMES):
            draw(folders / "frames" / role / f"{number:02}.png", seed=number // 3)
    # Ranges and losses that follow the frames: what depends on all that was before.
    words = ["fuse", f"--weights={weights}", "--sequence", "--range=type,data"]
    sources = folders / "frames" / "v", folders / "frames" / "i"
    return lambda out: [*words, f"--out={out}", "--resume", *sources]


def _score(folders, weights):
    sources = f"--sources={folders / 'v'},{folders / 'i'}"
    words = ["score", f"--fused={folders / 'v'},{folders / 'i'}", sources, "--metrics=EN,SD"]
    return lambda out: [*words, f"--out={out}", "--resume"]


def _sources(folders):
    return f"--config.sources={(str(folders / 'v'), str(folders / 'i'))!r}"


def _evaluate(folders, weights):
    return lambda out: [
        "evaluate",
        f"--config={CONFIGS / 'evaluate.py'}:ifcnn_sum,mine",
        f"--config.weights_dir={weights.parent}",
        _sources(folders),
        "--config.metrics=('EN','SD')",
        "--config.batch_size=1",
        "--config.gallery=0",
        f"--out={out}",
        "--resume",
    ]


def _finetune(folders, weights):
    return lambda out: [
        "finetune",
        f"--config={CONFIGS / 'finetune.py'}:ifcnn_sum,mine",
        f"--config.weights={weights}",
        _sources(folders),
        "--config.crop=16",
        "--config.batch_size=2",
        "--config.held_back=1",
        "--config.metrics=('SD',)",
        "--config.log_every=1",
        "--config.checkpoint_every=1",
        "--config.validate_every=2",
        "--config.phases[0].steps=4",
        f"--workdir={out}",
        "--resume",
    ]


def _detect(folders, weights):
    from tests.detection.small import draw_llvip, random_detector, save

    detector = folders / "nano"
    if not detector.exists():
        save(detector, random_detector())
        draw_llvip(folders / "benchmarks")
    return lambda out: [
        "detect",
        "eval",
        f"--config={CONFIGS / 'detect.py'}:llvip/detection",
        f"--config.root={folders / 'benchmarks'}",
        f"--config.detector={detector}",
        "--config.inputs=('visible','infrared')",
        "--config.size=(64,96)",
        f"--out={out}",
        "--resume",
    ]


def _prepare(folders, weights):
    pictures = pathlib.Path(ttd_jax_datasets.__file__).parent / "lytro" / "dummy_data"
    words = ["datasets", "prepare", "lytro/pairs", f"--manual_dir={pictures}"]
    return lambda out: [*words, f"--data_dir={out}"]


COMMANDS = {
    "fuse": (_fuse, 3),
    "sequence": (_sequence, 0),
    "score": (_score, 2),
    "evaluate": (_evaluate, 1),
    "finetune": (_finetune, 0),
    "detect": (_detect, 0),
    "prepare": (_prepare, 0),
}
# Of times and places, or in another order.
_VARIES = (
    "timings.json",
    "*.jsonl",
    "events.*",
    "dataset_info.json",
    "_*",
    "*metadata*",
    ".ttd-jax",
)


def content(out):
    """Path -> hash of what a run has made; records as a set; of checkpoints the result alone."""
    found = {}
    for path in sorted(out.rglob("*")):
        name = str(path.relative_to(out))
        if not path.is_file() or name.startswith("checkpoints") or "/arrays/" in name:
            continue
        if path.name.startswith("process-"):
            lines = [json.dumps(json.loads(line)) for line in path.read_text().splitlines()]
            assert len(lines) == len(set(lines)), f"{path}: a record twice"
            found[name] = sorted(lines)
        elif not any(path.match(pattern) for pattern in _VARIES):
            data = path.read_bytes().replace(str(out).encode(), b"OUT")
            found[name] = hashlib.sha256(data).hexdigest()
    return found


def records(out):
    """Every whole line of records that a killed run has left."""
    lines = [
        line for path in out.rglob("process-*.jsonl") for line in path.read_text().split("\n")[:-1]
    ]
    with contextlib.suppress(FileNotFoundError):
        lines += [json.dumps(r) for r in json.loads((out / "summary.json").read_text())]
    return collections.Counter(
        json.dumps([r.get("scene"), r.get("image"), r.get("method")])
        for r in map(json.loads, lines)
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_kills_at_any_write_lose_nothing_and_leave_nothing(
    name, server, folders, random_weights, tmp_path
):
    make, few = COMMANDS[name]
    wanted = KILLS or few
    if not wanted:
        pytest.skip("takes long: set TTD_JAX_KILLS")
    if name == "prepare":
        pytest.importorskip("array_record", reason="array_record is not installed")
    words, generator = make(folders, random_weights), random.Random(name)
    whole = tmp_path / "whole"
    ended = server.run(*words(whole), within=whole)
    assert ended.status == 0, ended.stderr
    expected, writes, kills = content(whole), ended.writes, 0
    while kills < wanted:
        out = tmp_path / "out"
        for _ in range(generator.randint(1, 3)):
            before = records(out)
            # Without the last ones of a whole run a resumed one has fewer.
            die_at = generator.randint(1, writes)
            ended = server.run(*words(out), within=out, die_at=die_at)
            assert ended.killed or ended.status == 0, ended.stderr
            kills += ended.killed
            assert not before - records(out), f"records were lost at write {die_at}"
        ended = server.run(*words(out), within=out)
        assert ended.status == 0, ended.stderr
        assert content(out) == expected
        left = [str(p) for p in out.rglob(".*") if p.name not in (".ttd-jax", ".config")]
        assert not left
        shutil.rmtree(out)


def test_a_sequence_goes_on_from_the_state_that_it_kept(server, folders, random_weights, tmp_path):
    words = _sequence(folders, random_weights)
    whole, out = tmp_path / "whole", tmp_path / "out"
    ended = server.run(*words(whole), within=whole)
    assert ended.status == 0, ended.stderr
    # Before any state was kept, after the first, and after the second.
    for share in (0.2, 0.6, 0.5):
        assert server.run(*words(out), within=out, die_at=int(share * ended.writes)).killed
    last = server.run(*words(out), within=out)
    assert "4 frames fused, 16 reused" in last.stderr
    assert content(out) == content(whole)


def test_two_runs_at_once_in_a_folder_never_mix(server, folders, random_weights, tmp_path):
    generator, refused = random.Random(0), 0
    half = {"v1": "abc", "v2": "cde"}  # one scene in both
    for side, names in half.items():
        for role in "vi":
            for name in names:
                place = tmp_path / side / role
                place.mkdir(parents=True, exist_ok=True)
                shutil.copy(folders / role / f"{name}.png", place)

    def words(side, out):
        sources = (folders / "v", folders / "i") if side == "all" else ()
        sources = sources or (tmp_path / side / "v", tmp_path / side / "i")
        flags = ["--save=fused,dominability", "--batch_size=1", "--resume"]
        return ["fuse", f"--weights={random_weights}", f"--out={out}", *flags, *sources]

    whole = tmp_path / "whole"
    assert server.run(*words("all", whole), within=whole).status == 0
    expected = {k: v for k, v in content(whole).items() if k != "summary.json"}
    for number in range(max(2, KILLS // 2)):
        out = tmp_path / f"out{number}"
        die_at = generator.choice((0, 0, generator.randint(1, 20)))
        waiting = [
            server.start(*words("v1", out), within=out, die_at=die_at),
            server.start(*words("v2", out), within=out),
        ]
        for ended in (wait() for wait in waiting):
            if ended.status == 2:
                (line,) = ended.stderr.splitlines()
                assert "another run is writing there" in line
                refused += 1
            else:
                assert ended.status == 0 or ended.killed, ended.stderr
        for side in half:
            ended = server.run(*words(side, out), within=out)
            assert ended.status == 0, ended.stderr
        found = content(out)
        summary = json.loads((out / "summary.json").read_text())
        assert [record["scene"] for record in summary] == sorted(NAMES)
        assert {k: v for k, v in found.items() if k != "summary.json"} == expected
        shutil.rmtree(out)
    print(f"{refused} runs were refused")
