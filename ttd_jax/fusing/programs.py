"""Compiled programs kept between runs.

JAX's compilation cache spares what XLA does, but finds a program only once it was traced: that
takes as long as to fuse a picture. Exported programs (`jax.export`) in JAX's cache need no tracing,
but are lowered again: a whole `ttd-jax fuse` of one 480x640 pair with IFCNN then takes 1.09 times
the processor time, imports included, and 1.06 times with CDDFuse. So executables are kept here.

To read one is to run what whoever wrote it wanted. So they lie in a folder of this user's, which
nobody else can write to, whoever shares JAX's cache; what is not so is neither read nor written.
"""

import contextlib
import functools
import hashlib
import inspect
import os
import pathlib
import pickle
import platform
import sys
from collections.abc import Callable, Iterable

import flax
import jax
from jax.experimental import serialize_executable
from jax.experimental.compilation_cache import compilation_cache

from ttd_jax.files import write_whole

_HAS_OWNERS = hasattr(os, "geteuid")  # not on Windows
FOLDER = f"programs-{os.geteuid()}" if _HAS_OWNERS else "programs"  # within JAX's compilation cache


def compile_kept(
    function: Callable,
    arguments: tuple,
    *,
    name: str,
    cache: str | None,
    code: Iterable[Callable] = (),
) -> jax.stages.Compiled:
    """Compiles a function for the first device, in this run or in an earlier one.

    Args:
      function: takes `arguments`, gives a dict of arrays.
      arguments: arrays, or their shapes, in pytrees.
      name: tells the function from others of this package; all that it depends on beside the
        shapes and static parts of its arguments and the code.
      cache: JAX's compilation cache; None to keep nothing.
      code: classes and functions that it calls and another package may define: a program is that of
        their whole packages' code, as of this one's, and is not kept if some cannot be read.

    Returns:
      The program; it takes the leaves of the arguments: see `jax.tree.leaves`.
    """
    leaves, structure = jax.tree.flatten(arguments)
    shapes = [jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves]
    path = None
    version = None if cache is None else _code(*code)
    if version is not None:
        key = "\n".join([name, str(structure), *map(str, shapes), version, *_surroundings()])
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
        content = _read_own(path)
        if hashlib.sha256(content[32:]).digest() == content[:32]:
            return serialize_executable.deserialize_and_load(
                *pickle.loads(content[32:]), execution_devices=jax.devices()[:1]
            )
    return None


def _keep(compiled, path):
    # What cannot be written, on a full disk or by this kind of device, costs time and no more.
    with contextlib.suppress(OSError, ValueError, NotImplementedError):
        content = pickle.dumps(serialize_executable.serialize(compiled))
        path.parent.parent.mkdir(parents=True, exist_ok=True)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        _check_own(path.parent.lstat())
        write_whole(path, hashlib.sha256(content).digest() + content)
        path.chmod(0o600)


def _read_own(path):
    """The content of a file; `OSError` if anybody else can have written it."""
    if not _HAS_OWNERS:
        return path.read_bytes()
    # By the number of the folder: its name may come to mean another one in between.
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        _check_own(os.fstat(folder))
        number = os.open(path.name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder)
    finally:
        os.close(folder)
    with open(number, "rb") as file:
        _check_own(os.fstat(number))
        return file.read()


def _check_own(status):
    if _HAS_OWNERS and (status.st_uid != os.geteuid() or status.st_mode & 0o022):
        raise PermissionError("others can write here")


def _surroundings():
    """What any program depends on."""
    device = jax.devices()[0]
    yield from (jax.__version__, jax.lib.__version__, flax.__version__)
    yield from (device.device_kind, str(device.client.platform_version), _processor())
    yield os.environ.get("XLA_FLAGS", "")
    yield f"{jax.config.jax_enable_x64} {jax.config.jax_default_matmul_precision}"


@functools.cache
def _code(*things):
    """A hash of the code of this package and of those that define `things`; None if unreadable."""
    found = hashlib.sha256()
    try:
        files = set().union(*map(_sources, (compile_kept, *things)))
        for path in sorted(files):
            found.update(path.read_bytes())
    except OSError:
        return None
    return found.hexdigest()


def _sources(thing):
    """The files of the top-level package that defines a class or function.

    Raises:
      OSError: there are none, or they are not all that it does.
    """
    name, thing = thing.__module__, inspect.unwrap(thing)
    # A script may import what lies beside it; an object, a partial one too, holds more than code,
    # and so does a function with values of its own.
    plain = inspect.isclass(thing) or (
        inspect.isfunction(thing) and not (thing.__closure__ or thing.__defaults__)
    )
    if name == "__main__" or not plain:
        raise OSError(f"{thing}: its code is not known")
    package = sys.modules[name.partition(".")[0]]
    folders = map(pathlib.Path, getattr(package, "__path__", ()))
    files = {path for folder in folders for path in folder.rglob("*.py")}
    return files | {pathlib.Path(inspect.getfile(thing))}


def _processor():
    """What the CPU can do: programs use all of it, and a cache may be shared by machines."""
    with contextlib.suppress(OSError):
        for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith(("flags", "Features")):
                return line
    return f"{platform.machine()} {platform.processor()}"
