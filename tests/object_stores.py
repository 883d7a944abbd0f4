"""Object stores that tests start on this machine: Google's emulator, and moto as S3."""

import contextlib
import socket
import subprocess
import sys
import time

import pytest

from tests.commands.conftest import free_port
from ttd_jax import places

# kind -> packages that it needs, and the command that serves it.
_SERVERS = {
    "gs": (
        ("gcsfs", "gcp_storage_emulator"),
        "gcp_storage_emulator start --in-memory --host=127.0.0.1 --port={port}",
    ),
    "s3": (("s3fs", "moto", "flask_cors"), "moto.server --host=127.0.0.1 --port={port}"),
}
KINDS = tuple(_SERVERS)


@contextlib.contextmanager
def served(kind):
    """A store of a kind, empty, which this process and those it starts talk to."""
    packages, command = _SERVERS[kind]
    for package in packages:
        pytest.importorskip(package, reason=f"{package} is not installed")
    port = free_port()
    words = [sys.executable, "-m", *command.format(port=port).split()]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(words, **quiet) as server, at(kind, f"http://127.0.0.1:{port}"):
        try:
            _wait(server, port)
            yield
        finally:
            server.kill()


def _wait(server, port):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert server.poll() is None, "the server of the store has ended"
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(0.05)
    raise TimeoutError("the server of the store does not answer")


@contextlib.contextmanager
def at(kind, address, **changes):
    """The store of a kind is at an address, with keys that let everybody in, unless changed."""
    variables = {
        # The emulator does not say of which type a bucket is, and Google would be asked.
        "gs": {"STORAGE_EMULATOR_HOST": address, "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"},
        "s3": {
            "AWS_ENDPOINT_URL_S3": address,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        },
    }[kind] | changes
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value) if value is not None else patch.delenv(name, raising=False)
        _forget()
        yield
    _forget()


def _forget():
    """Clients keep the address that they have begun with."""
    places._store.cache_clear()
    fsspec = sys.modules.get("fsspec")
    for client in fsspec.registry.values() if fsspec else ():
        client.clear_instance_cache()


def make_bucket(kind, name):
    """An empty bucket; returns its place."""
    places.place(f"{kind}://{name}")
    places._store(kind).mkdir(name)
    return places.place(f"{kind}://{name}")


def remove_bucket(bucket):
    """Removes a bucket and all in it."""
    bucket.rmtree()
    places._store(bucket.parts[0]).rmdir(bucket.parts[1])


def copy(folder, place):
    """Copies a folder of a disk to a place; returns the place."""
    place.store(folder, [file for file in folder.rglob("*") if file.is_file()])
    return place


def content(place):
    """Name below a place -> bytes."""
    if isinstance(place, places.Remote):
        return {str(file.relative_to(place)): file.read_bytes() for file in place.files()}
    files = (path for path in place.rglob("*") if path.is_file())
    return {path.relative_to(place).as_posix(): path.read_bytes() for path in files}
