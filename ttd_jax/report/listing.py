"""The registries as plain text."""

from ttd_jax.core.dominability import LOSS_MAPS
from ttd_jax.metrics import METRICS, PROTOCOLS
from ttd_jax.networks import lookup, networks
from ttd_jax.report.columns import aligned


def list_metrics() -> str:
    """Every metric in a line, then where the protocols differ, then the references."""
    found = METRICS.values()
    rows = [("name", "better", "range", "looks at", "vs float64", "what it measures")]
    rows += [
        (
            metric.name,
            metric.better,
            metric.range,
            "fused + sources" if metric.needs_sources else "fused",
            f"{metric.tolerance:g}",
            metric.description,
        )
        for metric in found
    ]
    variants = [
        (metric.name, *(metric.variants[name] for name in PROTOCOLS))
        for metric in found
        if metric.variants
    ]
    return _sections(
        ("Metrics of one fused image and its M sources, grays in 0..255", rows),
        ("Protocols", list(PROTOCOLS.items())),
        ("Where they differ", [("", *PROTOCOLS), *variants]),
        ("References", [(metric.name, metric.reference) for metric in found]),
    )


def list_networks() -> str:
    """Every fusion network in a line, then licenses and papers, then what else RD is made from."""
    found = [lookup(name) for name in networks()]
    rows = [("name", "sources", "channels", "presets, the default first", "tasks")]
    rows += [
        (
            spec.name,
            str(spec.source_count or "any"),
            str(spec.channels),
            ", ".join(spec.presets),
            ", ".join(spec.tasks),
        )
        for spec in found
    ]
    origins = [(spec.name, spec.license, spec.paper) for spec in found]
    return _sections(
        ("Fusion networks", rows),
        ("Licenses of the authors' weights, and papers", origins),
        ("Notes", [(spec.name, spec.note) for spec in found if spec.note]),
        ("Loss maps that --dominability takes beside presets", [(name,) for name in LOSS_MAPS]),
    )


def _sections(*sections):
    """Titles over aligned rows; a section without rows is left out."""
    return "\n\n".join("\n".join([title, "", *aligned(rows)]) for title, rows in sections if rows)
