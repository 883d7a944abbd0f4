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

from absl import flags

from ttd_jax.commands import common
from ttd_jax.doctor.report import make_report
from ttd_jax.files import dumps
from ttd_jax.pictures.prepared import default_data_dir


def define_flags(values):
    """The flags of this command."""
    flags.DEFINE_string("weights_dir", "weights", "folder of the weights", flag_values=values)
    flags.DEFINE_string(
        "data_dir",
        None,
        "where prepared benchmarks are; default: TFDS_DATA_DIR, or ~/tensorflow_datasets",
        flag_values=values,
    )
    common.define_json(values)


def run(values, arguments):
    """Looks, prints and returns the exit status."""
    common.reject_arguments(arguments)
    common.use_compilation_cache()
    data = pathlib.Path(values.data_dir).expanduser() if values.data_dir else default_data_dir()
    report = make_report(pathlib.Path(values.weights_dir), data)
    if values.json:
        print(dumps(report), end="")
    else:
        _print(report)
    for problem in report["problems"]:
        print(f"ttd-jax: {problem}", file=sys.stderr)
    return 1 if report["problems"] else 0


def _print(report):
    for name, version in report["versions"].items():
        _line(name, version or "not installed")
    for device in report["devices"]:
        _line("device", f"{device['platform']}, {device['kind']}{_of(device['memory'])}")
    machine = report["machine"]
    _line("machine", f"{machine['usable_cores']} cores{_of(machine['memory'])}")
    cache = report["cache"]
    _line("cache", f"{cache['path']}: {cache['files']} files, {cache['bytes'] / 2**20:.1f} MiB")
    for row in report["weights"]:
        state = "DAMAGED" if row["problem"] else f"sha256 {row['sha256'][:12]} is right"
        _line("weights", f"{row['path']}: {row['model'] or 'unknown'}, {state}")
    if not report["weights"]:
        _line("weights", "none: see `ttd-jax weights list`")
    for row in report["data"]:
        counts = ", ".join(f"{split} {number}" for split, number in row["splits"].items())
        _line("benchmark", f"{row['name']}: {'DAMAGED' if row['problem'] else counts}")
    if not report["data"]:
        _line("benchmark", "none: see `ttd-jax datasets list`")
    for extra in report["extras"]:
        lacks = f"lacks {', '.join(extra['missing'])}: {extra['install']}"
        _line("extra", f"{extra['name']}: {lacks if extra['missing'] else 'installed'}")
    if report["selftest"]:
        _line("self-test", "FAILED" if report["selftest"]["problem"] else "passed")


def _line(name, text):
    print(f"{name:<22}  {text}")


def _of(size):
    return "" if size is None else f", {size / 2**30:.1f} GiB"
