"""Theorem 3.1: what bounds the error of a fused image, and what of it the weights decide.

For one scene write c_m = D(E_m x_m) for the components, I for the fused image, w_m for weights that
sum to one over the sources at every pixel (RD itself, not M * RD), and, at one pixel,

    e_im = |c_i - x_m|        component i judged by source m; L1, averaged over the channels
    l(I, x) = sum_m |I - x_m|  the same norm

E is the mean over the pixels of an image, or over all pixels of all images of a data set, and Cov
the population covariance under the same E. The theorem says E[l(I, x)] <= constant + sum_m Cov_m:

    constant = 1/M sum_m E[ (2M-1) e_mm + (M-1) sum_{i != m} e_im ],   Cov_m = Cov(w_m, e_mm)

In its second term m runs over the pictures that judge and i over the components of the others.
The constant holds no weights: for given sources and network only the covariances do.

Derivation (ours; it ends in exactly the published constant). Each link needs what stands beside it:

1.  sum_m |I - x_m| <= sum_m sum_i w_i e_im            I = sum_i w_i c_i, at every pixel
2.  sum_m sum_{i != m} w_i e_im
        <= (M-1)/M sum_m (e_mm + sum_{i != m} e_im)    w on the simplex
3.  E[w_m e_mm] = Cov(w_m, e_mm) + E[w_m] E[e_mm]      nothing
4.  E[w_m] <= 1                                        w on the simplex

Put 2, 3 and 4 into 1: E[e_mm] has the factor (M-1)/M from 2 and 1 from 4, (2M-1)/M together.

Link 2, for M >= 2 (with M = 1 it has no terms): both sides are linear in w, so one may take w to be
one for a single source k. What is left follows from e_km <= e_kk + e_mk + e_mm, the triangle
inequality. It joins the judgements of two pictures, so link 2 holds for the sum over m only, not
for each m. There is no shorter way: dropping e_mm from its right side (that is, bounding the
cross terms by their means and leaving out *their* covariances with the weights) is false, and for
M = 2 link 2 as it stands can be an equality.

Link 1 is what a network may break. Convexity of the decoder D is not enough: D(z) = z^2 is convex
and D(0) is further from 1 than D(-1) and D(1) are. It takes |D(.) - x_m| convex, of which an
affine D is the usual case, AND weights that D does not mix between pixels: a linear convolution of
weighted features is not the weighted sum of the components unless the weights are constant over
the kernel. The decoders here are neither affine nor pointwise, their picture is finished (clipped,
or stretched by CDDFuse), and features are scaled by M * RD, so link 1 has to be measured.
`departure` does: by the triangle inequality, and for any decoder, any finishing and any weights on
the simplex,

    E[l(I, x)] <= constant + sum_m Cov_m + departure,   departure = M E|I - sum_i w_i c_i|.

A bound that falls does not make the error fall: the theorem compares bounds.

Source: Cao et al., "Test-Time Dynamic Image Fusion", NeurIPS 2024, Theorem 3.1, Appendix A.
"""

import chex
import jax.numpy as jnp
from flax import struct

from ttd_jax.core.means import masked_mean

# Relative to the bound: what float32 may lose in the means of a large image.
_ROUNDING = 1e-5


@struct.dataclass
class Moments:
    """All that the bound needs of an image, as means over its pixels. A pytree.

    Attributes:
      pixels: f32[], how many.
      risk: f32[], E[l(I, x)].
      departure: f32[], M E|I - sum_i w_i c_i|, zero if link 1 of the derivation is an equality.
      weights: f32[M], E[w_m].
      losses: f32[M], E[e_mm].
      cross: f32[M], E[sum_{i != m} e_im].
      covariance: f32[M], Cov(w_m, e_mm).
    """

    pixels: chex.Array
    risk: chex.Array
    departure: chex.Array
    weights: chex.Array
    losses: chex.Array
    cross: chex.Array
    covariance: chex.Array


@struct.dataclass
class Bound:
    """Both sides of Theorem 3.1. A pytree.

    Attributes:
      risk: f32[], the left side, E[l(I, x)].
      constant: f32[], the part of the right side that no weights change.
      covariance: f32[M], the part that they do, per source: Cov(w_m, e_mm).
      total: f32[], the right side: the constant and the sum of the covariances.
      departure: f32[], how far the fused image is from the weighted sum of its components, in the
        units of the risk: risk <= total + departure for every network.
      holds: bool[], whether risk <= total, up to rounding (1e-5 of the total).
    """

    risk: chex.Array
    constant: chex.Array
    covariance: chex.Array
    total: chex.Array
    departure: chex.Array
    holds: chex.Array


def covariance(
    weights: chex.Array, losses: chex.Array, *, where: chex.Array | None = None
) -> chex.Array:
    """Population covariance, over the pixels, of each source's weights with its losses.

    The means are subtracted before anything is multiplied, so that small covariances of large
    values survive float32. Weights that are the same everywhere give zero.

    Args:
      weights: f32[M, ...].
      losses: f32[M, ...], the same shape.
      where: bool[...], which pixels count; None for all.

    Returns:
      f32[M].
    """
    chex.assert_equal_shape([weights, losses])
    axes = tuple(range(1, weights.ndim))
    weights, losses = (
        m - masked_mean(m, where, keepdims=True, axis=axes) for m in (weights, losses)
    )
    return masked_mean(weights * losses, where, axis=axes)


