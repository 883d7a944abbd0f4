"""Labeled pictures in a detector's frame, and how they are varied: zoom, shift, mirror, mosaic."""

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np

from ttd_jax.detection.frames import PADDING, letterbox

# An object of which less is left after a cut is no longer one to be found.
_LEAST_SHARE = 0.2
_LEAST_SIDE = 2.0  # pixels


@dataclasses.dataclass(frozen=True)
class Frame:
    """The sources of a scene in one frame, with its objects.

    Attributes:
      pictures: u8[M, H, W, 3], gray 114 where no picture is.
      covered: bool[H, W], where there is one.
      boxes: f32[N, 4], corners in pixels of the frame.
      classes: i32[N].
    """

    pictures: np.ndarray
    covered: np.ndarray
    boxes: np.ndarray
    classes: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How frames are varied at random.

    Attributes:
      mirror: half of them are mirrored, left to right.
      zoom: least and greatest factor on the size of what is in them.
      shift: the greatest shift, as a share of the frame.
      mosaic: the share of them that are made of four scenes.
    """

    mirror: bool = True
    zoom: tuple[float, float] = (1.0, 1.0)
    shift: float = 0.0
    mosaic: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "zoom", tuple(self.zoom))
        if len(self.zoom) != 2 or not 0 < self.zoom[0] <= self.zoom[1]:
            raise ValueError(f"zoom must be two positive numbers, low and high, got {self.zoom}")
        if not 0 <= self.shift < 1:
            raise ValueError(f"shift must lie in 0..1, got {self.shift}")
        if not 0 <= self.mosaic <= 1:
            raise ValueError(f"mosaic must lie in 0..1, got {self.mosaic}")

    @property
    def moves(self) -> bool:
        """Whether anything is zoomed or shifted."""
        return self.zoom != (1.0, 1.0) or self.shift > 0


def make_frame(
    pictures: Sequence[np.ndarray], boxes: np.ndarray, classes: np.ndarray, size: tuple[int, int]
) -> Frame:
    """The sources of a scene as a detector sees them: see `letterbox`.

    Args:
      pictures: u8[h, w, 1 or 3] each.
      boxes: f[N, 4], corners in pixels of the pictures.
      classes: i[N].
      size: (H, W) of the frame.
    """
    framed, ratios = zip(*(letterbox(picture, size) for picture in pictures), strict=True)
    height, width = (max(1, int(side * ratios[0])) for side in pictures[0].shape[:2])
    covered = np.zeros(size, bool)
    covered[:height, :width] = True
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4) * np.float32(ratios[0])
    return Frame(np.stack(framed), covered, boxes, np.asarray(classes, np.int32))


def move(frame: Frame, size: tuple[int, int], *, zoom: float, shift: tuple[float, float]) -> Frame:
    """What is in a frame, zoomed and then shifted into one of `size`; objects are cut at its edge.

    Args:
      frame: where it comes from.
      size: (H, W) of the result.
      zoom: pixels of the result a pixel of the frame.
      shift: of its top left corner, x and y in pixels of the result.
    """
    matrix = np.array([[zoom, 0, shift[0]], [0, zoom, shift[1]]], np.float32)

    def warp(layer, border, interpolation=cv2.INTER_LINEAR):
        return cv2.warpAffine(
            layer, matrix, size[::-1], flags=interpolation, borderValue=(border,) * 3
        )

    pictures = np.stack([warp(picture, PADDING) for picture in frame.pictures])
    covered = warp(frame.covered.astype(np.uint8), 0, cv2.INTER_NEAREST).astype(bool)
    return _cut(
        Frame(pictures, covered, frame.boxes * zoom + np.float32([*shift, *shift]), frame.classes)
    )


def mirror(frame: Frame) -> Frame:
    """Left to right."""
    width = np.float32(frame.covered.shape[1])
    left, top, right, bottom = frame.boxes.T
    return Frame(
        np.ascontiguousarray(frame.pictures[:, :, ::-1]),
        np.ascontiguousarray(frame.covered[:, ::-1]),
        np.stack([width - right, top, width - left, bottom], axis=-1),
        frame.classes,
    )


def mosaic(frames: Sequence[Frame], center: tuple[int, int]) -> Frame:
    """Four frames of one size around a point of a frame twice as high and wide.

    Each lies with a corner of its picture at the point, and is cut where it leaves the frame.

    Args:
      frames: top left, top right, bottom left, bottom right.
      center: x and y of the point.
    """
    sources, (height, width) = len(frames[0].pictures), frames[0].covered.shape
    pictures = np.full((sources, 2 * height, 2 * width, 3), PADDING, np.uint8)
    covered = np.zeros((2 * height, 2 * width), bool)
    boxes, classes = [], []
    for index, frame in enumerate(frames):
        rows, columns = (int(frame.covered.any(axis=axis).sum()) for axis in (1, 0))
        left = center[0] - (columns if index % 2 == 0 else 0)
        top = center[1] - (rows if index < 2 else 0)
        x0, y0 = max(left, 0), max(top, 0)
        x1, y1 = min(left + columns, 2 * width), min(top + rows, 2 * height)
        there, here = np.s_[y0:y1, x0:x1], np.s_[y0 - top : y1 - top, x0 - left : x1 - left]
        pictures[:, *there] = frame.pictures[:, *here]
        covered[there] = True
        boxes.append(frame.boxes + np.float32([left, top, left, top]))
        classes.append(frame.classes)
    return _cut(Frame(pictures, covered, np.concatenate(boxes), np.concatenate(classes)))


def augment(
    frames: Sequence[Frame], augmentation: Augmentation, generator: np.random.Generator
) -> Frame:
    """One frame of one (varied) or four (joined in a mosaic, then varied), of their size."""
    size = np.array(frames[0].covered.shape)
    zoom = np.exp(generator.uniform(*np.log(augmentation.zoom)))
    shift = generator.uniform(-1, 1, size=2) * augmentation.shift * size[::-1]
    frame = frames[0]
    if len(frames) == 4:
        frame = mosaic(
            frames, tuple((generator.uniform(0.5, 1.5, size=2) * size[::-1]).astype(int))
        )
    if len(frames) == 4 or augmentation.moves:
        shift += (size - zoom * np.array(frame.covered.shape))[::-1] / 2  # about the middle
        frame = move(frame, tuple(size.tolist()), zoom=zoom, shift=tuple(shift))
    return mirror(frame) if augmentation.mirror and generator.uniform() < 0.5 else frame


def _cut(frame):
    """Boxes clipped to the frame, without those of which little is left."""
    height, width = frame.covered.shape
    cut = np.clip(frame.boxes, 0, np.float32([width, height, width, height]))
    sides, before = (boxes[:, 2:] - boxes[:, :2] for boxes in (cut, frame.boxes))
    share = sides.prod(axis=1) / np.maximum(before.prod(axis=1), 1e-6)
    kept = (share >= _LEAST_SHARE) & (sides.min(axis=1, initial=np.inf) >= _LEAST_SIDE)
    return dataclasses.replace(frame, boxes=cut[kept], classes=frame.classes[kept])
