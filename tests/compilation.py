"""Compiling what runs a few times, on few pixels: optimizing it would cost more than it saves.

XLA's emitters of fused loops on CPUs are left out as well: they take up to three quarters of the
time that the rest takes to compile a gradient.
"""

import contextlib
import functools

import jax
import pytest
from jax._src import compiler

_WITHOUT_EMITTERS = {"xla_cpu_use_fusion_emitters": False}
quick_jit = functools.partial(
    jax.jit, compiler_options={"xla_backend_optimization_level": 0, **_WITHOUT_EMITTERS}
)
_get_compile_options = compiler.get_compile_options


def _get_quick_options(*args, **kwargs):
    options = _get_compile_options(*args, **kwargs)
    given = dict(options.env_option_overrides)
    options.env_option_overrides = list({**_WITHOUT_EMITTERS, **given}.items())
    return options


@contextlib.contextmanager
def optimizations(on):
    """Whether everything within is optimized, in processes that are started there as well."""
    flag = "jax_disable_most_optimizations"
    jax.devices()  # this process reads XLA_FLAGS here: what is set below is for those it starts
    with pytest.MonkeyPatch.context() as patch:
        before = jax.config.values[flag]
        patch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", str(not on).lower())
        if on:
            patch.delenv("XLA_FLAGS", raising=False)
            patch.setattr(compiler, "get_compile_options", _get_compile_options)
        else:
            patch.setenv("XLA_FLAGS", "--xla_cpu_use_fusion_emitters=false")
            patch.setattr(compiler, "get_compile_options", _get_quick_options)
        jax.config.update(flag, not on)
        yield
        jax.config.update(flag, before)
