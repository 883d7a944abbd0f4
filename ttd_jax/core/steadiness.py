"""Losses that stay steady from frame to frame: carried along the motion and mixed with the new.

An extension: the paper fuses still pictures. Its losses see each frame's own noise, so weights of
frames fused one by one flicker where the scene does not change.

Flow here is the motion from a frame to the one before it: f32[H, W, 2], for each pixel of the
current frame how far (right, down), in pixels, its place in the previous frame lies.
"""

from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.ndimage import map_coordinates

# How far from where it began a way there and back may end: of its length, and in pixels.
_SLACK = 0.01
_LEAST_SLACK = 0.5


def carry(maps: chex.Array, flow: chex.Array) -> chex.Array:
    """Maps of the previous frame where the current one sees them.

    Args:
      maps: f32[..., H, W], of the previous frame.
      flow: f32[H, W, 2]; see above.

    Returns:
      f32[..., H, W]: carried[y, x] = maps[y + flow[y, x, 1], x + flow[y, x, 0]], between four
      pixels in proportion; beyond the border it repeats.

    Example:
      >>> maps = jnp.arange(4.0).reshape(1, 1, 4)
      >>> carry(maps, jnp.broadcast_to(jnp.array([0.5, 0.0]), (1, 4, 2)))[0, 0].tolist()
      [0.5, 1.5, 2.5, 3.0]
    """
    height, width = flow.shape[:2]
    rows, columns = jnp.mgrid[:height, :width]
    places = [rows + flow[..., 1], columns + flow[..., 0]]
    planes = maps.reshape(-1, height, width)
    carried = jax.vmap(lambda plane: map_coordinates(plane, places, order=1, mode="nearest"))
    return carried(planes).reshape(maps.shape)


def reliable(
    flow: chex.Array,
    back: chex.Array,
    *,
    carry: Callable[[chex.Array, chex.Array], chex.Array] = carry,
) -> chex.Array:
    """Where a flow can be trusted: the way there and back ends where it began.

    It does not where the other frame hides what this one shows, where either flow is wrong, nor
    where the way leaves the picture.

    Args:
      flow: f32[H, W, 2], of one frame to another.
      back: f32[H, W, 2], of the other to the one.
      carry: what carries f32[2, H, W]; on the host one of NumPy arrays, as all of them are then.

    Returns:
      bool[H, W].

    Reference: |f + b|^2 < 0.01 (|f|^2 + |b|^2) + 0.5 of Sundaram, Brox and Keutzer, "Dense point
    trajectories by GPU-accelerated large displacement optical flow", ECCV 2010, eq. 5.
    """
    across, down = flow[..., 0], flow[..., 1]
    back_across, back_down = carry(back.transpose(2, 0, 1), flow)
    error = (across + back_across) ** 2 + (down + back_down) ** 2
    length = across**2 + down**2 + back_across**2 + back_down**2
    return stays_inside(flow) & (error < _SLACK * length + _LEAST_SLACK)


def stays_inside(flow: chex.Array) -> chex.Array:
    """bool[H, W]: where a flow f32[H, W, 2] leads to a place within the picture."""
    height, width = flow.shape[:2]
    x = np.arange(width, dtype=np.float32) + flow[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + flow[..., 1]
    return (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)


def steady_losses(
    previous: chex.Array,
    current: chex.Array,
    flow: chex.Array,
    *,
    mask: chex.Array,
    a: chex.Numeric,
) -> chex.Array:
    """Losses of a frame, mixed with those before it along the motion.

    l'_t = (1 - a) l_t + a carry(l'_{t-1}) where the motion is known; elsewhere, as after a cut,
    they begin anew with l_t.

    Args:
      previous: f32[M, H, W], what this gave for the previous frame.
      current: f32[M, H, W], the loss maps of this frame, sources first.
      flow: f32[H, W, 2]; see above.
      mask: bool[H, W], where the flow is reliable.
      a: how much of the previous losses stays, in [0, 1): noise that is new in each frame falls to
        sqrt((1 - a) / (1 + a)) of its standard deviation. 0 is frame by frame.

    Returns:
      f32[M, H, W]; `current`, bit for bit, where the mask is False and for a = 0, whatever
      `previous` and `flow` hold.

    Example:
      >>> losses = jnp.ones((2, 4, 4))
      >>> flow, mask = jnp.zeros((4, 4, 2)), jnp.eye(4, dtype=bool)
      >>> steady_losses(0 * losses, losses, flow, mask=mask, a=0.75)[0, 0].tolist()
      [0.25, 1.0, 1.0, 1.0]
    """
    return mix_losses(carry(previous, flow), current, mask=mask, a=a)


def mix_losses(
    carried: chex.Array, current: chex.Array, *, mask: chex.Array, a: chex.Numeric
) -> chex.Array:
    """The rest of `steady_losses`, pixel by pixel: of f32[M, H, W] that were carried already."""
    return jnp.where(mask & (a > 0), (1 - a) * current + a * carried, current)
