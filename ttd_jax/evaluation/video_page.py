"""A page with what methods make of a sequence side by side, and how steady each is."""

from collections.abc import Mapping

import jinja2

from ttd_jax.evaluation.report import number
from ttd_jax.version import __version__


def render_video(
    views: Mapping[str, str], summary: Mapping, *, title: str, text: str, note: str = ""
) -> str:
    """The page as HTML.

    Args:
      views: what is shown -> a video's file beside the page: one for all methods, whose frames
        stand side by side in it, so that they are in step.
      summary: of `sequence_tables.summarize`, with the methods from left to right.
      title: of the page.
      text: what there is to see.
      note: under the table.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ttd_jax.evaluation", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    temporal, still = summary["temporal"]["methods"], summary["methods"]
    rows = [
        (name, [number(of[method][name]["mean"]) for method in still])
        for of in (temporal, still)
        for name in next(iter(of.values()))
    ]
    return environment.get_template("video.html").render(
        methods=list(still),
        views=views,
        rows=rows,
        frames=summary["frames"],
        title=title,
        text=text,
        note=note,
        version=__version__,
    )
