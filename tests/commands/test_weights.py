"""`ttd-jax weights`: list, fetch and verify, with the real cards."""

import hashlib
import json
import pathlib
import shutil

import pytest
from absl import flags

import ttd_jax
from tests.weights.file_server import FileServer
from ttd_jax.commands import weights as command
from ttd_jax.errors import UserError
from ttd_jax.networks import NETWORKS
from ttd_jax.weights import catalog
from ttd_jax.weights.store import MANIFEST

(SUM,) = catalog.find("ifcnn_sum")
DIDFUSE = catalog.find("didfuse")


@pytest.fixture
def server():
    with FileServer().running() as running:
        yield running


@pytest.fixture
def weights(tmp_path, capsys):
    """Runs `ttd-jax weights ...` in this process with its own --out; returns what it printed."""

    def run(*words):
        values = flags.FlagValues()
        values.set_gnu_getopt(True)
        command.define_flags(values)
        arguments = values(["weights", f"--out={tmp_path / 'w'}", *map(str, words)])[1:]
        command.run(values, arguments)
        return capsys.readouterr().out

    return run


@pytest.fixture
def mistaken(weights):
    """`ttd-jax weights ...` ends with one line that holds every word of `named`."""

    def check(*words, named):
        with pytest.raises((UserError, flags.Error)) as error:
            weights(*words)
        for word in named:
            assert str(word) in str(error.value)
        assert "\n" not in str(error.value)

    return check


@pytest.fixture
def real_file(shared):
    return shared / "weights" / "ifcnn" / SUM.file


def test_every_network_and_only_one_file_has_each_name():
    known = catalog.known_files()
    assert {row.checkpoint for row in NETWORKS.values()} - {None} <= {k.file for k in known}
    files, models = [k.file for k in known], {k.model for k in known}
    assert len(set(files)) == len(files)
    assert not models & set(files)
    for k in known:
        assert catalog.find(k.file) == (k,)
        assert k in catalog.find(k.model) == catalog.files_of(k.model)
        assert {k.file, *k.beside} == {one.file for one in catalog.files_of(k.model)}


def test_authors_files_are_on_their_cards(shared):
    """Every checkpoint of theirs at hand is recognized, by both hashes where both are known."""
    for name in ("densefuse", "didfuse", "ifcnn", "mufusion", "pfcfuse", "piafusion", "seafusion"):
        files = [f for f in (shared / "weights" / name).iterdir() if f.suffix != ".md"]
        for file in files:
            digests = catalog.digests_of(file)
            known = catalog.recognize(digests)
            assert (known.file, known.size) == (file.name, digests.size)
            assert known.git_blob in (None, digests.git_blob)


def test_the_list_shows_every_file_and_what_is_there(weights, tmp_path):
    lines = weights("list").splitlines()
    assert lines[0].split() == (
        ["file", "model", "project", "bytes", "hash", "license", "fetched", "converted"]
    )
    assert [line.split()[0] for line in lines[1:]] == [k.file for k in catalog.known_files()]
    assert "337,107" in next(line for line in lines if SUM.file in line)
    assert not (tmp_path / "w").exists()
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / SUM.file).write_text("not it")
    rows = {row["file"]: row for row in json.loads(weights("list", "--json"))}
    assert rows[SUM.file]["fetched"] == "WRONG HASH"
    assert rows["IFCNN-MAX.pth"]["fetched"] == "no"
    assert rows[SUM.file]["sha256"] == SUM.sha256


def test_the_real_file_is_fetched_converted_listed_and_verified(
    torch, command_line, weights, server, real_file, tmp_path
):
    server.put(SUM, real_file.read_bytes())
    out = tmp_path / "w"
    environment = {"TTD_JAX_WEIGHTS_URL": server.url, "NO_PROXY": "127.0.0.1"}
    result = command_line("weights", "fetch", "ifcnn_sum", f"--out={out}", env=environment)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    for word in (out / SUM.file, out / "ifcnn_sum", SUM.sha256, "none stated", SUM.citation):
        assert str(word) in result.stdout
    assert server.served == SUM.size
    ttd_jax.load(out / "ifcnn_sum")
    assert sorted(path.name for path in out.iterdir()) == [SUM.file, "ifcnn_sum"]

    assert json.loads(weights("fetch", SUM.file, "--json"))["received"] == 0
    row = next(row for row in json.loads(weights("list", "--json")) if row["file"] == SUM.file)
    assert (row["fetched"], row["converted"]) == ("yes", True)
    for path in (real_file, out / SUM.file, out / "ifcnn_sum"):
        assert "is right" in weights("verify", path)
    manifest = json.loads((out / "ifcnn_sum" / MANIFEST).read_text())
    record = json.loads(weights("verify", out / "ifcnn_sum", "--json"))
    assert record["proof"] == f"sha256 {manifest['sha256']}"
    assert SUM.origin in record["is"]


