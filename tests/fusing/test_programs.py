"""Compiled programs that are kept between runs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

from ttd_jax.fusing import programs


class Traced:
    """A function that counts how often it is traced."""

    def __init__(self):
        self.count = 0

    def __call__(self, tree, x):
        self.count += 1
        return {"sum": jnp.cumsum(tree["a"] + 2 * x[0])}


def times_traced(cache, size=3, name="it"):
    function = Traced()
    arguments = {"a": jnp.arange(float(size))}, (jnp.ones(size),)
    program = programs.compile_kept(function, arguments, name=name, cache=cache)
    found = program(*jax.tree.leaves(arguments))["sum"]
    np.testing.assert_array_equal(found, np.cumsum(np.arange(size) + 2))
    return function.count


def test_a_program_is_traced_once_for_its_shapes_its_name_and_this_code(tmp_path, monkeypatch):
    for different in ({}, {"size": 4}, {"name": "other"}):
        assert times_traced(tmp_path, **different) == 1
        assert times_traced(tmp_path, **different) == 0
    assert len(list((tmp_path / programs.FOLDER).iterdir())) == 3
    monkeypatch.setattr(programs, "_code", lambda: "another version")
    assert times_traced(tmp_path) == 1


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
        monkeypatch.setattr(programs, "_code", lambda version=version: version)
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


def test_without_a_cache_or_where_it_cannot_be_written_programs_are_traced(tmp_path):
    (tmp_path / "file").write_text("no folder")
    for cache in (None, tmp_path / "file"):
        assert times_traced(cache) == 1
    assert (tmp_path / "file").read_text() == "no folder"
