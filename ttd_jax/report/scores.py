"""How the names of metrics, estimates of their means and what is told of methods are written."""

import math
from collections.abc import Callable, Mapping, Sequence

from ttd_jax.errors import counted
from ttd_jax.metrics import CORE, GROUPS, METRICS

RANK = "mean rank ↓"
_ARROWS = {"up": "↑", "down": "↓", "zero": "→0"}
_TOLD = 5  # methods that a sentence compares with the first


def arrow(metric: str) -> str:
    """↑ where higher is better, ↓ where lower is, →0 where what is nearer to zero is."""
    return _ARROWS[METRICS[metric].better]


def heading(metric: str) -> str:
    """A metric's name with its arrow.

    Example:
      >>> heading("MSE")
      'MSE ↓'
    """
    return f"{metric} {arrow(metric)}"


def shown(value: float | None, form: str = ".4f") -> str:
    """A figure as it is written; n/a for what is no number.

    Example:
      >>> shown(6.5, "+.2f"), shown(float("nan"))
      ('+6.50', 'n/a')
    """
    return "n/a" if value is None or not math.isfinite(value) else f"{value:{form}}"


def interval(estimate: Mapping, sign: str = "") -> str:
    """The 95 % interval of a mean; nothing where there is none, as of one value.

    Args:
      estimate: with `low` and `high`, both None where there is none.
      sign: '+' for a difference.

    Example:
      >>> interval({"low": -0.5, "high": 1.0}, "+")
      '[-0.5000, +1.0000]'
      >>> interval({"low": None, "high": None})
      ''
    """
    if estimate["low"] is None:
        return ""
    return f"[{estimate['low']:{sign}.4f}, {estimate['high']:{sign}.4f}]"


def groups(names: Sequence[str]) -> dict[str, list[str]]:
    """Heading -> metrics, as tables have them: a few stay together, without a heading.

    Example:
      >>> groups(["MSE", "EN"])
      {'': ['MSE', 'EN']}
    """
    if len(names) <= len(CORE):
        return {"": list(names)}
    of = {group: [n for n in names if METRICS[n].group == group] for group in GROUPS}
    return {group: own for group, own in of.items() if own}


def grouped_rows(names: Sequence[str], row: Callable[[str], Sequence]) -> list[Sequence]:
    """The rows of a table in Markdown, with the headings of its `groups`.

    Args:
      names: the metrics.
      row: metric -> cells.
    """
    rows = []
    for group, own in groups(names).items():
        cells = [row(name) for name in own]
        if group:
            rows.append([f"**{group}**", *[""] * (len(cells[0]) - 1)])
        rows += cells
    return rows


def undefined_notes(found: Mapping[str, Mapping[str, Mapping]], unit: str = "image") -> list[str]:
    """A sentence for each metric that is undefined on some images.

    Args:
      found: result -> metric -> `estimate`, see `intervals.estimates`.
      unit: what they are called.
    """
    notes = []
    for name, one in next(iter(found.values())).items():
        lost = {result: of[name]["undefined"] for result, of in found.items()}
        images = counted(one["count"] + one["undefined"], unit)
        if len(set(lost.values())) > 1:
            told = ", ".join(f"{number} of {result}" for result, number in lost.items() if number)
            told += f", of {images} each"
        else:
            told = f"{one['undefined']} of {images}"
        if any(lost.values()):
            why = f" ({METRICS[name].undefined})" if METRICS[name].undefined else ""
            notes.append(f"{name} is undefined{why}; left out: {told}.")
    return notes


def told_apart(ranks: Mapping[str, float], significance: Mapping) -> str:
    """What the tests say, in a sentence: of the method that is first by mean rank, and others.

    Args:
      ranks: see `ranks.mean_ranks`.
      significance: see `ranks.significance`.
    """
    test, images, p, differ, better = (
        significance[key] for key in ("test", "images", "p", "differ", "better")
    )
    first, second, *more = ranks
    tested = [name for name, value in p.items() if value is not None]
    if not tested:
        few = f"{counted(images, 'image')} are too few to test differences"
        return f"{few} of {counted(len(p), 'metric')}: {significance['needed']} are needed."
    how = (
        f"({test}'s test, {images} images, Holm's correction for {counted(len(tested), 'metric')})"
    )
    every = f"the {len(ranks)} methods" if more else f"{first} and {second}"
    if not differ:
        return f"At 5 %, no metric tells {every} apart {how}."
    if not more:
        ahead, behind = (_told(better[a][b], tested) for a, b in ((first, second), (second, first)))
        return f"At 5 %, {first} is better than {second} on {ahead} and worse on {behind} {how}."
    counts = {
        other: (len(better[first][other]), len(better[other][first]))
        for other in [second, *more][:_TOLD]
    }
    against = [f"than {other} on {a} and worse on {b}" for other, (a, b) in counts.items() if a + b]
    alike = ", ".join(other for other, both in counts.items() if not sum(both))
    told = [f"is better {', '.join(against)}"] if against else []
    told += [f"is not told from {alike}"] if alike else []
    apart = f"by Nemenyi's test {first}, which has the best mean rank, {' and '.join(told)}"
    return f"At 5 %, {every} are not all alike on {_told(differ, tested)} {how}; {apart}."


def _told(names, every):
    """Metrics for a sentence; those that are not among them where these are few."""
    others = ", ".join(name for name in every if name not in names)
    if 2 * len(names) > len(every):
        return f"all but {others}" if others else "all"
    return ", ".join(names) or "none"
