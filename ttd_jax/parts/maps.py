"""What the fusion of a window leaves behind: parts of maps, and sums for the record."""

import dataclasses
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import DTypeLike

from ttd_jax.core.dominability import DominabilitySettings, leading
from ttd_jax.core.fusion import BoundNetwork, Fusion
from ttd_jax.core.steadiness import mix_losses
from ttd_jax.errors import UserError
from ttd_jax.parts.part import Part


@dataclasses.dataclass(frozen=True, kw_only=True)
class SceneOptions:
    """How scenes are fused and what is kept of them.

    Attributes:
      settings: how losses become weights; None for the static fusion.
      mode: of `ttd_jax.core.color.fuse_in_color`.
      channels: of the network.
      save: which of 'fused', 'dominability', 'components', 'losses' are kept.
      masked: whether some sources lack data somewhere, and come with a mask.
      smooth: how much of the losses that are carried on stays, see
        `ttd_jax.core.steadiness.mix_losses`; 0 where scenes come without any.
    """

    settings: DominabilitySettings | None
    mode: str
    channels: int
    save: tuple[str, ...]
    masked: bool = False
    smooth: float = 0.0

    @property
    def dynamic(self) -> bool:
        """Whether weights are found at test time."""
        return self.settings is not None


def map_shapes(options: SceneOptions, count: int, size: tuple[int, int]) -> dict[str, tuple]:
    """Shapes [..., H, W, C] of the maps that are kept of `count` sources of one size."""
    own = {"rgb": 3, "network": options.channels}.get(options.mode, 1)
    shapes = {
        "fused": (*size, 3 if options.mode == "luma" else own),
        "dominability": (count, *size, 1),
        "components": (count, *size, own),
        "losses": (count, *size, 1),
    }
    return {name: shapes[name] for name in options.save}


def empty_maps(options: SceneOptions, count: int, size: tuple[int, int], dtype: DTypeLike) -> dict:
    """Arrays for the maps that are kept: pictures of a dtype, RD and losses f32."""
    pictures = ("fused", "components")
    return {
        name: np.empty(shape, dtype if name in pictures else np.float32)
        for name, shape in map_shapes(options, count, size).items()
    }


def as_mask(has_data: chex.Array | None) -> chex.Array | None:
    """Where sources have data, bool[M, H, W], of f32[M, H, W, 1] as windows hold it."""
    return None if has_data is None else has_data[..., 0] > 0


def mix_in(smooth: float, losses: chex.Array, carried: chex.Array, mask: chex.Array) -> chex.Array:
    """Losses f32[M, H, W], mixed with those of the frame before as windows hold them.

    Args:
      smooth: how much of these stays.
      losses: of this frame.
      carried: f32[M, H, W, 1], those of the one before, where this one sees them.
      mask: f32[1, H, W, 1], 1 where they are.
    """
    return mix_losses(carried[..., 0], losses, mask=mask[0, ..., 0] > 0, a=smooth)


def share_planes(fusion: Fusion, *, dynamic: bool, masked: bool) -> dict[str, chex.Array]:
    """What a fusion's record tells the means of over the pixels, f32[M, H, W] each.

    None of a static fusion whose sources have data everywhere: its RD is a constant.
    """
    planes = {}
    if dynamic or masked:
        rd = fusion.dominability
        planes = {"dominates": leading(rd), "mean_dominability": rd}
    return planes | ({"mean_loss": fusion.losses} if dynamic else {})


def plane_means(planes: chex.Array, part: Part) -> chex.Array:
    """f32[M], the mean of each of f32[M, H, W] over the picture."""
    return part.mean(planes[..., None])[:, 0, 0, 0]


def parts_and_sums(
    fusion: Fusion, part: Part, options: SceneOptions
) -> tuple[dict[str, chex.Array], dict[str, chex.Array]]:
    """A window's part of what is kept of a scene.

    Args:
      fusion: of the window.
      part: which of its pixels count in sums.
      options: what is kept.

    Returns:
      `parts`, the maps of `options.save` as f32[..., H, W, C], and `sums`, a dict of f32[M] over
      the owned pixels of `share_planes`. A compiler may drop NaN of a loss that nothing but RD
      depends on.
    """
    maps = {
        "fused": fusion.image,
        "dominability": fusion.dominability[..., None],
        "components": fusion.components,
        "losses": fusion.losses[..., None],
    }
    planes = share_planes(fusion, dynamic=options.dynamic, masked=options.masked)
    sums = {
        name: jnp.sum(part.own(plane[..., None]), axis=(1, 2, 3)) for name, plane in planes.items()
    }
    return {name: maps[name] for name in options.save}, sums


def check_finite(
    model: BoundNetwork, settings: DominabilitySettings | None, results: Any, *, scene: str = ""
) -> None:
    """Refuses a fusion that is no number somewhere, which would be a black pixel as an integer.

    Args:
      model: the network.
      settings: how its losses became weights; None for the static fusion.
      results: of the fusion, a pytree of arrays of any shape, on the host.
      scene: what to call it.

    Raises:
      UserError: it names the network, and the loss map if there was one.
    """
    # A sum needs no array beside a large picture, and what is no number spreads to it.
    sums = [np.sum(np.asarray(leaf), dtype=np.float64) for leaf in jax.tree.leaves(results)]
    if np.isfinite(sums).all():
        return
    name = model.spec.name if model.spec else type(model.module).__name__
    loss = f" or loss map {settings.loss!r}" if settings else ""
    raise UserError(
        f"{scene and scene + ': '}network {name!r}{loss} gives NaN or infinity: mend it, or choose "
        "another"
    )
