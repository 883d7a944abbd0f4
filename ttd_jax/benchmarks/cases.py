"""What one timing is of: a network, a size, a strategy; and the scenes it fuses."""

import dataclasses

import numpy as np

from ttd_jax.networks import FusionSpec, lookup


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """One thing to time.

    Attributes:
      model: name in the registry.
      size: (H, W).
      strategy: 'static' or 'ttd'.
      batch: scenes fused at once.
      precision: of convolutions and matrix products.
      settings: fields of the RD settings; None for a network where nothing can be weighed.
    """

    model: str
    size: tuple[int, int]
    strategy: str
    batch: int
    precision: str
    settings: dict | None

    @property
    def spec(self) -> FusionSpec:
        """What is known of the network."""
        return lookup(self.model)

    @property
    def name(self) -> str:
        """Short, for people."""
        height, width = self.size
        batch = f" x{self.batch}" if self.batch > 1 else ""
        return f"{self.model} {self.strategy} {height}x{width}{batch}"


def make_scenes(case: Case, *, seed: int = 0) -> np.ndarray:
    """Random scenes f32[B, M, H, W, C] in [0, 1] of two sources: blocks of 8 pixels, fine noise."""
    rng = np.random.default_rng(seed)
    lead, channels = (case.batch, case.spec.source_count or 2), case.spec.channels
    coarse = rng.random((*lead, *(-(-side // 8) for side in case.size), channels))
    height, width = case.size
    blocks = coarse.repeat(8, axis=2).repeat(8, axis=3)[:, :, :height, :width]
    return np.float32(0.8 * blocks + 0.2 * rng.random(blocks.shape))
