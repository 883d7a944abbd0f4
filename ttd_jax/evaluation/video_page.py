"""A page with fused videos side by side, which play in step, and how steady they are."""

from collections.abc import Mapping

import jinja2

from ttd_jax.evaluation.report import number
from ttd_jax.version import __version__


def render_videos(
    videos: Mapping[str, Mapping[str, str]],
    summary: Mapping,
    *,
    title: str,
    text: str,
    note: str = "",
) -> str:
    """The page as HTML.

    Args:
      videos: method -> view -> the video's file beside the page; all methods have the same views.
      summary: of `sequence_tables.summarize`, with these methods.
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
        (name, [number(of[method][name]["mean"]) for method in videos])
        for of in (temporal, still)
        for name in next(iter(of.values()))
    ]
    return environment.get_template("video.html").render(
        videos=videos,
        views=list(next(iter(videos.values()))),
        rows=rows,
        frames=summary["frames"],
        title=title,
        text=text,
        note=note,
        version=__version__,
    )
