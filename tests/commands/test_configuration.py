"""--config and --config.FIELD of every command that takes them: one line for each mistake."""

import pytest
from absl import flags

from ttd_jax import fields
from ttd_jax.analysis import run as analysis
from ttd_jax.commands import configuration
from ttd_jax.detection import evaluation as detection
from ttd_jax.detection import training
from ttd_jax.evaluation import evaluate as evaluation
from ttd_jax.training import finetune

# Words of a command -> the file that it takes by default.
COMMANDS = {
    "evaluate": "evaluate.py",
    "analyze": "analyze.py",
    "finetune": "finetune.py",
    "detect eval": "detect.py",
    "detect train": "detect.py",
}

PATHS = {  # of a field that is not there -> what the line tells
    "typo=1": ["no field 'typo'", "known: "],
    "typo": ["no field 'typo'"],
    "typo.deep=1": ["no field 'typo'"],
    "precison=high": ["did you mean 'precision'?"],
    "precision.x=1": ["config.precision is 'highest' and has no fields"],
    "precision[0]=1": ["config.precision is 'highest'"],
    "=1": ["no name of a field"],
    ".=1": ["no name of a field"],
    "phases[a]=1": ["no name of a field"],
    "[0]=1": ["config has named fields"],
}
PHASES = {
    "phases[7].steps=1": ["config.{0}phases has {1} entries"],
    "phases.steps=1": ["config.{0}phases is a list", "--config.{0}phases[0].steps"],
    "phases[0].typo=1": ["config.{0}phases[0] has no field 'typo'"],
    "phases[0].optimizer.methd=sgd": ["did you mean 'method'?"],
    "phases[0].optimizer[1]=1": ["config.{0}phases[0].optimizer has named fields"],
    "phases[0]=1": ["config.{0}phases[0] has named fields"],
}


@pytest.fixture
def mistaken(refused, monkeypatch, tmp_path):
    """`mistaken(command, *flags)`: one line, and nothing is written."""
    monkeypatch.chdir(tmp_path)

    def check(command, *words, named=()):
        out = "--workdir=out" if command in ("finetune", "detect train") else "--out=out"
        before = sorted(tmp_path.rglob("*"))
        line = refused(*command.split(), out, *words, named=named)
        assert sorted(tmp_path.rglob("*")) == before
        return line

    return check


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("path", PATHS)
def test_unknown_fields(mistaken, command, path):
    mistaken(command, f"--config.{path}", named=PATHS[path])


@pytest.mark.parametrize(
    ("command", "place", "count"), [("finetune", "", 1), ("detect train", "train.", 2)]
)
@pytest.mark.parametrize("path", PHASES)
def test_fields_of_phases(mistaken, command, place, count, path):
    named = [word.format(place, count) for word in PHASES[path]]
    mistaken(command, f"--config.{place}{path}", named=named)


