"""Metrics of image fusion in pure JAX, by the protocols of papers and benchmarks.

    figures = evaluate(fused, sources)  # grays in 0..255 -> {"EN": 6.95, "SD": 37.75, ...}

Every metric is a function of its own, in the folder of its group: what it looks at. Protocols are
rows of choices among them.
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
from ttd_jax.metrics.metric import GROUPS, Metric
from ttd_jax.metrics.planes import fused_planes, source_planes
from ttd_jax.metrics.protocols import PROTOCOLS, choose, find, lacking, scored
from ttd_jax.metrics.region import Extent, Mask, Region
from ttd_jax.metrics.registry import CORE, EVERY, FIFTEEN, METRICS, lookup, register_metric

__all__ = [
    "CORE",
    "EVERY",
    "FIFTEEN",
    "GROUPS",
    "METRICS",
    "PROTOCOLS",
    "Metric",
    "choose",
    "evaluate",
    "fused_planes",
    "lacking",
    "lookup",
    "register_metric",
    "scored",
    "source_planes",
]


def evaluate(
    fused: chex.Array,
    sources: chex.Array | None,
    *,
    protocol: str = "paper",
    names: Iterable[str] | None = None,
    extent: Extent = None,
    mask: Mask = None,
) -> dict[str, chex.Array]:
    """Metrics of one fused image, compiled once per shape and set of names.

    Metrics of one group are traced together, so XLA computes once what they share (histograms,
    derivatives, transforms). The groups are separate programs: in a single one all their
    temporaries are alive together, whose page faults cost a third of the time on a CPU. Inside the
    caller's own `jax.jit` or `jax.pmap` everything is one program.

    Args:
      fused: f32[H, W], grays in 0..255, or f32[3, H, W] with color; see `fused_planes`.
      sources: f32[M, H, W], M >= 1, or f32[M, 3, H, W], see `source_planes`; None if no metric of
        `names` needs them.
      protocol: a key of `PROTOCOLS`.
      names: see `choose`; those that papers report most by default.
      extent: i32[2], height and width of the picture where it is only the top left part of the
        arrays, whose other pixels may be anything. As it is data, pictures of different sizes share
        a compilation, and under `jax.vmap` a batch. By default all of the arrays.
      mask: bool[H, W], the pixels that are judged: windows and filters see all of the picture, but
        what is counted, summed and averaged is there. By default all of the picture.

    Returns:
      Metric name -> f32 scalar, in the order of `names`: NaN where a metric is undefined (see
      `Metric.undefined`), for every image with NaN in it and for a mask without a pixel; else
      finite for every finite image.

    Raises:
      UserError: an unknown name or protocol, or a metric that this has not; sources that are
        missing, a metric that fails, gives no number or takes no extent or mask where there is one,
        other shapes, or pictures in [0, 1] and an extent that is none, where their values are
        known: outside of JAX's transformations.

    Example:
      >>> grays = 255 * sources[..., 0]  # f32[M, H, W]
      >>> figures = evaluate(grays[0], grays, names=["SSIM", "Qabf"])
      >>> list(figures)
      ['SSIM', 'Qabf']
      >>> jax.vmap(evaluate)(grays[:, None][:, 0], jnp.stack([grays, grays]))["EN"].shape
      (2,)
    """
    names = choose(names, protocol)
    if sources is None and (lost := [name for name in names if METRICS[name].needs_sources]):
        raise UserError(f"{', '.join(lost)} cannot do without sources")
    if extent is not None and (lost := lacking(names, "extent", protocol)):
        raise UserError(f"{', '.join(lost)} cannot do with an extent: cut the picture to its size")
    if mask is not None and (lost := lacking(names, "mask", protocol)):
        raise UserError(f"{', '.join(lost)} cannot judge a part of a picture: leave them out")
    fused, sources = _check(fused, sources, extent, mask)
    figures = {}
    for group in GROUPS:
        own = tuple(name for name in names if METRICS[name].group == group)
        if own:
            figures |= _evaluate(fused, sources, extent, mask, protocol=protocol, names=own)
    return {name: figures[name] for name in names}


def _check(fused, sources, extent, mask):
    """The images as float32; all of them are checked, whether they have channels or not."""
    fused = jnp.asarray(fused, jnp.float32)
    sources = None if sources is None else jnp.asarray(sources, jnp.float32)
    colored = fused.ndim == 3 and len(fused) == 3
    if colored:
        gray, channels, _ = prepare(fused[0], fused, extent, mask)
    else:
        gray, _, _ = prepare(fused, None, extent, mask)
    if sources is not None and sources.ndim == 4 and sources.shape[1] == 3:
        flat = prepare(gray, sources.reshape(-1, *sources.shape[2:]), extent, mask)[1]
        sources = flat.reshape(sources.shape)
    elif sources is not None:
        sources = prepare(gray, sources, extent, mask)[1]
    return channels if colored else gray, sources


@functools.partial(jax.jit, static_argnames=("protocol", "names"))
def _evaluate(fused, sources, extent=None, mask=None, *, protocol, names):
    spoiled = jnp.isnan(fused).any()
    if sources is not None:
        spoiled |= jnp.isnan(sources).any()
    if mask is not None:
        mask = Region.of(fused, extent).keep(mask, beside=False)
        spoiled |= ~mask.any()
    figures = {name: _figure(name, fused, sources, protocol, extent, mask) for name in names}
    # Most would make a number of it: a histogram has no bin for NaN, a comparison is false.
    return {name: jnp.where(spoiled, jnp.nan, figure) for name, figure in figures.items()}


def _figure(name, fused, sources, protocol, extent, mask):
    row, what = scored(protocol)[name], f"metric {name!r}"
    options = {"extent": extent, "mask": mask}
    options = {key: value for key, value in options.items() if value is not None}
    function, colors = row.function, row.colors or find(protocol).colors
    with blaming(what, "fails"):
        if fused.ndim == 3 or (sources is not None and sources.ndim == 4):
            if colors is None:
                raise UserError(f"protocol {protocol} scores grays f32[H, W], see `fused_planes`")
            figure = colors(function, fused, sources, **options)
        else:
            figure = function(fused, sources, **options)
    number = isinstance(figure, (bool, int, float, np.ndarray, np.generic, jax.Array))
    if not number or np.ndim(figure) or jnp.iscomplexobj(figure):
        raise UserError(f"{what} must give one real number, f32[]: it gives {describe(figure)}")
    return jnp.asarray(figure, jnp.float32)
