"""`ttd-jax weights`: list, fetch and verify, with the real cards."""

import hashlib
import json
import shutil

import pytest

import ttd_jax
from tests.checkpoints.file_server import FileServer
from ttd_jax.backbones import NETWORKS
from ttd_jax.checkpoints import catalogue
from ttd_jax.checkpoints.store import MANIFEST

SUM = catalogue.find("ifcnn_sum")


@pytest.fixture
def server():
    with FileServer().running() as running:
        yield running


@pytest.fixture
def here(server):
    """An environment whose weights come from the loopback server."""
    return {"TTD_JAX_WEIGHTS_URL": server.url, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


@pytest.fixture
def weights(command_line, here, tmp_path):
    """Runs `ttd-jax weights ...` with its own --out; returns what it printed."""

    def run(*words):
        result = command_line("weights", *words, f"--out={tmp_path / 'w'}", env=here)
        assert result.returncode == 0, result.stderr
        assert result.stderr == ""
        return result.stdout

    return run


@pytest.fixture
def real_file(shared):
    return shared / "weights" / "ifcnn" / SUM.file


def test_every_network_and_only_one_file_has_each_name():
    known = catalogue.known_files()
    assert {row.checkpoint for row in NETWORKS.values()} <= {k.file for k in known}
    for field in ("file", "model"):
        values = [getattr(k, field) for k in known]
        assert len(set(values)) == len(values)
    for k in known:
        assert catalogue.find(k.file) == catalogue.find(k.model) == k


def test_the_list_shows_every_file_and_what_is_there(weights, tmp_path):
    lines = weights("list").splitlines()
    assert lines[0].split() == (
        ["file", "model", "project", "bytes", "hash", "licence", "fetched", "converted"]
    )
    assert [line.split()[0] for line in lines[1:]] == [k.file for k in catalogue.known_files()]
    assert "337,107" in next(line for line in lines if SUM.file in line)
    assert not (tmp_path / "w").exists()
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / SUM.file).write_text("not it")
    rows = {row["file"]: row for row in json.loads(weights("list", "--json"))}
    assert rows[SUM.file]["fetched"] == "WRONG HASH"
    assert rows["IFCNN-MAX.pth"]["fetched"] == "no"
    assert rows[SUM.file]["sha256"] == SUM.sha256


def test_the_real_file_is_fetched_converted_listed_and_verified(
    weights, refused, server, here, real_file, tmp_path
):
    server.put(SUM, real_file.read_bytes())
    out = tmp_path / "w"
    said = weights("fetch", "ifcnn_sum")
    for word in (out / SUM.file, out / "ifcnn_sum", SUM.sha256, "none stated", SUM.citation):
        assert str(word) in said
    assert server.served == SUM.size
    ttd_jax.load_model("ifcnn_sum", out / "ifcnn_sum")
    assert sorted(path.name for path in out.iterdir()) == [SUM.file, "ifcnn_sum"]

    record = json.loads(weights("fetch", SUM.file, "--json"))
    assert record["received"] == 0
    assert server.served == SUM.size

    row = next(row for row in json.loads(weights("list", "--json")) if row["file"] == SUM.file)
    assert (row["fetched"], row["converted"]) == ("yes", True)

    for path in (real_file, out / SUM.file, out / "ifcnn_sum"):
        assert "is right" in weights("verify", path)
    manifest = out / "ifcnn_sum" / MANIFEST
    record = json.loads(weights("verify", out / "ifcnn_sum", "--json"))
    assert record["proof"].split()[1] == json.loads(manifest.read_text())["sha256"]
    assert SUM.origin in record["is"]


def test_wrong_bytes_end_in_one_line_with_both_hashes(refused, server, here, tmp_path):
    wrong = bytes(SUM.size)
    server.put(SUM, wrong)
    refused(
        *("weights", "fetch", SUM.file, f"--out={tmp_path / 'w'}"),
        env=here,
        named=[SUM.url(server.url), SUM.sha256, hashlib.sha256(wrong).hexdigest()],
    )
    assert not (tmp_path / "w").exists()


def test_files_that_are_not_what_they_are_called_are_refused(refused, tmp_path):
    path = tmp_path / SUM.file
    path.write_bytes(b"not it")
    digest = hashlib.sha256(b"not it").hexdigest()
    refused("weights", "verify", path, named=[path, "is not", SUM.sha256, digest])
    other = path.rename(tmp_path / "mine.pth")
    refused("weights", "verify", other, named=[other, "not a known file", digest])
    refused("weights", "verify", tmp_path / "none", named=["none", "no such file"])


def test_model_directories_that_do_not_match_their_manifest_are_refused(
    refused, weights, random_weights, tmp_path
):
    assert "an unknown file" in weights("verify", random_weights)

    def damage(name, **changes):
        folder = shutil.copytree(random_weights, tmp_path / name)
        manifest = json.loads((folder / MANIFEST).read_text())
        (folder / MANIFEST).write_text(json.dumps({**manifest, **changes}))
        return folder

    folder = damage("hash", sha256="0" * 64)
    refused("weights", "verify", folder, named=[folder, "do not match their manifest"])
    folder = damage("model", model="dreamfuse")
    refused("weights", "verify", folder, named=[folder, "'dreamfuse'"])
    folder = damage("settings", settings={"sharpness": 3})
    refused("weights", "verify", folder, named=[folder, "settings"])
    (tmp_path / "empty").mkdir()
    refused("weights", "verify", tmp_path / "empty", named=["empty", "no weights here"])


def test_mistakes_are_named_and_mended(refused, tmp_path):
    refused("weights", "fetch", "IFCNN_SUN", named=["IFCNN_SUN", "did you mean 'ifcnn_sum'"])
    refused("weights", "fetch", "ifcnn-sum.pt", named=["did you mean 'IFCNN-SUM.pth'"])
    refused("weights", "fetsh", named=["did you mean 'fetch'"])
    refused("weights", named=["list", "fetch NAME", "verify PATH"])
    refused("weights", "fetch", named=["fetch NAME"])
    refused("weights", "list", "ifcnn_sum", named=["unexpected", "ifcnn_sum"])
    for flag in ("--timeout=0", "--retries=-1", "--base_url=ftp://x"):
        refused("weights", "fetch", "ifcnn_sum", f"--out={tmp_path / 'w'}", flag, named=[flag[2:9]])
    assert not (tmp_path / "w").exists()
