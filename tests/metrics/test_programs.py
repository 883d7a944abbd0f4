"""Every protocol's metrics against the figures of its own programs: MATLAB and Python as it is.

On real pictures and edge cases.
"""

import fnmatch
import functools

import jax
import numpy as np
import pytest

from tests.metrics.golden import figure, read
from ttd_jax import metrics
from ttd_jax.metrics import METRICS
from ttd_jax.metrics.gradient.edge_preservation import mean_edge_preservation
from ttd_jax.metrics.information.tsallis import tsallis_information

TOLERANCE = 1e-4  # relative
LEAST = 1e-2  # below this figure, absolute
# What no protocol has: (program, metric) -> function.
_TOOLBOX = "zhengliu6699/imageFusionMetrics "
OTHERS = {
    (f"{_TOOLBOX}metricMI.m sw=2", "TE"): functools.partial(
        tsallis_information, marginals="swapped"
    ),
    (f"{_TOOLBOX}metricMI.m sw=3", "TE_Nava"): functools.partial(
        tsallis_information, order=0.43137, marginals="swapped", normalized=True
    ),
    (f"{_TOOLBOX}metricXydeas.m", "Qg"): mean_edge_preservation,
}
LONG = {"Qp"}  # a run costs more than optimizing it
# Of pictures with color, where all but two metrics are treated alike: only these are compared.
COLORED = {"CE", "AG", "EI", "SF", "MEF_SSIM"}
# (protocol, metric, cases) -> relative tolerance, None for no target; and why.
_NOISE = "flat areas that are not black leave the program its own rounding noise for a variance"
_COIN = _NOISE + ", whose sign decides what a window counts"
_SINGLE = "the program sums squares up to 65025^2 in float32"
_BLACK = "black ground: the program divides what is left of rounding; ours counts contrast as 1"
_FEATURELESS = "a constant picture: 0 / 0 in the program, no features in ours"
EXCEPTIONS = {
    ("mefb", "Qc", "msrs1_*"): (5e-4, _COIN),
    ("mefb", "Qc", "msrs2_*"): (5e-3, _COIN),
    ("mefb", "Qc", "harvct_*"): (5e-4, _COIN),
    ("mefb", "Qc", "mfiwhu_*"): (1e-3, _COIN),
    ("mefb", "Qc", "mefb?_*"): (None, _COIN),
    ("mefb", "Qc", "rgb_mefb?_*"): (None, _COIN),
    ("mefb", "Qc", "edge_constA"): (None, _COIN),
    ("mefb", "Qc", "edge_identicalsrc"): (5e-4, _COIN),
    ("*", "Qy", "edge_const?"): (None, _NOISE),
    ("mefb", "Qy", "edge_allconst"): (None, _NOISE),
    ("*", "Qy", "mefb2_*"): (None, _NOISE),
    ("mefb", "Qy", "rgb_mefb?_*"): (None, _NOISE),
    ("mefb", "VIF", "*mefb2_*"): (5e-4, _NOISE),
    ("liu", "VIFF", "mefb2_max"): (None, _NOISE),
    ("liu", "VIFF", "mefb2_*"): (5e-4, _NOISE),
    ("ivif_zoo", "VIF", "mefb2_*"): (5e-3, _SINGLE),
    ("ivif_zoo", "SSIM", "edge_const?"): (None, _SINGLE),
    ("ivif_zoo", "SSIM", "mefb?_*"): (None, _SINGLE),
    ("ivif_zoo", "SSIM", "mfiwhu_*"): (5e-4, _SINGLE),
    ("ivif_zoo", "MS_SSIM", "edge_const?"): (None, _SINGLE),
    ("ivif_zoo", "MS_SSIM", "mefb?_*"): (5e-3, _SINGLE),
    ("ivif_zoo", "Qcb", "harv*"): (None, _BLACK),
    ("*", "Qcb", "harv*"): (5e-3, _BLACK),
    ("*", "Qp", "edge_zero?"): (None, _FEATURELESS),
    ("*", "Qp", "edge_constA"): (None, _FEATURELESS),
}


@pytest.fixture(scope="module")
def golden(shared):
    return read(shared)


def exception(protocol, name, case):
    """The tolerance of a case: that of the first exception that fits."""
    for (own, metric, pattern), (tolerance, _) in EXCEPTIONS.items():
        if own in ("*", protocol) and metric == name and fnmatch.fnmatch(case, pattern):
            return tolerance
    return TOLERANCE


def names(protocol):
    return [name for name, row in metrics.scored(protocol).items() if row.program]


@pytest.mark.parametrize(
    ("protocol", "name"), [(p, name) for p in metrics.PROTOCOLS for name in names(p)]
)
def test_figures_are_those_of_the_program(golden, protocol, name, request):
    request.getfixturevalue("thorough_compilation" if name in LONG else "quick_compilation")
    cases, values = golden
    row = metrics.scored(protocol)[name]
    found = values[row.program, name]
    assert found, f"no figures of {row.program}"
    wrong = []
    for case, expected in found.items():
        tolerance = exception(protocol, name, case)
        if tolerance is None or (case.startswith("rgb_") and name not in COLORED):
            continue
        ours = figure(protocol, name, cases[case])
        assert METRICS[name].undefined or not np.isnan(ours), case
        if not fits(ours, expected, tolerance):
            wrong.append((case, expected, ours))
    assert not wrong


def fits(ours, expected, tolerance=TOLERANCE):
    if not np.isfinite(expected):
        return np.isnan(ours)  # undefined there
    return abs(ours - expected) <= max(tolerance * abs(expected), TOLERANCE * LEAST)


@pytest.mark.parametrize(("program", "name"), OTHERS)
@pytest.mark.usefixtures("quick_compilation")
def test_figures_that_no_protocol_has_are_those_of_the_program(golden, program, name):
    cases, values = golden
    function, found = jax.jit(OTHERS[program, name]), values[program, name]
    assert found
    for case, expected in found.items():
        first, second, fused = (cases[case][role].astype(np.float32) for role in "ABF")
        assert fits(float(function(fused, np.stack([first, second]))), expected), case


def test_exceptions_are_of_cases_that_there_are(golden):
    cases, _ = golden
    for protocol, name, pattern in EXCEPTIONS:
        assert protocol == "*" or name in metrics.scored(protocol), (protocol, name)
        assert fnmatch.filter(cases, pattern), pattern
