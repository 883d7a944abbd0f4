"""What the training losses are made of. Pure functions of one sample.

Images are f32[H, W, C] in [0, 1], features f32[H, W, C] in any range, results f32[] unless a map
is promised. With an `extent` i32[2], height and width, their top left part alone counts. Gradients
are finite for finite arguments, constant images and features included. A training loss is a
weighted sum of named terms: each network's module has a function that returns its terms, and
`WEIGHTS`, the authors' weights of them.
"""

from collections.abc import Mapping

import chex
import jax
import jax.numpy as jnp

from ttd_jax.core.means import masked_mean
from ttd_jax.core.subgradients import absolute, clamp
from ttd_jax.errors import check_choice
from ttd_jax.metrics import filters
from ttd_jax.metrics.inputs import offset, safe_sqrt
from ttd_jax.metrics.region import Extent, Region
from ttd_jax.parts.part import Part

SSIM_FORMS = ("legacy", "current")
_C1, _C2 = 0.01**2, 0.03**2
_MARGIN = 5  # of the 11x11 window
_EPSILON = 1.1920929e-07  # float32's


def weigh(terms: Mapping, weights: Mapping) -> chex.Array:
    """The sum over `weights` of weight * term; terms without a weight are only reported."""
    return sum(weight * terms[name] for name, weight in weights.items())


def mean_absolute(first: chex.Array, second: chex.Array, extent: Extent = None) -> chex.Array:
    """Mean of |first - second| (L1)."""
    return _mean(absolute(first - second), extent)


def mean_square(first: chex.Array, second: chex.Array, extent: Extent = None) -> chex.Array:
    """Mean of (first - second)^2."""
    return _mean(jnp.square(first - second), extent)


# Edges ----------------------------------------------------------------------------------------


def edges(image: chex.Array, extent: Extent = None) -> chex.Array:
    """|Gx| + |Gy| of the raw 3x3 Sobel with a border of zeros: a map f32[H, W, C]."""
    along_x, along_y = filters.sobel(_planes(Part(extent).own(image)), border="constant")
    return jnp.moveaxis(absolute(along_x) + absolute(along_y), 0, -1)


def spatial_gradient(image: chex.Array, extent: Extent = None) -> chex.Array:
    """3x3 Sobel / 8 with repeated border: a map f32[2, H, W, C] of d/dx and d/dy."""
    planes = _planes(image)
    planes = Region.of(planes, extent).repeat_edge(planes)
    return jnp.moveaxis(jnp.stack(filters.sobel(planes)) / 8, 1, -1)


# Structure ------------------------------------------------------------------------------------


def ssim_loss_map(
    first: chex.Array, second: chex.Array, *, form: str = "legacy", extent: Extent = None
) -> chex.Array:
    """Dissimilarity of two images at every pixel, f32[H, W, C].

    11x11 Gaussian of standard deviation 1.5 with mirrored border, data range 1.

    Args:
      first: f32[H, W, C] in [0, 1].
      second: the same.
      form: 'legacy': clamp(1 - ssim, 0, 1) / 2, as in kornia 0.2.0, which CDDFuse's authors pin:
        in 0..0.5, without gradient where ssim < 0; 'current': clamp((1 - ssim) / 2, 0, 1), as in
        kornia 0.9.0: in 0..1. The two agree where ssim >= 0.
      extent: see the module.

    Raises:
      ValueError: for an unknown form.

    Reference: Wang et al., IEEE Trans. Image Processing 13 (2004) 600-612.
    """
    check_choice("form", form, SSIM_FORMS)
    epsilon = 1e-12 if form == "current" else 0.0
    similarity = _similarity(first, second, extent, epsilon=epsilon)
    if form == "current":
        return clamp((1 - similarity) / 2, 0.0, 1.0)
    return clamp(1 - similarity, 0.0, 1.0) / 2


def ssim_loss(
    first: chex.Array, second: chex.Array, *, form: str = "legacy", extent: Extent = None
) -> chex.Array:
    """Mean of `ssim_loss_map`."""
    return _mean(ssim_loss_map(first, second, form=form, extent=extent), extent)


def _similarity(first, second, extent, *, epsilon):
    planes = jnp.stack([_planes(first), _planes(second)])
    # Variances do not change with the origin, and near it float32 keeps the small ones.
    origin = jax.lax.stop_gradient(offset(planes, Region.of(planes, extent)))
    padded = Part(extent).pad((planes - origin)[..., None], "reflect", _MARGIN)[..., 0]
    taps = filters.gaussian(2 * _MARGIN + 1, 1.5)
    means, variances, covariance = filters.local_moments(padded, taps)
    means = means + origin
    numerator = (2 * means[0] * means[1] + _C1) * (2 * covariance[0] + _C2)
    squares = jnp.square(means)
    denominator = (squares[0] + squares[1] + _C1) * (variances[0] + variances[1] + _C2)
    return jnp.moveaxis(numerator / (denominator + epsilon), 0, -1)


# Correlation ----------------------------------------------------------------------------------


def correlation(first: chex.Array, second: chex.Array, extent: Extent = None) -> chex.Array:
    """Mean over the channels of the correlation of two feature maps over their pixels.

    A constant channel correlates with nothing: it counts 0 and has gradient 0 (through a plain
    square root it would have NaN).

    Args:
      first: f32[H, W, C].
      second: f32[H, W, C].
      extent: see the module.

    Returns:
      f32[] in [-1, 1].
    """
    first, second = _planes(first), _planes(second)
    region = Region.of(first, extent)
    first, second = (region.keep(planes - offset(planes, region)) for planes in (first, second))
    norms = [safe_sqrt(jnp.sum(jnp.square(planes), axis=(1, 2))) for planes in (first, second)]
    product = jnp.sum(first * second, axis=(1, 2))
    length = norms[0] * norms[1]
    varies = length > 0
    cosine = jnp.where(varies, product, 0.0) / (_EPSILON + length)
    return jnp.mean(clamp(cosine, -1.0, 1.0))


def _mean(x, extent):
    """The mean of f32[..., H, W, C]."""
    counts = Part(extent).counts(x.shape[-3:-1])
    return masked_mean(x, None if counts is None else counts[..., None])


def _planes(image):
    """f32[H, W, C] as f32[C, H, W]."""
    return jnp.moveaxis(image, -1, 0)