def test_both_files_of_a_model_are_fetched_listed_and_verified(torch, weights, shared, server):
    for known in DIDFUSE:
        server.put(known, (shared / "weights" / "didfuse" / known.file).read_bytes())
    first, second = (known.file for known in DIDFUSE)
    base_url = f"--base_url={server.url}"
    said = weights("fetch", first, base_url)
    assert f"not converted: didfuse needs {second} as well" in said
    record = json.loads(weights("fetch", "didfuse", base_url, "--json"))
    assert [pathlib.Path(file).name for file in record["files"]] == [first, second]
    assert record["received"] == DIDFUSE[1].size
    rows = [row for row in json.loads(weights("list", "--json")) if row["model"] == "didfuse"]
    assert [(row["file"], row["fetched"]) for row in rows] == [(first, "yes"), (second, "yes")]
    out = pathlib.Path(record["file"]).parent
    for file in (first, second):
        assert f"{file} of DIDFuse, a part of the weights of didfuse" in weights(
            "verify", out / file
        )
    said = weights("verify", out).splitlines()  # the folder of the files
    assert [line.count("is right") for line in said] == [1, 1]
    both = " and ".join(known.origin for known in DIDFUSE)
    assert both in weights("verify", record["weights"])


def test_the_list_is_narrow_enough_to_read(weights):
    lines = weights("list").splitlines()
    assert max(map(len, lines)) <= 130
    for column in ("model", "license"):
        start = lines[0].index(column)
        assert all(line[start - 2 : start] == "  " and line[start] != " " for line in lines)


def test_wrong_bytes_end_in_one_line_with_both_hashes(refused, server, tmp_path):
    wrong = bytes(SUM.size)
    server.put(SUM, wrong)
    refused(
        *("weights", "fetch", SUM.file, f"--out={tmp_path / 'w'}"),
        env={"TTD_JAX_WEIGHTS_URL": server.url, "NO_PROXY": "127.0.0.1"},
        named=[SUM.url(server.url), SUM.sha256, hashlib.sha256(wrong).hexdigest()],
    )
    assert not (tmp_path / "w").exists()


def test_the_flag_wins_over_the_environment(weights, monkeypatch):
    monkeypatch.setenv("TTD_JAX_WEIGHTS_URL", "http://a")
    urls = [
        json.loads(weights("list", "--json", *more))[0]["url"]
        for more in ([], ["--base_url=http://b"])
    ]
    assert [url.split("/")[2] for url in urls] == ["a", "b"]


def test_files_that_are_not_what_they_are_called_are_refused(mistaken, shared, tmp_path):
    path = tmp_path / SUM.file
    path.write_bytes(b"not it")
    digest = hashlib.sha256(b"not it").hexdigest()
    mistaken("verify", path, named=[path, "is not", SUM.sha256, digest])
    other = path.rename(tmp_path / "mine.pth")
    mistaken("verify", other, named=[other, "not a known file", digest])
    swapped = tmp_path / "IFCNN-MAX.pth"
    shutil.copy(shared / "weights/ifcnn" / SUM.file, swapped)
    mistaken("verify", swapped, named=[swapped, "is not IFCNN-MAX.pth", SUM.sha256])
    mistaken("verify", tmp_path / "none", named=["none", "no such file"])


def test_model_directories_that_do_not_match_their_manifest_are_refused(
    mistaken, weights, random_weights, tmp_path
):
    assert "an unknown file" in weights("verify", random_weights)

    def damage(name, **changes):
        folder = shutil.copytree(random_weights, tmp_path / name)
        manifest = json.loads((folder / MANIFEST).read_text())
        (folder / MANIFEST).write_text(json.dumps({**manifest, **changes}))
        return folder

    folder = damage("hash", sha256="0" * 64)
    mistaken("verify", folder, named=[folder, "do not match their manifest"])
    folder = damage("model", model="dreamfuse")
    mistaken("verify", folder, named=[folder, "'dreamfuse'"])
    folder = damage("settings", settings={"sharpness": 3})
    mistaken("verify", folder, named=[folder, "settings"])
    (tmp_path / "empty").mkdir()
    mistaken("verify", tmp_path / "empty", named=["empty", "no weights here"])


def test_the_weights_of_this_package_are_verified_by_their_name(weights):
    assert weights("verify", "shipped/ifcnn_sum").startswith("shipped/ifcnn_sum: weights of ifcnn")


def test_missing_weights_are_told_where_they_can_be_had(mistaken, refused, tmp_path):
    (tmp_path / "yolox_nano").mkdir()
    near = ["`ttd-jax weights fetch yolox_nano`", "`ttd-jax convert`", "shipped/ifcnn_sum"]
    mistaken("verify", tmp_path / "yolox_nano", named=near)
    refused("fuse", "--out=out", "a", "b", named=["--weights is missing", *near[1:]])


def test_mistakes_are_named_and_mended(mistaken, tmp_path):
    mistaken("fetch", "IFCNN_SUN", named=["IFCNN_SUN", "did you mean 'ifcnn_sum'"])
    mistaken("fetch", "ifcnn-sum.pt", named=["did you mean 'IFCNN-SUM.pth'"])
    mistaken("fetsh", named=["did you mean 'fetch'"])
    mistaken(named=["list", "fetch NAME", "verify PATH"])
    mistaken("fetch", named=["fetch NAME"])
    mistaken("list", "ifcnn_sum", named=["unexpected", "ifcnn_sum"])
    for flag in ("--timeout=0", "--retries=-1", "--base_url=ftp://x"):
        mistaken("fetch", "ifcnn_sum", flag, named=[flag.split("=")[0][2:]])
    assert not (tmp_path / "w").exists()
