"""Show what is installed and at hand, and test that it computes right.

    ttd-jax doctor
    ttd-jax doctor --weights_dir=weights --data_dir=data --json

Versions, devices, the compilation cache, every weights folder proven by its hash, prepared
benchmarks, missing extras, and a fusion of two tiny generated pictures whose result is known. Ends
with status 0 if nothing is wrong, else 1 and a line for each problem; what is merely missing is
no problem.
"""

import pathlib
import sys

from absl.flags import FlagValues

from ttd_jax.commands import common
from ttd_jax.doctor.report import make_report


def define_flags(values: FlagValues) -> None:
    """The flags of this command."""
    flag = common.Flags(values)
    flag.path("weights_dir", "folder of the weights", "weights")
    flag.data_dir()
    flag.json()


def run(values: FlagValues, arguments: list[str]) -> int:
    """Looks, prints and returns the exit status."""
    common.only_flags(values, arguments)
    common.use_compilation_cache()
    report = make_report(pathlib.Path(values.weights_dir), common.data_dir(values))
    common.tell(values, report, *(f"{name:<22}  {text}" for name, text in _facts(report)))
    for problem in report["problems"]:
        common.show(f"ttd-jax: {problem}", sys.stderr)
    return 1 if report["problems"] else 0


def _facts(report):
    """Names and texts of the lines for people."""
    for name, version in report["versions"].items():
        yield name, version or "not installed"
    for device in report["devices"]:
        yield "device", f"{device['platform']}, {device['kind']}{_of(device['memory'])}"
    machine = report["machine"]
    yield "machine", f"{machine['usable_cores']} cores{_of(machine['memory'])}"
    cache = report["cache"]
    yield "cache", f"{cache['path']}: {cache['files']} files, {cache['bytes'] / 2**20:.1f} MiB"
    for row in report["weights"]:
        state = "DAMAGED"
        if not row["problem"]:
            proof = "is right" if report["devices"] else "not proven"
            state = f"sha256 {row['sha256'][:12]} {proof}"
        yield "weights", f"{row['path']}: {row['model'] or 'unknown'}, {state}"
    if not report["weights"]:
        yield "weights", "none: see `ttd-jax weights list`"
    for row in report["data"]:
        counts = ", ".join(f"{split} {number}" for split, number in row["splits"].items())
        yield "benchmark", f"{row['name']}: {'DAMAGED' if row['problem'] else counts}"
    if not report["data"]:
        yield "benchmark", "none: see `ttd-jax datasets list`"
    for extra in report["extras"]:
        lacks = f"lacks {', '.join(extra['missing'])}: {extra['install']}"
        yield "extra", f"{extra['name']}: {lacks if extra['missing'] else 'installed'}"
    if report["selftest"]:
        yield "self-test", "FAILED" if report["selftest"]["problem"] else "passed"


def _of(size):
    return "" if size is None else f", {size / 2**30:.1f} GiB"
