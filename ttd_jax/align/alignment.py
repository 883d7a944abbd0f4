"""What a user can choose about pictures that do not line up."""

import dataclasses
from collections.abc import Mapping

from ttd_jax.align.transform import MODELS, Registration
from ttd_jax.align.warp import CROPS
from ttd_jax.errors import UserError, check_choice

ALIGNS = ("check", "off", *MODELS)


@dataclasses.dataclass(frozen=True)
class Alignment:
    """How the sources of a scene are brought to line up.

    Attributes:
      model: 'off': they are taken as they are; 'check': their shifts are measured and told, nothing
        changes; one of `MODELS`: they are registered.
      to: the reference among them, from 0.
      crop: 'reference': results have the reference's size, 'common': what all sources have.
      fov: the horizontal angle of view of each in degrees; () where they are not known.
      known: scene -> registration, to be used in place of one that is found; None where there is
        none. `model` is then 'off', or 'check' for what they leave.
      known_sha256: of the file that they are from.

    Raises:
      UserError: a value that a field may not have.
    """

    model: str = "off"
    to: int = 0
    crop: str = "reference"
    fov: tuple[float, ...] = ()
    known: Mapping[str, Registration] | None = dataclasses.field(default=None, compare=False)
    known_sha256: str | None = None

    def __post_init__(self) -> None:
        check_choice("align", self.model, ALIGNS)
        check_choice("crop", self.crop, CROPS)
        if self.known is not None and self.model in MODELS:
            raise UserError(
                f"--align={self.model} finds transforms, and --transforms gives them: leave one out"
            )
        if not all(0 < angle < 180 for angle in self.fov):
            raise UserError(f"fov {self.fov}: angles of view lie between 0 and 180 degrees")

    @property
    def moves(self) -> bool:
        """Whether pictures may be warped."""
        return self.known is not None or self.model in MODELS

    def as_record(self) -> dict:
        """JSON-able; what results depend on."""
        if not self.moves:
            return {"model": "none"}
        return {
            "model": self.model,
            "to": self.to,
            "crop": self.crop,
            "fov": list(self.fov),
            "transforms": self.known_sha256,
        }

    def reference(self, name: str) -> int:
        """Which source the others of a scene are compared with."""
        known = self.of_scene(name)
        return self.to if known is None else known.to

    def of_scene(self, name: str) -> Registration | None:
        """What is known of a scene: its own, or the only one that there is.

        Raises:
          UserError: several are known, and none of them is this scene's.
        """
        if self.known is None:
            return None
        if name in self.known:
            return self.known[name]
        if len(self.known) == 1:
            return next(iter(self.known.values()))
        raise UserError(
            f"{name}: --transforms has {len(self.known)} scenes and not this one: leave a single "
            "one in the file to use it for all, or find it with --align"
        )
