"""Every figure the TTD paper publishes, as data, to print beside measured ones.

Source: Cao et al., "Test-Time Dynamic Image Fusion", NeurIPS 2024, Tables 1 to 5 and 8, Fig. 5 and
section 5; M3FD and LLVIP detection from public leaderboards. Figures as printed, two digits.
"""

import dataclasses
from collections.abc import Mapping

DIGITS = 2


@dataclasses.dataclass(frozen=True)
class Table:
    """A published table.

    Attributes:
      columns: names of the metrics.
      rows: method -> figures in the order of the columns.
      note: what a reader should know.
    """

    columns: tuple[str, ...]
    rows: Mapping[str, tuple[float, ...]]
    note: str = ""

    def figure(self, method: str, metric: str) -> float | None:
        """One figure, or None if the table has none."""
        if method not in self.rows or metric not in self.columns:
            return None
        return self.rows[method][self.columns.index(metric)]


def _table(columns: str, text: str, note: str = "") -> Table:
    names = tuple(columns.split())
    rows = {}
    for line in text.strip().splitlines():
        method, _, figures = line.strip().rpartition(":")
        values = tuple(map(float, figures.split()))
        if len(values) != len(names):
            raise ValueError(f"{method}: {len(values)} figures for {len(names)} columns")
        rows[method] = values
    return Table(names, rows, note)


_SCENES = "EN SD AG EI SF SCD CE"
_MULTI = "SD EI EN AG SF CE"
_MEDICAL = "EN SD AG EI SF SSIM CE"
_SIXTH = "the paper heads the sixth column SSIM; its values are SCD's"

# data set -> table
BENCHMARKS: Mapping[str, Table] = {
    "llvip/ttd_subset": _table(
        _SCENES,
        """
        IFCNN: 6.95 37.75 5.18 13.13 18.18 1.32 7.82
        IFCNN+TTD: 6.98 38.99 5.48 13.92 19.40 1.34 7.79
        CDDFuse: 7.36 50.90 4.99 12.68 18.26 1.62 7.79
        CDDFuse+TTD: 7.34 53.88 5.54 14.07 20.17 1.58 7.83
        PIAFusion: 7.39 52.12 5.77 14.81 19.59 1.59 7.72
        PIAFusion+TTD: 7.42 56.14 5.90 15.15 20.29 1.64 7.65
        DenseFuse: 6.83 33.98 3.62 8.80 12.27 1.24 8.13
        U2Fusion: 6.64 35.83 4.13 10.56 13.70 1.27 9.14
        DeFusion: 7.21 42.91 3.80 9.76 11.99 1.21 7.83
        SwinFuse: 5.84 40.95 3.58 9.02 15.38 1.27 8.51
        MUFusion: 7.29 50.09 4.96 13.38 13.29 1.38 7.57
        DDFM: 6.34 32.31 3.25 7.93 11.71 1.07 8.66
        TC-MoA: 7.40 48.92 2.76 7.47 9.78 1.40 7.83
        """,
        "70 images of the test split; the authors' repository names 69",
    ),
    "msrs/fusion": _table(
        _SCENES,
        """
        IFCNN: 6.07 26.99 3.44 8.99 10.77 1.33 7.12
        IFCNN+TTD: 6.09 28.09 3.58 9.39 11.46 1.35 7.10
        CDDFuse: 6.71 43.38 3.78 10.08 11.57 1.60 6.92
        CDDFuse+TTD: 6.64 43.78 3.97 10.54 12.67 1.58 6.95
        PIAFusion: 6.64 45.34 3.95 10.57 12.12 1.70 6.93
        PIAFusion+TTD: 6.62 48.26 4.18 11.18 12.99 1.52 6.92
        DenseFuse: 5.93 23.55 2.05 5.42 6.02 1.25 7.75
        U2Fusion: 5.21 22.67 2.51 6.70 8.06 1.15 12.54
        DeFusion: 6.38 35.43 2.64 7.12 8.15 1.27 7.55
        SwinFuse: 4.24 29.72 1.93 5.12 9.47 1.03 8.93
        MUFusion: 6.09 31.81 3.46 9.54 9.77 1.33 6.87
        DDFM: 5.76 22.94 2.01 5.28 6.44 1.22 7.56
        TC-MoA: 6.49 35.60 3.12 8.99 10.77 1.33 7.12
        """,
        "the last four figures of TC-MoA repeat IFCNN's: a misprint",
    ),
    "mefb": _table(
        _MULTI,
        """
        IFCNN: 51.78 14.48 7.06 5.85 20.41 11.60
        IFCNN+TTD: 52.86 15.94 7.10 6.38 21.99 11.41
        """,
    ),
    "mfi_whu": _table(
        _MULTI,
        """
        IFCNN: 54.02 18.71 7.38 7.55 22.85 7.40
        IFCNN+TTD: 54.22 19.10 7.39 7.70 23.51 7.40
        """,
    ),
    "harvard_medical/mri_ct": _table(
        _MEDICAL,
        """
        IFCNN: 4.62 61.98 7.86 19.92 31.06 1.49 4.72
        IFCNN+TTD: 4.66 66.14 8.27 21.11 32.63 1.50 4.63
        CDDFuse: 4.80 88.18 8.30 20.81 34.32 1.46 4.77
        CDDFuse+TTD: 4.81 88.12 9.21 23.08 37.50 1.43 4.81
        PIAFusion: 4.99 79.98 8.30 21.49 31.42 0.99 6.31
        PIAFusion+TTD: 4.85 82.09 8.43 21.90 32.45 1.38 5.76
        DenseFuse: 4.51 57.06 4.73 12.19 19.37 1.49 4.95
        TC-MoA: 5.37 78.62 7.01 18.62 26.18 1.42 5.20
        """,
    ),
    "harvard_medical/mri_pet": _table(
        _MEDICAL,
        """
        IFCNN: 3.96 55.29 7.21 18.21 26.69 1.52 3.66
        IFCNN+TTD: 4.00 58.48 7.80 19.77 28.97 1.52 3.63
        CDDFuse: 4.28 81.33 7.68 19.74 27.84 1.50 3.57
        CDDFuse+TTD: 4.27 83.15 8.73 22.03 32.58 1.47 3.59
        PIAFusion: 4.43 73.32 8.53 21.96 30.41 0.95 5.88
        PIAFusion+TTD: 4.33 75.79 8.75 22.59 31.65 1.40 5.39
        DenseFuse: 3.80 49.62 4.32 11.14 15.38 1.48 3.99
        TC-MoA: 4.83 71.65 6.79 17.99 22.52 1.46 4.31
        """,
    ),
    "harvard_medical/mri_spect": _table(
        _MEDICAL,
        """
        IFCNN: 3.63 47.48 4.75 11.96 19.35 1.60 3.61
        IFCNN+TTD: 3.66 49.08 5.13 12.94 21.10 1.60 3.59
        CDDFuse: 3.90 71.58 5.21 13.28 20.70 1.58 3.65
        CDDFuse+TTD: 3.91 74.45 5.69 14.47 23.40 1.55 3.72
        PIAFusion: 4.08 61.62 5.60 14.23 21.92 0.97 6.33
        PIAFusion+TTD: 4.01 63.85 5.68 14.43 22.56 1.46 5.68
        DenseFuse: 3.61 44.36 2.78 7.13 10.74 1.59 3.79
        TC-MoA: 4.44 58.27 4.44 11.59 16.30 1.52 4.43
        """,
    ),
    "m3fd/fusion": _table("EI", "TTD: 12.88", "a public leaderboard, not the paper"),
}

