"""Is a visible picture taken by day or by night: PIAFusion's illumination classifier.

Source: Tang et al., "PIAFusion: A progressive infrared and visible image fusion network based on
illumination aware", Information Fusion 83-84, 2022; architecture read from its
PyTorch port, linklist2/PIAFusion_pytorch, models/cls_model.py.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import chex
import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import struct

from ttd_jax.core.shapes import count
from ttd_jax.errors import UserError
from ttd_jax.networks.layout import LINEAR, Layout, biased
from ttd_jax.networks.spec import NetworkSpec, register_network
from ttd_jax.parts.part import WHOLE, Part


class IlluminationClassifier(nn.Module):
    """Four mirrored 4x4 convolutions of stride two, the mean over pixels, two linear layers.

    Attributes:
      precision: of convolutions and matrix products; see `ttd_jax.networks.Network`.
      min_size: the least height and width: three times halved, a picture must still have a
        neighbor to mirror.
    """

    min_size: ClassVar[int] = 16
    precision: Any = jax.lax.Precision.HIGHEST

    @nn.compact
    def __call__(
        self, rgb: chex.Array, part: Part = WHOLE
    ) -> tuple[chex.Array, dict[str, chex.Array]]:
        """P(day) of one picture, and what it was made from.

        Args:
          rgb: f32[H, W, 3] in [0, 1], H and W 16 or more.
          part: of a picture that is the top left part of the array.

        Returns:
          `(day, parts)`: f32[] in [0, 1], and a dict of `pooled` f32[128], the features' means,
          and `pre_relu` f32[2], the scores of day and of night, any sign.

        Raises:
          UserError: for another rank or number of channels, or a smaller picture.
        """
        if rgb.ndim != 3 or rgb.shape[-1] != 3 or min(rgb.shape[:2]) < self.min_size:
            raise UserError(
                f"the illumination classifier takes one RGB picture of at least "
                f"{self.min_size}x{self.min_size} pixels, f32[H, W, 3]: got shape {rgb.shape}"
            )
        x = rgb
        for index, features in enumerate((16, 32, 64, 128), start=1):
            x = part.pad(x, "reflect")
            convolution = nn.Conv(
                features,
                (4, 4),
                strides=2,
                padding="VALID",
                precision=self.precision,
                name=f"conv{index}",
            )
            x = nn.leaky_relu(convolution(x))
            part = Part(None if part.extent is None else part.extent // 2)
        pooled = part.mean(x)[0, 0]
        hidden = nn.Dense(128, precision=self.precision, name="linear1")(pooled)
        pre_relu = nn.Dense(2, precision=self.precision, name="linear2")(hidden)
        return day_probability(pre_relu), {"pooled": pooled, "pre_relu": pre_relu}


def day_probability(pre_relu: chex.Array) -> chex.Array:
    """Day's share of the positive scores: relu(s0) / (relu(s0) + relu(s1)).

    Args:
      pre_relu: f32[2], the scores of day and of night.

    Returns:
      f32[] in [0, 1]; 0.5 where neither score is positive, NaN where a score is NaN.
    """
    day, night = nn.relu(pre_relu)
    undecided = day + night == 0
    return jnp.where(undecided, 0.5, day / jnp.where(undecided, 1.0, day + night))


@struct.dataclass
class Classifier:
    """An illumination classifier and its variables: a pytree that jit, grad, vmap, pmap take.

    Attributes:
      variables: `{'params': ...}`, f32 leaves: the only part that is traced.
      module: the unbound Flax module (static).
      spec: what is known of it (static).
    """

    variables: Any
    module: IlluminationClassifier = struct.field(pytree_node=False)
    spec: NetworkSpec | None = struct.field(pytree_node=False, default=None)

    def __repr__(self) -> str:
        return f"Classifier({self.spec and self.spec.name}, {count(self.variables)})"


def illumination(
    classifier: Classifier, rgb: chex.Array, *, extent: chex.Array | None = None
) -> chex.Array:
    """The probability that a picture was taken by day.

    Args:
      classifier: see `ttd_jax.load`.
      rgb: f32[H, W, 3] in [0, 1], a visible picture of 16 by 16 pixels or more.
      extent: see `ttd_jax.dynamic_fuse`.

    Returns:
      f32[] in [0, 1]; 0.5 where the classifier finds evidence of neither day nor night.

    Raises:
      UserError: for another rank or number of channels, or a smaller picture.

    Example:
      >>> classifier = random_model("piafusion_classifier")  # or ttd_jax.load(...)
      >>> day = jax.jit(ttd_jax.illumination)(classifier, sources[0])
      >>> days = jax.vmap(ttd_jax.illumination, (None, 0))(classifier, sources)
      >>> days.shape
      (2,)

    Reference: Tang et al., PIAFusion, Information Fusion 83-84, 2022.
    """
    probability, _ = classifier.module.apply(classifier.variables, rgb, Part(extent))
    return probability


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ClassifierSpec(NetworkSpec):
    """What is known of one illumination classifier."""

    kind = "illumination classifier"

    build: Callable[..., IlluminationClassifier]

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The smallest picture, f32[H, W, 3]."""
        return (self.min_size, self.min_size, 3)

    def bind(self, variables: Any, *, settings: None = None, **options: Any) -> Classifier:
        """A `Classifier`; it has no settings."""
        del settings
        return Classifier(variables=variables, module=self.build(**options), spec=self)


_LAYOUT = Layout(
    name="piafusion_classifier",
    table={
        **biased("conv1.conv.1", "conv1"),
        **biased("conv2.conv.1", "conv2"),
        **biased("conv3.conv.1", "conv3"),
        **biased("conv4.conv.1", "conv4"),
        **biased("linear1", "linear1", LINEAR),
        **biased("linear2", "linear2", LINEAR),
    },
)

register_network(
    ClassifierSpec(
        name="piafusion_classifier",
        build=IlluminationClassifier,
        layout=_LAYOUT,
        checkpoint="best_cls.pth",
        paper="Tang et al., PIAFusion, Information Fusion 83-84 (2022) 79-92",
        note="tells day from night: it fuses nothing",
        min_size=IlluminationClassifier.min_size,
    )
)
