"""The benchmarks' own figures of real pictures and edge cases, and ours of the same."""

import collections
import csv

import jax
import numpy as np

from tests.metrics.definitions import key_of
from ttd_jax import metrics

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
    "FMI_edge": "FMI_pixel",
    "FMI_wavelet": "FMI_w",
}


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
    program = _program(row.function, key_of(row.function))
    if fused.ndim == 2 and planes.ndim == 3:
        return float(program(fused, planes))
    return float((row.colors or metrics.PROTOCOLS[protocol].colors)(program, fused, planes))


_programs = {}


def _program(function, key):
    return _programs.setdefault(key, jax.jit(function))
