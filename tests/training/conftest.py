"""Compiled programs that the runs of these tests share."""

import signal

import pytest


@pytest.fixture(scope="session")
def cached_programs(compilation_cache):
    """The runs of this process and of the command line compile each program once."""
    import jax

    known = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", known or str(compilation_cache))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    yield
    jax.config.update("jax_compilation_cache_dir", known)


@pytest.fixture
def heard():
    """SIGINT as a terminal's process hears it: a shell's background jobs ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
