"""A page with what methods make of a sequence side by side, and how steady each is."""

from collections.abc import Mapping

from ttd_jax.evaluation.report import number, page_environment
from ttd_jax.evaluation.sequence_tables import known_steps
from ttd_jax.report.scores import heading
from ttd_jax.version import __version__


def render_video(views: Mapping[str, str], summary: Mapping, *, title: str, text: str) -> str:
    """The page as HTML.

    Args:
      views: what is shown -> a video's file beside the page: one for all methods, whose frames
        stand side by side in it, so that they are in step.
      summary: of `sequence_tables.summarize`, with the methods from left to right.
      title: of the page.
      text: what there is to see.
    """
    steps, still = summary["temporal"]["methods"], summary["methods"]
    rows = [(f"{name} ↓", name, steps) for name in known_steps(summary)]
    rows += [(heading(name), name, still) for name in next(iter(still.values()))]
    return (
        page_environment()
        .get_template("video.html")
        .render(
            methods=list(still),
            views=views,
            rows=[
                (title, [number(of[method][name]["mean"]) for method in still])
                for title, name, of in rows
            ],
            source=number(summary["temporal"]["source"]["mean"]),
            frames=summary["frames"],
            title=title,
            text=text,
            version=__version__,
        )
    )
