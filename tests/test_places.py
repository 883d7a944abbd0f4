"""Paths and URLs: one interface, and one line for whatever a store says."""

import http.server
import pathlib
import pickle
import subprocess
import sys
import threading

import pytest

from tests import object_stores
from ttd_jax import places
from ttd_jax.errors import UserError
from ttd_jax.files import append_lines, read_json, read_json_lines, write_whole
from ttd_jax.folders import MARK, alone
from ttd_jax.places import is_url, local, on_disk, place, resolved


@pytest.fixture
def memory():
    """An empty place in a store that is only this process's."""
    found = place("memory://box/runs")
    found.rmtree()
    yield found
    found.rmtree()


@pytest.fixture(scope="module", params=object_stores.KINDS)
def bucket(request):
    with object_stores.served(request.param):
        yield object_stores.make_bucket(request.param, "box")


def test_paths_stay_paths_and_urls_become_places(tmp_path):
    assert place(str(tmp_path)) == place(tmp_path) == tmp_path
    assert isinstance(place("out"), pathlib.Path)
    assert on_disk(tmp_path)
    assert resolved(tmp_path / "x" / "..") == str(tmp_path.resolve())
    remote = place("memory://box/a/b.png")
    assert place(remote) == remote
    assert not on_disk(remote)
    assert resolved(remote) == str(remote) == "memory://box/a/b.png"
    assert not is_url("a/b://c")
    assert (remote.parent / "b.png", remote.stem, remote.suffix) == (remote, "b", ".png")
    assert str(remote.relative_to(place("memory://box"))) == "a/b.png"
    assert pickle.loads(pickle.dumps(remote)) == remote


@pytest.mark.parametrize("url", ["MEMORY://box/a", "memory:/box/a", "Memory:///box//a/"])
def test_a_url_in_capitals_or_with_one_slash_is_the_same_place(url):
    assert is_url(url)
    assert place(url) == place(pathlib.PurePosixPath(url)) == place("memory://box/a")
    assert str(place(url)) == "memory://box/a"


def test_a_path_imports_no_client_of_a_store():
    code = (
        "import sys; from ttd_jax.places import place; place('out'); print('fsspec' in sys.modules)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert printed == "False\n"


def test_a_store_reads_and_lists_what_was_written(bucket):
    one, two = bucket / "a b" / "é" / "1.png", bucket / "a b" / "2"
    one.write_bytes(b"one")
    two.write_bytes(b"")
    assert (one.read_bytes(), two.read_bytes(), one.size()) == (b"one", b"", 3)
    assert (one.is_file(), one.is_dir(), one.exists()) == (True, False, True)
    assert (one.parent.is_file(), one.parent.is_dir(), one.parent.exists()) == (False, True, True)
    assert not (one.parent / "1").exists()
    assert set((bucket / "a b").iterdir()) == {one.parent, two}
    assert list((bucket / "nothing").iterdir()) == list((bucket / "nothing").glob("*")) == []
    assert list(one.parent.glob("*.png")) == [one]
    assert bucket.files() == [two, one]
    with pytest.raises(FileNotFoundError):
        (bucket / "c").read_bytes()
    with pytest.raises(FileNotFoundError):
        (bucket / "c").unlink() or (bucket / "c").read_bytes()  # S3 does not say
    (bucket / "c").unlink(missing_ok=True)
    (bucket / "a b").rmtree()
    assert not (bucket / "a b").exists()


@pytest.mark.parametrize("data", [b"a\r", b"\r", b"a\r\n", b"\n", b"", b"\na", bytes(range(256))])
def test_bytes_come_back_as_they_are(bucket, data):
    (bucket / "bytes").write_bytes(data)
    assert (bucket / "bytes").read_bytes() == data


def test_a_folder_whose_name_looks_like_a_pattern_is_removed_alone(bucket):
    names = ["run1", "run2", "run[12]", "run*", "ru?1", "[[]"]
    for name in names:
        (bucket / "patterns" / name / "x").write_bytes(b"")
    for name in names[2:]:
        (bucket / "patterns" / name).rmtree()
    left = bucket / "patterns"
    assert left.files() == [left / "run1" / "x", left / "run2" / "x"]
    left.rmtree()


def test_an_object_and_a_folder_of_one_name_are_listed_once(bucket):
    both = bucket / "both" / "x.png"
    both.write_bytes(b"")
    (both / "y").write_bytes(b"")
    assert list((bucket / "both").iterdir()) == [both]
    (bucket / "both").rmtree()


@pytest.mark.parametrize("name", ["", "sub/", "/x.png", "sub//x.png", "../x.png", "sub/../x"])
def test_objects_whose_names_no_path_has_are_none_of_a_folder(monkeypatch, memory, name):
    (memory / "y.png").write_bytes(b"")
    keys = ["/box/runs/y.png", f"/box/runs/{name}"]
    store = places._store("memory")
    monkeypatch.setattr(store, "find", lambda _: keys)
    assert memory.files() == [memory / "y.png"]


def test_a_folder_travels_to_a_store_and_back(bucket, tmp_path):
    names = ["x", "deep/y"]
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode())
    there = object_stores.copy(tmp_path, bucket / "copy")
    with local(there, lambda file: file.name == "y") as copy:
        assert object_stores.content(copy) == {"deep/y": b"deep/y"}
        with pytest.raises(UserError, match=f"^{there}/x: damaged$"), local(there) as other:
            raise UserError(f"{other / 'x'}: damaged")
    assert not copy.exists()
    with local(tmp_path) as copy:
        assert copy == tmp_path


