"""BT.601 full-range luma and chroma, and what becomes of the sources' color.

Source: ITU-R BT.601-7 with the JFIF full-range offsets; merging of two chroma planes as in
Prabhakar et al., "DeepFuse", ICCV 2017, eq. 5 (there tau = 128, here C = 0.5).
"""

from collections.abc import Callable, Sequence

import chex
import jax.numpy as jnp
import numpy as np

from ttd_jax.core.fusion import Fusion
from ttd_jax.errors import UserError

LUMA = (0.299, 0.587, 0.114)
_DECODER = np.array((9797, 19234, 3737), np.uint32)  # the same of 2^15
# Mean and standard deviation of ImageNet's RGB in [0, 1], which networks are standardized by.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
# What users choose: a mode of `fuse_in_color`, or the one that keeps color where there is any.
COLORS = ("auto", "luma", "rgb", "gray", "network")


def rgb_to_luma(rgb: chex.Array) -> chex.Array:
    """Luma f32[..., 1] in [0, 1] of RGB f32[..., 3] in [0, 1] (BT.601)."""
    red, green, blue = jnp.split(rgb, 3, axis=-1)
    return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue


def decoder_gray(pixels: np.ndarray) -> np.ndarray:
    """Gray as OpenCV's PNG decoder makes it of RGB that states no gamma; see libpng's manual.

    Args:
      pixels: u8, u16 or f32 [H, W, 1 or 3].

    Returns:
      [H, W, 1] of the same type: (9797 R + 19234 G + 3737 B) / 32768, in u8 without the fraction,
      in u16 rounded.

    Example:
      >>> decoder_gray(np.array([[[250, 30, 20]]], np.uint8)).item()
      94
    """
    if pixels.shape[-1] == 1:
        return pixels
    if pixels.dtype.kind == "f":
        return (pixels @ (np.float32(_DECODER) / np.float32(1 << 15)))[..., None]
    red, green, blue = (weight * pixels[..., c] for c, weight in enumerate(_DECODER))
    half = 0 if pixels.dtype == np.uint8 else 1 << 14
    return ((red + green + blue + half) >> 15).astype(pixels.dtype)[..., None]


def pillow_gray(rgb: np.ndarray) -> np.ndarray:
    """Gray u8[H, W, 1] of RGB u8[H, W, 3] as Pillow converts it to its mode L."""
    weighed = rgb.astype(np.uint32) @ np.array((19595, 38470, 7471), np.uint32)
    return ((weighed + (1 << 15)) >> 16).astype(np.uint8)[..., None]


def rgb_to_ycbcr(rgb: chex.Array) -> tuple[chex.Array, chex.Array]:
    """Luma f32[..., 1] and chroma f32[..., 2] = (Cb, Cr), all in [0, 1], gray at Cb = Cr = 0.5.

    Args:
      rgb: f32[..., 3] in [0, 1].

    Example:
      >>> luma, chroma = rgb_to_ycbcr(jnp.ones((1, 1, 3)))
      >>> float(luma[0, 0, 0]), chroma[0, 0].tolist()
      (1.0, [0.5, 0.5])
    """
    luma = rgb_to_luma(rgb)
    cb = 0.5 + (rgb[..., 2:3] - luma) / (2 * (1 - LUMA[2]))
    cr = 0.5 + (rgb[..., 0:1] - luma) / (2 * (1 - LUMA[0]))
    return luma, jnp.concatenate([cb, cr], axis=-1)


def ycbcr_to_rgb(luma: chex.Array, chroma: chex.Array) -> chex.Array:
    """RGB f32[..., 3], clipped to [0, 1], of luma f32[..., 1] and chroma f32[..., 2]."""
    cb, cr = chroma[..., 0:1] - 0.5, chroma[..., 1:2] - 0.5
    red = luma + 2 * (1 - LUMA[0]) * cr
    blue = luma + 2 * (1 - LUMA[2]) * cb
    green = (luma - LUMA[0] * red - LUMA[2] * blue) / LUMA[1]
    return jnp.clip(jnp.concatenate([red, green, blue], axis=-1), 0.0, 1.0)


