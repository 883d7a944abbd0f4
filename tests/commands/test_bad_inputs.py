"""Bad inputs of every kind for every command: one line, status 2, and nothing changes on disk.

A case is a command that would work with one thing of it spoiled: a flag's value, an argument, a
spelling, a field of the config, or a file that it reads. Every case is of one table or another
below; `CASES` of them are drawn.
"""

import ast
import json
import os
import pathlib
import random
import shutil

import pytest

from tests.commands.conftest import draw
from tests.commands.test_configuration import FIELDS, WRONG
from tests.detection.small import draw_llvip, random_detector, save
from ttd_jax.main import COMMANDS

CASES, SEED = 300, 16
ROOT = hasattr(os, "geteuid") and os.geteuid() == 0  # nothing is closed to root

# What works -----------------------------------------------------------------------------------

_LLVIP = ("--config=detect.py:llvip/detection", "--config.root=data", "--config.detector=det")
GOOD = {
    "fuse": ("--weights=w/ifcnn_sum", "--out=out", "v", "i"),
    "score": ("--fused=v", "--sources=v,i", "--out=out"),
    "convert": ("--model=ifcnn_sum", "--checkpoint=good.pth", "--out=out"),
    "export": ("--weights=w/ifcnn_sum", "--out=out.stablehlo"),
    "demo": ("--out=out",),
    "doctor": (),
    "models": (),
    "metrics": (),
    "evaluate": (
        *("--config=evaluate.py:ifcnn_sum,mine", "--config.weights_dir=w"),
        *("--config.sources=v,i", "--out=out"),
    ),
    "analyze": (
        *("--config=analyze.py:correlation,generated/focus", "--config.weights_dir=w"),
        "--out=out",
    ),
    "finetune": (
        *("--config=finetune.py:ifcnn_sum,mine", "--config.weights=w/ifcnn_sum"),
        *("--config.sources=v,i", "--config.crop=16", "--workdir=out"),
    ),
    "detect eval": (*_LLVIP, "--config.inputs=visible", "--out=out"),
    "detect train": (*_LLVIP, "--workdir=out"),
    "benchmark": ("--what=fusion", "--model=ifcnn_sum", "--size=24x32"),
    "benchmark --what=precision": ("--model=ifcnn_sum", "--weights=w/ifcnn_sum", "--sources=v,i"),
    "weights list": (),
    "weights fetch ifcnn_sum": ("--base_url=http://127.0.0.1:9", "--retries=0"),
    "weights verify": ("w/ifcnn_sum",),
    "datasets list": (),
    "datasets prepare": ("tno", "--manual_dir=data", "--data_dir=out"),
    "datasets verify": ("tno", "--data_dir=data"),
}

# What does not --------------------------------------------------------------------------------

