"""Checks one after the other: each may fail for itself, and what was found is on disk at once."""

import dataclasses
import pathlib
import time
from collections.abc import Callable, Iterable

from tests.accelerator.tables import markdown
from ttd_jax.errors import one_line
from ttd_jax.files import dumps, write_whole


@dataclasses.dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
      section: the table that it belongs to.
      name: its row there.
      run: gives its findings, JSON-able dicts; see `compared` for those that are held to something.
      held: whether all is well only if it was run and its findings hold.
    """

    section: str
    name: str
    run: Callable[[], list[dict]]
    held: bool = False


def compared(group: str, quantity: str, difference: float, tolerance: float) -> dict:
    """A finding that is held to a tolerance; NaN does not hold.

    Args:
      group: what quantities share a column.
      quantity: what was compared.
      difference: from what it should be.
      tolerance: the greatest difference that holds.
    """
    return {
        "group": group,
        "quantity": quantity,
        "difference": float(difference),
        "tolerance": tolerance,
        "holds": bool(difference <= tolerance),
    }


def run_checks(
    checks: Iterable[Check], record: dict, *, out: pathlib.Path, end: float, tell=print
) -> dict:
    """Runs checks in their order; those whose turn comes too late are left out, and it says so.

    Args:
      checks: see there.
      record: what is known beforehand.
      out: folder of accelerator.json and accelerator.md, which are whole after every check.
      end: when none is begun any more, in seconds of `time.monotonic`.
      tell: is given a line for every check.

    Returns:
      The record with `checks`: `section`, `name`, `seconds` and `findings`, `failed` or `skipped`;
      and `broken`: what does not hold, in words.
    """
    record = {**record, "checks": [], "broken": []}
    for check in checks:
        found = {"section": check.section, "name": check.name}
        begun = time.monotonic()
        if begun >= end:
            found["skipped"] = "no time was left"
        else:
            try:
                found["findings"] = check.run()
            except Exception as error:
                found["failed"] = one_line(error)
        found["seconds"] = round(time.monotonic() - begun, 1)
        record["checks"].append(found)
        record["broken"] += _broken(check, found)
        write_whole(out / "accelerator.json", dumps(record))
        write_whole(out / "accelerator.md", markdown(record))
        tell(f"{found['seconds']:6.1f} s  {check.section}: {check.name}: {_outcome(found)}")
    return record


def _broken(check, found):
    name = f"{check.section}: {check.name}"
    missing = found.get("failed") or found.get("skipped")
    if check.held and missing:
        yield f"{name}: {missing}"
    for one in found.get("findings", ()):
        if one.get("holds") is False:
            yield (
                f"{name}: {one['quantity']} differs by {one['difference']:.2g}, more than "
                f"{one['tolerance']:g}"
            )


def _outcome(found):
    if "findings" not in found:
        return f"failed: {found['failed']}" if "failed" in found else found["skipped"]
    failures = [one["quantity"] for one in found["findings"] if one.get("holds") is False]
    return f"DOES NOT HOLD: {', '.join(failures)}" if failures else "done"
