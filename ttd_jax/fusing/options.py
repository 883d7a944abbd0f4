"""What a user can choose about a fuse run."""

import dataclasses
from collections.abc import Sequence

from ttd_jax.core.color import COLORS, resolve_color
from ttd_jax.errors import UserError
from ttd_jax.networks import FusionSpec
from ttd_jax.pictures.images import Picture, Reading
from ttd_jax.registry import unknown

# As `ttd_jax.core.color` has them, and as the script of the network's authors saves its results.
FUSE_COLORS = (*COLORS, "authors")
MAPS = ("fused", "dominability", "components", "losses")
SAVES = (*MAPS, "alignment")
OUTPUT_RANGES = ("type", "source")
METADATA = ("keep", "drop")


@dataclasses.dataclass(frozen=True, kw_only=True)
class FuseOptions:
    """Options of a run; every one of them changes bytes and is recorded with each scene.

    Attributes:
      model: name in the registry.
      weights_sha256: of the loaded weights, from their manifest.
      strategy: 'ttd' or 'static'.
      dominability: the RD settings as a dict, None for the static strategy.
      color: one of `FUSE_COLORS`.
      format: 'png' or 'tiff'.
      reading: how files become pictures.
      output_range: 'type': pictures fill the range of their type; 'source': they have the values of
        the first source that was mapped from a range of its own.
      pages: which pictures of files with several; see `ttd_jax.pictures.scenes.find_scenes`.
      metadata: 'keep': the fused picture carries what the first source's file does; 'drop'.
      save: which of `SAVES` to write.
      batch_size: scenes in one batch; 0 chooses by size, or by a device's own memory.
      sizes: 'bucket': pictures of many sizes are computed in arrays of few; 'exact'.
      precision: of the layers, one of `ttd_jax.networks.PRECISIONS`.
      fold: whether neighboring linear layers were merged.
      residual: CDDFuse's, where it differs from the model's own.
      classifier_sha256: of the illumination classifier's weights, None without one.
    """

    model: str
    weights_sha256: str
    strategy: str = "ttd"
    dominability: dict | None = None
    color: str = "auto"
    format: str = "png"
    reading: Reading = dataclasses.field(default_factory=Reading)
    output_range: str = "type"
    pages: str | None = None
    metadata: str = "keep"
    save: tuple[str, ...] = ("fused",)
    batch_size: int = 0
    sizes: str = "bucket"
    precision: str = "highest"
    fold: bool = True
    residual: str | None = None
    classifier_sha256: str | None = None

    def as_record(self) -> dict:
        """JSON-able."""
        plain = dataclasses.replace(self, reading=None)  # which may hold thousands of transforms
        record = {**dataclasses.asdict(plain), "save": list(self.save)}
        del record["reading"]
        bands = self.reading.bands and list(self.reading.bands)
        return {
            **record,
            "range": ",".join(map(str, self.reading.ranges)),
            "bands": bands,
            "align": self.reading.align.as_record(),
        }

    @property
    def gray(self) -> bool:
        """Whether the network is given the sources' grays."""
        return self.color == "network"

    def given(self, pictures: Sequence[Picture]) -> list[Picture]:
        """What the network is given of a scene's pictures."""
        if self.gray:
            pictures = [picture.grayed() for picture in pictures]
        first, *others = pictures
        if self.output_range == "source":  # results stay floats until they have its values
            first = dataclasses.replace(first, pixels=first.as_float())
        return [first, *others]

    def resolve_color(self, colored: tuple[bool, ...]) -> str:
        """The mode for a scene of these options."""
        return resolve_color(self.color, colored)


def check_network(spec: FusionSpec, sources: int, color: str) -> None:
    """Refuses what a network cannot fuse.

    Args:
      spec: of the network.
      sources: how many there are.
      color: one of `FUSE_COLORS`.

    Raises:
      UserError: another number of sources, RGB for a network of one channel, or another color.
    """
    if color not in FUSE_COLORS:
        raise unknown(color, FUSE_COLORS, kind="color")
    if color == "authors" and spec.saving is None:
        raise UserError(
            f"color=authors: how the authors of {spec.name} save their results is not known: use "
            "color=network"
        )
    if color == "rgb" and spec.channels != 3:
        raise UserError(f"color=rgb: {spec.name} has one channel: use color=luma")
    if spec.source_count not in (None, sources):
        raise UserError(
            f"{spec.name} fuses exactly {spec.source_count} sources, got {sources}: pass "
            f"{spec.source_count}, or use another model"
        )
