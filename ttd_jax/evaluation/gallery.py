"""A few scenes of a data set as small pictures, fused again by every strategy."""

import base64
import dataclasses
from collections.abc import Mapping, Sequence

import cv2
import jax
import numpy as np

from ttd_jax.core.color import resolve_color
from ttd_jax.core.dominability import leading
from ttd_jax.core.quantization import quantize
from ttd_jax.evaluation.loop import Evaluation
from ttd_jax.evaluation.plots import spread
from ttd_jax.networks import fuse_pictures
from ttd_jax.parts.maps import plane_means
from ttd_jax.parts.part import Part
from ttd_jax.pictures.batches import choose_frames, fill_up, stack_masks
from ttd_jax.pictures.checking import Scenes
from ttd_jax.report.overlay import dominability_map, tint
from ttd_jax.report.progress import progress
from ttd_jax.report.sheet import resize

_WIDTH = 360  # pixels
_QUALITY = 82  # of WebP, 1 to 100


@dataclasses.dataclass(frozen=True)
class Thumbnail:
    """A picture inside a page: its data URI, and its size in pixels."""

    uri: str
    width: int
    height: int


@dataclasses.dataclass(frozen=True)
class Dominance:
    """One source on a map of RD: its tint, its share of the pixels and its mean RD."""

    role: str
    tint: str
    share: float
    mean: float


@dataclasses.dataclass(frozen=True)
class Card:
    """One scene of the gallery.

    Attributes:
      name: of the scene.
      sources: role -> the source as it is on disk.
      fused: strategy -> the fused picture.
      maps: dynamic strategy -> `(picture of RD, one Dominance per source)`.
    """

    name: str
    sources: Mapping[str, Thumbnail]
    fused: Mapping[str, Thumbnail]
    maps: Mapping[str, tuple[Thumbnail, tuple[Dominance, ...]]]


class Gallery:
    """Makes the cards of one model; keeps one compiled program per shape."""

    def __init__(self, job: Evaluation):
        self._job = job
        self._gray = job.color == "network"
        self._program = jax.jit(self._fuse)

    def cards(self, scenes: Scenes, count: int) -> list[Card]:
        """Cards of up to `count` scenes, evenly spread."""
        frames = choose_frames([scene.size for scene in scenes], exact=self._job.exact)
        with progress(spread(len(scenes), count), "gallery") as chosen:
            return [self._card(scenes, index, frames[index]) for index in chosen]

    def _card(self, scenes, index, frame):
        example, shown = scenes.load(index)  # in color, also where the network is given grays
        sources = {
            role: thumbnail(picture.as_bytes())
            for role, picture in zip(example.roles, shown, strict=True)
        }
        height, width = size = scenes[index].size
        pictures = tuple(fill_up(p.as_float(), frame.size) for p in scenes.given(shown))
        masks = stack_masks(shown, frame.size) if scenes[index].masked else None
        fused, maps = {}, {}
        results = self._program(self._job.model, pictures, frame.extent(size), masks)
        for strategy, (image, *dynamic) in jax.tree.map(np.asarray, results).items():
            image = image[:height, :width]
            fused[strategy] = thumbnail(image)
            if dynamic:
                rd, shares = dynamic
                maps[strategy] = dominance_map(image, rd[:, :height, :width], shares, example.roles)
        return Card(example.name, sources, fused, maps)

    def _fuse(self, model, pictures, extent, has_data):
        """Strategy -> image, and for the dynamic ones RD and the shares that sources dominate.

        A static fusion's RD is a constant: XLA would reduce it while it compiles, very slowly.
        """
        mode = resolve_color(self._job.color, tuple(p.shape[-1] == 3 for p in pictures))
        how = model.spec.quantize if self._gray else "round"
        results = {}
        for strategy, settings in self._job.strategies.items():
            where = {"extent": extent, "has_data": has_data}
            fusion = fuse_pictures(model, pictures, settings, mode=mode, **where)
            results[strategy] = (quantize(fusion.image, how=how),)
            if settings is not None:
                rd = fusion.dominability
                results[strategy] += rd, plane_means(leading(rd), Part(extent))
        return results


def dominance_map(
    image: np.ndarray, rd: np.ndarray, shares: np.ndarray, roles: Sequence[str]
) -> tuple[Thumbnail, tuple[Dominance, ...]]:
    """The picture of RD over a fused picture, and what its legend says.

    Args:
      image: u8[H, W, 1 or 3].
      rd: f32[M, H, W].
      shares: f32[M], of the pixels that each source dominates.
      roles: of the sources.

    Returns:
      `(Thumbnail, M Dominance)`.
    """
    return thumbnail(dominability_map(image, rd)), tuple(
        Dominance(role, tint(m), share, mean)
        for m, (role, share, mean) in enumerate(
            zip(roles, map(float, shares), map(float, rd.mean(axis=(1, 2))), strict=True)
        )
    )


def thumbnail(pixels: np.ndarray) -> Thumbnail:
    """A picture u8[H, W, 1 or 3], no wider than a card; never enlarged."""
    if pixels.shape[1] > _WIDTH:
        pixels = resize(pixels, _WIDTH)
    height, width = pixels.shape[:2]
    rgb = np.broadcast_to(pixels, (height, width, 3))
    options = [cv2.IMWRITE_WEBP_QUALITY, _QUALITY]
    data = cv2.imencode(".webp", np.ascontiguousarray(rgb[..., ::-1]), options)[1].tobytes()
    return Thumbnail(f"data:image/webp;base64,{base64.b64encode(data).decode()}", width, height)
