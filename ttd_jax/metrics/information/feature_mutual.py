"""FMI: what features of the fused image and of the sources, such as edges, tell of each other."""

import functools
import operator
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

from ttd_jax.errors import check_choice
from ttd_jax.metrics import wavelet
from ttd_jax.metrics.filters import sobel
from ttd_jax.metrics.fourier import dct2
from ttd_jax.metrics.inputs import prepare
from ttd_jax.metrics.region import Extent, Mask, Region

_TINY = 1e-30  # has a logarithm, and float32 does not flush it
_PLACES = range(-4, 5)  # of a window's cells


def feature_mutual_information(
    fused: chex.Array,
    sources: chex.Array,
    *,
    feature: str = "edge",
    extent: Extent = None,
    mask: Mask = None,
) -> chex.Array:
    """FMI: mean over m and 3x3 windows of 2 I(F; X_m) / (H(F) + H(X_m)) of their features.

    Of a window's nine values, less the least and over their sum, p in X and q in F are made, column
    by column. Their joint distribution is J = k C + (1 - k) q p': C the joint distribution of these
    marginals whose places 1..9 correlate most (least, if r < 0), and k = r over that correlation,
    where r is Pearson's correlation of p and q over the nine places. k is 0 where p or q has one
    place only; it may pass 1, and the score then a little, too. Equal windows score 1, two of which
    one is constant 0. It jumps where windows become equal or flat: its gradient is none, 0.

    Features:
      edge: binary, where the Sobel strength (replicated border) is above twice its root mean square
        and a maximum along the stronger derivative. 'FMI_pixel' of most tables is this.
      none: the grays.
      gradient: central differences along rows, one-sided at the borders.
      dct: the orthonormal two-dimensional DCT-II of the whole picture.
      wavelet: one level of the discrete Meyer wavelet, [cA cH; cV cD] as one map.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      feature: one of the above.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Returns:
      In about 0..1; NaN where no window is judged: of pictures less than 3 pixels wide or high, and
      for 'dct' and 'wavelet' wherever there is a mask, as their places are no pixels.

    Raises:
      UserError: an unknown feature; shapes that do not fit.

    Reference: Haghighat, Aghagolzadeh and Seyedarabi, Computers & Electrical Engineering 37 (2011)
    744-756; Haghighat and Razian, Proc. AICT (2014) 1-3.
    """
    check_choice("feature", feature, tuple(_FEATURES))
    fused, sources, region = prepare(fused, sources, extent, mask)
    if mask is not None and feature in _PLACELESS:
        return jnp.float32(jnp.nan)
    images = jax.lax.stop_gradient(jnp.concatenate([fused[None], sources]))
    maps, ends, region = _FEATURES[feature](images, region)
    if min(maps[0].shape[-2:]) < 3:
        return jnp.float32(jnp.nan)
    windows = region.windows(3)
    parts = [_windows(part) for part in maps]
    alike = [cell[1:] == cell[:1] for cells in (*parts, ends) for cell in cells]
    alike = functools.reduce(operator.and_, alike)
    cells, *pulls = parts
    for pull in pulls:
        cells = [(a - cells[0]) + (b - pull[0]) for a, b in zip(cells, pull, strict=True)]
    fused, sources = [cell[0] for cell in cells], [cell[1:] for cell in cells]
    scores = jax.vmap(functools.partial(_shared, fused))(sources)
    scores = jnp.where(alike, 1.0, scores)
    nothing = (jnp.minimum(*windows.sides) < 1) | (windows.size < 1)
    return jnp.where(nothing, jnp.nan, windows.mean(scores))


def _edge(images, region):
    along_x, along_y = map(jnp.abs, sobel(region.repeat_edge(images)))
    strength = region.keep(jnp.square(along_x) + jnp.square(along_y))
    picture = Region(region.sides, region.whole)
    limit = 4 * picture.mean(strength, axis=(-2, -1), keepdims=True)
    ridge = (along_x >= along_y) & _peak(strength, -1) | (along_y >= along_x) & _peak(strength, -2)
    return _pixels(((strength > limit) & ridge).astype(jnp.float32), region)


