"""The registry as plain text."""

from ttd_jax.metrics.protocol import PROTOCOLS
from ttd_jax.metrics.registry import METRICS


def listing() -> str:
    """Every metric in a line, then where the protocols differ, then the references."""
    rows = [("name", "better", "range", "looks at", "vs float64", "what it measures")]
    for row in METRICS.values():
        looks_at = "fused + sources" if row.needs_sources else "fused"
        rows.append(
            (row.name, row.better, row.range, looks_at, f"{row.tolerance:g}", row.description)
        )
    lines = ["Metrics of one fused image and its M sources, grays in 0..255", "", *_aligned(rows)]
    lines += ["", "Protocols", ""]
    lines += _aligned([(name, source) for name, source in PROTOCOLS.items()])
    lines += ["", "Where they differ", ""]
    lines += _aligned(
        [("", *PROTOCOLS)]
        + [
            (row.name, *(row.variants[name] for name in PROTOCOLS))
            for row in METRICS.values()
            if row.variants
        ]
    )
    lines += ["", "References", ""]
    lines += _aligned([(row.name, row.reference) for row in METRICS.values()])
    return "\n".join(lines)


def _aligned(rows):
    """The rows as lines whose columns start at the same place."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
