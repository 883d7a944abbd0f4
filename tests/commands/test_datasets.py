"""`ttd-jax datasets`: list, prepare and verify, as people run it."""

import json
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import pytest
import ttd_jax_datasets

from ttd_jax.errors import UserError
from ttd_jax.pictures.prepared import prepared_examples

PICTURES = pathlib.Path(ttd_jax_datasets.__file__).parent
COLUMNS = ["benchmark", "roles", "official examples", "prepared", "terms"]


@pytest.fixture
def datasets(command_line, tmp_path):
    """Runs `ttd-jax datasets ...` with its own --data_dir; returns what it printed."""
    pytest.importorskip("array_record", reason="array_record is not installed")
    pytest.importorskip("tensorflow_datasets", reason="tensorflow-datasets is not installed")

    def run(*words, env=None):
        result = command_line("datasets", *words, f"--data_dir={tmp_path / 'd'}", env=env)
        assert result.returncode == 0, result.stderr
        assert result.stderr == ""
        return result.stdout

    return run


@pytest.fixture
def rejects(datasets, refused, tmp_path):
    """`ttd-jax datasets ...` is refused and leaves no --data_dir."""

    def check(*words, named=(), **options):
        line = refused("datasets", *words, f"--data_dir={tmp_path / 'd'}", named=named, **options)
        assert not (tmp_path / "d").exists()
        return line

    return check


def files_of(root):
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_complete_sample_is_prepared_listed_and_verified(datasets, shared, tmp_path):
    said = datasets("prepare", "harvard_medical", f"--manual_dir={shared / 'data' / 'harvard'}")
    path = tmp_path / "d" / "harvard_medical" / "mri_ct" / "1.0.0"
    assert said.startswith(f"{path}: harvard_medical/mri_ct: test 21 examples\n")
    assert "note" not in said
    assert sorted(p.name for p in (tmp_path / "d").iterdir()) == ["harvard_medical"]

    lines = datasets("list").splitlines()
    assert [lines[0].index(c) for c in COLUMNS] == sorted(lines[0].index(c) for c in COLUMNS)
    names = [line.split()[0] for line in lines[1:]]
    assert {name.partition("/")[0] for name in names} == set(ttd_jax_datasets.NAMES)
    (line,) = (line for line in lines if line.startswith("harvard_medical/mri_ct"))
    assert line.split()[1:6] == ["mri,", "ct", "test", "21", "yes"]

    assert "all test 21 examples are there" in datasets("verify", "harvard_medical/mri_ct")
    record = json.loads(datasets("verify", "harvard_medical", "--json"))
    assert record["examples"] == {"test": 21}


def test_an_incomplete_sample_is_prepared_with_a_note_and_not_verified(
    datasets, refused, shared, tmp_path
):
    said = datasets("prepare", "llvip/detection", f"--manual_dir={shared / 'data' / 'llvip'}")
    assert "note: train has 1 of 12025 examples\nnote: test has 3 of 3463 examples\n" in said
    assert "terms: non-commercial" in said
    (line,) = (x for x in datasets("list").splitlines() if x.startswith("llvip/detection"))
    assert "in part: train 1, test 3" in line
    refused(
        *("datasets", "verify", "llvip/detection", f"--data_dir={tmp_path / 'd'}"),
        named=["train has 1 of 12025", "test has 3 of 3463", "--overwrite"],
    )


def test_list_with_a_name_tells_how_to_get_it(datasets):
    said = datasets("list", "msrs")
    assert "detection_infrared" in said
    assert "Clone https://github.com/Linfeng-Tang/MSRS" in said
    assert "@article{tang2022piafusion" in said
    assert "llvip" not in said
    rows = {row["name"]: row for row in json.loads(datasets("list", "--json"))}
    assert rows["m3fd/detection"]["splits"] == {"train": 4200}
    assert rows["m3fd/detection"]["classes"][0] == "People"
    assert rows["lytro/triples"]["roles"] == ["a", "b", "c"]
    assert rows["tno/fusion"]["prepared"] == {}


def test_a_second_run_keeps_what_is_there_unless_told_to_replace_it(datasets, tmp_path):
    root = shutil.copytree(PICTURES / "tno" / "dummy_data", tmp_path / "tno")
    words = ("prepare", "tno", f"--manual_dir={root}")
    assert json.loads(datasets(*words, "--json"))["made"]
    before = files_of(tmp_path / "d")
    for folder in ("vi", "ir"):
        shutil.copy(root / folder / "01.png", root / folder / "03.png")
    record = json.loads(datasets(*words, "--json"))
    assert (record["made"], record["prepared"]) == (False, {"test": 2})
    assert "--overwrite" in record["remarks"][0]
    assert files_of(tmp_path / "d") == before
    record = json.loads(datasets(*words, "--json", "--overwrite"))
    assert (record["made"], record["prepared"]) == (True, {"test": 3})


def test_a_failed_replacement_leaves_the_old_one(datasets, refused, tmp_path):
    root = shutil.copytree(PICTURES / "tno" / "dummy_data", tmp_path / "tno")
    words = ("prepare", "tno", f"--manual_dir={root}")
    datasets(*words)
    before = files_of(tmp_path / "d")
    (root / "ir" / "02.png").write_bytes(b"not a picture")
    refused("datasets", *words, "--overwrite", f"--data_dir={tmp_path / 'd'}", named=["02.png"])
    assert files_of(tmp_path / "d") == before