def _peak(strength, axis):
    """Where it is above what follows along an axis and not below what precedes; 0 lies beside."""
    length, axis = strength.shape[axis], strength.ndim + axis
    margins = [(int(a == axis), int(a == axis)) for a in range(strength.ndim)]
    padded = jnp.pad(strength, margins)
    before, after = (jax.lax.slice_in_dim(padded, i, i + length, axis=axis) for i in (0, 2))
    return (strength >= before) & (strength > after)


def _gradient(images, region):
    padded = jnp.pad(region.repeat_edge(images), [(0, 0), (0, 0), (1, 1)], mode="edge")
    slopes = padded[..., 2:] - padded[..., :-2]
    column = jnp.arange(images.shape[-1])
    inner = (column > 0) & (column < region.sides[1] - 1)
    return _pixels(jnp.where(inner, slopes / 2, slopes), region)


def _cosine(images, region):
    return _pixels(dct2(images, region), region)


def _wavelet(images, region):
    level, pull, region = wavelet.bands(images, region)
    low = jnp.min(region.keep(level + pull, jnp.inf), axis=(-2, -1), keepdims=True)
    high = jnp.max(region.keep(level + pull, -jnp.inf), axis=(-2, -1), keepdims=True)
    return (level, pull), jnp.stack([low, high]), region


def _pixels(maps, region):
    return (maps,), jnp.zeros((2, len(maps), 1, 1)), region


_FEATURES = {
    "edge": _edge,
    "none": _pixels,
    "gradient": _gradient,
    "dct": _cosine,
    "wavelet": _wavelet,
}
_PLACELESS = "dct", "wavelet"  # whose coefficients are no pixels


def _windows(maps):
    """The nine cells of all 3x3 windows, column by column: a list of f32[1 + M, H - 2, W - 2]."""
    height, width = (side - 2 for side in maps.shape[-2:])
    return [maps[:, i : i + height, j : j + width] for j in range(3) for i in range(3)]


def _shared(fused, source):
    """2 I(F; X) / (H(F) + H(X)) of all windows, f32[h, w], of nine cells each.

    C, the coupling that correlates most, has at most 17 cells that are not 0: where the cumulated
    sums of p and q cut the line from 0 to 1. Everywhere else J is (1 - k) q p, whose entropy is
    known, so that I = k (H(p) + H(q)) + (1 - k) log |1 - k| + what these cells change.
    """
    q, p = _Marginal.of(fused), _Marginal.of(source)
    covariance = _sum(a * b for a, b in zip(q.excess, p.excess, strict=True))
    falling = covariance < 0
    turned = [jnp.where(falling, b, a) for a, b in zip(p.parts, p.parts[::-1], strict=True)]
    center = jnp.where(falling, -p.center, p.center)
    lengths, products, most = _coupling(q.parts, turned, (q.center, center))

    # XLA computes what many use anew for each if that is a quotient: those here are wrapped.
    vain = q.vain | p.vain
    power = jnp.where(vain, 1.0, q.power * p.power)
    scale = jnp.sqrt(jnp.where(vain, 1.0, q.spread * p.spread / power))
    known = ~vain & (most > 0)
    k = jnp.where(known, jnp.abs(covariance) * scale / jnp.where(known, most, 1.0), 0.0)
    rest = 1 - k
    entropies = q.entropy + p.entropy
    information = k * entropies + _entropic(rest)
    for length, product in zip(lengths, products, strict=True):
        independent = rest * product
        information += _entropic(k * length + independent) - _entropic(independent)
    return jnp.where(known, 2 * information / jnp.where(known, entropies, 1.0), 0.0)


