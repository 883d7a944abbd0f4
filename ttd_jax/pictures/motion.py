"""Motion between the frames of a sequence, measured on the host."""

import dataclasses

import cv2
import numpy as np

from ttd_jax.core.steadiness import reliable

_CUT = 0.3  # less of the picture than this agrees across a cut
_LEAST = 96  # pixels of a side that DIS is given: its pyramid needs them


@dataclasses.dataclass(frozen=True)
class Motion:
    """How a frame moved from the one before it.

    Attributes:
      flow: f32[H, W, 2]: for each pixel of the current frame how far (right, down), in pixels, its
        place in the previous frame lies.
      mask: bool[H, W], where that is reliable; nowhere across a cut.
      cut: whether the frames show two scenes.
    """

    flow: np.ndarray
    mask: np.ndarray
    cut: bool


def measure_motion(previous: np.ndarray, current: np.ndarray) -> Motion:
    """The motion of a frame against the one before it.

    Measured in both directions with OpenCV's DIS, at half the size.

    Args:
      previous: u8[H, W], the gray or luma of the previous frame.
      current: u8[H, W], of the current one.

    Reference: Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016; what is
    reliable: `ttd_jax.core.steadiness.reliable`.
    """
    return _motion(*_search(previous, current), current.shape)


def measure_both(previous: np.ndarray, current: np.ndarray) -> tuple[Motion, np.ndarray]:
    """`measure_motion`, and the flow of the previous frame to the current one, f32[H, W, 2]."""
    flow, back = _search(previous, current)
    return _motion(flow, back, current.shape), _enlarge(back, current.shape)


def _search(previous, current):
    """The flow of the current frame to the previous one and the flow back, at half the size."""
    half = tuple(max(_LEAST, (side + 1) // 2) for side in current.shape)
    before, now = (
        cv2.resize(frame, half[::-1], interpolation=cv2.INTER_AREA) for frame in (previous, current)
    )
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    return search.calc(now, before, None), search.calc(before, now, None)


def _motion(flow, back, size):
    mask = np.asarray(reliable(flow, back, carry=_carry))
    cut = bool(mask.mean() < _CUT)
    mask = cv2.resize(mask.view(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST).view(bool)
    return Motion(_enlarge(flow, size), mask & (not cut), cut)


def _enlarge(flow, size):
    """A flow for the pixels of a larger picture."""
    scale = np.array([size[1] / flow.shape[1], size[0] / flow.shape[0]], np.float32)
    return scale * cv2.resize(flow, size[::-1], interpolation=cv2.INTER_LINEAR)


def _carry(maps, flow):
    """`ttd_jax.core.steadiness.carry` of NumPy arrays."""
    height, width = flow.shape[:2]
    x = np.arange(width, dtype=np.float32) + flow[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + flow[..., 1]
    carried = cv2.remap(
        maps.transpose(1, 2, 0), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return carried.transpose(2, 0, 1)