# Ablations, all on LLVIP with IFCNN.
FORM_OF_WEIGHT = _table(
    _SCENES,
    """
    w=0.5: 6.95 37.75 5.18 13.13 18.18 1.32 7.82
    softmax(-l): 6.97 38.41 5.24 13.31 18.31 1.35 7.81
    softmax(sigmoid(-l)): 6.97 38.48 5.36 13.60 18.87 1.33 7.80
    softmax(exp(-l)): 6.98 38.99 5.48 13.92 19.40 1.34 7.79
    """,
    _SIXTH,
)
NORMALIZATION = _table(
    _SCENES,
    """
    none: 6.57 29.84 4.60 11.56 16.56 0.95 8.80
    proportional: 6.97 38.41 5.24 13.31 18.31 1.34 7.80
    softmax: 6.98 38.99 5.48 13.92 19.40 1.34 7.79
    """,
    _SIXTH,
)
CORRELATION = _table("EN SD AG EI SF SCD", "positive: 6.92 36.47 4.83 12.19 16.74 1.29")
GRADIENT = _table(_SCENES, "best channel: 7.01 43.51 6.42 16.26 23.26 1.34 7.67")
# share of noise on the parameters -> table
PARAMETER_NOISE: Mapping[float, Table] = {
    noise: _table(_SCENES, f"IFCNN: {static}\nIFCNN+TTD: {ttd}")
    for noise, static, ttd in (
        (0.1, "6.90 36.88 5.00 12.60 18.10 1.28 7.89", "6.92 38.01 5.26 13.27 19.33 1.30 7.87"),
        (0.2, "6.86 36.61 4.90 12.34 17.44 1.28 8.15", "6.89 37.95 5.16 13.01 18.36 1.31 8.11"),
        (0.3, "5.93 32.20 4.45 11.16 16.81 1.04 8.33", "5.96 33.45 4.74 11.88 18.26 1.05 8.23"),
        (0.4, "6.04 32.18 4.10 10.33 15.38 1.01 8.28", "6.33 36.81 4.69 11.89 17.48 1.11 7.99"),
        (0.5, "4.49 30.38 3.72 9.33 16.03 0.75 8.99", "4.53 35.32 4.31 10.82 18.71 0.82 8.82"),
    )
}


def agrees(measured: float, published: float, digits: int = DIGITS) -> bool:
    """Whether a measured figure rounds to the printed one."""
    return f"{measured:.{digits}f}" == f"{published:.{digits}f}"