FILES = {  # name -> content and what the line tells
    "broken.py": ("def get_config(:\n", ["broken.py:1", "SyntaxError"]),
    "raising.py": ("x = 1\n1 / 0\n", ["raising.py:2", "ZeroDivisionError"]),
    "leaving.py": ("import sys\nsys.exit(3)\n", ["leaving.py:2", "SystemExit"]),
    "late.py": ("def get_config():\n    return nothing\n", ["late.py:2", "'nothing'"]),
    "refusing.py": ("def get_config(a='b'):\n    raise ValueError(f'{a}?')\n", [".py: b?"]),
    "empty.py": ("", ["empty.py", "defines no get_config()"]),
    "other.py": ("get_config = 3\n", ["defines no get_config()"]),
    "none.py": ("def get_config():\n    pass\n", ["gives NoneType"]),
    "bare.py": (
        "import ml_collections\nget_config = ml_collections.ConfigDict\n",
        ["config has no field"],
    ),
    "frozen.py": (
        "import ml_collections\nget_config = lambda: ml_collections.FrozenConfigDict()\n",
        ["gives FrozenConfigDict"],
    ),
    "page.md": ("A page, it's one\n", ["page.md:1"]),
    "bytes.py": (b"\xff\xfe\0", ["bytes.py"]),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", FILES)
def test_files_that_are_no_configurations(mistaken, tmp_path, command, name):
    content, named = FILES[name]
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    mistaken(command, f"--config={name}", named=named)


@pytest.mark.parametrize("command", COMMANDS)
def test_files_that_are_not_there(mistaken, tmp_path, command):
    mistaken(command, "--config=none.py:a,b", named=["none.py", "no such", COMMANDS[command]])
    mistaken(command, "--config=configs/none.py", named=["configs/none.py", "no such"])
    mistaken(command, "--config=", named=["--config is empty"])
    mistaken(command, "--config=:a", named=["--config is empty"])
    mistaken(command, "--config", named=["--config is missing its value"])
    mistaken(command, f"--config={tmp_path}", named=[tmp_path, "is a folder"])
    mistaken(command, f"--config={'x' * 5000}", named=["File name too long"])
    # An argument that the file does not take.
    mistaken(command, "--config=pretrain.py:a", named=["leave out what follows the colon"])


@pytest.mark.parametrize("command", COMMANDS)
def test_the_file_of_another_command(mistaken, command):
    other = "evaluate.py" if COMMANDS[command] != "evaluate.py" else "finetune.py"
    mistaken(command, f"--config={other}", named=["config has no field", "of this command"])


FIELDS = {
    "evaluate": evaluation._FIELDS,
    "analyze": analysis._FIELDS,
    "finetune": finetune._FIELDS,
    "detect eval": detection.FIELDS,
    "detect train": {
        **detection.FIELDS,
        **{f"train.{name}": demand for name, demand in training._TRAIN_FIELDS.items()},
    },
}
# What some value of these would be wrong for; by flags, so that a number may be read as a text.
WRONG = (
    *("-1", "nan", "inf", "1e400", "99999999999999999999", "maybe", "foo", "", "(1,)", "((),)"),
    *("(('a','b'),3)", "('',)", "('a\\x1b',)", "{'a': 1}", "'", "('a'", "(" * 300),
)


@pytest.mark.parametrize("command", COMMANDS)
def test_values_that_cannot_be(command, mistaken):
    """Of every field at least one of some wrong values is refused by its name, and none crashes."""
    for field, demand in FIELDS[command].items():
        told = [
            line
            for value in WRONG
            if (line := _refusal(command, f"--config.{field}={value}", field, demand))
        ]
        assert told or demand is fields.text, field
    # The command itself tells what its table refuses.
    field, value = {"detect train": ("train.keep", "0")}.get(command, ("precision", "hihg"))
    mistaken(command, f"--config.{field}={value}", named=[f"config.{field}=", value, "must be"])


def _refusal(command, word, field, demand):
    """Why a value is refused: by the flag, or by what the command demands of it."""
    values = flags.FlagValues()
    values.set_gnu_getopt(True)
    configuration.define(values, COMMANDS[command], "")
    try:
        configuration.parse(values, [command, word])
    except flags.Error as error:
        return str(error)
    found = values.config
    for name in field.split("."):
        found = found[name]
    return demand(found)


def parse(file, *words):
    values = flags.FlagValues()
    values.set_gnu_getopt(True)
    configuration.define(values, file, "")
    arguments = configuration.parse(values, ["command", *words])
    return values.config, arguments


@pytest.mark.parametrize("place", ["", "configs/"])
def test_the_shipped_files_are_found_from_any_folder(monkeypatch, tmp_path, place, capsys):
    monkeypatch.chdir(tmp_path)
    config, _ = parse("evaluate.py", f"--config={place}finetune.py:cddfuse,msrs")
    assert config.model == "cddfuse_ivf"
    (tmp_path / place).mkdir(exist_ok=True)
    (tmp_path / place / "finetune.py").write_text(
        "import ml_collections\ndef get_config(text):\n"
        "    print('mine')\n    return ml_collections.ConfigDict({'mine': text})\n"
    )
    config, _ = parse("evaluate.py", f"--config={place}finetune.py:a:b")
    assert config.mine == "a:b"  # but a file that is here comes first
    assert capsys.readouterr() == ("", "mine\n")  # standard output is the results'


def test_fields_are_set_in_every_form(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    config, arguments = parse(
        "finetune.py",
        "first",
        "--config.flips=false",
        *("--config.crop", "64"),
        "--config.sources=~/a,b c",
        "--config.datasets=('x',)",
        "--config.datasets=('y','z')",  # the last one counts, as of any flag
        "--config.phases[0].optimizer.frozen=['conv1']",
        "--config.phases[0].weights.ssim=2",  # a name of one's own
        "--config=finetune.py:ifcnn_sum,msrs",
        "last",
    )
    assert arguments == ["first", "last"]
    assert (config.flips, config.crop) == (False, 64)
    assert config.sources == ("/home/me/a", "b c")
    assert config.datasets == ("y", "z")
    assert config.phases[0].optimizer.frozen == ("conv1",)
    assert config.phases[0].weights.ssim == 2
    config, _ = parse("detect.py", "--config.known_as.person=People", "--config.folders.llvip=x")
    assert config.known_as.to_dict() == {"person": "People"}
    assert config.folders.llvip == "x"


@pytest.mark.parametrize("command", ["evaluate", "analyze", "finetune", "detect"])
def test_help_says_that_the_file_is_run(command_line, command):
    assert "FILE is run as Python" in command_line(command, "--help").stdout.replace("\n    ", " ")
