"""The benchmarks' own figures of real pictures and edge cases, and ours of the same."""

import collections
import csv
import functools

import jax
import numpy as np

from tests.metrics.definitions import key_of
from ttd_jax import metrics
from ttd_jax.metrics.color import in_gray

# What programs call a metric where tables do not.
PRINTED = {
    "Variance": "SD",
    "Entropy": "EN",
    "Cross_entropy": "CE",
    "Mutinf": "MI",
    "Avg_gradient": "AG",
    "Edge_intensity": "EI",
    "Spatial_frequency": "SF",
    "Ssim": "SSIM",
    "Psnr": "PSNR",
    "Rmse": "RMSE",
    "QNCIE": "Qncie",
    "QMI_Hossny": "NMI",
}
# Sizes of which most cases are; others lie in arrays of one size, for they are few.
EXACT, ARRAY = (176, 200), (192, 208)


def read(shared):
    """case -> its pictures by role; (program, metric) -> case -> the program's figure."""
    folder = shared / "golden" / "metrics"
    with np.load(folder / "cases.npz") as arrays:
        cases = collections.defaultdict(dict)
        for key, array in arrays.items():
            case, _, role = key.rpartition("__")
            cases[case][role] = array
    with open(folder / "values.csv", newline="", encoding="utf-8") as file:
        values = collections.defaultdict(dict)
        for row in csv.DictReader(file):
            name = PRINTED.get(row["metric"], row["metric"])
            if not row["value"].startswith("error"):  # where the program stops there is no target
                values[row["implementation"], name][row["case"]] = float(row["value"])
    return cases, values


def figure(protocol, name, pictures):
    """Ours of a case; protocols share the programs of what they define alike."""
    row = metrics.scored(protocol)[name]
    planes = metrics.source_planes([pictures["A"], pictures["B"]], protocol=protocol)
    fused = metrics.fused_planes(pictures["F"], protocol=protocol)
    size, extent = fused.shape[-2:], None
    if size != EXACT:
        missing = [(0, of_array - own) for of_array, own in zip(ARRAY, size, strict=True)]
        fused, planes = (
            np.pad(images, [(0, 0)] * (images.ndim - 2) + missing) for images in (fused, planes)
        )
        extent = np.array(size, np.int32)
    colors = row.colors or metrics.PROTOCOLS[protocol].colors or in_gray
    return float(_program(row.function, key_of(row.function), colors)(fused, planes, extent))


def _program(function, key, colors):
    _functions[key] = function
    return _compiled(key, colors)


_functions = {}


@functools.cache
def _compiled(key, colors):
    function = _functions[key]

    def score(fused, sources, extent):
        options = {} if extent is None else {"extent": extent}
        if fused.ndim == 2 and sources.ndim == 3:
            return function(fused, sources, **options)
        return colors(function, fused, sources, **options)

    return jax.jit(score)
