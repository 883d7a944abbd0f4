"""Pictures stretched to 0..255 in float64 NumPy, as the field's MATLAB programs have it."""

import numpy as np


def stretched(picture: np.ndarray, how: str) -> np.ndarray:
    """A picture [H, W], its darkest gray at 0 and its brightest at 255.

    Args:
      picture: grays in 0..255.
      how: 'rounded' to whole grays, 'fractions' if the picture was divided by 255 before, or
        'exact', to 0..1 without rounding.

    Returns:
      [H, W]; a picture of zeros as it is, NaN for any other constant one.
    """
    if how == "fractions":
        picture = picture / 255
    darkest, brightest = picture.min(), picture.max()
    if brightest == darkest:
        return picture * (1 if brightest == 0 and how != "exact" else np.nan)
    picture = (picture - darkest) / (brightest - darkest)
    return picture if how == "exact" else np.floor(255 * picture + 0.5)
