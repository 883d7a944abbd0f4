"""What was found, as Markdown for people."""

from collections.abc import Mapping

from ttd_jax.report.markdown import padded_table

_HELD = {
    "fusion": (
        "Fusions (static, TTD, TTD with the losses `self` and `fused`) in float32 against the "
        "CPU's: the largest difference of what is allowed; of losses in shares of the largest."
    ),
    "metrics": "All metrics of one scene against the CPU's: relative, nearest to their tolerance.",
    "jobs": "`evaluate` and `finetune` on all devices, against one CPU device: relative.",
}
_PRECISION = "Lower precision, against the CPU's float32 (the largest over the strategies):"
_SPEED = (
    "Milliseconds for a call, median of interleaved rounds (range), float32 on both sides, TF32 "
    "off, weights random; a ratio below 1: JAX is faster."
)
_FAST = "Milliseconds with TF32 allowed on both sides (`--precision=default`; bfloat16 on TPUs):"
_COSTS = (
    "Seconds to compile; megabytes that XLA plans (arguments, results, temporaries) and the peak "
    "on the device in a process of its own, weights and scenes included."
)


def markdown(record: Mapping) -> str:
    """The record of `run_checks`."""
    machine = record["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    lines = [
        f"# {machine['device']}, {machine['devices']} of them, {machine['cpus']} CPUs",
        "",
        f"{versions}; {machine['runtime']}.",
        "",
        "What does not hold, or was not found out:"
        if record["broken"]
        else "All that is held to a tolerance holds.",
        *(f"- {line}" for line in record["broken"]),
    ]
    checks = record["checks"]
    for section, text in _HELD.items():
        lines += _titled(text, [_held(one) for one in _done(checks, section)])
    lines += _titled(_PRECISION, [_precision(one) for one in _done(checks, "precision")])
    speed = [one["findings"][0] for one in _done(checks, "speed")]
    lines += _titled(_SPEED, [_times(one) for one in speed])
    lines += _titled(_FAST, [_fast(one) for one in speed if "jax, default" in one["seconds"]])
    peaks = {one["name"]: one["findings"][0] for one in _done(checks, "memory")}
    lines += _titled(_COSTS, [_costs(one, peaks.get(one["case"], {})) for one in speed])
    notes = [f"- {one['case']}: {note}" for one in speed for note in one["notes"]]
    notes += [
        f"- {one['section']}: {one['name']}: {one.get('failed') or one['skipped']}"
        for one in checks
        if "findings" not in one
    ]
    return "\n".join([*lines, *(["", *notes] if notes else [])]) + "\n"


def _done(checks, section):
    return [one for one in checks if one["section"] == section and "findings" in one]


def _titled(text, rows):
    """A table of dicts, column -> cell; none without rows."""
    if not rows:
        return []
    columns = list(dict.fromkeys(column for row in rows for column in row))
    cells = [[row.get(column, "-") for column in columns] for row in rows]
    return ["", text, "", *padded_table(columns, cells)]


def _held(check):
    worst = {}
    for one in check["findings"]:
        before = worst.get(one["group"])
        if before is None or not _share(one) <= _share(before):  # NaN is the worst
            worst[one["group"]] = one
    cells = {
        group: f"{one['difference']:.1e} of {one['tolerance']:g}" for group, one in worst.items()
    }
    return {"": check["name"], **cells}


def _share(finding):
    return finding["difference"] / finding["tolerance"]


def _precision(check):
    found = check["findings"]
    return {
        "precision": check["name"],
        "picture: largest": f"{max(one['image'] for one in found):.1e}",
        "mean": f"{max(one['image_mean'] for one in found):.1e}",
        "8-bit values changed": f"{max(one['changed'] for one in found):.1%}",
        "RD: largest": f"{max(one['RD'] for one in found):.1e}",
    }


def _times(one):
    row = {"case": one["case"], "JAX": _milliseconds(one, "jax")}
    for side in ("torch", "torch.compile"):
        if side in one["seconds"]:
            row[side] = _milliseconds(one, side)
            row[f"JAX / {side}"] = f"{one['ratios'][side]:.2f}"
    if "difference" in one:
        row["pictures differ by"] = f"{one['difference']:.0e}"
    return row


def _fast(one):
    seconds = {side: times["median"] for side, times in one["seconds"].items()}
    fast = seconds["jax, default"]
    row = {"case": one["case"], "JAX": f"{1e3 * fast:.3g}"}
    row["JAX / its float32"] = f"{fast / seconds['jax']:.2f}"
    if "torch, TF32" in seconds:
        row["torch"] = f"{1e3 * seconds['torch, TF32']:.3g}"
        row["JAX / torch"] = f"{fast / seconds['torch, TF32']:.2f}"
    return row


def _costs(one, peak):
    row = {
        "case": one["case"],
        "trace": f"{one['compile']['lower']:.1f}",
        "XLA": f"{one['compile']['compile']:.1f}",
    }
    if "torch_compile" in one:
        row["torch.compile"] = f"{one['torch_compile']:.1f}"
    row["planned, MB"] = f"{one['planned'] / 1e6:.0f}"
    measured = peak.get("device_peak") or peak.get("peak")
    if measured:
        row["peak, MB"] = f"{measured / 1e6:.0f}"
    if one.get("torch_peak"):
        row["torch's peak, MB"] = f"{one['torch_peak'] / 1e6:.0f}"
    return row


def _milliseconds(one, side):
    times = {name: 1e3 * value for name, value in one["seconds"][side].items()}
    return f"{times['median']:.3g} ({times['least']:.3g} to {times['most']:.3g})"
