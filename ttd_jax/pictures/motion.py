"""Motion between the frames of a sequence, measured on the host."""

import dataclasses

import cv2
import numpy as np

from ttd_jax.core.steadiness import reliable, stays_inside

# Frames are halved and smoothed first: noise misleads the search more than detail helps it.
_SMOOTH = 0.8
_LEAST = 96  # pixels of a side that DIS is given: its pyramid needs them
# What is seen at both ends of a flow may differ by so many times the usual, and gray levels.
_UNLIKE = 4.0
_LEAST_UNLIKE = 2.0
# Across a cut less of the picture than this agrees, and its parts change by more gray levels.
_CUT = 0.3
_CUT_LEVELS = 4.0
_PARTS = (16, 12)


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
    """The motion of a frame against the one before it, by OpenCV's DIS at half the size.

    Where the flow back does not return, see `ttd_jax.core.steadiness.reliable`, the flow is the
    median of where it does: noise alone shows no motion. It is reliable where all streams look
    alike along it. They do not where the previous frame hides what this one shows, though smooth
    flows may return there; nor where a thing moves that the first stream does not see.

    Args:
      previous: u8[H, W] or u8[M, H, W], the grays or luma of the previous frame: of the stream that
        the motion is measured in, and of others of the same geometry.
      current: of the current frame.

    Reference: Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016.
    """
    before, now = _streams(previous), _streams(current)
    return _motion(before, now, *_search(before[0], now[0]), current.shape[-2:])


def measure_both(
    previous: np.ndarray, current: np.ndarray
) -> tuple[Motion, np.ndarray, np.ndarray]:
    """`measure_motion`, and the flows as they were found, reliable or not.

    Returns:
      The motion, and f32[H, W, 2] of the current frame to the previous one, and of that to this.
    """
    before, now, size = _streams(previous), _streams(current), current.shape[-2:]
    flow, back = _search(before[0], now[0])
    motion = _motion(before, now, flow, back, size)
    return motion, _enlarge(flow, size), _enlarge(back, size)


def _streams(frame):
    """What is searched of each stream of a frame."""
    size = frame.shape[-2:]
    half = tuple(max(_LEAST, (side + 1) // 2) for side in size)
    small = [
        cv2.resize(one, half[::-1], interpolation=cv2.INTER_AREA)
        for one in frame.reshape(-1, *size)
    ]
    return [cv2.GaussianBlur(one, (0, 0), _SMOOTH) for one in small]


def _search(before, now):
    """The flow of the current frame to the previous one, and the flow back."""
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    search.setFinestScale(1)  # of the half-size frames: 2 is faster and coarser
    return search.calc(now, before, None), search.calc(before, now, None)


def _motion(before, now, flow, back, size):
    returns = np.asarray(reliable(flow, back, carry=_carry))
    cut = bool(returns.mean() < _CUT and _change(before[0], now[0]) > _CUT_LEVELS)
    usual = np.median(flow[returns], axis=0) if returns.any() else np.zeros(2, np.float32)
    flow = np.where(returns[..., None], flow, usual)
    mask = stays_inside(flow) & (not cut)
    for pair in zip(before, now, strict=True):
        mask &= _alike(*pair, flow)
    mask = cv2.resize(mask.view(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST)
    return Motion(_enlarge(flow, size), mask.view(bool), cut)


def _enlarge(flow, size):
    """A flow for the pixels of a larger picture."""
    scale = np.array([size[1] / flow.shape[1], size[0] / flow.shape[0]], np.float32)
    return scale * cv2.resize(flow, size[::-1], interpolation=cv2.INTER_LINEAR)


def _change(before, now):
    """By how much the parts of a picture change, in gray levels."""
    parts = (cv2.resize(frame, _PARTS, interpolation=cv2.INTER_AREA) for frame in (before, now))
    return cv2.absdiff(*parts).mean()


def _alike(before, now, flow):
    """Where two frames show the same along a flow."""
    carried = _carry(before[None].astype(np.float32), flow)[0]
    error = cv2.GaussianBlur(np.abs(now - carried), (0, 0), 1.0)
    return error < _UNLIKE * np.median(error) + _LEAST_UNLIKE


def _carry(maps, flow):
    """`ttd_jax.core.steadiness.carry` of NumPy arrays."""
    height, width = flow.shape[:2]
    x = np.arange(width, dtype=np.float32) + flow[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + flow[..., 1]
    return np.stack(
        [cv2.remap(m, x, y, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE) for m in maps]
    )
