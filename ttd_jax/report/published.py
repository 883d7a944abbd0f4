"""Every figure of the TTD paper, to print beside measured ones; `published.toml` holds them."""

import dataclasses
import importlib.resources
import tomllib
from collections.abc import Mapping

DIGITS = 2  # of the figures, as printed


@dataclasses.dataclass(frozen=True)
class Table:
    """A published table.

    Attributes:
      columns: names of the metrics.
      rows: method -> metric -> figure.
      note: what a reader should know.
      images: how many the benchmark has that it is of, where that is one of ours.
    """

    columns: tuple[str, ...]
    rows: Mapping[str, Mapping[str, float]]
    note: str = ""
    images: int | None = None

    def figure(self, method: str, metric: str) -> float | None:
        """One figure, or None if the table has none."""
        return self.rows.get(method, {}).get(metric)


def _table(columns, rows, note="", images=None):
    named = {method: dict(zip(columns, row, strict=True)) for method, row in rows.items()}
    return Table(tuple(columns), named, note, images)


_FILE = importlib.resources.files("ttd_jax.report") / "published.toml"
_TABLES = tomllib.loads(_FILE.read_text(encoding="utf-8"))

# data set -> table
BENCHMARKS: Mapping[str, Table] = {
    name: _table(**table) for name, table in _TABLES["benchmarks"].items()
}

# Ablations, all on LLVIP with IFCNN.
FORM_OF_WEIGHT = _table(**_TABLES["form_of_weight"])
NORMALIZATION = _table(**_TABLES["normalization"])
CORRELATION = _table(**_TABLES["correlation"])
GRADIENT = _table(**_TABLES["gradient"])
# share of noise on the parameters -> table
PARAMETER_NOISE: Mapping[float, Table] = {
    float(share): _table(**table) for share, table in _TABLES["parameter_noise"].items()
}


def agrees(measured: float, published: float, digits: int = DIGITS) -> bool:
    """Whether a measured figure rounds to the printed one."""
    return f"{measured:.{digits}f}" == f"{published:.{digits}f}"
