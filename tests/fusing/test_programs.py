"""Compiled programs that are kept between runs."""

import functools
import hashlib
import importlib
import os
import pathlib
import pickle
import shutil
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

from ttd_jax.fusing import programs
from ttd_jax.pictures.images import encode_picture


class Traced:
    """A function that counts how often it is traced."""

    def __init__(self):
        self.count = 0

    def __call__(self, tree, x):
        self.count += 1
        return {"sum": jnp.cumsum(tree["a"] + 2 * x[0])}


def times_traced(cache, size=3, name="it", code=()):
    function = Traced()
    arguments = {"a": jnp.arange(float(size))}, (jnp.ones(size),)
    program = programs.compile_kept(function, arguments, name=name, cache=cache, code=code)
    found = program(*jax.tree.leaves(arguments))["sum"]
    np.testing.assert_array_equal(found, np.cumsum(np.arange(size) + 2))
    return function.count


def test_a_program_is_traced_once_for_its_shapes_its_name_and_this_code(tmp_path, monkeypatch):
    for different in ({}, {"size": 4}, {"name": "other"}):
        assert times_traced(tmp_path, **different) == 1
        assert times_traced(tmp_path, **different) == 0
    assert len(list((tmp_path / programs.FOLDER).iterdir())) == 3
    monkeypatch.setattr(programs, "_code", lambda *_: "another version")
    assert times_traced(tmp_path) == 1


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The folder of an importable package `programs_plugin`, whose `loss` reads its `numbers`."""
    folder = tmp_path / "site" / "programs_plugin"
    folder.mkdir(parents=True)
    (folder / "numbers.py").write_text("GAIN = 1.0\n")
    (folder / "__init__.py").write_text(
        "from programs_plugin.numbers import GAIN\n\n\n"
        "def loss(components, sources, static):\n    return GAIN * (static - sources)\n"
    )
    monkeypatch.syspath_prepend(folder.parent)
    yield folder
    for name in [name for name in sys.modules if name.startswith("programs_plugin")]:
        del sys.modules[name]


def test_a_program_is_of_all_code_of_the_packages_that_it_calls(package, tmp_path):
    plugin = importlib.import_module("programs_plugin")
    cache = tmp_path / "cache"
    for _ in ("as it was", "changed in another file"):
        programs._code.cache_clear()  # as in another process
        assert times_traced(cache, code=[plugin.loss]) == 1
        assert times_traced(cache, code=[plugin.loss]) == 0
        (package / "numbers.py").write_text("GAIN = 2.0\n")


def test_a_program_whose_code_cannot_be_read_is_not_kept(package, tmp_path):
    plugin = importlib.import_module("programs_plugin")
    made = {"__name__": "programs_plugin"}
    exec("def loss(components, sources, static): ...", made)
    shutil.rmtree(package)
    for unreadable in (plugin.loss, made["loss"], functools.partial(jnp.sum, axis=0)):
        for _ in range(2):
            assert times_traced(tmp_path, code=[unreadable]) == 1


REGISTER = """
from ttd_jax.networks import IFCNN, FusionSpec, register_network
from ttd_jax.core.dominability import DominabilitySettings, register_loss
from programs_plugin.network import Brighter

register_loss("plugged", loss)
register_network(
    FusionSpec(
        name="plugged_ifcnn",
        build=Brighter,
        channels=3,
        presets={"plugged": DominabilitySettings(loss="plugged", temperature=5.0)},
    )
)
"""
NETWORK = """
from ttd_jax.networks import IFCNN

class Brighter(IFCNN):
    def finish(self, raw):
        return super().finish(raw) * {share}
