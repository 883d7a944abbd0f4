"""Which arrays are pictures, and the gray that they are compared by."""

from collections.abc import Collection, Sequence

import cv2
import numpy as np

from ttd_jax.errors import UserError, check_list


def check_pictures(pictures: Sequence[np.ndarray], *, channels: Collection[int] = (1, 3)) -> None:
    """Refuses what are no pictures of a scene.

    Args:
      pictures: arrays [H, W] or [H, W, C], u8, u16, f32 or f64, finite.
      channels: what C may be.

    Raises:
      UserError: names the first that is none by its number.
    """
    check_list("pictures", pictures)
    if not len(pictures):
        raise UserError("no pictures: pass one array or more")
    for number, picture in enumerate(pictures, start=1):
        dtype, shape = getattr(picture, "dtype", None), getattr(picture, "shape", ())
        known = dtype in (np.uint8, np.uint16, np.float32, np.float64)
        if not known or len(shape) not in (2, 3) or 0 in shape:
            raise UserError(
                f"picture {number} is no array [H, W] or [H, W, C] of u8, u16, f32 or f64: {dtype}"
                f"{list(shape)}"
            )
        if len(shape) == 3 and shape[2] not in channels:
            some = " or ".join(map(str, channels))
            raise UserError(f"picture {number} has {shape[2]} channels: pass {some}")
        if dtype.kind == "f" and not np.isfinite(picture).all():
            raise UserError(f"picture {number} has values that are no numbers: replace them")


def to_gray(picture: np.ndarray) -> np.ndarray:
    """f32[H, W] of a picture [H, W] or [H, W, 1 or 3] (RGB), u8, u16 or f32, in its own range."""
    picture = np.asarray(picture, np.float32)
    if picture.ndim == 2:
        return picture
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) if picture.shape[2] == 3 else picture[..., 0]
