"""Pictures in the domain of a detector."""

import chex
import jax.numpy as jnp

from ttd_jax.core.color import IMAGENET_MEAN, IMAGENET_STD
from ttd_jax.detectors.detector import INPUTS
from ttd_jax.errors import check_choice


def prepare(picture: chex.Array, inputs: str) -> chex.Array:
    """A picture in the domain of a detector; pure and differentiable.

    Args:
      picture: f32[..., H, W, 3], RGB in [0, 1].
      inputs: 'bgr' (BGR in 0..255) or 'imagenet' (RGB standardized with ImageNet's statistics, the
        legacy of YOLOX 0.1.0).

    Returns:
      f32[..., H, W, 3].

    Raises:
      ValueError: unknown `inputs`.
    """
    check_choice("inputs", inputs, INPUTS)
    if inputs == "bgr":
        return picture[..., ::-1] * 255
    mean, deviation = (jnp.array(a, picture.dtype) for a in (IMAGENET_MEAN, IMAGENET_STD))
    return (picture - mean) / deviation