LONG = "n" * 300
_NOT_THERE = (
    *("none", "none/none", LONG, "loop", "loop/in", "text.txt/in", "a\0b", "\x1b[31m", "-", "é"),
    *("\udcff", "\r\n", ""),
)
_CLOSED = () if ROOT else ("closed", "closed/in")
KINDS = {
    "choice": ("foo", "", "TTD", "ttd ", "\x1b]0;x\x07", "\n", "é", "1", "None"),
    "count": ("-1", "1.5", "x", "", "1e3", "nan", "0x", "--1", "1 2"),
    "positive": ("0", "-1", "1.5", "x", "", "nan"),
    "names": ("foo", "foo,bar", "\x1b", "ÉN"),
    "model": ("foo", "", "ifcnn_sun", "IFCNN SUM", "\0", "é"),
    "memory": ("", "x", "-1", "0", "1QB", "nan", "infGB", "1 2", "GB"),
    "range": ("", "x", "1", "2,1", "nan,1", "-inf,1", "percentile:1", "percentile:-1,101", "\x1b"),
    "bands": ("0", "-1", "x", "1,2", "1.5", "1,2,3,4", "é", "²"),
    "pages": ("foo", "", "-1", "1.5", "\x1b", "0x1"),
    "size": ("", "0x0", "-1x5", "axb", "10", "5x", "x5", "1x2x3", "1.5x2", "é"),
    "weights": (*_NOT_THERE, *_CLOSED, "text.txt", "v", "empty", "v/a.png", "data"),
    "pictures": (*_NOT_THERE, *_CLOSED, "text.txt", "empty", "w"),
    "folders": (*_NOT_THERE, *_CLOSED, "v/a.png", "empty,v", "v,none", "none,none", ",", "v,,i"),
    "folder": ("text.txt", "text.txt/in", LONG, f"{LONG}/in", "loop", "loop/in", "", "/proc/x/y"),
    "checkpoint": (
        *_NOT_THERE,
        *_CLOSED,
        "text.txt",
        "v",
        "v/a.png",
        "half.pth",
        "list.pth",
        *("huge.pth", "sparse.pth", "code.pth"),
    ),
    "program": ("", "out", "out.onnx", "none/out.stablehlo", f"{LONG}.stablehlo", "v/"),
    "seconds": ("x", "", "0", "-1", "nan", "inf"),
    "url": ("ftp://x", "file:///etc/passwd", "x", "http://", "http://[", "http://a b", "\x1b"),
    "port": ("", "x", "localhost", "localhost:x", "localhost:99999", ":1"),
}
FLAGS = {  # command -> flag -> kind of its wrong values
    "fuse": {
        **{"weights": "weights", "out": "folder", "strategy": "choice", "color": "choice"},
        **{"format": "choice", "save": "names", "batch_size": "count"},
        **{"range": "range", "bands": "bands", "pages": "pages"},
        **{"residual": "choice", "classifier": "weights", "max_memory": "memory"},
        **{"dominability": "choice", "precision": "choice", "model": "model"},
    },
    "score": {
        **{"fused": "folders", "sources": "folders", "out": "folder"},
        **{"protocol": "choice", "metrics": "names", "range": "range", "bands": "bands"},
    },
    "convert": {"model": "model", "checkpoint": "checkpoint", "out": "folder"},
    "export": {
        **{"weights": "weights", "out": "program", "platforms": "names", "params": "choice"},
        **{"strategy": "choice", "precision": "choice", "dominability": "choice"},
    },
    "demo": {"out": "folder", "weights": "weights"},
    "evaluate": {
        **{"out": "folder", "processes": "positive", "process": "count"},
        **{"distributed": "choice", "profile": "folder"},
    },
    "analyze": {"out": "folder"},
    "finetune": {
        **{"workdir": "folder", "processes": "positive", "process": "count"},
        **{"distributed": "choice", "profile": "folder"},
    },
    "detect eval": {"out": "folder", "config.detector": "weights"},
    "detect train": {"workdir": "folder", "config.root": "folders"},
    "benchmark": {
        **{"model": "model", "size": "size", "strategy": "names", "batch": "positive"},
        **{"repeats": "positive", "peer": "names", "what": "choice", "precision": "choice"},
        **{"weights": "weights", "dominability": "choice", "out": "folder"},
    },
    "benchmark --what=precision": {"sources": "folders", "size": "size", "weights": "weights"},
    "weights fetch ifcnn_sum": {
        **{"timeout": "seconds", "retries": "count", "base_url": "url", "out": "folder"},
    },
    "datasets prepare": {"manual_dir": "folders", "data_dir": "folder"},
    "datasets verify": {"data_dir": "pictures"},
}
ARGUMENTS = {"fuse": "pictures", "weights verify": "weights", "datasets verify": "model"}
SPELLINGS = (
    *("--nosuch", "--nosuch=1", "--out", "---", "--=1", "--json=maybe", "--é", "-x", "--\x1b[31m"),
    *("--resume=2", "--nonosuch", "--overwrite=x", "--config.typo=1", "--flagfile=none"),
)
MANIFESTS = {  # name -> what of the manifest is changed
    "model": [[], {}, None, 3, "nosuch", "ifcnn_sum\x1b[31m", "piafusion", "yolox_s"],
    "sha256": ["0" * 64, 3, None, [], ""],
    "format": [0, 99, None, "1", []],
    "settings": [
        *(None, 3, [], "x", {"loss": []}, {"loss": "nosuch"}, {"typo": 1}, {"norm": 3}),
        *({"temperature": value} for value in (0, -1, float("inf"), float("nan"), 10**400, "1")),
    ],
}
TEXTS = ("", "{", "null", "3", "[]", "[{}]", "\0", "[" * 99999, "\udcff", '{"format": 1}')
PICTURES = {  # name -> what becomes of the bytes of a picture
    "cut": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "text": lambda data: b"no picture",
    "header": lambda data: data[:8],
    "noise": lambda data: data[:40] + bytes(range(256)) * 4,
}


