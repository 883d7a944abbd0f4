"""Every network's fusions on the accelerator, against the same on the CPU of the same machine.

The CPU's numbers are computed in the same process, by JAX's other backend, and not stored: they are
of the same weights, pictures and code, whatever changes, and the suite holds the CPU's to PyTorch.
"""

import functools
from concurrent.futures import Executor, Future

import jax
import numpy as np

from tests.accelerator.checks import Check, compared
from tests.random_models import random_model
from ttd_jax.benchmarks.cases import Case, make_scenes
from ttd_jax.core import fusion

STRATEGIES = ("static", "ttd", "self", "fused")
FORMS = ("whole", "bucket")
SIZE, ARRAY = (40, 56), (48, 64)  # of the picture, and of the larger arrays of its bucket
# TF32 changes pictures in [0, 1] by 1e-3, another order of the sums of float32 by 1e-6; losses are
# compared with the largest.
TOLERANCES = {"image": 1e-4, "RD": 1e-4, "losses": 1e-4}
FEWER_BITS = ("high", "default")
_UNOPTIMIZED = {"xla_backend_optimization_level": 0}  # what runs once


def fusion_checks(names, pool: Executor, device: jax.Device, *, fewer_bits) -> tuple:
    """Of the fusions, and of what lower precision changes.

    Args:
      names: of the networks.
      pool: compiles side by side what the checks wait for.
      device: the accelerator.
      fewer_bits: the networks whose errors of lower precision are told.

    Returns:
      `(held, told)`: two lists of checks.
    """
    cpu = jax.devices("cpu")[0]

    def start(name, form, device, precision="highest", **options) -> Future:
        return pool.submit(_fuse, name, form, device, precision, options)

    held, wanted = [], {}
    for name in names:
        for form in FORMS:
            ours = start(name, form, device)
            wanted[name, form] = start(name, form, cpu, compiler_options=_UNOPTIMIZED)
            run = functools.partial(_compare, ours, wanted[name, form])
            held.append(Check("fusion", f"{name}, {form}", run, held=True))
    told = []
    for name in fewer_bits:
        for precision in FEWER_BITS:
            ours = start(name, "whole", device, precision)
            run = functools.partial(_tell, ours, wanted[name, "whole"])
            told.append(Check("precision", f"{name}, {precision}", run))
    return held, told


def _fuse_all(model, sources, extent):
    found = {}
    for strategy in model.spec.doable(STRATEGIES):
        one = fusion.fuse(model, sources, model.strategy(strategy), extent=extent)
        found[strategy] = {"image": one.image, "RD": one.dominability, "losses": one.losses}
    return found


def _fuse(name, form, device, precision, options):
    """`_fuse_all` of a drawn scene, cut to the picture: strategy -> quantity -> array."""
    case = Case(model=name, size=SIZE, strategy="ttd", batch=1, precision=precision, settings={})
    sources, extent = make_scenes(case)[0], None
    if form == "bucket":
        sides = [(0, of_array - own) for of_array, own in zip(ARRAY, SIZE, strict=True)]
        sources = np.pad(sources, [(0, 0), *sides, (0, 0)], constant_values=0.5)
        extent = np.array(SIZE, np.int32)
    model = random_model(name, precision=precision)
    arguments = jax.device_put((model, sources, extent), device)
    results = jax.jit(_fuse_all, **options).lower(*arguments).compile()(*arguments)
    height, width = SIZE
    return {
        strategy: {
            quantity: np.asarray(array, np.float64)[
                (slice(height), slice(width))
                if quantity == "image"
                else (slice(None), slice(height), slice(width))
            ]
            for quantity, array in one.items()
        }
        for strategy, one in results.items()
    }


def _compare(ours, wanted):
    ours, wanted = ours.result(), wanted.result()
    return [
        compared(
            quantity,
            f"{strategy} {quantity}",
            _largest(ours[strategy][quantity], wanted[strategy][quantity]),
            tolerance,
        )
        for quantity, tolerance in TOLERANCES.items()
        for strategy in wanted
    ]


def _tell(ours, wanted):
    found = []
    ours, wanted = ours.result(), wanted.result()
    for strategy, one in wanted.items():
        image = ours[strategy]["image"]
        changed = np.rint(255 * image) != np.rint(255 * one["image"])
        found.append(
            {
                "strategy": strategy,
                "image": _largest(image, one["image"]),
                "image_mean": float(np.abs(image - one["image"]).mean()),
                "changed": float(changed.mean()),
                "RD": _largest(ours[strategy]["RD"], one["RD"]),
            }
        )
    return found


def _largest(array, wanted):
    """The largest difference, of the largest value if that is more than one."""
    return float(np.abs(array - wanted).max() / max(1.0, np.abs(wanted).max()))
