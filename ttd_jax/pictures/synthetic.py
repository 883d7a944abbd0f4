"""Pairs and stacks of sources with a known truth, made from one picture."""

import cv2
import numpy as np


def multi_focus_pair(
    image: np.ndarray, *, sigma: float = 4.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Two pictures of which each is sharp where the other is blurred.

    The border between near and far is a random smooth curve; each picture is blurred with a
    Gaussian, first on its own side only, as in common synthetic multi-focus sets.

    Args:
      image: f32[H, W, C] in [0, 1]: the truth, sharp everywhere.
      sigma: of the blur, in pixels.
      seed: of the border.

    Returns:
      `(near, far)`, f32[H, W, C] in [0, 1]: sharp inside and outside of the border.
    """
    smooth = _depth(image, seed)
    mask = (smooth > np.median(smooth)).astype(np.float32)
    mask = cv2.GaussianBlur(mask, (0, 0), 1.0)[..., None]  # no lens has a border of one pixel
    blurred = cv2.GaussianBlur(image, (0, 0), sigma).reshape(image.shape)
    return mask * image + (1 - mask) * blurred, (1 - mask) * image + mask * blurred


def multi_exposure_pair(
    image: np.ndarray, *, stops: float = 1.5, gamma: float = 2.2
) -> tuple[np.ndarray, np.ndarray]:
    """An under- and an over-exposed picture of a scene.

    Args:
      image: f32[H, W, C] in [0, 1], display-referred.
      stops: exposure of each away from the middle, in powers of two.
      gamma: of the display.

    Returns:
      `(under, over)`, f32[H, W, C] in [0, 1]; clipped and rounded to 8 bits like a camera's.
    """
    return exposure_stack(image, count=2, stops=stops, gamma=gamma)


def exposure_stack(
    image: np.ndarray, *, count: int, stops: float = 2.0, gamma: float = 2.2
) -> tuple[np.ndarray, ...]:
    """Exposures of a scene, from the darkest to the brightest, evenly spaced in stops.

    Args:
      image: f32[H, W, C] in [0, 1], display-referred.
      count: of exposures, 2 or more.
      stops: of the first and the last away from the middle, in powers of two.
      gamma: of the display.

    Returns:
      `count` arrays f32[H, W, C] in [0, 1]; clipped and rounded to 8 bits like a camera's.
    """
    linear = image**gamma
    pictures = (
        np.clip(linear * 2.0**shift, 0, 1) ** (1 / gamma)
        for shift in np.linspace(-stops, stops, count)
    )
    return tuple((np.rint(255 * picture) / 255).astype(np.float32) for picture in pictures)


def focus_stack(
    image: np.ndarray, *, count: int, sigma: float = 4.0, seed: int = 0
) -> tuple[np.ndarray, ...]:
    """Pictures of a scene of which each is sharp in one of equally large depth ranges.

    Args:
      image: f32[H, W, C] in [0, 1]: the truth, sharp everywhere.
      count: of pictures, 2 or more.
      sigma: of the blur of everything out of focus, in pixels.
      seed: of the scene's depth.

    Returns:
      `count` arrays f32[H, W, C] in [0, 1], from near to far.
    """
    depth = _depth(image, seed)
    borders = np.quantile(depth, np.linspace(0, 1, count + 1)[1:-1])
    layer = np.digitize(depth, borders)
    blurred = cv2.GaussianBlur(image, (0, 0), sigma).reshape(image.shape)
    pictures = []
    for index in range(count):
        mask = cv2.GaussianBlur((layer == index).astype(np.float32), (0, 0), 1.0)[..., None]
        pictures.append(mask * image + (1 - mask) * blurred)
    return tuple(pictures)


def _depth(image, seed):
    """A random smooth surface, f32[H, W]."""
    noise = np.random.default_rng(seed).standard_normal(image.shape[:2]).astype(np.float32)
    return cv2.GaussianBlur(noise, (0, 0), min(image.shape[:2]) / 6)
