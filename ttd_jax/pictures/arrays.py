"""Arrays in memory as pictures: what people hold after reading files their own way."""

from collections.abc import Sequence

import numpy as np

from ttd_jax.errors import UserError
from ttd_jax.pictures.images import Picture
from ttd_jax.pictures.sizes import check_same_size


def as_pictures(arrays: Sequence[np.ndarray]) -> tuple[Picture, ...]:
    """The sources of one scene.

    Args:
      arrays: one or more of u8, u16, or floats in [0, 1], each [H, W] or [H, W, 1] (gray),
        [H, W, 3] (RGB) or [H, W, 4] (RGB with alpha), of one height and width.

    Returns:
      A `Picture` each; RGB whose channels are all equal is gray, as in files.

    Raises:
      UserError: none at all, another dtype or shape, floats outside of [0, 1], or sizes that
        differ; names the array by its number.
    """
    pictures = tuple(_as_picture(array, f"picture {m}") for m, array in enumerate(arrays, start=1))
    if not pictures:
        raise UserError("no pictures: pass one array or more")
    titles = [f"picture {m}" for m in range(1, len(pictures) + 1)]
    check_same_size(titles, [picture.size for picture in pictures])
    return pictures


def _as_picture(array, name):
    array = np.asarray(array)
    pixels = array[..., None] if array.ndim == 2 else array
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4) or not pixels.size:
        raise UserError(
            f"{name} has shape {array.shape}: pass [H, W], or [H, W, C] with 1, 3 or 4 channels"
        )
    if np.issubdtype(pixels.dtype, np.floating):
        pixels = pixels.astype(np.float32)
        low, high = pixels.min(), pixels.max()
        if not (low >= 0 and high <= 1):  # NaN is neither
            raise UserError(
                f"{name} has values from {low:g} to {high:g}: floats must lie in [0, 1]: divide "
                "by the largest value of their range, or pass integers"
            )
    elif pixels.dtype not in (np.uint8, np.uint16):
        raise UserError(f"{name} is {array.dtype}: pass uint8, uint16 or floats in [0, 1]")
    alpha = pixels[..., 3:] if pixels.shape[2] == 4 else None
    pixels = pixels[..., :3]
    if pixels.shape[2] == 3 and (pixels == pixels[..., :1]).all():
        pixels = pixels[..., :1]
    return Picture(np.ascontiguousarray(pixels), alpha)
