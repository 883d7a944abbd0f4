"""The page of an evaluation: tables, plots and a gallery in one HTML file that needs no network."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2

from ttd_jax import metrics
from ttd_jax.evaluation import plots
from ttd_jax.evaluation.comparison import STATIC, has_published, rank_notes, rank_table
from ttd_jax.evaluation.gallery import Card
from ttd_jax.networks import lookup
from ttd_jax.report.scores import arrow, groups, shown, undefined_notes
from ttd_jax.version import __version__

_MINUS = "\N{MINUS SIGN}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Section:
    """What the page shows of one model on one data set.

    Attributes:
      comparison: see `comparison.compare`.
      records: see `evaluate_dataset`.
      settings: of the model's run; JSON-able.
      cards: its gallery.
    """

    comparison: Mapping
    records: Sequence[Mapping]
    settings: Mapping
    cards: Sequence[Card] = ()

    @property
    def title(self) -> str:
        return f"{self.comparison['model']} on {self.comparison['dataset']}"

    @property
    def notes(self) -> list[str]:
        notes = lookup(self.comparison["model"]).note, self.comparison["published_note"]
        return [note for note in notes if note]

    @property
    def undefined(self) -> list[str]:
        """On what metrics are undefined."""
        return undefined_notes(self.strategies)

    @property
    def strategies(self) -> dict:
        """Those of the comparison, in the order in which they were asked for."""
        return self._in_order(self.comparison["strategies"])

    @property
    def gains(self) -> dict:
        return self._in_order(self.comparison["gains"])

    @property
    def base(self) -> str:
        """What the gallery compares the other strategies with."""
        return STATIC if STATIC in self.strategies else next(iter(self.strategies))

    @property
    def others(self) -> list[str]:
        return [strategy for strategy in self.strategies if strategy != self.base]

    @property
    def names(self) -> list[str]:
        return list(self.strategies[self.base])

    @property
    def scores(self) -> dict:
        """Image -> strategy -> metric -> score; NaN where a record holds None."""
        return {
            record["image"]: {
                strategy: {name: math.nan if v is None else v for name, v in column.items()}
                for strategy, column in record["scores"].items()
            }
            for record in self.records
        }

    def has_published(self, strategy: str) -> bool:
        """Whether the paper has any figure for it."""
        return has_published(self.comparison, strategy)

    @property
    def any_published(self) -> bool:
        """Whether the paper has any figure for any strategy."""
        return any(map(self.has_published, self.strategies))

    def _in_order(self, by_strategy):
        return {s: by_strategy[s] for s in self.settings["strategies"] if s in by_strategy}

    def plots(self, strategy: str) -> dict:
        """Metric -> its differences from static fusion, laid out."""
        found = {}
        for name in self.names:
            pairs = {
                image: (s[STATIC][name], s[strategy][name]) for image, s in self.scores.items()
            }
            pairs = {image: pair for image, pair in pairs.items() if all(map(math.isfinite, pair))}
            if pairs:
                merit = metrics.METRICS[name].merit
                found[name] = plots.plot_differences(
                    {image: own - static for image, (static, own) in pairs.items()},
                    {image: merit(own) - merit(static) for image, (static, own) in pairs.items()},
                )
        return found


def page_environment(**options: Any) -> jinja2.Environment:
    """Where the templates of pages are; `options` as `jinja2.Environment` takes them."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("ttd_jax.evaluation", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        **options,
    )


def render(
    sections: Sequence[Section], protocol: str, ranked: Mapping[str, Mapping] | None = None
) -> str:
    """The page as HTML.

    Args:
      sections: what it shows, in order.
      protocol: of the metrics.
      ranked: of their comparisons, see `comparison.rank`.
    """
    environment = page_environment(finalize=_only_numbers)
    environment.filters |= {"number": number, "signed": signed}
    environment.globals |= {"metrics": metrics.METRICS, "plot": plots, "arrow": arrow}
    environment.globals |= {"groups": groups, "rank_table": rank_table, "rank_notes": rank_notes}
    page = environment.get_template("report.html")
    return page.render(
        sections=sections,
        protocol=protocol,
        ranked=ranked,
        rows=metrics.scored(protocol),
        source=metrics.PROTOCOLS[protocol].reference,
        version=__version__,
    )


def _only_numbers(value):
    """What stands on the page for a value: nothing for what is no number."""
    return "" if isinstance(value, float) and math.isnan(value) else value


def number(value: float, digits: int = 4) -> str:
    """A number with a true minus sign."""
    return shown(value, f".{digits}f").replace("-", _MINUS)


def signed(value: float, digits: int = 4) -> str:
    """A difference with its sign."""
    return shown(value, f"+.{digits}f").replace("-", _MINUS)
