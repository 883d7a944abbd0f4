"""Time this package against a reference, side by side in one process.

    ttd-jax benchmark --what=metrics --size=480x640

The reference implementations are part of a checkout's tests: run this in a checkout, or name it
with --checkout. Ratios are medians over rounds in which both run in turn, after compilation.
"""

import os
import pathlib

from absl import flags

from ttd_jax.benchmarks.metrics import benchmark_metrics
from ttd_jax.commands import common
from ttd_jax.errors import UserError
from ttd_jax.files import dumps

_WHAT = {"metrics": benchmark_metrics}


def define_flags(values):
    """The flags of this command."""
    flags.DEFINE_enum("what", "metrics", list(_WHAT), "what to time", flag_values=values)
    flags.DEFINE_string("size", "480x640", "height x width of the picture", flag_values=values)
    flags.DEFINE_integer("repeats", 5, "rounds", lower_bound=1, flag_values=values)
    flags.DEFINE_string("checkout", ".", "folder of a checkout", flag_values=values)
    common.define_json(values)


def run(values, arguments):
    """Measures and prints."""
    import jax

    common.reject_arguments(arguments)
    try:
        height, width = map(int, values.size.split("x"))
    except ValueError:
        raise UserError(f"--size={values.size}: pass height x width, such as 480x640") from None
    if min(height, width) < 1:
        raise UserError(f"--size={values.size}: both sides must be positive")
    result = {
        "what": values.what,
        "size": [height, width],
        "repeats": values.repeats,
        "device": jax.devices()[0].device_kind,
        "cpus": os.cpu_count(),
        **_WHAT[values.what](
            size=(height, width), repeats=values.repeats, checkout=pathlib.Path(values.checkout)
        ),
    }
    if values.json:
        print(dumps(result), end="")
        return
    print(f"{values.what}, {values.size}, {result['device']}, {values.repeats} rounds")
    for name, seconds in result["seconds"].items():
        print(
            f"{name:<12} median {seconds['median']:.4f} s "
            f"({seconds['least']:.4f} .. {seconds['most']:.4f}), ratio {result['ratios'][name]:.3f}"
        )
