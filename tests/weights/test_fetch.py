"""Fetching known files from servers good and bad: the proven file, or one line and no harm."""

import dataclasses
import hashlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading

import numpy as np
import pytest

import ttd_jax
from tests.weights.file_server import Answer, FileServer
from ttd_jax.errors import UserError
from ttd_jax.networks import lookup
from ttd_jax.weights import catalog, download, store
from ttd_jax.weights.convert import convert_checkpoint
from ttd_jax.weights.download import Transfer
from ttd_jax.weights.fetch import fetch, part_of

torch = pytest.importorskip("torch")

DATA = np.random.default_rng(0).bytes(300_000)
OTHER = DATA[:1000] + b"?" + DATA[1001:]
HALF = 150_000
KNOWN = catalog.KnownFile(
    file="x.pth",
    path="some folder/x.pth",
    model="of no network",
    project="Project",
    repository="owner/name",
    commit="0" * 40,
    license="none stated",
    citation="Somebody. Something. 2020.",
    size=len(DATA),
    sha256=hashlib.sha256(DATA).hexdigest(),
)


def git_blob_id(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


# As for the cards that hold no more than git's tree does.
BLOB_ONLY = dataclasses.replace(KNOWN, size=None, sha256=None, git_blob=git_blob_id(DATA))
either = pytest.mark.parametrize("known", [KNOWN, BLOB_ONLY], ids=["sha256", "git blob"])


@pytest.fixture(autouse=True)
def direct(monkeypatch):
    """No proxy of this machine stands between."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server():
    with FileServer().running() as running:
        running.put(KNOWN, DATA)
        yield running


@pytest.fixture
def get(server, tmp_path):
    """`get(known)` fetches from the server to `tmp_path/w`."""

    def run(known=KNOWN, *, base_url=server.url, **options):
        settings = {"timeout": 5, "retries": 2, "backoff": 0, **options}
        return fetch([known], tmp_path / "w", Transfer(base_url=base_url, **settings))

    return run


@pytest.fixture
def fails(get, tmp_path):
    """The fetch ends with one line holding every word of `named`, and no file in place."""

    def check(*words, named=(), **options):
        with pytest.raises(UserError) as error:
            get(*words, **options)
        message = str(error.value)
        assert "\n" not in message
        for word in named:
            assert str(word) in message
        assert not (tmp_path / "w" / "x.pth").exists()
        return message

    return check


def names(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def whole(folder):
    """The proven file is there and nothing else."""
    assert names(folder) == ["x.pth"]
    assert (folder / "x.pth").read_bytes() == DATA


def ranges(server):
    return [headers.get("Range") for _, headers in server.requests]


# Good servers ---------------------------------------------------------------------------------


@either
def test_a_file_is_proven_and_put_in_place(get, server, tmp_path, known):
    got = get(known)
    whole(tmp_path / "w")
    assert (got.files, got.weights) == ({tmp_path / "w" / "x.pth": len(DATA)}, None)
    assert server.requests[0][0] == f"/owner/name/{'0' * 40}/some%20folder/x.pth"


def test_a_proven_file_is_not_downloaded_again(get, server, tmp_path):
    get()
    assert get().received == 0
    assert len(server.requests) == 1
    whole(tmp_path / "w")


def test_a_file_of_the_same_name_is_refused_and_left_alone(fails, get, server, tmp_path):
    mine = tmp_path / "w" / "x.pth"
    mine.parent.mkdir()
    mine.write_bytes(OTHER)
    with pytest.raises(UserError) as error:
        get()
    for word in (mine, KNOWN.sha256, hashlib.sha256(OTHER).hexdigest()):
        assert str(word) in str(error.value)
    assert mine.read_bytes() == OTHER
    assert server.requests == []


def test_redirects_are_followed_with_the_range(get, server, tmp_path):
    there = f"{server.url}/owner/name/{'0' * 40}/some%20folder/x.pth"
    server.answers = [Answer(stop_after=HALF), Answer(location=there)]
    get()
    whole(tmp_path / "w")
    assert ranges(server) == [None, f"bytes={HALF}-", f"bytes={HALF}-"]


def test_proxy_variables_are_honored(get, server, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("no_proxy", "")
    get(base_url="http://weights.invalid")
    assert server.requests[0][0].startswith("http://weights.invalid/")


def test_a_file_without_a_known_hash_cannot_be_on_a_card():
    with pytest.raises(ValueError, match="neither"):
        dataclasses.replace(KNOWN, sha256=None)


# Stopped downloads ----------------------------------------------------------------------------


@either
def test_a_dropped_connection_is_resumed_at_its_offset(get, server, tmp_path, known):
    server.answers = [Answer(stop_after=HALF), Answer(stop_after=100)]
    got = get(known)
    whole(tmp_path / "w")
    assert ranges(server) == [None, f"bytes={HALF}-", f"bytes={HALF + 100}-"]
    assert server.served == got.received == len(DATA)


@either
def test_the_next_run_goes_on_where_the_last_one_stopped(get, fails, server, tmp_path, known):
    server.answers = [Answer(stop_after=HALF)]
    part = part_of(known, tmp_path / "w")
    fails(known, retries=0, named=[server.url, f"{HALF} bytes are kept in {part}"])
    assert part.read_bytes() == DATA[:HALF]
    server.served = 0
    assert get(known).received == server.served == len(DATA) - HALF
    whole(tmp_path / "w")


def test_a_stalled_server_is_given_up_and_resumed(get, server, tmp_path):
    server.answers = [Answer(stall_after=HALF)]
    get(timeout=2)
    whole(tmp_path / "w")
    assert server.served == len(DATA)


def test_servers_that_only_stall_or_drop_end_the_tries(fails, server, tmp_path):
    server.answers = [Answer(stall_after=0)] * 2
    fails(timeout=0.5, retries=1, named=["--timeout", "tries: 2", "nothing is kept"])
    server.answers = [Answer(stop_after=10)] * 3
    fails(named=["broke off at 30 of 300000", "tries: 3"])


def test_a_server_that_ignores_ranges_starts_over(get, server, tmp_path):
    server.answers = [Answer(stop_after=HALF), Answer(ranges=False)]
    assert get().received == HALF + len(DATA)
    whole(tmp_path / "w")
    assert ranges(server) == [None, f"bytes={HALF}-"]


def test_another_version_on_the_server_is_not_glued_on(get, server, tmp_path):
    def update():
        server.etag = '"two"'
        server.put(KNOWN, DATA)

    server.etag = '"one"'
    server.put(KNOWN, OTHER)
    server.answers = [Answer(stop_after=HALF, then=update)]
    assert get().received == HALF + len(DATA)
    whole(tmp_path / "w")
    assert server.requests[1][1]["If-Range"] == '"one"'
    assert len(server.requests) == 2  # not found out by the hash of a mixture


def test_a_weak_version_tag_is_not_sent(get, server, tmp_path):
    server.etag = 'W/"one"'
    server.answers = [Answer(stop_after=HALF)]
    get()
    assert "If-Range" not in server.requests[1][1]
    whole(tmp_path / "w")


@either
def test_a_wrong_beginning_is_dropped_and_all_is_fetched_anew(get, server, tmp_path, known):
    part = part_of(known, tmp_path / "w")
    part.parent.mkdir(parents=True)
    part.write_bytes(OTHER[:HALF])
    assert get(known).received == len(DATA) - HALF + len(DATA)
    whole(tmp_path / "w")


@either
def test_a_part_that_is_whole_already_needs_no_more_bytes(get, server, tmp_path, known):
    part = part_of(known, tmp_path / "w")
    part.parent.mkdir(parents=True)
    part.write_bytes(DATA)
    assert get(known).received == server.served == 0
    whole(tmp_path / "w")


@either
def test_a_part_that_is_too_long_is_fetched_anew(get, server, tmp_path, known):
    part = part_of(known, tmp_path / "w")
    part.parent.mkdir(parents=True)
    part.write_bytes(DATA + b"more")
    assert get(known).received == len(DATA)
    whole(tmp_path / "w")


def test_ranges_that_were_not_asked_for_are_not_believed(get, server, tmp_path):
    for said in ("bytes 7-299999/300000", "nonsense"):
        server.answers = [Answer(stop_after=HALF), Answer(content_range=said)]
        get()
        whole(tmp_path / "w")
        (tmp_path / "w" / "x.pth").unlink()


# Wrong files ----------------------------------------------------------------------------------


def test_wrong_bytes_name_both_hashes_and_remove_only_the_part(fails, server, tmp_path):
    server.put(KNOWN, OTHER)
    (tmp_path / "w" / ".download").mkdir(parents=True)
    mine = [tmp_path / "w" / "mine.pth", tmp_path / "w" / ".download" / "y.pth.part"]
    for path in mine:
        path.write_bytes(b"mine")
    fails(named=[server.url, KNOWN.sha256, hashlib.sha256(OTHER).hexdigest()])
    assert len(server.requests) == 1  # more of the same would not help
    assert names(tmp_path / "w") == [".download", ".download/y.pth.part", "mine.pth"]
    assert all(path.read_bytes() == b"mine" for path in mine)


def test_wrong_bytes_are_found_by_gits_hash_too(fails, server, tmp_path):
    server.put(KNOWN, OTHER)
    fails(BLOB_ONLY, named=[BLOB_ONLY.git_blob, git_blob_id(OTHER)])
    assert not (tmp_path / "w").exists()


def test_another_size_is_refused_before_a_byte_is_taken(fails, server, tmp_path):
    for length in (200_000, 400_000):
        server.answers = [Answer(length=length)]
        fails(named=[server.url, "300000", length])
    assert not (tmp_path / "w").exists()


def test_a_wrong_length_of_a_file_of_unknown_size(get, fails, server, tmp_path):
    server.answers = [Answer(length=400_000)]  # the rest that it promises is asked for
    get(BLOB_ONLY)
    whole(tmp_path / "w")
    assert server.served == len(DATA)
    (tmp_path / "w" / "x.pth").unlink()
    server.answers = [Answer(length=200_000)]
    fails(BLOB_ONLY, named=[BLOB_ONLY.git_blob])


@either
def test_chunks_are_put_together_and_resumed(get, server, tmp_path, known):
    server.answers = [Answer(chunked=True, stop_after=HALF), Answer(chunked=True)]
    get(known)
    whole(tmp_path / "w")
    assert ranges(server) == [None, f"bytes={HALF}-"]
    assert server.served == len(DATA)


@either
def test_no_length_at_all_is_fine(get, server, tmp_path, known):
    server.answers = [Answer(length=0)]
    get(known)
    whole(tmp_path / "w")


def test_a_file_without_end_is_cut_off(fails, server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "_LIMIT", 100_000)
    server.answers = [Answer(length=0)]
    fails(BLOB_ONLY, named=[BLOB_ONLY.git_blob])
    assert not (tmp_path / "w").exists()


# Servers in trouble, and none -----------------------------------------------------------------


def test_a_missing_file_names_the_address(fails, server, tmp_path):
    server.files.clear()
    fails(named=[KNOWN.url(server.url), "404"])
    assert len(server.requests) == 1
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_servers_own_trouble_may_pass(get, server, tmp_path, status):
    server.answers = [Answer(status=status), Answer(status=status)]
    get()
    whole(tmp_path / "w")


def test_a_servers_own_trouble_that_stays_is_told(fails, server, tmp_path):
    server.answers = [Answer(status=503)] * 3
    fails(named=[server.url, "503", "tries: 3"])
    assert not (tmp_path / "w").exists()


def test_an_unexplained_416_starts_over(get, server, tmp_path):
    server.answers = [Answer(stop_after=HALF), Answer(status=416)]
    assert get().received == HALF + len(DATA)
    whole(tmp_path / "w")


def test_redirects_in_a_circle_and_to_this_machine_are_refused(fails, server, tmp_path):
    server.answers = [Answer(location=KNOWN.url(server.url))] * 12
    fails(named=[server.url, "302", "infinite loop"])
    secret = tmp_path / "secret"
    secret.write_bytes(DATA)
    server.answers = [Answer(location=secret.as_uri())]
    fails(named=[server.url, "302", "not allowed"])


def test_a_refused_connection_is_told(fails, tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        base_url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        fails(base_url=base_url, named=[base_url, "Connection refused", "proxy"])
    assert not (tmp_path / "w").exists()


def test_a_host_that_is_not_found_is_told(fails, tmp_path, monkeypatch):
    def lookup(*args, **kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    fails(base_url="http://weights.invalid", named=["weights.invalid", "host is not found"])
    assert not (tmp_path / "w").exists()


def test_an_untrusted_certificate_is_told_at_once(fails, tmp_path, monkeypatch):
    def distrust(*args, **kwargs):
        error = ssl.SSLCertVerificationError(1, "certificate verify failed")
        error.verify_message = "self-signed certificate"
        tries.append(error)
        raise error

    tries = []
    monkeypatch.setattr(socket, "create_connection", distrust)
    fails(base_url="https://weights.invalid", named=["self-signed", "SSL_CERT_FILE"])
    assert len(tries) == 1


@pytest.mark.parametrize(
    "base_url",
    ["weights", "file:///tmp", "http://", "http://a:b", "http://me:secret@a", "http://a/?x=1"],
)
def test_unusable_servers_are_refused(base_url):
    with pytest.raises(UserError, match="--base_url"):
        Transfer(base_url=base_url)


def test_hosts_that_are_no_names_are_refused(fails):
    fails(base_url=f"http://{'a' * 70}.org", named=["address", "--base_url"])
    fails(base_url="http://127.0.0.1/a b", named=["address", "--base_url"])


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_timeouts_are_positive_and_finite(timeout):
    with pytest.raises(UserError, match="--timeout"):
        Transfer(timeout=timeout)


# The disk, and interruptions ------------------------------------------------------------------


def test_folders_that_cannot_be_are_told(tmp_path):
    (tmp_path / "file").write_text("x")
    for out, said in ((tmp_path / "file", "is a file"), (tmp_path / "file" / "w", "cannot write")):
        with pytest.raises(UserError, match=said) as error:
            fetch([KNOWN], out, Transfer())
        assert str(out) in str(error.value)
    assert (tmp_path / "file").read_text() == "x"


CHILD = """
import json, sys
from ttd_jax.weights import catalog
known = catalog.KnownFile(**json.loads(sys.argv.pop(1)))
catalog.known_files = lambda: (known,)
from ttd_jax.main import entry
entry()
"""


@pytest.fixture
def start(server, tmp_path):
    """Starts `ttd-jax weights fetch x.pth` in a process of its own, which knows `KNOWN`."""

    def run(prefix=()):
        card = json.dumps(dataclasses.asdict(KNOWN))
        words = ["weights", "fetch", "x.pth", f"--out={tmp_path / 'w'}", "--retries=0"]
        return subprocess.Popen(
            [*prefix, sys.executable, "-c", CHILD, card, *words, f"--base_url={server.url}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "no_proxy": "127.0.0.1"},
        )

    return run


def stopped_by(process):
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 2, stderr
    assert stdout == ""
    assert len(stderr.splitlines()) == 1, stderr
    return stderr


# SIGTERM ends like Ctrl-C, and is not ignored where tests run in the background.
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_download_is_resumed(start, get, server, tmp_path, how):
    server.answers = [Answer(stall_after=HALF)]
    process = start()
    part = part_of(KNOWN, tmp_path / "w")
    wait_for(lambda: part.is_file() and part.stat().st_size == HALF)
    process.send_signal(how)
    if how == signal.SIGKILL:
        process.communicate(timeout=60)
    else:
        assert f"interrupted: {HALF} bytes are kept in {part}" in stopped_by(process)
    assert not (tmp_path / "w" / "x.pth").exists()
    server.served = 0
    assert get().received == server.served == len(DATA) - HALF
    whole(tmp_path / "w")


def test_a_full_disk_keeps_what_fits_for_the_next_run(start, get, server, tmp_path):
    # No file may grow beyond some blocks: what a full disk does, without one.
    stderr = stopped_by(start(prefix=("sh", "-c", 'ulimit -f 200 && exec "$@"', "sh")))
    part = part_of(KNOWN, tmp_path / "w")
    for word in (part, "full", "free some space"):
        assert str(word) in stderr
    kept = part.stat().st_size
    assert part.read_bytes() == DATA[:kept]
    assert get().received == len(DATA) - kept
    whole(tmp_path / "w")


def test_two_fetches_at_once_download_the_file_once(get, server, tmp_path, capsys):
    entered, go_on = threading.Event(), threading.Event()

    def wait():
        entered.set()
        assert go_on.wait(30)

    server.answers = [Answer(then=wait, stop_after=HALF)]
    results = []
    threads = [threading.Thread(target=lambda: results.append(get())) for _ in range(2)]
    threads[0].start()
    assert entered.wait(30)
    threads[1].start()
    wait_for(lambda: "waiting for another run" in capsys.readouterr().err)
    go_on.set()
    for thread in threads:
        thread.join(30)
    assert sorted(got.received for got in results) == [0, len(DATA)]
    whole(tmp_path / "w")


def wait_for(condition):
    pause = threading.Event()
    for _ in range(3000):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("it did not come to pass")


# Conversion -----------------------------------------------------------------------------------


@pytest.fixture
def checkpoint(server, tmp_path):
    """A known file that holds random weights of IFCNN-SUM."""
    return publish(server, tmp_path, seed=0)


def publish(server, tmp_path, seed):
    row = lookup("ifcnn_sum")
    generator = np.random.default_rng(seed)
    shapes, tensors = row.shapes(), {}
    for key, target in row.layout.table.items():
        shape = shapes[target.path].shape
        if len(shape) > 1:  # HWIO and IO back to OIHW
            shape = (shape[-1], shape[-2], *(shape[:2] if len(shape) == 4 else (1, 1)))
        tensors[key] = torch.from_numpy(generator.standard_normal(shape, np.float32))
    torch.save(tensors, tmp_path / "made.pth")
    data = (tmp_path / "made.pth").read_bytes()
    known = dataclasses.replace(
        KNOWN, model=row.name, size=len(data), sha256=hashlib.sha256(data).hexdigest()
    )
    server.put(known, data)
    return known


def test_a_fetched_network_is_converted_and_kept(get, checkpoint, server, tmp_path):
    got = get(checkpoint)
    assert got.weights == tmp_path / "w" / "ifcnn_sum"
    ttd_jax.load(got.weights)
    manifest = store.read_manifest(got.weights)
    assert manifest["source"]["sha256"] == checkpoint.sha256
    before = (got.weights / store.MANIFEST).stat().st_mtime_ns
    again = get(checkpoint)
    assert again.weights == got.weights
    assert "made from it, and is kept" in again.remarks[0]
    assert (got.weights / store.MANIFEST).stat().st_mtime_ns == before


def test_weights_of_another_file_are_replaced_only_on_demand(get, server, tmp_path):
    out = tmp_path / "w"
    get(publish(server, tmp_path, seed=1))
    (out / "x.pth").unlink()
    known = publish(server, tmp_path, seed=2)
    assert "made from another file, and is kept" in get(known).remarks[0]
    assert store.read_manifest(out / "ifcnn_sum")["source"]["sha256"] != known.sha256
    fetch([known], out, Transfer(base_url=server.url), overwrite=True)
    assert store.read_manifest(out / "ifcnn_sum")["source"]["sha256"] == known.sha256


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_that_is_no_model_directory_is_left_alone(checkpoint, server, tmp_path, overwrite):
    mine = tmp_path / "w" / "ifcnn_sum" / "thesis.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(UserError, match="is not a model directory"):
        fetch([checkpoint], tmp_path / "w", Transfer(base_url=server.url), overwrite=overwrite)
    assert names(tmp_path / "w") == ["ifcnn_sum", "ifcnn_sum/thesis.txt", "x.pth"]
    assert mine.read_text() == "mine"


def test_without_torch_the_proven_file_stays(get, checkpoint, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "torch", None)
        got = get(checkpoint)
    assert got.weights is None
    assert "pip install 'ttd-jax[convert]'" in got.remarks[0]
    assert names(tmp_path / "w") == ["x.pth"]
    again = get(checkpoint)  # torch is there now
    assert again.received == 0
    assert again.weights.is_dir()


def test_damaged_weights_are_not_kept_but_replaced_on_demand(get, checkpoint, server, tmp_path):
    weights = get(checkpoint).weights
    shutil.rmtree(weights / store.ARRAYS)
    with pytest.raises(UserError, match=r"ifcnn_sum: .*damaged.*--overwrite"):
        get(checkpoint)
    (weights / "mine.png").write_bytes(b"mine")
    transfer = Transfer(base_url=server.url)
    with pytest.raises(UserError, match=r"more than weights \(mine\.png\)"):
        fetch([checkpoint], tmp_path / "w", transfer, overwrite=True)
    (weights / "mine.png").unlink()
    (weights / store.MANIFEST).write_text("{")
    fetch([checkpoint], tmp_path / "w", transfer, overwrite=True)
    ttd_jax.load(weights)


# Several files of one model -------------------------------------------------------------------


@pytest.fixture
def pair(server, tmp_path, monkeypatch):
    """Two known files that hold random weights of IFCNN-SUM together."""
    publish(server, tmp_path, seed=0)
    tensors = list(torch.load(tmp_path / "made.pth", weights_only=True).items())
    made = []
    for name, part in (("a.pkl", tensors[:4]), ("b.pkl", tensors[4:])):
        torch.save({"weight": dict(part), "epoch": 120}, tmp_path / "made.pth")
        data = (tmp_path / "made.pth").read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        fields = {"file": name, "path": f"Models/{name}", "size": len(data), "sha256": sha256}
        made.append(dataclasses.replace(KNOWN, model="ifcnn_sum", **fields))
        server.put(made[-1], data)
    known = [
        dataclasses.replace(one, beside=(other.file,))
        for one, other in zip(made, reversed(made), strict=True)
    ]
    monkeypatch.setattr(catalog, "known_files", lambda: tuple(known))
    return known


def test_files_of_a_model_are_fetched_together_and_converted_once(pair, server, tmp_path):
    out, transfer = tmp_path / "w", Transfer(base_url=server.url)
    got = fetch(pair, out, transfer)
    assert got.files == {out / one.file: one.size for one in pair}
    assert got.received == server.served == sum(one.size for one in pair)
    assert names(out)[:3] == ["a.pkl", "b.pkl", "ifcnn_sum"]
    source = store.read_manifest(got.weights)["source"]
    expected = [{"file": one.file, "sha256": one.sha256, "known_as": one.origin} for one in pair]
    assert source == {"files": expected, "license": "none stated"}
    again = fetch(pair, out, transfer)
    assert (again.received, again.weights) == (0, got.weights)
    assert "made from them, and is kept" in again.remarks[0]
    ttd_jax.load(got.weights)


def test_a_file_of_a_model_says_what_is_missing(get, pair, server, tmp_path):
    first, second = pair
    got = get(first)
    assert got.weights is None
    (remark,) = got.remarks
    assert "ifcnn_sum needs b.pkl as well" in remark
    assert "`ttd-jax weights fetch ifcnn_sum`" in remark
    assert names(tmp_path / "w") == ["a.pkl"]
    with pytest.raises(UserError, match=r"a\.pkl: is only a part of ifcnn_sum: .* b\.pkl: `ttd"):
        convert_checkpoint(lookup("ifcnn_sum"), tmp_path / "w" / "a.pkl")
    assert get(second).weights == tmp_path / "w" / "ifcnn_sum"


def test_a_stopped_fetch_of_several_files_goes_on_where_it_was(get, pair, server, tmp_path):
    server.answers = [Answer(), Answer(stop_after=1000), Answer(status=404)]
    with pytest.raises(UserError, match=r"b\.pkl: 404"):
        fetch(pair, tmp_path / "w", Transfer(base_url=server.url, retries=1, backoff=0))
    assert names(tmp_path / "w") == [".download", ".download/b.pkl.part", "a.pkl"]
    got = fetch(pair, tmp_path / "w", Transfer(base_url=server.url))
    assert got.received == pair[1].size - 1000
    assert got.weights.is_dir()


def test_a_wrong_file_beside_is_not_converted(get, pair, tmp_path):
    first, second = pair
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / second.file).write_bytes(b"mine")
    with pytest.raises(UserError, match=r"b\.pkl: is not b\.pkl of Project: .* left alone"):
        get(first)
    assert names(tmp_path / "w") == ["a.pkl", "b.pkl"]