class _Marginal(NamedTuple):
    """Nine probabilities and what is known of them, all f32[h, w]."""

    parts: list[chex.Array]
    excess: list[chex.Array]  # above 1/9
    power: chex.Array
    center: chex.Array  # mean of the places -4..4
    spread: chex.Array  # and their variance
    entropy: chex.Array
    vain: chex.Array  # bool: all are equal, or one is 1

    @classmethod
    def of(cls, cells):
        least, most = (functools.reduce(f, cells) for f in (jnp.minimum, jnp.maximum))
        flat = most - least == 0
        parts = [jnp.where(flat, 1.0, cell - least) for cell in cells]
        total = _sum(parts)
        single = total == most - least
        parts = [part * (1 / total) for part in parts]
        excess = [part - 1 / len(parts) for part in parts]
        center = _sum(part * place for place, part in zip(_PLACES, parts, strict=True))
        around = (jnp.square(place - center) for place in _PLACES)
        return cls(
            parts=parts,
            excess=excess,
            power=_sum(map(jnp.square, excess)),
            center=center,
            spread=_sum(part * square for part, square in zip(parts, around, strict=True)),
            entropy=-_sum(map(_entropic, parts)),
            vain=flat | single,
        )


def _coupling(q, p, centers):
    """The cells of the coupling of q and p that correlates most.

    Args:
      q, p: nine probabilities each.
      centers: their mean places.

    Returns:
      17 probabilities, those that q and p give the same cells if they are independent, and the
      covariance of the places.
    """
    # The last bit of a cut tells whose it is; a merging network puts them in order.
    cuts = [_mark(cut, 1) for cut in _cumulate(q)] + [_mark(cut, 0) for cut in _cumulate(p)][::-1]
    for distance in (8, 4, 2, 1):
        for low in range(16):
            if not low & distance:
                one, other = cuts[low], cuts[low + distance]
                cuts[low], cuts[low + distance] = jnp.minimum(one, other), jnp.maximum(one, other)
    marks = [_marked(cut) for cut in cuts]
    zero, one = jnp.zeros_like(cuts[0]), jnp.ones_like(cuts[0])
    lengths = [b - a for a, b in zip([zero, *cuts], [*cuts, one], strict=True)]
    starts = _latest(zero, cuts, marks)
    ends = _latest(one, cuts[::-1], marks[::-1])[::-1]
    products = [(b - a) * (d - c) for (a, c), (b, d) in zip(starts, ends, strict=True)]
    i, j = (_PLACES[0] - center for center in centers)
    covariance = lengths[0] * i * j
    for length, mark in zip(lengths[1:], marks, strict=True):
        i, j = jnp.where(mark, i + 1, i), jnp.where(mark, j, j + 1)
        covariance += length * i * j
    return lengths, products, covariance


def _cumulate(parts):
    """The eight cuts between the nine, each between 0 and 1."""
    sums = [parts[0]]
    for part in parts[1:-1]:
        sums.append(sums[-1] + part)
    return [jnp.clip(total, _TINY, 1 - 2.0**-22) for total in sums]


def _latest(outermost, cuts, marks):
    """Of q and of p the cut last met, before and behind each of these."""
    pairs = [(outermost, outermost)]
    for cut, mark in zip(cuts, marks, strict=True):
        of_q, of_p = pairs[-1]
        pairs.append((jnp.where(mark, cut, of_q), jnp.where(mark, of_p, cut)))
    return pairs


def _mark(x, bit):
    bits = jax.lax.bitcast_convert_type(x, jnp.int32) & ~1 | bit
    return jax.lax.bitcast_convert_type(bits, jnp.float32)


def _marked(x):
    return jax.lax.bitcast_convert_type(x, jnp.int32) & 1 == 1


def _entropic(x):
    """x log |x|, 0 at 0."""
    return x * jnp.log(jnp.maximum(jnp.abs(x), _TINY))


def _sum(terms):
    return functools.reduce(operator.add, terms)
