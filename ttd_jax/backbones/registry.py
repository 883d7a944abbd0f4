"""The known networks: one row each. Adding a network is one file and one row."""

import dataclasses
import difflib
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from flax import traverse_util

from ttd_jax.backbones.base import Backbone
from ttd_jax.backbones.ifcnn import IFCNN
from ttd_jax.core.dominability import DominabilitySettings

# task -> the roles of its sources, in the order in which they are passed everywhere.
TASKS: Mapping[str, tuple[str, ...]] = {
    "infrared-visible": ("visible", "infrared"),
    "medical": ("MRI", "CT, PET or SPECT"),
    "multi-exposure": ("under-exposed", "over-exposed"),
    "multi-focus": ("near focus", "far focus"),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class BackboneRow:
    """What is known of one network.

    Attributes:
      name: its name on the command line.
      build: makes the Flax module; takes `precision`.
      tasks: keys of `TASKS` it was made for.
      channels: of its sources and of its output.
      value_range: of the network's own domain.
      quantise: how its authors turn [0, 1] into integers: 'truncate' or 'round'.
      presets: loss preset -> RD settings fitting this network; the first is its default.
      layout: the layout of its checkpoints: a key of `ttd_jax.checkpoints.layouts.LAYOUTS`.
      checkpoint: the authors' file for it: a `file` of a card in `third_party/`.
      licence: of the authors' weights.
      paper: where the network was published.
      note: what a user should know about the default settings.
    """

    name: str
    build: Callable[..., Backbone]
    tasks: tuple[str, ...]
    channels: int
    value_range: str
    quantise: str
    presets: Mapping[str, DominabilitySettings]
    layout: str
    checkpoint: str
    licence: str
    paper: str
    note: str = ""

    @property
    def default_preset(self) -> str:
        """The preset used when none is named."""
        return next(iter(self.presets))


def _ifcnn(operator: str) -> BackboneRow:
    return BackboneRow(
        name=f"ifcnn_{operator}",
        build=lambda **options: IFCNN(operator=operator, **options),
        tasks=tuple(TASKS),
        channels=3,
        value_range="RGB standardised with ImageNet's mean and standard deviation",
        quantise="truncate",
        presets={
            "fused": DominabilitySettings(preset="fused", norm="l1", space="network"),
            "intensity": DominabilitySettings(preset="intensity", norm="l1", space="network"),
            "self": DominabilitySettings(preset="self", norm="squared", space="image"),
        },
        layout="ifcnn",
        checkpoint=f"IFCNN-{operator.upper()}.pth",
        licence="none stated",
        paper="Zhang et al., IFCNN, Information Fusion 54 (2020) 99-118",
        note="preset 'fused' was chosen by measurement, it is not stated in the TTD paper",
    )


REGISTRY: Mapping[str, BackboneRow] = {
    row.name: row
    for row in (
        _ifcnn("sum"),
        _ifcnn("max"),
        _ifcnn("mean"),
    )
}


def lookup(name: str) -> BackboneRow:
    """The row of `name`.

    Raises:
      ValueError: for an unknown name; the message suggests the nearest known one.
    """
    if name in REGISTRY:
        return REGISTRY[name]
    near = difflib.get_close_matches(name.lower().replace("-", "_"), REGISTRY, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ValueError(f"unknown model {name!r}: {hint}known models: {', '.join(REGISTRY)}")


def variable_shapes(row: BackboneRow) -> dict[str, jax.ShapeDtypeStruct]:
    """Shape and dtype of every variable of a network: '/'-joined path -> struct."""
    sources = jax.ShapeDtypeStruct((2, 16, 16, row.channels), jnp.float32)
    tree = jax.eval_shape(row.build().init, jax.random.key(0), sources)
    return traverse_util.flatten_dict(tree, sep="/")
