"""Sequences with known motion, made from one picture."""

import dataclasses
from collections.abc import Collection, Iterator

import cv2
import numpy as np
from numpy.typing import DTypeLike

from ttd_jax.core.color import LUMA
from ttd_jax.core.quantization import quantize

_VIEW = 0.6  # of the picture's side that a frame shows
_ZOOM = 0.1  # about the middle, either way
_OBJECT = (0.2, 0.13)  # half its height and width, in frame heights
_SOFT = 0.7  # pixels: the blur of the lens


@dataclasses.dataclass(frozen=True)
class ClipFrame:
    """A frame of a generated sequence, and what is true of it.

    Attributes:
      visible: u8[H, W, 3], RGB.
      thermal: u8 or u16 [H, W, 1], of the same geometry.
      flow: f32[H, W, 2]: for each pixel how far (right, down), in pixels, its place in the previous
        frame lies; 0 where there is none.
      mask: bool[H, W], where both frames show one and the same thing: not where the previous one
        hides it or ends, on the object's edge, in the first frame or after a cut.
      cut: whether a scene begins; True of the first frame.
    """

    visible: np.ndarray
    thermal: np.ndarray
    flow: np.ndarray
    mask: np.ndarray
    cut: bool


def generate_clip(
    picture: np.ndarray,
    *,
    count: int,
    size: tuple[int, int],
    seed: int = 0,
    noise: tuple[float, float] = (0.02, 0.03),
    speed: float = 2.0,
    cuts: Collection[int] = (),
    depth: DTypeLike = np.uint8,
) -> Iterator[ClipFrame]:
    """A camera pans and zooms over a picture, and a warm object crosses it by a way of its own.

    The thermal companion is made up: a blurred negative of the luma with warm places, and an object
    that is nearly even. Frames are made one by one.

    Args:
      picture: f32[H, W, 3] in [0, 1].
      count: of frames.
      size: (H, W) of a frame.
      seed: of the ways, the warm places and the noise.
      noise: standard deviation of the visible and the thermal frames' Gaussian noise, in [0, 1].
      speed: how far the camera moves at most from frame to frame, in pixels, along either axis;
        zooming and the object come on top.
      cuts: numbers of frames, from 0, that begin another scene: the picture upside down.
      depth: of the thermal frames: np.uint8 or np.uint16.

    Example:
      >>> clip = generate_clip(ttd_jax.example()[0], count=2, size=(48, 64))
      >>> [frame.visible.shape for frame in clip]
      [(48, 64, 3), (48, 64, 3)]
    """
    cameras = _Cameras(picture.shape[:2], size, speed, seed)
    worlds = [_world(p, cameras.scale, seed) for p in (picture, picture[::-1, ::-1])]
    scene = 0
    for t in range(count):
        scene += t in cuts
        cut = t == 0 or t in cuts
        image = cameras.shoot(worlds[scene % 2], t)
        rng = np.random.default_rng((seed, t))
        spread = np.float32((*(noise[0],) * 3, noise[1]))
        image = image + spread * rng.standard_normal(image.shape, np.float32)
        flow, mask = cameras.motion(t)
        yield ClipFrame(
            quantize(image[..., :3]),
            quantize(image[..., 3:], depth),
            np.zeros_like(flow) if cut else flow,
            mask & (not cut),
            cut,
        )


def _world(picture, scale, seed):
    """f32[H, W, 4]: RGB and warmth of everything that a camera may see."""
    picture = np.ascontiguousarray(picture)
    height, width = picture.shape[:2]
    warmth = 0.55 - 0.45 * cv2.GaussianBlur(picture @ np.float32(LUMA), (0, 0), 2.5 * scale)
    rows, columns = np.ogrid[:height, :width]
    rng = np.random.default_rng((seed, 0, 0))
    for y, x, radius in rng.uniform((0, 0, 0.02), (height, width, 0.06), (6, 3)):
        distance = ((rows - y) ** 2 + (columns - x) ** 2) / (radius * height) ** 2
        warmth = warmth + 0.4 * np.exp(-distance).astype(np.float32)
    world = np.dstack([picture, warmth])
    return cv2.GaussianBlur(world, (0, 0), _SOFT * scale) if scale > 0.5 else world


class _Cameras:
    """Where the camera looks and the object is in each frame: all in closed form."""

    def __init__(self, world, size, speed, seed):
        self.size = size
        self.scale = _VIEW * min(world[0] / size[0], world[1] / size[1])  # of the world's pixels
        self.middle = (np.array(size[::-1]) - 1) / 2
        room = (np.array(world[::-1]) - (1 + _ZOOM) * self.scale * np.array(size[::-1])) / 2
        self.center, self.reach = (np.array(world[::-1]) - 1) / 2, np.maximum(room - 1, 0)
        self.pace = speed * self.scale / max(*self.reach, 1)
        self.phases = np.random.default_rng((seed, 0, 1)).uniform(0, 2 * np.pi, 4)
        self.radii = np.maximum(np.array(_OBJECT[::-1]) * size[0], 2)
        rows, columns = np.mgrid[: size[0], : size[1]]
        self.pixels = np.stack([columns, rows], axis=-1).astype(np.float64)

    def view(self, t):
        """The world's place in the middle of a frame, and the world's pixels in one of its own."""
        turns = self.pace * t * np.array([1, 0.7]) + self.phases[:2]
        zoom = 1 + _ZOOM * np.sin(0.5 * self.pace * t)
        return self.center + self.reach * np.sin(turns), self.scale * zoom

    def object(self, t):
        """The object's place in a frame."""
        turns = 1.3 * self.pace * t * np.array([1, 0.6]) + self.phases[2:]
        return self.middle * (1 + 0.7 * np.sin(turns))

    def shoot(self, world, t):
        """f32[H, W, 4] of a frame without noise."""
        center, scale = self.view(t)
        beside = self.pixels - self.object(t)
        behind = _sample(world, center + scale * (self.pixels - self.middle))
        before = _sample(world, self.center + self.scale * beside)[..., [2, 0, 1, 3]]
        before[..., 3] = 0.75 + 0.2 * before[..., 3]
        share = np.clip(0.5 - self.outside(beside), 0, 1)[..., None].astype(np.float32)
        return behind + share * (before - behind)

    def outside(self, beside):
        """About how many pixels places beside the object are away from its edge; inside below 0."""
        radius = np.linalg.norm(beside / self.radii, axis=-1)
        return (radius - 1) * self.radii.min()

    def motion(self, t):
        """The flow to the frame before, and where it holds."""
        (center, scale), (before, zoomed) = self.view(t), self.view(t - 1)
        place = self.object(t)
        distance = self.outside(self.pixels - place)
        still = (center - before + scale * (self.pixels - self.middle)) / zoomed + self.middle
        moved = self.pixels - place + self.object(t - 1)
        there = np.where((distance < 0)[..., None], moved, still)
        hidden = (distance > 0) & (self.outside(still - self.object(t - 1)) < 2)
        inside = ((there >= 0) & (there <= 2 * self.middle)).all(axis=-1)
        mask = inside & ~hidden & (np.abs(distance) > 2)
        return (there - self.pixels).astype(np.float32), mask


def _sample(world, places):
    x, y = np.moveaxis(places.astype(np.float32), -1, 0)
    return cv2.remap(world, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
