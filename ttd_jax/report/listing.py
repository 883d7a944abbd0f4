"""The registries as plain text."""

from ttd_jax.core.dominability import LOSS_MAPS
from ttd_jax.metrics import GROUPS, METRICS, PROTOCOLS, scored
from ttd_jax.metrics.temporal import TEMPORAL
from ttd_jax.networks import lookup, networks
from ttd_jax.report.columns import aligned


def list_metrics() -> str:
    """Every metric in a line, group by group, then of sequences, the protocols, the references."""
    found = sorted(METRICS.values(), key=lambda metric: GROUPS.index(metric.group))
    head = ("name", "better", "range", "group", "looks at", "what it measures")
    rows = [(m.name, m.better, m.range, m.group, _looks_at(m), m.description) for m in found]
    protocols = [
        (name, f"{len(scored(name))} metrics", one.reference) for name, one in PROTOCOLS.items()
    ]
    return _sections(
        ("Metrics of one fused image and its M sources, grays in 0..255", [head, *rows]),
        (
            "Metrics of sequences, the less the better",
            [(m.name, m.description) for m in TEMPORAL.values()],
        ),
        ("Protocols; --protocol=NAME tells how one defines its metrics", protocols),
        ("Undefined", [(m.name, m.undefined) for m in found if m.undefined]),
        ("References", [(m.name, m.reference) for m in (*found, *TEMPORAL.values())]),
    )


def list_protocol(protocol: str) -> str:
    """How a protocol defines each of its metrics, and the program that those are held to."""
    asked, rows = PROTOCOLS[protocol], scored(protocol).values()
    head = ("name", "better", "definition", "held to")
    told = [(r.name, METRICS[r.name].better, r.definition, r.program) for r in rows]
    color = "grays" if asked.colors is None else "channels"
    return _sections(
        (f"{protocol}: {asked.reference}; scores {color}", [head, *told]),
        ("Not scored", asked.refused.items()),
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
