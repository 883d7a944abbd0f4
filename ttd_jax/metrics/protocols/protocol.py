"""What a protocol is: a row of choices for each of its metrics, and how it treats color."""

import dataclasses
from collections.abc import Callable, Mapping

import chex
import jax

from ttd_jax.metrics.gray import opencv_gray

Gray = Callable[[chex.Array, chex.Array, chex.Array], chex.Array]
# (metric's function, fused f32[H, W] or f32[3, H, W], sources f32[M, H, W] or f32[M, 3, H, W],
#  **options) -> f32 scalar; see `ttd_jax.metrics.color`
Colors = Callable[..., jax.Array]


@dataclasses.dataclass(frozen=True)
class Row:
    """One metric as a protocol defines it.

    Attributes:
      name: its column in the tables, as in the registry.
      function: the metric's function, a `functools.partial` with the protocol's choices.
      definition: those in words.
      program: the program that it is held to: repository, file and arguments; '' for none.
      colors: how it treats color where not as its protocol does.
    """

    name: str
    function: Callable[..., jax.Array]
    definition: str = ""
    program: str = ""
    colors: Colors | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Protocol:
    """How a paper or a benchmark scores.

    Attributes:
      name: of it.
      reference: whose it is.
      rows: its metrics.
      own: whether metrics without a row go by their own definitions; else it has none of them.
      refused: names of metrics that it prints but that have no meaning there -> why.
      colors: how pictures with color are scored; None: their grays are.
      source_gray: of sources with color.
      fused_gray: of fused pictures with color.
    """

    name: str
    reference: str
    rows: tuple[Row, ...] = ()
    own: bool = False
    refused: Mapping[str, str] = dataclasses.field(default_factory=dict)
    colors: Colors | None = None
    source_gray: Gray = opencv_gray
    fused_gray: Gray = opencv_gray
