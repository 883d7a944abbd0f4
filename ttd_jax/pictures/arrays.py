"""Arrays in memory as pictures: what people hold after reading files their own way."""

from collections.abc import Sequence

import numpy as np

from ttd_jax.errors import UserError, blaming
from ttd_jax.pictures.images import Picture, alpha_of_type
from ttd_jax.pictures.ranges import Range, of_sources, parse_ranges, to_unit
from ttd_jax.pictures.sizes import check_same_size


def as_pictures(
    arrays: Sequence[np.ndarray], ranges: str = "type", *, one_size: bool = True
) -> tuple[Picture, ...]:
    """The sources of one scene.

    Args:
      arrays: one or more of integers or floats, each [H, W] or [H, W, 1] (gray), [H, W, 3] (RGB)
        or [H, W, 4] (RGB with alpha).
      ranges: what becomes black and white, for all or for each of them: see
        `ttd_jax.pictures.ranges.parse_ranges`. By default the range of the type, and [0, 1] for
        floats.
      one_size: refuse arrays of different height and width.

    Returns:
      A `Picture` each; RGB whose channels are all equal is gray, as in files.

    Raises:
      UserError: none at all, no array or one that is masked, another dtype or shape, values that
        are no numbers, values whose range must be given (signed integers, floats outside of
        [0, 1]), or sizes that differ; names the array by its number.
    """
    if not len(arrays):
        raise UserError("no pictures: pass one array or more")
    chosen = of_sources(parse_ranges(ranges), len(arrays))
    pictures = tuple(
        as_picture(array, title, one)
        for array, title, one in zip(arrays, titles_of(arrays), chosen, strict=True)
    )
    if one_size:
        check_same_size(titles_of(arrays), [picture.size for picture in pictures])
    return pictures


def titles_of(arrays: Sequence[np.ndarray]) -> list[str]:
    """What messages call arrays."""
    return [f"picture {m}" for m in range(1, len(arrays) + 1)]


def as_picture(given: np.ndarray, name: str, chosen: Range) -> Picture:
    """One picture; see `as_pictures`.

    Args:
      given: the array.
      name: for messages.
      chosen: what becomes black and white.
    """
    if np.ma.is_masked(given):
        raise UserError(f"{name} is masked: give its gaps values, as picture.filled(0) does")
    with blaming(name, "is no array"):
        array = np.asarray(given)
    if not array.ndim:
        raise UserError(f"{name} is {type(given).__name__}: pass an array, such as one of a file")
    pixels = array[..., None] if array.ndim == 2 else array
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4) or not pixels.size:
        raise UserError(
            f"{name} has shape {array.shape}: pass [H, W], or [H, W, C] with 1, 3 or 4 channels"
        )
    if pixels.dtype.name == "bfloat16":  # no kind of NumPy's own
        pixels = pixels.astype(np.float32)
    if pixels.dtype.kind not in "uif":
        raise UserError(f"{name} is {array.dtype}: pass integers or floats")
    alpha = pixels[..., 3:] if pixels.shape[2] == 4 else None
    pixels = pixels[..., :3]
    if pixels.shape[2] == 3 and (pixels == pixels[..., :1]).all():
        pixels = pixels[..., :1]
    pixels, scale, remark = to_unit(pixels, chosen, name)
    if alpha is not None:
        alpha = alpha_of_type(alpha, pixels.dtype)
    return Picture(np.ascontiguousarray(pixels), alpha, scale=scale, remark=remark)