"""
SAVE = """
import pathlib, sys
from ttd_jax.networks import lookup
from ttd_jax.networks.random_variables import random_variables
from ttd_jax.weights.store import save
spec = lookup("plugged_ifcnn")
save(pathlib.Path(sys.argv[1]), spec.bind(random_variables(spec)), source={})
"""


def test_fusions_of_another_package_s_network_and_loss_follow_its_code(
    package, tmp_path, command_line
):
    (package / "__init__.py").write_text((package / "__init__.py").read_text() + REGISTER)
    about = package.parent / "programs_plugin-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: programs-plugin\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[ttd_jax.plugins]\nplugged = programs_plugin\n")
    path = os.pathsep.join([str(package.parent), os.environ.get("PYTHONPATH", "")])
    env = {"PYTHONPATH": path, "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "cache")}
    (package / "network.py").write_text(NETWORK.format(share=1.0))
    subprocess.run(
        [sys.executable, "-c", SAVE, tmp_path / "weights"], env={**os.environ, **env}, check=True
    )
    rng = np.random.default_rng(0)
    for name in "ab":
        pixels = rng.integers(0, 256, (12, 14, 3), np.uint8)
        (tmp_path / f"{name}.png").write_bytes(encode_picture(pixels, ".png"))

    def fused(out):
        words = [f"--weights={tmp_path / 'weights'}", "--model=plugged_ifcnn"]
        pictures = [tmp_path / "a.png", tmp_path / "b.png"]
        words += [f"--out={tmp_path / out}", *pictures]
        result = command_line("fuse", *words, env=env, process=True)
        assert result.returncode == 0, result.stderr
        return (tmp_path / out / "a.png").read_bytes()

    before = fused("before")
    (package / "numbers.py").write_text("GAIN = 9.0\n")
    other_loss = fused("other_loss")
    (package / "network.py").write_text(NETWORK.format(share=0.5))
    assert len({before, other_loss, fused("other_network")}) == 3


@pytest.fixture
def _jax_keeps_all(tmp_path):
    settings = {
        "jax_compilation_cache_dir": str(tmp_path),
        "jax_persistent_cache_min_compile_time_secs": 0,
    }
    before = {name: getattr(jax.config, name) for name in settings}
    _configure(settings)
    yield
    _configure(before)


def _configure(settings):
    for name, value in settings.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


@pytest.mark.usefixtures("_jax_keeps_all")
def test_what_jax_has_in_its_cache_is_compiled_once_more(tmp_path, monkeypatch):
    """A program that was read from a file cannot be written to another one."""
    for version in ("one", "the next one, with the same program"):
        monkeypatch.setattr(programs, "_code", lambda *_, version=version: version)
        jax.clear_caches()
        assert times_traced(tmp_path) == 1
        assert times_traced(tmp_path) == 0
    assert jax.config.jax_enable_compilation_cache


@pytest.mark.parametrize("damage", ["cut", "changed", "empty"])
def test_a_damaged_file_is_written_anew(tmp_path, damage):
    times_traced(tmp_path)
    (path,) = (tmp_path / programs.FOLDER).iterdir()
    whole = path.read_bytes()
    path.write_bytes(
        {"cut": whole[:-1], "changed": whole[:99] + b"?" + whole[100:]}.get(damage, b"")
    )
    assert times_traced(tmp_path) == 1
    assert times_traced(tmp_path) == 0


class Payload:
    """What runs code when it is unpickled."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return pathlib.Path.touch, (self.trace,)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="files have no owners here")
@pytest.mark.parametrize("opened", ["folder", "file", "link"])
def test_what_others_can_write_is_not_run(tmp_path, opened):
    cache, trace = tmp_path / "cache", tmp_path / "code ran"
    before = os.umask(0o002)  # as where every user has a group
    try:
        times_traced(cache)
    finally:
        os.umask(before)
    (path,) = (cache / programs.FOLDER).iterdir()
    assert (path.parent.stat().st_mode & 0o777, path.stat().st_mode & 0o777) == (0o700, 0o600)
    content = pickle.dumps(Payload(trace))
    path.write_bytes(hashlib.sha256(content).digest() + content)
    if opened == "folder":
        path.parent.chmod(0o777)
    elif opened == "file":
        path.chmod(0o666)
    else:
        path.parent.rename(tmp_path / "elsewhere")
        path.parent.symlink_to(tmp_path / "elsewhere")
    assert times_traced(cache) == 1
    assert not trace.exists()
    assert path.read_bytes()[32:] == content or opened == "file"  # nothing is written there either


def test_without_a_cache_or_where_it_cannot_be_written_programs_are_traced(tmp_path):
    (tmp_path / "file").write_text("no folder")
    for cache in (None, tmp_path / "file"):
        assert times_traced(cache) == 1
    assert (tmp_path / "file").read_text() == "no folder"
