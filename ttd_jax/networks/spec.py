"""What is known of a network beside its module: all that general code asks of it.

A family's file makes its specs and registers them:

    register_network(
        FusionSpec(
            name="mean_fusion",
            build=MeanFusion,
            layout=Layout("mean_fusion", {"conv.weight": Target("params/conv/kernel", CONV)}),
            tasks=("infrared-visible",),
            channels=1,
            presets={"self": DominabilitySettings(loss="self", temperature=50.0)},
            reach=Reach(features=1, picture=0),
        )
    )
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import traverse_util

from ttd_jax.core.dominability import LITERAL, LOSS_MAPS, STRATEGIES, DominabilitySettings
from ttd_jax.core.fusion import inseparable
from ttd_jax.core.tasks import TASKS
from ttd_jax.errors import UserError, blaming, check_choice
from ttd_jax.networks.base import Network
from ttd_jax.networks.layout import Layout
from ttd_jax.networks.model import Model
from ttd_jax.networks.saving import Saving
from ttd_jax.parts.layered import LayeredFuser
from ttd_jax.parts.local import LocalFuser
from ttd_jax.parts.maps import SceneOptions
from ttd_jax.parts.reach import check_part, check_pixelwise, check_reach
from ttd_jax.registry import Registry, check_name, unknown


@dataclasses.dataclass(frozen=True)
class Reach:
    """How far, in pixels, a local network sees.

    Attributes:
      features: how far features depend on the sources.
      picture: how far a decoded picture depends on the latent.
      align: for a network with strides, their product: windows begin at multiples of it, and their
        sizes leave the same remainder as the picture's.
      odd: that of pictures with an odd side, where it is another one.
    """

    features: int
    picture: int
    align: int = 1
    odd: "Reach | None" = None

    def __post_init__(self) -> None:
        for field, least in (("features", 0), ("picture", 0), ("align", 1)):
            _check_whole(f"reach: {field}", getattr(self, field), least)


def _check_whole(what, value, least):
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < least:
        raise UserError(f"{what} must be a whole number, {least} or more, got {value!r}")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class NetworkSpec:
    """What is known of any network that has weights: all that converting and storing them needs.

    Attributes:
      name: its name on the command line.
      build: makes the Flax module; takes `precision`.
      layout: of its checkpoints; None if none can be converted.
      checkpoint: the authors' file for it: a `file` of a card in `third_party/`; None if none of
        its files can be had from them any more.
      license: of the authors' weights.
      paper: where the network was published.
      note: what a user should know about it or its default settings.
      min_size: the least height and width of a picture that it takes.
      options: fields of its module, beside `precision`, that a user may choose: `--residual`.
      random_kernel: what random kernels [..., I, O] need so that a picture survives the network.
    """

    kind = "network"  # of what it makes, for messages

    name: str
    build: Callable[..., nn.Module]
    layout: Layout | None = None
    checkpoint: str | None = None
    license: str = "none stated"
    paper: str = ""
    note: str = ""
    min_size: int = 1
    options: tuple[str, ...] = ()
    random_kernel: Callable[[np.ndarray], np.ndarray] | None = None

    def __post_init__(self) -> None:
        check_name(self.name, self.kind)
        if not callable(self.build) or isinstance(self.build, nn.Module):
            raise UserError(
                f"{self.name}: build must make the module: pass its class, or a function that "
                f"takes precision, got {getattr(type(self.build), '__name__', self.build)}"
            )
        if not isinstance(self.layout, Layout | None):
            raise UserError(f"{self.name}: layout must be a Layout or None, got {self.layout!r}")
        _check_whole(f"{self.name}: min_size", self.min_size, 1)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of an input that its module can be initialized with."""
        raise NotImplementedError

    def bind(self, variables: Any, *, settings: Any = None, **options: Any) -> Any:
        """The module with its variables, as the functions of this package take it.

        Args:
          variables: `{'params': ..., 'batch_stats': ...}`, f32 leaves.
          settings: of its kind; by default the spec's own.
          **options: fields of the module.
        """
        raise NotImplementedError

    def read_settings(self, stored: Any) -> Any:
        """Settings as a manifest stores them, see `dataclasses.asdict`; None for a kind without.

        Raises:
          TypeError, ValueError: they are unusable.
        """
        del stored

    def fit(self, tensors: Mapping[str, Any]) -> Any:
        """Settings that a checkpoint tells by its flat dict of tensors; None for the spec's own."""
        del tensors

    def shapes(self, settings: Any = None, **options: Any) -> dict[str, jax.ShapeDtypeStruct]:
        """Shape and dtype of every variable: '/'-joined path -> struct.

        Args:
          settings: what the network is bound with; by default the spec's own.
          **options: fields of the module.
        """
        module = self.bind({}, settings=settings, **options).module
        shape = jax.ShapeDtypeStruct(self.input_shape, jnp.float32)
        # The key is abstract, too: to make a real one would compile a program.
        with blaming(f"{self.kind} {self.name!r}", f"fails on f32{list(shape.shape)}"):
            tree = jax.eval_shape(lambda x: module.init(jax.random.key(0), x), shape)
        return traverse_util.flatten_dict(tree, sep="/")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"  # the same in every process


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class FusionSpec(NetworkSpec):
    """What is known of one fusion network.

    Attributes:
      tasks: keys of `ttd_jax.core.tasks.TASKS` that it was made for.
      channels: of its sources and of its output, 1 or 3.
      presets: name -> RD settings fitting this network; the first is its default. Empty, and only
        then, for one that is not `separable`: it is fused statically only.
      quantize: how its authors turn [0, 1] into integers: 'truncate' or 'round'.
      saving: what their script makes of colors, for `--color=authors`; None if that is not known.
      source_count: how many sources it fuses; None for any number.
      stride: what the sides of pictures are multiples of that an exported program takes, other than
        one for a bucket: for a network that does otherwise with others.
      published_as: its name in the TTD paper's tables, None if it is not in them.
      reach: how far it sees, for a network that is local: what a pixel becomes depends on nothing
        farther away. Pictures of any size are then fused in windows. One whose methods take a
        `part` needs none, unless they compute it at several sizes.
    """

    kind = "fusion network"

    build: Callable[..., Network]
    channels: int
    presets: Mapping[str, DominabilitySettings] = dataclasses.field(
        default_factory=lambda: {"self": LITERAL}
    )
    tasks: tuple[str, ...] = tuple(TASKS)
    quantize: str = "round"
    saving: Saving | None = None
    source_count: int | None = None
    stride: int = 1
    published_as: str | None = None
    reach: Reach | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice(f"{self.name}: channels", self.channels, (1, 3))
        check_choice(f"{self.name}: quantize", self.quantize, ("round", "truncate"))
        if not isinstance(self.saving, Saving | None):
            raise UserError(f"{self.name}: saving must be a Saving or None, got {self.saving!r}")
        if isinstance(self.tasks, str):
            raise UserError(f"{self.name}: tasks must be several: pass ({self.tasks!r},)")
        wrong = [task for task in self.tasks if task not in TASKS]
        if wrong:
            raise unknown(wrong[0], TASKS, kind="task")
        _check_whole(f"{self.name}: stride", self.stride, 1)
        if self.source_count is not None:
            _check_whole(f"{self.name}: source_count", self.source_count, 1)
        if not isinstance(self.reach, Reach | None):
            raise UserError(f"{self.name}: reach must be a Reach or None, got {self.reach!r}")
        self._check_presets()

    def _check_presets(self):
        if not isinstance(self.presets, Mapping):
            raise UserError(
                f"{self.name}: presets must map names to DominabilitySettings, got {self.presets!r}"
            )
        for name, settings in self.presets.items():
            check_name(name, f"preset of {self.name}", reserved=STRATEGIES)
            if not isinstance(settings, DominabilitySettings):
                raise UserError(
                    f"{self.name}: preset {name!r} must be a DominabilitySettings, got {settings!r}"
                )
            if name in LOSS_MAPS and name != settings.loss:
                raise UserError(
                    f"{self.name}: preset {name!r} is of the loss map {settings.loss!r}: "
                    "name it otherwise, since it hides the loss map of its name"
                )

    @property
    def default_preset(self) -> str | None:
        """The preset used when none is named; None for a network that is fused statically only."""
        return next(iter(self.presets), None)

    def doable(self, strategies: Sequence[str]) -> tuple[str, ...]:
        """Those of the strategies that this network can be fused by; 'static' where it can no more.

        Args:
          strategies: as `Model.strategy` takes them.

        Raises:
          UserError: there are none, or one that no network has.
        """
        if self.presets:
            return tuple(strategies)
        for name in strategies:
            if name not in STRATEGIES and name not in LOSS_MAPS:
                known = dict.fromkeys((*STRATEGIES, *LOSS_MAPS))
                raise unknown(name, known, kind="strategy", of=self.name, plugins=True)
        if "static" not in strategies:
            raise inseparable(self.name)
        return ("static",)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Two small sources, f32[M, H, W, C]."""
        side = max(16, self.min_size)
        return (self.source_count or 2, side, side, self.channels)

    def bind(
        self, variables: Any, *, settings: DominabilitySettings | None = None, **options: Any
    ) -> Model:
        """A `Model`; by default with the settings of the default preset.

        Raises:
          UserError: what `build` makes is no network, or it does not take the options.
        """
        with blaming(f"{self.kind} {self.name!r}", "cannot be built"):
            module = self.build(**options)
        if not isinstance(module, Network):
            raise UserError(
                f"{self.kind} {self.name!r}: build must make a ttd_jax.Network, it makes "
                f"{type(module).__name__}"
            )
        if module.separable != bool(self.presets):
            due = "one preset or more" if module.separable else "no presets"
            raise UserError(
                f"{self.kind} {self.name!r}: {type(module).__name__} has separable="
                f"{module.separable}: its spec must have {due}"
            )
        if module.separable:
            settings = settings or self.presets[self.default_preset]
        elif settings is not None:
            raise inseparable(self.name)
        return Model(variables=variables, module=module, settings=settings, spec=self)

    def read_settings(self, stored: Any) -> DominabilitySettings | None:
        return DominabilitySettings(**stored) if self.presets else None

    def dominability(self, name: str) -> DominabilitySettings:
        """The settings that a name stands for: a preset, or the default one with that loss map.

        Raises:
          UserError: neither a preset of this network nor a registered loss map; or nothing can be
            weighed.
        """
        if not self.presets:
            raise inseparable(self.name)
        if name in self.presets:
            return self.presets[name]
        if name in LOSS_MAPS:
            return dataclasses.replace(self.presets[self.default_preset], loss=name)
        known = dict.fromkeys((*self.presets, *LOSS_MAPS))
        raise unknown(name, known, kind="preset or loss map", of=self.name, plugins=True)

    def fuser(self, model: Model, options: SceneOptions) -> Any:
        """What fuses scenes in windows with this network; None if it cannot be cut.

        What comes with this package is held by its tests; of anything else it is tried whether
        windows give what the whole picture does.

        Raises:
          UserError: they do not: the reach is wrong, or the loss map no function of a pixel.
        """
        if not model.module.in_parts and self.reach is None:
            return None
        if options.settings is not None and options.settings.loss not in LOSS_MAPS.own():
            check_pixelwise(options.settings.loss, (self.source_count or 2, self.channels))
        if self.reach is None:
            self.try_part(model, options.settings)
            return LayeredFuser(model, options)
        reaches = [
            {"features": reach.features, "picture": reach.picture, "align": reach.align}
            for reach in (self.reach, self.reach.odd or self.reach)
        ]
        if self.name not in NETWORKS.own():
            check_reach(model, options, **reaches[1])
        even, odd = (LocalFuser(model, options, **reach) for reach in reaches)

        def fuse(sweeper, pictures, targets, *given):
            fuser = odd if any(side % 2 for side in pictures[0].shape[:2]) else even
            return fuser(sweeper, pictures, targets, *given)

        return fuse

    def try_part(self, model: Model, settings: DominabilitySettings | None) -> None:
        """Tries a plug-in whose methods take a part: see `ttd_jax.parts.reach.check_part`."""
        if self.name not in NETWORKS.own():
            check_part(model, settings)


NETWORKS: Registry[NetworkSpec] = Registry("model", reserved=STRATEGIES)


def register_network(spec: NetworkSpec) -> None:
    """Makes a network known by its name to every function and command.

    Args:
      spec: what is known of it.

    Raises:
      UserError: it is no spec, or its name is taken.
    """
    if not isinstance(spec, NetworkSpec):
        raise UserError(f"register_network takes a spec, such as a FusionSpec, got {spec!r}")
    NETWORKS.register(spec.name, spec, code=spec.build)


def networks(kind: type[NetworkSpec] = FusionSpec) -> tuple[str, ...]:
    """The names of all known networks of a kind, those of plug-ins included.

    Args:
      kind: `FusionSpec`, `ClassifierSpec`, `DetectorSpec`, or `NetworkSpec` for all of them.

    Example:
      >>> ttd_jax.networks()[:3]
      ('ifcnn_sum', 'ifcnn_max', 'ifcnn_mean')
    """
    return tuple(name for name, spec in NETWORKS.items() if isinstance(spec, kind))


def lookup(name: str, kind: type[NetworkSpec] = FusionSpec) -> NetworkSpec:
    """The spec of a name.

    Raises:
      UserError: no network of that kind has it; the nearest name is suggested.
    """
    if name in NETWORKS and isinstance(NETWORKS[name], kind):
        return NETWORKS[name]
    raise unknown(name, networks(kind), kind="model", plugins=True)
