"""Pictures of one scene that do not line up: how far they are off, and the warp that mends it.

    shift = ttd_jax.align.measure_shift(visible, infrared)
    transforms = ttd_jax.align.estimate([visible, infrared], model="affine")
    aligned, has_data = ttd_jax.align.warp([visible, infrared], transforms)

Arrays in, arrays out, by NumPy, SciPy and OpenCV; no files.
"""

from ttd_jax.align.check import Shift, measure_shift
from ttd_jax.align.estimate import estimate
from ttd_jax.align.transform import MODELS, Registration, Transform
from ttd_jax.align.warp import warp

__all__ = [
    "MODELS",
    "Registration",
    "Shift",
    "Transform",
    "estimate",
    "measure_shift",
    "warp",
]
