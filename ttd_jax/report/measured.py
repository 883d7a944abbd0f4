"""Which network was measured best for each task; `measured.toml` holds it."""

import dataclasses
import importlib.resources
import tomllib
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Ranking:
    """Networks of a task by what was measured of their fusions.

    Attributes:
      scenes: what was fused.
      ranks: network -> its mean rank over the metrics, one being the best; the best first.
    """

    scenes: str
    ranks: Mapping[str, float]


_FILE = importlib.resources.files("ttd_jax.report") / "measured.toml"

# task -> ranking
RANKINGS: Mapping[str, Ranking] = {
    task: Ranking(**ranking)
    for task, ranking in tomllib.loads(_FILE.read_text(encoding="utf-8")).items()
}
