"""Weights chosen by the task that they are for: `fuse --task`."""

import math
import pathlib
from collections.abc import Mapping

from ttd_jax.errors import UserError
from ttd_jax.networks import NETWORKS, FusionSpec
from ttd_jax.report.measured import RANKINGS
from ttd_jax.weights import store

SHIPPED = "shipped/ifcnn_sum"


def choose_weights(
    task: str, folder: pathlib.Path, count: int, *, weighs: bool = False
) -> tuple[str, str]:
    """The weights in a folder whose network was measured best for a task.

    Args:
      task: a key of `ttd_jax.core.tasks.TASKS`.
      folder: holds model directories, as `ttd-jax weights fetch` makes them; it may be missing.
      count: how many sources there are.
      weighs: whether networks that are fused statically only will not do.

    Returns:
      `(path, why)`: of a model directory, and a line that says why it was chosen. Without any that
      were made for the task, those that come with this package.

    Raises:
      UserError: `folder` holds weights itself, or a manifest in it is damaged.
    """
    if (store.locate(folder) / store.MANIFEST).is_file():
        raise UserError(
            f"--weights={folder}: are weights already: with --task pass a folder of several, or "
            "leave --task out"
        )
    ranking, found = RANKINGS[task], _find(task, folder, count, weighs)
    if not found:
        best = next(iter(ranking.ranks))
        return SHIPPED, (
            f"{SHIPPED} is used: no weights for {task} of {count} sources are in {folder}/; best "
            f"measured is {best}: `ttd-jax weights fetch {best}`"
        )
    best = min(found, key=lambda name: ranking.ranks.get(name, math.inf))
    why = f"{found[best]}: {best} for {task}, "
    if best not in ranking.ranks:
        return found[best], f"{why}which was not measured: nothing that was is in {folder}"
    others = [name for name in found if name != best]
    why += f"measured better than {', '.join(others)}" if others else "no other here"
    rank = f"mean rank {ranking.ranks[best]:.1f} on {ranking.scenes}"
    return found[best], f"{why} ({rank}; see docs/networks.md)"


def _find(task: str, folder: pathlib.Path, count: int, weighs: bool) -> Mapping[str, str]:
    """Network -> its weights in a folder, of those made for a task."""
    found = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if not (path / store.MANIFEST).is_file():
            continue
        spec = NETWORKS.get(store.read_manifest(path)["model"])
        fits = isinstance(spec, FusionSpec) and task in spec.tasks
        if fits and spec.source_count in (None, count) and (spec.presets or not weighs):
            found.setdefault(spec.name, str(path))
    return found
