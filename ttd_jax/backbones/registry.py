"""The known networks: one row each. Adding a network is one file and one row."""

import dataclasses
import difflib
import functools
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import traverse_util

from ttd_jax.backbones.base import Backbone
from ttd_jax.backbones.cddfuse import CDDFuse
from ttd_jax.backbones.detector import COCO_CLASSES, Detector, DetectorSettings
from ttd_jax.backbones.ifcnn import IFCNN
from ttd_jax.backbones.illumination import Classifier, IlluminationClassifier
from ttd_jax.backbones.model import Model
from ttd_jax.backbones.piafusion import PIAFusion
from ttd_jax.backbones.yolox import YOLOX
from ttd_jax.core.dominability import DominabilitySettings

# task -> the roles of its sources, in the order in which they are passed everywhere.
TASKS: Mapping[str, tuple[str, ...]] = {
    "infrared-visible": ("visible", "infrared"),
    "medical": ("MRI", "CT, PET or SPECT"),
    "multi-exposure": ("under-exposed", "over-exposed"),
    "multi-focus": ("near focus", "far focus"),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkRow:
    """What is known of any network that has weights: all that converting and storing them needs.

    Attributes:
      name: its name on the command line.
      build: makes the Flax module; takes `precision`.
      layout: the layout of its checkpoints: a key of `ttd_jax.checkpoints.layouts.LAYOUTS`.
      checkpoint: the authors' file for it: a `file` of a card in `third_party/`; None if none of
        its files can be had from them any more.
      licence: of the authors' weights.
      paper: where the network was published.
      note: what a user should know about it or its default settings.
      min_size: the least height and width of a picture that it takes.
    """

    name: str
    build: Callable[..., nn.Module]
    layout: str
    checkpoint: str | None
    licence: str
    paper: str
    note: str = ""
    min_size: int = 1

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of an input that its module can be initialised with."""
        raise NotImplementedError

    def bind(self, variables, **options):
        """The module with its variables, as the functions of this package take it."""
        raise NotImplementedError

    def fit(self, tensors) -> "NetworkRow":
        """The row for a checkpoint, from its flat dict of tensors; by default the same."""
        del tensors
        return self


@dataclasses.dataclass(frozen=True, kw_only=True)
class BackboneRow(NetworkRow):
    """What is known of one fusion network.

    Attributes:
      tasks: keys of `TASKS` it was made for.
      channels: of its sources and of its output.
      value_range: of the network's own domain.
      quantise: how its authors turn [0, 1] into integers: 'truncate' or 'round'.
      presets: loss preset -> RD settings fitting this network; the first is its default.
      source_count: how many sources it fuses; None for any number.
      published_as: its name in the TTD paper's tables, None if it is not in them.
    """

    build: Callable[..., Backbone]
    tasks: tuple[str, ...]
    channels: int
    value_range: str
    quantise: str
    presets: Mapping[str, DominabilitySettings]
    source_count: int | None = None
    published_as: str | None = None

    @property
    def default_preset(self) -> str:
        """The preset used when none is named."""
        return next(iter(self.presets))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Two small sources, f32[M, H, W, C]."""
        return (2, 16, 16, self.channels)

    def bind(self, variables, **options) -> Model:
        """A `Model` with the default preset's settings."""
        settings = self.presets[self.default_preset]
        return Model(variables=variables, module=self.build(**options), settings=settings)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassifierRow(NetworkRow):
    """What is known of one illumination classifier."""

    build: Callable[..., IlluminationClassifier]

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The smallest picture, f32[H, W, 3]."""
        return (self.min_size, self.min_size, 3)

    def bind(self, variables, **options) -> Classifier:
        """A `Classifier`."""
        return Classifier(variables=variables, module=self.build(**options))


@dataclasses.dataclass(frozen=True, kw_only=True)
class DetectorRow(NetworkRow):
    """What is known of one object detector.

    Attributes:
      settings: what its checkpoints were trained for; the classes of another are found by `fit`.
    """

    build: Callable[..., YOLOX]
    settings: DetectorSettings

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The smallest picture, f32[H, W, 3]."""
        return (self.min_size, self.min_size, 3)

    def bind(self, variables, **options) -> Detector:
        """A `Detector` with this row's settings."""
        module = self.build(**options)
        return Detector(variables=variables, module=module, settings=self.settings)

    def with_settings(self, settings: DetectorSettings) -> "DetectorRow":
        """The same network for other classes or pictures."""
        build = functools.partial(self.build, num_classes=len(settings.classes))
        return dataclasses.replace(self, build=build, settings=settings)

    def fit(self, tensors) -> "DetectorRow":
        """The row with as many classes as a checkpoint tells apart, numbered if not COCO's."""
        weight = tensors.get("head.cls_preds.0.weight")
        count = len(self.settings.classes) if weight is None else len(weight)
        if count == len(self.settings.classes):
            return self
        names = tuple(f"class {index}" for index in range(count))
        return self.with_settings(dataclasses.replace(self.settings, classes=names))


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
        published_as="IFCNN" if operator == "sum" else None,
        layout="ifcnn",
        checkpoint=f"IFCNN-{operator.upper()}.pth",
        licence="none stated",
        paper="Zhang et al., IFCNN, Information Fusion 54 (2020) 99-118",
        note="preset 'fused' was chosen by measurement, it is not stated in the TTD paper",
    )


