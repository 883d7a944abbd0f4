"""Pictures in the domain of a detector."""

import jax.numpy as jnp

from ttd_jax.backbones.detector import INPUTS
from ttd_jax.backbones.ifcnn import MEAN, STD


def prepare(picture, inputs: str):
    """A picture in the domain of a detector; pure and differentiable.

    Args:
      picture: f32[..., H, W, 3], RGB in [0, 1].
      inputs: 'bgr' (BGR in 0..255) or 'imagenet' (RGB standardised with ImageNet's statistics, the
        legacy of YOLOX 0.1.0).

    Returns:
      f32[..., H, W, 3].

    Raises:
      ValueError: unknown `inputs`.
    """
    if inputs == "bgr":
        return picture[..., ::-1] * 255
    if inputs == "imagenet":
        return (picture - jnp.array(MEAN, picture.dtype)) / jnp.array(STD, picture.dtype)
    raise ValueError(f"inputs must be one of {INPUTS}, got {inputs!r}")