def merge_chroma(chroma: chex.Array) -> chex.Array:
    """One chroma plane from those of the sources that have color.

    A single one is kept as it is; several are averaged with weights |C - 0.5|, so that a colorful
    source outweighs a dull one and gray sources count for nothing.

    Args:
      chroma: f32[N, ..., 2] in [0, 1], N >= 1.

    Returns:
      f32[..., 2] in [0, 1]; 0.5 where every source is gray.
    """
    if chroma.shape[0] == 1:
        return chroma[0]
    offset = chroma - 0.5
    weight = jnp.abs(offset)
    total = jnp.sum(weight, axis=0)
    merged = jnp.sum(weight * offset, axis=0) / jnp.where(total > 0, total, 1.0)
    return 0.5 + merged


def fuse_in_color(
    fuse: Callable[[chex.Array], Fusion],
    pictures: Sequence[chex.Array],
    *,
    mode: str,
    channels: int,
    has_data: chex.Array | None = None,
) -> Fusion:
    """Fuses pictures of which some have color.

    Args:
      fuse: function f32[M, H, W, channels] -> `Fusion`.
      pictures: M arrays f32[H, W, 1 or 3] in [0, 1]; three channels mean color.
      mode: 'luma': fuse luma and put the chroma of the colored sources back; 'gray': fuse luma
        and stay gray; 'rgb': fuse RGB directly; 'network': fuse gray pictures, repeated to the
        network's channels, and keep all the channels that come out; 'authors': as 'gray', for
        who puts the color back as a network's authors do.
      channels: of the network's input and output, 1 or 3.
      has_data: bool[M, H, W], see `ttd_jax.dynamic_fuse`, which `fuse` has heard of: a picture
        counts as gray where it has none.

    Returns:
      A `Fusion` whose `image` has three channels ('luma', 'rgb', and 'network' with three), else
      one; `components` are luma in 'luma', 'gray' and 'authors'.

    Raises:
      UserError: 'rgb' with a network of one channel, or 'luma' without a colored picture.
    """
    if mode == "rgb" and channels != 3:
        raise UserError("mode 'rgb' needs a network of three channels")
    fusion = fuse(network_sources(pictures, mode=mode, channels=channels))
    if mode in ("rgb", "network"):
        return fusion
    if channels == 3:
        fusion = fusion.replace(
            image=rgb_to_luma(fusion.image), components=rgb_to_luma(fusion.components)
        )
    if mode in ("gray", "authors"):
        return fusion
    colored = [m for m, picture in enumerate(pictures) if picture.shape[-1] == 3]
    if not colored:
        raise UserError("mode 'luma' needs a picture with color")
    chroma = jnp.stack([rgb_to_ycbcr(pictures[m])[1] for m in colored])
    if has_data is not None:
        chroma = jnp.where(has_data[np.array(colored), ..., None], chroma, 0.5)
    return fusion.replace(image=ycbcr_to_rgb(fusion.image, merge_chroma(chroma)))


def resolve_color(color: str, colored: Sequence[bool]) -> str:
    """The mode of `fuse_in_color` for a scene: color comes out where a source has any.

    Args:
      color: one of `COLORS`.
      colored: whether each source has color.

    Example:
      >>> resolve_color("auto", (True, False)), resolve_color("luma", (False, False))
      ('luma', 'gray')
    """
    if color == "auto" or (color == "luma" and not any(colored)):
        return "luma" if any(colored) else "gray"
    return color


def network_sources(pictures: Sequence[chex.Array], *, mode: str, channels: int) -> chex.Array:
    """What a network is given of pictures of which some have color.

    Args:
      pictures: see `fuse_in_color`, and so `mode` and `channels`.

    Returns:
      f32[M, H, W, channels]: RGB in the mode 'rgb', luma repeated to all channels in the others.
    """
    if mode != "rgb":
        pictures = [rgb_to_luma(p) if p.shape[-1] == 3 else p for p in pictures]
    return jnp.stack([jnp.broadcast_to(p, (*p.shape[:2], channels)) for p in pictures])