# Of networks that work on grey in [0, 1]; 'self' as the TTD authors' script for CDDFuse has it.
_GREY_PRESETS = {
    "self": DominabilitySettings(preset="self", norm="squared", space="image", temperature=50.0),
    "fused": DominabilitySettings(preset="fused", norm="l1", space="image"),
    "intensity": DominabilitySettings(preset="intensity", norm="l1", space="image"),
}


def _cddfuse(suffix: str, *, task: str, residual: str) -> BackboneRow:
    return BackboneRow(
        name=f"cddfuse_{suffix}",
        build=lambda **options: CDDFuse(**{"residual": residual, **options}),
        tasks=(task,),
        channels=1,
        value_range="grey in [0, 1]",
        quantise="round",
        presets=_GREY_PRESETS,
        published_as="CDDFuse",
        layout="cddfuse",
        checkpoint=f"CDDFuse_{suffix.upper()}.pth",
        licence="none stated",
        paper="Zhao et al., CDDFuse, CVPR 2023, 5906-5916",
        note="preset 'self' is that of the TTD authors' released script; 'fused' and 'intensity' "
        "were chosen by measurement on IFCNN only",
        min_size=CDDFuse.min_size,
    )


_PIAFUSION = BackboneRow(
    name="piafusion",
    build=PIAFusion,
    tasks=("infrared-visible",),
    source_count=2,
    published_as="PIAFusion",
    channels=1,
    value_range="luma in [0, 1]",
    quantise="truncate",
    presets=_GREY_PRESETS,
    layout="piafusion",
    checkpoint="fusion_model_epoch_29.pth",
    licence="none stated",
    paper="Tang et al., PIAFusion, Information Fusion 83-84 (2022) 79-92",
    note="how TTD meets PIAFusion, its presets included, is our reading: the TTD authors "
    "released no code for it",
    min_size=PIAFusion.min_size,
)

REGISTRY: Mapping[str, BackboneRow] = {
    row.name: row
    for row in (
        _ifcnn("sum"),
        _ifcnn("max"),
        _ifcnn("mean"),
        _cddfuse("ivf", task="infrared-visible", residual="first"),
        _cddfuse("mif", task="medical", residual="none"),
        _PIAFUSION,
    )
}


CLASSIFIERS: Mapping[str, ClassifierRow] = {
    "piafusion_classifier": ClassifierRow(
        name="piafusion_classifier",
        build=IlluminationClassifier,
        layout="piafusion_classifier",
        checkpoint="best_cls.pth",
        licence="none stated",
        paper="Tang et al., PIAFusion, Information Fusion 83-84 (2022) 79-92",
        note="tells day from night: it fuses nothing",
        min_size=IlluminationClassifier.min_size,
    )
}


def _yolox(
    suffix: str, layout: str, *, width: float, depth: float, size: int = 640, **row
) -> DetectorRow:
    inputs = row.pop("inputs", "bgr")
    depthwise = row.pop("depthwise", False)
    return DetectorRow(
        name=f"yolox_{suffix}",
        build=functools.partial(YOLOX, width=width, depth=depth, depthwise=depthwise),
        layout=layout,
        settings=DetectorSettings(classes=COCO_CLASSES, inputs=inputs, size=(size, size)),
        licence="Apache-2.0",
        paper="Ge et al., YOLOX, arXiv:2107.08430 (2021)",
        min_size=YOLOX.min_size,
        **{"checkpoint": f"yolox_{suffix}.pth", "note": "finds objects: it fuses nothing", **row},
    )


_NANO = {"layout": "yolox_nano", "width": 0.25, "depth": 0.33, "depthwise": True, "size": 416}

DETECTORS: Mapping[str, DetectorRow] = {
    row.name: row
    for row in (
        _yolox("nano", **_NANO),
        _yolox(
            "nano_legacy",
            **_NANO,
            inputs="imagenet",
            checkpoint=None,
            note="YOLOX 0.1.0 of July 2021: takes standardised RGB where later ones take BGR",
        ),
        _yolox("tiny", "yolox_s", width=0.375, depth=0.33, size=416),
        _yolox("s", "yolox_s", width=0.5, depth=0.33),
        _yolox("m", "yolox_m", width=0.75, depth=0.67),
        _yolox("l", "yolox_l", width=1.0, depth=1.0),
    )
}

# Everything that has weights to convert, store and load.
NETWORKS: Mapping[str, NetworkRow] = {**REGISTRY, **CLASSIFIERS, **DETECTORS}


def lookup(name: str, rows: Mapping[str, NetworkRow] = REGISTRY) -> NetworkRow:
    """The row of `name`, a fusion network unless other `rows` are given.

    Raises:
      ValueError: for an unknown name; the message suggests the nearest known one.
    """
    if name in rows:
        return rows[name]
    near = difflib.get_close_matches(name.lower().replace("-", "_"), rows, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ValueError(f"unknown model {name!r}: {hint}known models: {', '.join(rows)}")


def variable_shapes(row: NetworkRow) -> dict[str, jax.ShapeDtypeStruct]:
    """Shape and dtype of every variable of a network: '/'-joined path -> struct."""
    shape = jax.ShapeDtypeStruct(row.input_shape, jnp.float32)
    # The key is abstract, too: to make a real one would compile a program.
    tree = jax.eval_shape(lambda x: row.build().init(jax.random.key(0), x), shape)
    return traverse_util.flatten_dict(tree, sep="/")
