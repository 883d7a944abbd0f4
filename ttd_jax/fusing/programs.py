"""Compiled programs kept between runs.

JAX's compilation cache spares what XLA does, but finds a program only once it was traced: that
takes as long as to fuse a picture.
"""

import contextlib
import functools
import hashlib
import os
import pathlib
import pickle
import platform
from collections.abc import Callable

import flax
import jax
from jax.experimental import serialize_executable
from jax.experimental.compilation_cache import compilation_cache

import ttd_jax
from ttd_jax.files import write_whole

FOLDER = "programs"  # within JAX's compilation cache, which is as trusted


def compile_kept(
    function: Callable, arguments: tuple, *, name: str, cache: str | None
) -> jax.stages.Compiled:
    """Compiles a function for the first device, in this run or in an earlier one.

    Args:
      function: takes `arguments`, gives a dict of arrays.
      arguments: arrays, or their shapes, in pytrees.
      name: tells the function from others of this package; all that it depends on beside the
        shapes and static parts of its arguments and this package's code.
      cache: JAX's compilation cache; None to keep nothing.

    Returns:
      The program; it takes the leaves of the arguments: see `jax.tree.leaves`.
    """
    leaves, structure = jax.tree.flatten(arguments)
    shapes = [jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves]
    path = None
    if cache is not None:
        key = "\n".join([name, str(structure), *map(str, shapes), *_surroundings()])
        path = pathlib.Path(cache) / FOLDER / hashlib.sha256(key.encode()).hexdigest()
        kept = _read(path)
        if kept is not None:
            return kept
    flat = jax.jit(lambda *leaves: function(*jax.tree.unflatten(structure, leaves))).lower(*shapes)
    if path is None:
        return flat.compile()
    with _without_jax_cache():
        compiled = flat.compile()
    _keep(compiled, path)
    return compiled


@contextlib.contextmanager
def _without_jax_cache():
    """A program that JAX read from its cache could be written again, but not run any more."""
    before = jax.config.jax_enable_compilation_cache
    _enable_jax_cache(False)
    try:
        yield
    finally:
        _enable_jax_cache(before)


def _enable_jax_cache(enabled):
    jax.config.update("jax_enable_compilation_cache", enabled)
    compilation_cache.reset_cache()  # or JAX would not look at the setting again


def _read(path):
    """The program at a path; None if there is none, or not a whole one."""
    with contextlib.suppress(OSError):
        content = path.read_bytes()
        if hashlib.sha256(content[32:]).digest() == content[:32]:
            return serialize_executable.deserialize_and_load(
                *pickle.loads(content[32:]), execution_devices=jax.devices()[:1]
            )
    return None


def _keep(compiled, path):
    # What cannot be written, on a full disk or by this kind of device, costs time and no more.
    with contextlib.suppress(OSError, ValueError, NotImplementedError):
        content = pickle.dumps(serialize_executable.serialize(compiled))
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, hashlib.sha256(content).digest() + content)


def _surroundings():
    """What any program depends on."""
    device = jax.devices()[0]
    yield from (jax.__version__, jax.lib.__version__, flax.__version__, _code())
    yield from (device.device_kind, str(device.client.platform_version), _processor())
    yield os.environ.get("XLA_FLAGS", "")
    yield f"{jax.config.jax_enable_x64} {jax.config.jax_default_matmul_precision}"


@functools.cache
def _code():
    """A hash of this package's code."""
    found = hashlib.sha256()
    for path in sorted(pathlib.Path(ttd_jax.__file__).parent.rglob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()


def _processor():
    """What the CPU can do: programs use all of it, and a cache may be shared by machines."""
    with contextlib.suppress(OSError):
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("flags", "Features")):
                return line
    return f"{platform.machine()} {platform.processor()}"