def every_case():
    """All cases: `(what is spoiled, command, words, change of the files or None)`."""
    for command, flags in FLAGS.items():
        for flag, kind in flags.items():
            for value in KINDS[kind]:
                yield f"--{flag}", command, (f"--{flag}={value}",), None
    for command, kind in ARGUMENTS.items():
        for value in KINDS[kind]:
            yield "argument", command, (value,), None
    for command in GOOD:
        for word in SPELLINGS:
            yield "spelling", command, (word,), None
        yield "argument", command, ("more", "than", "enough", "arguments"), None
    for name in (*COMMANDS, "nosuch", "fues", "", "\x1b[31m", "--nosuch", "Fuse"):
        if name not in GOOD:
            yield "command", name, ("nosuch",), None
    for command, demands in FIELDS.items():
        for field, demand in demands.items():
            for value in WRONG:
                if _is_wrong(demand, value):
                    yield "field", command, (f"--config.{field}={value}",), None
    for name, values in MANIFESTS.items():
        for value in values:
            for command in ("fuse", "export", "weights verify", "evaluate"):
                yield "manifest", command, (), (_change_manifest, name, value)
    for text in TEXTS:
        for command in ("fuse", "weights verify", "finetune"):
            yield "manifest", command, (), (_write_manifest, text)
    for damage in PICTURES:
        for command in ("fuse", "evaluate", "finetune", "benchmark --what=precision"):
            yield "picture", command, (), (_damage_picture, damage)


def _is_wrong(demand, value):
    """Whether a flag's text is refused whatever it is read as; other texts may well do."""
    if value not in ("(1,)", "{'a': 1}", "-1"):
        return False
    read = ast.literal_eval(value)
    return all(map(demand, (value, (value,), read, (read,))))


def _change_manifest(name, value):
    manifest = json.loads(pathlib.Path("w/ifcnn_sum/manifest.json").read_text())
    _write_manifest(json.dumps({**manifest, name: value}))


def _write_manifest(text):
    content = text.encode(errors="surrogateescape")
    pathlib.Path("w/ifcnn_sum/manifest.json").write_bytes(content)


def _damage_picture(name):
    picture = pathlib.Path("i/b.png")
    picture.write_bytes(PICTURES[name](picture.read_bytes()))


def drawn_cases():
    """The cases of one run: as many of each kind as there is room for."""
    groups = {}
    for case in every_case():
        groups.setdefault(case[0], []).append(case)
    generator = random.Random(SEED)
    for group in groups.values():
        generator.shuffle(group)
    found = []
    while len(found) < CASES:
        for group in groups.values():
            found += [group.pop()] if group else []
    return found[:CASES]


def named(case):
    """The name of a case, the same in every process."""
    spoiled, command, words, change = case
    rest = (change[0].__name__, *change[1:]) if change else words
    return ascii(" ".join([command, spoiled, *map(str, rest)]))[:80]


@pytest.fixture(scope="module")
def world(random_weights, tmp_path_factory):
    """A folder with what the commands need, and what they cannot use."""
    torch = pytest.importorskip("torch")
    root = tmp_path_factory.mktemp("world")
    for seed, name in enumerate("ab"):
        draw(root / "v" / f"{name}.png", channels=3, seed=seed)
        draw(root / "i" / f"{name}.png", seed=10 + seed)
    shutil.copytree(random_weights, root / "w" / "ifcnn_sum")
    save(root / "det", random_detector())
    draw_llvip(root / "data", "test")
    draw_llvip(root / "data", "train")
    torch.save({"x": torch.zeros(3)}, root / "good.pth")
    torch.save([1, 2], root / "list.pth")
    torch.save({"x": torch.zeros(1).as_strided((1 << 40,), (0,))}, root / "huge.pth")
    torch.save({"x": torch.eye(3).to_sparse()}, root / "sparse.pth")
    torch.save(torch.nn.Linear(2, 2), root / "code.pth")
    (root / "half.pth").write_bytes((root / "good.pth").read_bytes()[:200])
    (root / "text.txt").write_text("no picture\n")
    (root / "empty").mkdir()
    (root / "loop").symlink_to("loop")
    (root / "closed").mkdir(mode=0)
    return root


@pytest.mark.parametrize(
    ("spoiled", "command", "words", "change"),
    (cases := drawn_cases()),
    ids=[named(case) for case in cases],
)
def test_one_line_and_nothing_written(world, refused, monkeypatch, spoiled, command, words, change):
    monkeypatch.chdir(world)
    monkeypatch.setenv("HOME", str(world))
    kept = {name: (world / name).read_bytes() for name in ("w/ifcnn_sum/manifest.json", "i/b.png")}
    try:
        if change:
            change[0](*change[1:])
        before = tree(world)
        first = words if spoiled in ("argument", "command") else ()
        given = GOOD.get(command, ())
        if spoiled == "argument" and command in ARGUMENTS and len(words) == 1:
            given = [word for word in given if word.startswith("-")] + ["v"] * (command == "fuse")
        line = refused(*command.split(), *first, *given, *(() if first else words))
        assert line.isprintable()
        assert tree(world) == before
    finally:
        for name, content in kept.items():
            (world / name).write_bytes(content)


def tree(root):
    """Path -> kind, size and time of the last change of everything below a folder."""
    found = {}
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = os.path.join(folder, name)
            status = os.lstat(path)
            found[path] = (status.st_mode, status.st_size, status.st_mtime_ns)
    return found
