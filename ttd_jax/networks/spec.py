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
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import traverse_util

from ttd_jax.core.dominability import LITERAL, LOSS_MAPS, DominabilitySettings
from ttd_jax.core.tasks import TASKS
from ttd_jax.errors import UserError
from ttd_jax.networks.base import Network
from ttd_jax.networks.layout import Layout
from ttd_jax.networks.model import Model
from ttd_jax.parts.local import LocalFuser
from ttd_jax.parts.maps import SceneOptions
from ttd_jax.registry import Registry, unknown


class Reach(NamedTuple):
    """How far, in pixels, a local network sees.

    Attributes:
      features: how far features depend on the sources.
      picture: how far a decoded picture depends on the latent.
    """

    features: int
    picture: int


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
      presets: name -> RD settings fitting this network; the first is its default.
      quantize: how its authors turn [0, 1] into integers: 'truncate' or 'round'.
      source_count: how many sources it fuses; None for any number.
      published_as: its name in the TTD paper's tables, None if it is not in them.
      reach: how far it sees, for a network that is local: what a pixel becomes depends on nothing
        farther away. Pictures of any size are then fused in windows.
      windows: for a network that is not: makes what fuses it in windows, `(model, options) ->
        fuser`, called as `ttd_jax.parts.local.LocalFuser` is.
    """

    kind = "fusion network"

    build: Callable[..., Network]
    channels: int
    presets: Mapping[str, DominabilitySettings] = dataclasses.field(
        default_factory=lambda: {"self": LITERAL}
    )
    tasks: tuple[str, ...] = tuple(TASKS)
    quantize: str = "round"
    source_count: int | None = None
    published_as: str | None = None
    reach: Reach | None = None
    windows: Callable[[Model, SceneOptions], Any] | None = None

    @property
    def default_preset(self) -> str:
        """The preset used when none is named."""
        return next(iter(self.presets))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Two small sources, f32[M, H, W, C]."""
        side = max(16, self.min_size)
        return (self.source_count or 2, side, side, self.channels)

    def bind(
        self, variables: Any, *, settings: DominabilitySettings | None = None, **options: Any
    ) -> Model:
        """A `Model`; by default with the settings of the default preset."""
        return Model(
            variables=variables,
            module=self.build(**options),
            settings=settings or self.presets[self.default_preset],
            spec=self,
        )

    def read_settings(self, stored: Any) -> DominabilitySettings:
        return DominabilitySettings(**stored)

    def dominability(self, name: str) -> DominabilitySettings:
        """The settings that a name stands for: a preset, or the default one with that loss map.

        Raises:
          UserError: neither a preset of this network nor a registered loss map.
        """
        if name in self.presets:
            return self.presets[name]
        if name in LOSS_MAPS:
            return dataclasses.replace(self.presets[self.default_preset], loss=name)
        known = dict.fromkeys((*self.presets, *LOSS_MAPS))
        raise unknown(name, known, kind=f"dominability preset of {self.name}")

    def fuser(self, model: Model, options: SceneOptions) -> Any:
        """What fuses scenes in windows with this network; None if it cannot be cut."""
        if self.windows is not None:
            return self.windows(model, options)
        return None if self.reach is None else LocalFuser(model, options, *self.reach)


NETWORKS: Registry[NetworkSpec] = Registry("model")


def register_network(spec: NetworkSpec) -> None:
    """Makes a network known by its name to every function and command.

    Args:
      spec: what is known of it.

    Raises:
      UserError: the name is taken, or the spec contradicts itself.
    """
    if isinstance(spec, FusionSpec):
        wrong = [task for task in spec.tasks if task not in TASKS]
        if wrong:
            raise unknown(wrong[0], TASKS, kind="task")
        if not spec.presets:
            raise UserError(f"{spec.name}: a fusion network needs at least one preset")
    NETWORKS.register(spec.name, spec)


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
    raise unknown(name, networks(kind), kind="model")