def test_what_a_run_killed_at_its_very_end_has_left_is_removed(datasets, tmp_path):
    words = ("prepare", "tno", f"--manual_dir={PICTURES / 'tno' / 'dummy_data'}")
    datasets(*words)
    before = files_of(tmp_path / "d")
    replaced = tmp_path / "d" / ".preparing-tno-fusion" / "replaced"
    shutil.copytree(tmp_path / "d" / "tno", replaced)
    assert "was prepared before" in datasets(*words)
    assert files_of(tmp_path / "d") == before
    assert not replaced.parent.exists()


DAMAGED = [b"", b"null", b"3", b"[1]", b"{}", b"\xff", b"[" * 10**5]


@pytest.mark.parametrize("file", ["dataset_info.json", "features.json", "metadata.json"])
def test_a_damaged_one_is_told_and_can_be_replaced(datasets, refused, tmp_path, file):
    words = ("prepare", "tno", f"--manual_dir={PICTURES / 'tno' / 'dummy_data'}")
    datasets(*words)
    place = tmp_path / "d" / "tno" / "fusion" / "1.0.0" / file
    for content in DAMAGED:
        place.write_bytes(content)
        with pytest.raises(UserError, match=r"damaged|not a benchmark") as error:
            prepared_examples("tno", "test", tmp_path / "d")
        assert "prepare" in str(error.value)
        if file == "dataset_info.json":
            for action in (("verify", "tno"), ("list",), words):
                line = f"--data_dir={tmp_path / 'd'}"
                refused("datasets", *action, line, named=[file, "--overwrite"])
    datasets(*words, "--overwrite")
    assert len(prepared_examples("tno", "test", tmp_path / "d")) == 2


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_run_leaves_nothing_half_made_and_the_next_one_works(
    datasets, refused, tmp_path, how
):
    root = shutil.copytree(PICTURES / "tno" / "dummy_data", tmp_path / "tno")
    for number in range(3, 200):  # enough work to be stopped in the middle of it
        for role in ("vi", "ir"):
            shutil.copy(root / role / "01.png", root / role / f"{number:03}.png")
    words = ("datasets", "prepare", "tno", f"--manual_dir={root}", f"--data_dir={tmp_path / 'd'}")
    process = subprocess.Popen(
        [sys.executable, "-m", "ttd_jax", *words],
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (tmp_path / "d" / ".preparing-tno-fusion" / "tno").exists():
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGSTOP)
    refused(*words, named=[".preparing-tno-fusion", "another run"])
    process.send_signal(how)
    process.send_signal(signal.SIGCONT)
    said = process.communicate(timeout=60)[1]
    assert not (tmp_path / "d" / "tno").exists()
    if how == signal.SIGTERM:
        assert process.returncode == 2
        assert said.startswith("ttd-jax: interrupted")
        assert not (tmp_path / "d").exists()
    assert "test 199 examples" in datasets(*words[1:4])
    assert [path.name for path in (tmp_path / "d").iterdir()] == ["tno"]


def test_a_damaged_benchmark_is_not_verified(datasets, refused, tmp_path):
    # Nor is it complete, which is told where nothing is damaged.
    datasets("prepare", "tno", f"--manual_dir={PICTURES / 'tno' / 'dummy_data'}")
    (records,) = (tmp_path / "d").rglob("*array_record*")
    data = bytearray(records.read_bytes())
    data[len(data) // 2] ^= 0xFF
    records.write_bytes(data)
    line = refused(
        *("datasets", "verify", "tno", f"--data_dir={tmp_path / 'd'}"),
        named=["tno/fusion/1.0.0", "test example", "cannot be read", "--overwrite"],
    )
    assert "mismatch" in line


def test_a_full_disk_is_told_in_one_line(rejects):
    limited = ("sh", "-c", 'ulimit -f 2 && exec "$@"', "sh")
    manual_dir = PICTURES / "tno" / "dummy_data"
    rejects(
        *("prepare", "tno", f"--manual_dir={manual_dir}"),
        named=["cannot write", "--data_dir"],
        process=True,
        prefix=limited,
    )


def test_the_data_folder_is_tfdss(command_line, datasets, tmp_path):
    words = ["datasets", "prepare", "tno", f"--manual_dir={PICTURES / 'tno' / 'dummy_data'}"]
    result = command_line(*words, env={"TFDS_DATA_DIR": str(tmp_path / "d")})
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "d" / "tno" / "fusion" / "1.0.0").is_dir()
    assert "in part: test 2" in datasets("list", "tno")


def test_mistakes_are_named_and_mended(rejects, tmp_path):
    (tmp_path / "empty").mkdir()
    manual_dir = f"--manual_dir={tmp_path / 'empty'}"
    rejects("prepare", "mefb", manual_dir, named=[tmp_path / "empty", "is empty", "100 scenes"])
    rejects("prepare", "mefb", named=["--manual_dir", "input/<scene>/*_A.*"])
    rejects("prepare", "m3df", manual_dir, named=["m3df", "did you mean 'm3fd'"])
    rejects("prepare", "lytro/pears", manual_dir, named=["pears", "did you mean 'pairs'"])
    rejects("prepare", manual_dir, named=["prepare NAME[/CONFIG]"])
    rejects("verify", "tno", named=["tno/fusion is not prepared", "ttd-jax datasets prepare"])
    rejects("verify", "tno", "mefb", named=["verify NAME[/CONFIG]", "2 names"])
    rejects("prepear", "tno", named=["did you mean 'prepare'"])
    rejects(named=["list", "prepare NAME", "verify NAME"])


def test_a_missing_package_is_told_with_its_mend(refused, tmp_path):
    (tmp_path / "array_record.py").write_text("raise ImportError('array_record is not here')")
    refused(
        *("datasets", "list"),
        named=["array_record is not here", "pip install 'ttd-jax[datasets]'"],
        process=True,
        env={"PYTHONPATH": str(tmp_path)},
    )
