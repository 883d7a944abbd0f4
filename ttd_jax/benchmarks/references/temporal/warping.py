"""Flicker and BiSWE, by SciPy's interpolation."""

import numpy as np
from scipy import ndimage


def flicker(
    previous: np.ndarray, current: np.ndarray, *, flow: np.ndarray, mask: np.ndarray
) -> float:
    """Mean |current - carried previous| of the pixels in the mask."""
    return float(np.abs(current - _carry(previous, flow))[..., mask].mean())


def biswe(
    frames: np.ndarray,
    *,
    flows: np.ndarray,
    source_flows: np.ndarray,
    source_backs: np.ndarray,
) -> float:
    """The errors against the previous and the next frame, where all sources' flows return."""
    total = 0.0
    for side, neighbor in enumerate((frames[0], frames[2])):
        mask = np.full(frames.shape[-2:], True)
        for there, back in zip(source_flows[:, side], source_backs[:, side], strict=True):
            across, down = (there[..., i] + _carry(back[..., i], there) for i in range(2))
            mask &= np.hypot(across, down) < 1
        if mask.any():
            total += np.abs(frames[1] - _carry(neighbor, flows[side]))[..., mask].mean()
    return total


def _carry(maps, flow):
    height, width = flow.shape[:2]
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    places = rows + flow[..., 1], columns + flow[..., 0]
    planes = np.asarray(maps, np.float64).reshape(-1, height, width)
    carried = [ndimage.map_coordinates(p, places, order=1, mode="nearest") for p in planes]
    return np.reshape(carried, maps.shape)
