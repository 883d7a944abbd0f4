"""How much memory there is, and how much a compiled program takes."""

import contextlib
import math
import os
import pathlib
import re
from collections.abc import Callable
from typing import Any

import chex
import jax

from ttd_jax.errors import UserError, is_exhausted

_UNITS = {"": 1, "b": 1} | {
    f"{prefix}{suffix}": base**power
    for power, prefix in enumerate("kmgt", start=1)
    for suffix, base in (("", 1024), ("ib", 1024), ("b", 1000))
}
# Measured: what a process grows by beside its arrays, and by each program that it compiles.
_PROCESS = 288 * 2**20
_PROGRAM = 32 * 2**20
_SIZE = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([a-z]*)", re.IGNORECASE)


def parse_size(text: str) -> int:
    """Bytes of a size as people write it: '2GiB', '500MB', '1.5 g', '123456'.

    KiB, MiB, GiB, TiB and the bare letters count in powers of 1024, kB, MB, GB, TB of 1000; upper
    and lower case are the same.

    Raises:
      UserError: anything else, or less than one byte.

    Example:
      >>> parse_size("2GiB"), parse_size("500MB")
      (2147483648, 500000000)
    """
    match = _SIZE.fullmatch(text.strip())
    unit = _UNITS.get(match[2].lower()) if match else None
    if unit is None or float(match[1]) * unit < 1:
        raise UserError(f"{text!r} is no size: write bytes, or a number and a unit as in 2GiB")
    return int(float(match[1]) * unit)


def format_size(count: int) -> str:
    """A size in MiB that is not below `count` bytes, as `parse_size` reads it.

    Example:
      >>> format_size(2**31)
      '2048MiB'
    """
    return f"{math.ceil(count / 2**20)}MiB"


def free_memory(device: jax.Device) -> int:
    """Bytes that are free where a device computes: its own memory, or the machine's for a CPU."""
    if device.platform != "cpu":
        stats = device.memory_stats() or {}
        if "bytes_limit" in stats:
            return stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    machine = read_proc("meminfo", "MemAvailable")
    if machine is None:
        machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    group = _left_in_group()
    return machine if group is None else min(machine, group)


def program_bytes(compiled: jax.stages.Compiled) -> int:
    """What one run of a compiled program holds at most: arguments, results and temporaries."""
    sizes = compiled.memory_analysis()
    return (
        sizes.argument_size_in_bytes
        + sizes.output_size_in_bytes
        + sizes.temp_size_in_bytes
        - sizes.alias_size_in_bytes
    )


def scenes_that_fit(memory: int, taken: float, *, count: int = 1, fixed: int = 0) -> int:
    """How many scenes memory has room for, each taking as much as every other.

    Args:
      memory: bytes.
      taken: by a program of `count` scenes.
      count: of scenes.
      fixed: of `taken`, what any number of scenes takes: the weights.

    Example:
      >>> scenes_that_fit(100, 50, count=2, fixed=10)
      4
    """
    return max(0, int((memory - fixed) * count // max(taken - fixed, 1)))


def choose_count(most: int, planned: Callable[[int], float], *, memory: int, fixed: int = 0) -> int:
    """The most scenes whose program fits in memory, by its plan: nothing is run.

    Args:
      most: scenes.
      planned: a number of scenes -> bytes of their program, `math.inf` where the compiler refuses
        it. It compiles, so that few numbers are tried: usually one, seldom more than two.
      memory: bytes.
      fixed: see `scenes_that_fit`.

    Returns:
      At least one, whose program may be too large, too, and is not asked for.
    """
    count = most
    while count > 1:
        taken = planned(count)
        if taken <= memory:
            return count
        fewer = (
            count // 2
            if taken == math.inf
            else scenes_that_fit(memory, taken, count=count, fixed=fixed)
        )
        count = min(max(fewer, 1), count - 1)
    return 1


def held_bytes(tree: chex.ArrayTree) -> int:
    """What arrays, or arrays of such shapes, take, such as the weights of a model."""
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def plan_program(compiling: Callable[[], jax.stages.Compiled]) -> tuple[Any, float]:
    """A program and what one run of it takes: see `program_bytes`.

    Returns:
      None and `math.inf` where the compiler says that no memory of the device is enough.
    """
    try:
        compiled = compiling()
    except RuntimeError as error:
        if not is_exhausted(error):
            raise
        return None, math.inf
    return compiled, program_bytes(compiled)


def batch_memory(device: jax.Device) -> int | None:
    """Bytes that a batch may take of a device with memory of its own: half of it.

    The other half is for the arrays of the next batch and whatever else is there. It is the same in
    every run, so that a scene is in the same batch in all of them. None for CPUs.
    """
    if device.platform == "cpu":
        return None
    limit = (device.memory_stats() or {}).get("bytes_limit")
    return limit and limit // 2


def overhead(programs: int) -> int:
    """Bytes of a process that go to compiling and holding so many programs of a few layers."""
    return _PROCESS + programs * _PROGRAM


def read_proc(file: str, field: str) -> int | None:
    """Bytes that a line of a file below /proc tells, such as 'meminfo' and 'MemAvailable'.

    None where the system has no such file or line.
    """
    with contextlib.suppress(OSError):
        for line in pathlib.Path("/proc", file).read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name == field:
                return int(value.split()[0]) * 1024
    return None


def _left_in_group():
    """What a container's limit leaves, None without one."""
    folder = pathlib.Path("/sys/fs/cgroup")
    try:
        limit = int(
            (folder / "memory.max").read_text(encoding="utf-8")
        )  # 'max' where there is none
        return max(0, limit - int((folder / "memory.current").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None
