"""The registries as plain text."""

from ttd_jax.core.dominability import LOSS_MAPS
from ttd_jax.metrics import METRICS, PROTOCOLS
from ttd_jax.networks import lookup, networks
from ttd_jax.report.columns import aligned


def list_metrics() -> str:
    """Every metric in a line, then where the protocols differ, then the references."""
    found = METRICS.values()
    head = ("name", "better", "range", "looks at", "vs float64", "what it measures")
    rows = [
        (m.name, m.better, m.range, _looks_at(m), f"{m.tolerance:g}", m.description) for m in found
    ]
    variants = [(m.name, *(m.variants.get(p, "") for p in PROTOCOLS)) for m in found if m.variants]
    return _sections(
        ("Metrics of one fused image and its M sources, grays in 0..255", [head, *rows]),
        ("Protocols", PROTOCOLS.items()),
        ("Where they differ", [("", *PROTOCOLS), *variants]),
        ("References", [(m.name, m.reference) for m in found]),
    )


def list_networks() -> str:
    """Every fusion network in a line, then licenses and papers, then what else RD is made from."""
    found = [lookup(name) for name in networks()]
    head = ("name", "sources", "channels", "presets, the default first", "tasks")
    rows = [
        (s.name, s.source_count or "any", s.channels, _presets(s), ", ".join(s.tasks))
        for s in found
    ]
    origins = [(s.name, s.license, s.paper) for s in found]
    return _sections(
        ("Fusion networks", [head, *rows]),
        ("Licenses of the authors' weights, and papers", origins),
        ("Notes", [(s.name, s.note) for s in found if s.note]),
        ("Loss maps that --dominability takes beside presets", [(name,) for name in LOSS_MAPS]),
    )


def _presets(spec):
    return ", ".join(spec.presets) or "none: fuses statically only"


def _looks_at(metric):
    return "fused + sources" if metric.needs_sources else "fused"


def _sections(*sections):
    """Titles over aligned rows; a section without rows is left out."""
    return "\n\n".join("\n".join([title, "", *aligned(rows)]) for title, rows in sections if rows)
