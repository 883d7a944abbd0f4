"""All checks in their order, on JAX's default devices."""

import dataclasses
import pathlib
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata

import jax

from tests.accelerator.checks import run_checks
from tests.accelerator.fusions import fusion_checks
from tests.accelerator.jobs import job_checks
from tests.accelerator.memory import memory_checks
from tests.accelerator.scores import metric_checks
from tests.accelerator.speed import SIZES, Timing, make_cases, speed_checks
from ttd_jax.benchmarks.timing import machine
from ttd_jax.metrics import METRICS, PROTOCOLS
from ttd_jax.networks import lookup
from ttd_jax.networks.random_variables import random_variables

_PACKAGES = ("jax", "jaxlib", "flax", "numpy", "torch")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """What to check.

    Attributes:
      models: names of the networks.
      limit: seconds after which no check is begun any more.
      guard: seconds that one `torch.compile` may take; 0 leaves it out.
      repeats: rounds of the timings.
      threads: that compile side by side what is compared.
      cache: an empty folder for JAX's compilation cache, which is to be in use already.
      only: 'parity', with precision and the jobs, or 'speed', with memory; None for both.
      tiny: small pictures in the timings, and few of them; few metrics in `evaluate`, of one
        protocol otherwise.
    """

    models: tuple[str, ...]
    limit: float
    guard: float
    repeats: int
    threads: int
    cache: str
    only: str | None = None
    tiny: bool = False


def check_accelerator(options: Options, out: pathlib.Path) -> dict:
    """Runs all checks; see `run_checks` for the record and the files."""
    end = time.monotonic() + options.limit
    devices = jax.local_devices()
    timed = [name for name in SIZES if name in options.models]
    variables = {name: random_variables(lookup(name)) for name in timed}
    cases = make_cases(timed, tiny=options.tiny)
    if options.tiny:
        cases = cases[: len(timed)]
    first, others = cases[: len(timed)], cases[len(timed) :]
    timing = Timing(repeats=options.repeats, guard=options.guard, end=end)
    plans = {}
    pool = ThreadPoolExecutor(options.threads)
    try:
        checks = []
        if options.only != "speed":
            fusions, precision = fusion_checks(options.models, pool, devices[0], fewer_bits=timed)
            checks += [
                *fusions,
                *metric_checks(pool, devices[0], ("paper",) if options.tiny else tuple(PROTOCOLS)),
                *precision,
                *job_checks(devices, ("EN", "SSIM") if options.tiny else tuple(METRICS)),
            ]
        if options.only != "parity":
            checks += [
                *speed_checks(first, variables, timing, plans),
                *memory_checks(first, variables, plans, options.cache),
                *speed_checks(others, variables, timing, plans),
            ]
        return run_checks(checks, _describe(devices), out=out, end=end)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _describe(devices):
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    runtime = " ".join(str(devices[0].client.platform_version).split())
    return {
        "machine": {**machine(), "devices": len(devices), "runtime": runtime},
        "versions": versions,
    }
