"""Image-quality metrics in pure JAX: the fifteen of image fusion, in two named protocols.

    figures = evaluate(fused, sources)  # grays in 0..255 -> {"EN": 6.95, "SD": 37.75, ...}

Every metric is also a function of its own, `METRICS[name].function(fused, sources, protocol=...)`.
"""

import functools
from collections.abc import Iterable

import chex
import jax
import jax.numpy as jnp
import numpy as np

from ttd_jax.core.shapes import describe
from ttd_jax.errors import UserError, blaming
from ttd_jax.metrics.inputs import prepare
from ttd_jax.metrics.protocol import PROTOCOLS, fused_gray, source_gray
from ttd_jax.metrics.region import Extent
from ttd_jax.metrics.registry import (
    EVERY,
    METRICS,
    Metric,
    choose,
    lookup,
    register_metric,
    unsized,
)

__all__ = [
    "EVERY",
    "METRICS",
    "PROTOCOLS",
    "Metric",
    "choose",
    "evaluate",
    "fused_gray",
    "lookup",
    "register_metric",
    "source_gray",
    "unsized",
]


def evaluate(
    fused: chex.Array,
    sources: chex.Array | None,
    *,
    protocol: str = "paper",
    names: Iterable[str] | None = None,
    extent: Extent = None,
) -> dict[str, chex.Array]:
    """Metrics of one fused image, compiled once per shape and set of names.

    Metrics of one module are traced together, so XLA computes once what they share (histograms,
    derivatives, means). The modules are separate programs: in a single one all their temporaries
    are alive together, whose page faults cost a third of the time on a CPU. Inside the caller's
    own `jax.jit` or `jax.pmap` everything is one program.

    Args:
      fused: f32[H, W], grays in 0..255; see `fused_gray`.
      sources: f32[M, H, W], grays in 0..255, M >= 1; None if no metric of `names` needs them.
      protocol: a key of `PROTOCOLS`.
      names: see `choose`; those that come with this package by default.
      extent: i32[2], height and width of the picture where it is only the top left part of the
        arrays, whose other pixels may be anything. As it is data, pictures of different sizes share
        a compilation, and under `jax.vmap` a batch. By default all of the arrays.

    Returns:
      Metric name -> f32 scalar, in the order of `names`: finite for every finite image, NaN for
      every image with NaN in it.

    Raises:
      UserError: an unknown name or protocol, sources that are missing, a metric that fails, gives
        no number or takes no extent where there is one, other shapes, or pictures in [0, 1] and an
        extent that is none, where their values are known: outside of JAX's transformations.

    Example:
      >>> grays = 255 * sources[..., 0]  # f32[M, H, W]
      >>> figures = evaluate(grays[0], grays, names=["SSIM", "Qabf"])
      >>> list(figures)
      ['SSIM', 'Qabf']
      >>> jax.vmap(evaluate)(grays[:, None][:, 0], jnp.stack([grays, grays]))["EN"].shape
      (2,)
    """
    rows = [METRICS[name] for name in choose(names)]
    if sources is None and (lost := [row.name for row in rows if row.needs_sources]):
        raise UserError(f"{', '.join(lost)} cannot do without sources")
    if extent is not None and (lost := unsized(row.name for row in rows)):
        raise UserError(f"{', '.join(lost)} cannot do with an extent: cut the picture to its size")
    fused, sources, _ = prepare(fused, sources, protocol, extent)
    figures = {}
    for module in dict.fromkeys(row.function.__module__ for row in rows):
        own = tuple(row.name for row in rows if row.function.__module__ == module)
        figures |= _evaluate(fused, sources, extent, protocol=protocol, names=own)
    return {row.name: figures[row.name] for row in rows}


@functools.partial(jax.jit, static_argnames=("protocol", "names"))
def _evaluate(fused, sources, extent=None, *, protocol, names):
    spoiled = jnp.isnan(fused).any()
    if sources is not None:
        spoiled |= jnp.isnan(sources).any()
    figures = {n: _figure(METRICS[n], fused, sources, protocol, extent) for n in names}
    # Most would make a number of it: a histogram has no bin for NaN, a comparison is false.
    return {name: jnp.where(spoiled, jnp.nan, figure) for name, figure in figures.items()}


def _figure(metric, fused, sources, protocol, extent):
    what = f"metric {metric.name!r}"
    options = {} if extent is None else {"extent": extent}
    with blaming(what, "fails"):
        figure = metric.function(fused, sources, protocol=protocol, **options)
    number = isinstance(figure, (bool, int, float, np.ndarray, np.generic, jax.Array))
    if not number or np.ndim(figure) or jnp.iscomplexobj(figure):
        raise UserError(f"{what} must give one real number, f32[]: it gives {describe(figure)}")
    return jnp.asarray(figure, jnp.float32)