def test_lines_that_are_added_to_an_object_are_objects_in_the_order_of_time(memory):
    path = memory / "log.jsonl"
    append_lines(path, [{"a": 1}, {"a": 2}])
    append_lines(path, [{"a": 3}])
    one, two = sorted(memory.iterdir())
    assert one.match("log-*.jsonl")
    assert [*read_json_lines(one), *read_json_lines(two)] == [{"a": 1}, {"a": 2}, {"a": 3}]
    write_whole(memory / "a.json", '{"a": 1}')
    assert read_json(memory / "a.json", {"a": int}) == {"a": 1}
    assert read_json(memory / "b.json") is None


def test_a_folder_in_a_store_has_a_kind_as_on_a_disk(memory):
    with pytest.raises(KeyboardInterrupt), alone(memory, "fuse"):
        raise KeyboardInterrupt
    assert not memory.exists()
    with alone(memory, "fuse"):
        (memory / "a.png").write_bytes(b"a")
    assert (memory / MARK).read_bytes() == b"fuse\n"
    with alone(memory), alone(memory, "fuse"):  # nothing keeps runs apart
        pass
    with pytest.raises(UserError, match="holds results of `ttd-jax fuse`"), alone(memory, "score"):
        pass


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("foo://box/out", "Protocol not known: foo"),
        ("gs://", "write gs://BUCKET/FOLDER"),
        ("file:///tmp/out", "or a path"),
        ("local://out", "or a path"),
        ("s3://box::memory://out", "is no place in a bucket"),
    ],
)
def test_what_is_no_url_of_a_store_is_told(url, told):
    with pytest.raises(UserError, match=told):
        place(url)


def test_a_package_that_is_missing_is_told_with_its_extra(monkeypatch):
    def missing(*_, **__):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.filesystem", missing)
    places._store.cache_clear()
    with pytest.raises(UserError, match=r"s3fs.*: pip install 'ttd-jax\[s3\]'"):
        place("s3://box/out")


def test_a_misspelt_bucket_is_told_whatever_is_asked_of_it(bucket):
    wrong = place(str(bucket).replace("box", "bxo")) / "out"
    asked = (wrong.exists, wrong.read_bytes, wrong.files, wrong.rmtree, lambda: [*wrong.iterdir()])
    for ask in (*asked, lambda: wrong.write_bytes(b"")):
        with pytest.raises(UserError, match=f"^{wrong}: there is no bucket 'bxo': check its name$"):
            ask()


class _Refusing(http.server.BaseHTTPRequestHandler):
    """A store that is closed to everybody."""

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self._refuse
        raise AttributeError(name)

    def _refuse(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module", params=object_stores.KINDS)
def closed(request):
    """A bucket of a store that refuses every request."""
    pytest.importorskip({"gs": "gcsfs", "s3": "s3fs"}[request.param])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Refusing)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    with object_stores.at(request.param, f"http://127.0.0.1:{server.server_port}"):
        yield place(f"{request.param}://box")
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_bucket_that_refuses_is_told_whatever_is_asked_of_it(closed):
    path = closed / "out"
    asked = (path.exists, path.read_bytes, path.files, path.unlink, lambda: path.write_bytes(b""))
    for ask in asked:
        with pytest.raises(UserError, match=r"refuses or cannot be reached .*[Ff]orbidden"):
            ask()


def test_missing_credentials_are_told():
    pytest.importorskip("s3fs", reason="s3fs is not installed")  # Google's client asks as nobody
    keys = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
    with (
        object_stores.at("s3", "http://127.0.0.1:1", **keys, AWS_EC2_METADATA_DISABLED="true"),
        pytest.raises(UserError, match=r"NoCredentialsError: .*check your credentials"),
    ):
        place("s3://box/out").exists()