def measure_moments(
    fused: chex.Array,
    components: chex.Array,
    sources: chex.Array,
    dominability: chex.Array,
    *,
    where: chex.Array | None = None,
) -> Moments:
    """The moments of one image.

    Args:
      fused: f32[H, W, C], as all that follows see `bound`.
      components: f32[M, H, W, C].
      sources: f32[M, H, W, C].
      dominability: f32[M, H, W].
      where: bool[H, W], which pixels count; None for all.
    """
    chex.assert_rank(sources, 4)
    chex.assert_equal_shape([components, sources])
    chex.assert_shape(fused, sources.shape[1:])
    chex.assert_shape(dominability, sources.shape[:3])
    count, height, width, _ = sources.shape
    pixels, inside = height * width, None
    if where is not None:
        pixels, inside = jnp.sum(where), where[..., None]

    losses = jnp.mean(jnp.abs(components - sources), axis=-1)
    # [i, m]: E[e_im]. XLA folds the difference into the mean: no [M, M, H, W, C] is stored.
    differences = jnp.abs(components[:, None] - sources[None])
    distances = masked_mean(differences, inside, axis=(2, 3, 4))
    weighted_sum = jnp.sum(dominability[..., None] * components, axis=0)
    return Moments(
        pixels=jnp.array(pixels, sources.dtype),
        risk=count * masked_mean(jnp.abs(fused[None] - sources), inside),
        departure=count * masked_mean(jnp.abs(fused - weighted_sum), inside),
        weights=masked_mean(dominability, where, axis=(1, 2)),
        losses=masked_mean(losses, where, axis=(1, 2)),
        cross=jnp.sum(distances, axis=0) - jnp.diagonal(distances),
        covariance=covariance(dominability, losses, where=where),
    )


def pool_moments(moments: Moments) -> Moments:
    """The moments of many images taken as one, every pixel counting the same.

    The covariance of a data set is that within its images and that between their means; the mean
    of the images' covariances has only the first part.

    Args:
      moments: of K images: leaves have a leading axis K. Images with `pixels` zero are padding.

    Returns:
      `Moments` without that axis. Pools can be pooled again.
    """
    pixels = jnp.sum(moments.pixels)
    share = moments.pixels / jnp.maximum(pixels, 1)

    def mean(values):
        return jnp.tensordot(share, values, axes=1)

    weights, losses = mean(moments.weights), mean(moments.losses)
    between = (moments.weights - weights) * (moments.losses - losses)
    return Moments(
        pixels=pixels,
        risk=mean(moments.risk),
        departure=mean(moments.departure),
        weights=weights,
        losses=losses,
        cross=mean(moments.cross),
        covariance=mean(moments.covariance + between),
    )


def bound_from_moments(moments: Moments) -> Bound:
    """Theorem 3.1 from the moments of an image or of a data set."""
    count = moments.losses.shape[0]
    constant = jnp.sum((2 * count - 1) * moments.losses + (count - 1) * moments.cross) / count
    total = constant + jnp.sum(moments.covariance)
    return Bound(
        risk=moments.risk,
        constant=constant,
        covariance=moments.covariance,
        total=total,
        departure=moments.departure,
        holds=moments.risk <= (1 + _ROUNDING) * total,
    )


def bound(
    fused: chex.Array,
    components: chex.Array,
    sources: chex.Array,
    dominability: chex.Array,
    *,
    where: chex.Array | None = None,
) -> Bound:
    """Both sides of Theorem 3.1 for one scene.

    The three pictures must share one domain. Here that is the images', [0, 1]: the fields of a
    `Fusion` and the sources fit, though its components are not clipped and its image is. (The
    theorem holds in the network's domain alike, with other numbers.) CDDFuse's image is stretched
    to its full range, which shows as `departure`.

    For a data set take `measure_moments` of each scene, `pool_moments` and `bound_from_moments`.

    Args:
      fused: f32[H, W, C], I.
      components: f32[M, H, W, C], c.
      sources: f32[M, H, W, C], x.
      dominability: f32[M, H, W], w, non-negative and one in sum over the sources: RD, not M * RD;
        1 / M for a static fusion.
      where: bool[H, W], which pixels count; None for all.

    Returns:
      A `Bound`.

    Raises:
      AssertionError: if the shapes do not fit.

    Example:
      >>> fusion = ttd_jax.dynamic_fuse(model, sources)
      >>> found = bound(fusion.image, fusion.components, sources, fusion.dominability)
      >>> bool(found.holds)
      True

    Reference: the paper's Theorem 3.1; the module's docstring for what each part rests on.
    """
    moments = measure_moments(fused, components, sources, dominability, where=where)
    return bound_from_moments(moments)
