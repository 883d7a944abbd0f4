"""Methods ranked on the same images, and on which metrics they differ. Float64, on the host."""

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from ttd_jax.metrics import METRICS

LEVEL = 0.05
_LEAST = 10  # images, from which on Friedman's statistic is about that of chi-square

Columns = Mapping[str, Mapping[str, Sequence[float | None]]]  # method -> metric -> scores


def mean_ranks(columns: Columns) -> dict[str, float]:
    """The rank of each method's mean by a metric, averaged over the metrics, as VIFB prints it.

    Args:
      columns: method -> metric -> a score an image. Images for which a method's figure is
        undefined are left out of the means of all.

    Returns:
      Method -> its mean rank, the best first: 1 is the best, equal means share the mean of their
      ranks. Metrics that no image is left of are left out; NaN where none remains.

    Reference: Zhang et al., VIFB, CVPR Workshops 2020.
    """
    from scipy.stats import rankdata  # takes a second to import

    ranks = []
    for name in next(iter(columns.values())):
        scores = _defined(columns, name)
        if scores.size:
            ranks.append(rankdata(-METRICS[name].merit(scores.mean(axis=1))))
    ranks = np.mean(ranks, axis=0) if ranks else [math.nan] * len(columns)
    return dict(sorted(zip(columns, map(float, ranks), strict=True), key=lambda item: item[1]))


def significance(columns: Columns) -> dict:
    """On which metrics methods differ at 5 %, by tests of figures of the same images.

    Wilcoxon's signed-rank test compares two methods; Friedman's finds the metrics on which more
    of them differ, and Nemenyi's which of them do. Holm's correction is over the metrics. Images
    for which a method's figure is undefined are left out.

    Args:
      columns: method -> metric -> a score an image; at least two methods.

    Returns:
      JSON-able: `test`; `images`; `needed`, how many a metric must have; `p`: metric -> corrected
      p, None where there are fewer; `differ`: the metrics whose p is at most 5 %; `better`:
      method -> other -> those of them on which it is better.

    Reference: Demsar, J. Mach. Learn. Res. 7 (2006) 1-30.
    """
    methods = list(columns)
    names = list(columns[methods[0]])
    images = len(columns[methods[0]][names[0]])
    # With fewer no signed-rank test, whose least p is 2^(1 - n), would survive the correction.
    needed = max(_LEAST, math.ceil(1 + math.log2(len(names) / LEVEL)))
    tables = {}
    for name in names:
        merits = METRICS[name].merit(_defined(columns, name))
        if merits.shape[1] >= needed:
            tables[name] = merits
    test, test_of = ("Wilcoxon", _wilcoxon) if len(methods) == 2 else ("Friedman", _friedman)
    found = {name: test_of(merits) for name, merits in tables.items()}
    p = _holm({name: of[0] for name, of in found.items()})
    differ = [name for name in names if p.get(name, 1) <= LEVEL]
    better = {
        a: {b: [n for n in differ if found[n][1][i, j]] for j, b in enumerate(methods) if a != b}
        for i, a in enumerate(methods)
    }
    return {
        "test": test,
        "images": images,
        "needed": needed,
        "p": {name: p.get(name) for name in names},
        "differ": differ,
        "better": better,
    }


def _defined(columns, name):
    """f64[methods, images], of the images for which every method's figure is defined."""
    scores = np.array([of[name] for of in columns.values()], np.float64)
    return scores[:, np.isfinite(scores).all(axis=0)]


def _wilcoxon(merits):
    """p of f64[2, images], and bool[2, 2]: whether one is the better of two that differ."""
    from scipy.stats import rankdata, wilcoxon

    difference = merits[0] - merits[1]
    difference = difference[difference != 0]
    p = float(wilcoxon(difference).pvalue) if len(difference) else 1.0
    ahead = np.sum(np.sign(difference) * rankdata(abs(difference))) > 0
    return p, np.array([[False, ahead], [not ahead, False]])


def _friedman(merits):
    """p of f64[methods, images], and bool[methods, methods]: which are better, by Nemenyi."""
    from scipy.stats import friedmanchisquare, rankdata, studentized_range

    methods, images = merits.shape
    if (merits == merits[0]).all():
        return 1.0, np.zeros((methods, methods), bool)
    ranks = rankdata(-merits, axis=0).mean(axis=1)
    quantile = studentized_range.ppf(1 - LEVEL, methods, np.inf)
    apart = quantile * math.sqrt(methods * (methods + 1) / (12 * images))
    p = float(friedmanchisquare(*merits).pvalue)
    return p, ranks[None, :] - ranks[:, None] > apart


def _holm(p):
    """Metric -> p, corrected for their number."""
    ordered = sorted(p, key=p.get)
    raised = (min(1.0, p[name] * (len(p) - i)) for i, name in enumerate(ordered))
    return dict(zip(ordered, itertools.accumulate(raised, max), strict=True))
