"""The models of a warp: how their parameters move points, and how far a warp may go."""

import numpy as np

# What `within_bounds` allows.
_SHIFT = 0.25  # of the longer side, of the middle, along either axis
_TURN = 10.0  # degrees
_SCALE = 1.25  # and its inverse
_STRETCH = 1.25  # of the one direction against the one across it
_BEND = 0.15  # how much nearer than the middle a corner may be
# What a refinement takes for usual between two cameras.
_USUAL_SHEAR = 0.01
_USUAL_BEND = 0.02


def directions(model: str, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How a small change of each parameter moves points.

    Args:
      model: one of `MODELS`.
      x: f32[P], of points whose coordinates are about [-1, 1].
      y: as well.

    Returns:
      f32[K, P] to the right and f32[K, P] down, of the model's K parameters.
    """
    zero, one = np.zeros_like(x), np.ones_like(x)
    across, down = [one, zero], [zero, one]
    if model == "similarity":
        across, down = [*across, x, -y], [*down, y, x]
    elif model != "translation":
        across, down = [*across, x, y, zero, zero], [*down, zero, zero, x, y]
    if model == "homography":
        across, down = [*across, -x * x, -x * y], [*down, -x * y, -y * y]
    return np.stack(across), np.stack(down)


def small_matrix(model: str, step: np.ndarray) -> np.ndarray:
    """f64[3, 3] of the parameters f64[K] that `directions` speaks of."""
    matrix = np.eye(3)
    matrix[:2, 2] = step[:2]
    if model == "similarity":
        matrix[:2, :2] += [[step[2], -step[3]], [step[3], step[2]]]
    elif model != "translation":
        matrix[:2, :2] += step[2:6].reshape(2, 2)
    if model == "homography":
        matrix[2, :2] = step[6:]
    return matrix


def vector(model: str, matrix: np.ndarray) -> np.ndarray:
    """f64[K], what `small_matrix` made a matrix of, or of the nearest."""
    matrix = matrix / matrix[2, 2] - np.eye(3)
    (a, b), (c, d) = matrix[:2, :2]
    turned = {"translation": [], "similarity": [(a + d) / 2, (c - b) / 2]}
    rest = turned.get(model, [a, b, c, d])
    return np.array([*matrix[:2, 2], *rest, *(matrix[2, :2] if model == "homography" else [])])


def rare(model: str) -> np.ndarray:
    """f64[R, K], of K parameters: what cameras hardly do to each other, over its usual size.

    A likeness tells little of shear and perspective where edges are few or in one place only.
    """
    shear = np.array([[0, 0, 0.5, 0, 0, -0.5], [0, 0, 0, 0.5, 0.5, 0]]) / _USUAL_SHEAR
    if model == "affine":
        return shear
    if model == "homography":
        return np.block([[shear, np.zeros((2, 2))], [np.zeros((2, 6)), np.eye(2) / _USUAL_BEND]])
    return np.zeros((0, {"translation": 2, "similarity": 4}[model]))


def middle(size: tuple[int, int]) -> np.ndarray:
    """f64[3, 3] from coordinates of about [-1, 1] around the middle to pixels of (H, W)."""
    half = max(size) / 2
    return np.array([[half, 0, (size[1] - 1) / 2], [0, half, (size[0] - 1) / 2], [0, 0, 1]])


def turned(degrees: float, scale: float) -> np.ndarray:
    """f64[3, 3] that turns and scales about the origin."""
    cos, sin = scale * np.cos(np.deg2rad(degrees)), scale * np.sin(np.deg2rad(degrees))
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])


def within_bounds(
    matrix: np.ndarray, start: np.ndarray, size: tuple[int, int], scale: float = _SCALE
) -> bool:
    """Whether a warp is no further from `start` than cameras of one scene are.

    Args:
      matrix: f64[3, 3], from a pixel of the reference to the source's.
      start: f64[3, 3], the same before anything was estimated.
      size: (H, W) of the reference.
      scale: how much larger or smaller than at the start the source may show things.
    """
    about = middle(size)
    change = np.linalg.inv(about) @ np.linalg.inv(start) @ matrix @ about
    if not np.isfinite(change).all() or abs(change[2, 2]) < 1e-6:
        return False
    change = change / change[2, 2]
    shift, bend = change[:2, 2], change[2, :2]
    linear = change[:2, :2] - np.outer(shift, bend)  # the derivative in the middle
    _, (large, small), _ = np.linalg.svd(linear)
    angle = np.rad2deg(np.arctan2(linear[1, 0] - linear[0, 1], linear[0, 0] + linear[1, 1]))
    return bool(
        np.linalg.det(linear) > 0
        and np.abs(shift).max() / 2 <= _SHIFT
        and abs(angle) <= _TURN
        and 1 / scale <= np.sqrt(large * small) <= scale
        and large / small <= _STRETCH
        and abs(bend).sum() <= _BEND
    )
