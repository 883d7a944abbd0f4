"""A tiny fusion with a known result: does this machine compute what others do?

Weights and pictures follow from integers alone, so they are the same bits everywhere.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from ttd_jax.core import fusion
from ttd_jax.networks import Model, lookup

MODEL = "ifcnn_sum"
SIZE = (12, 16)
TOLERANCE = 1e-4  # of values in [0, 1]; float32 in another order of sums stays below 1e-5
# Where the results are compared: corners, where borders count, and the middle.
PIXELS = ((0, 0), (0, 15), (5, 8), (8, 3), (11, 14))

# What PyTorch computes in float64, at `PIXELS`: RGB of the static and the dynamic fusion, and RD of
# the first source.
EXPECTED = {
    "static": (
        (0.469478, 0.876069, 0.151641),
        (0.307483, 0.646909, 0.253542),
        (0.437625, 0.31154, 0.220709),
        (0.470372, 0.309023, 0.096874),
        (0.79209, 0.411803, 0.269485),
    ),
    "ttd": (
        (0.469447, 0.874352, 0.148529),
        (0.313842, 0.646409, 0.250499),
        (0.436136, 0.315046, 0.225873),
        (0.473248, 0.323722, 0.104548),
        (0.79608, 0.412497, 0.26622),
    ),
    "dominability": (
        0.49435,
        0.523861,
        0.514227,
        0.454669,
        0.554745,
    ),
}


@dataclasses.dataclass(frozen=True)
class SelfTest:
    """How a self-test went.

    Attributes:
      differences: name of a result -> the largest absolute difference from what is expected.
    """

    differences: dict[str, float]

    @property
    def passed(self) -> bool:
        """Whether every difference is within `TOLERANCE`; NaN is not."""
        return all(difference <= TOLERANCE for difference in self.differences.values())

    def __str__(self) -> str:
        worst = max(
            self.differences, key=lambda name: np.nan_to_num(self.differences[name], nan=np.inf)
        )
        return f"{worst} differs by {self.differences[worst]:.3g}, {TOLERANCE:g} is allowed"


def run_selftest() -> SelfTest:
    """Fuses the pair both ways and compares with `EXPECTED`."""
    found = _fuse(fixed_model(), fixed_pair())
    differences = {}
    for name, values in EXPECTED.items():
        at_pixels = np.stack([np.asarray(found[name])[pixel] for pixel in PIXELS])
        differences[name] = float(np.max(np.abs(at_pixels - np.asarray(values))))
    return SelfTest(differences)


def fixed_pair() -> np.ndarray:
    """Two pictures f32[2, H, W, 3] in [0, 1] that share coarse squares and differ in detail."""
    m, y, x, c = np.indices((2, *SIZE, 3))
    coarse = (y // 4 + x // 4 + c) % 3
    detail = (37 * y * x + 11 * x + 5 * y + 71 * m * (x + 2 * c + 1)) % 101
    return ((200 * coarse + 3 * detail) / 700).astype(np.float32)


def fixed_model() -> Model:
    """IFCNN-SUM with weights that follow from each variable's place and shape."""
    spec = lookup(MODEL)
    shapes = sorted(spec.shapes().items())
    flat = {path: _fill(path, leaf.shape, 1 + place) for place, (path, leaf) in enumerate(shapes)}
    return spec.bind(traverse_util.unflatten_dict(flat, sep="/"))


def _fill(path, shape, place):
    """Kernels keep the size of what passes through, variances are about one, the rest small."""
    index = np.arange(np.prod(shape), dtype=np.int64).reshape(shape)
    uniform = (index * index % 10007 * (place + 2) + 7919 * index + 101 * place) % 1009 / 504 - 1
    name = path.rsplit("/", 1)[1]
    if name == "kernel":
        values = uniform * np.sqrt(3 / np.prod(shape[:-1]))
    elif name in ("scale", "var"):
        values = 1 + uniform / 4
    else:
        values = uniform / 10
    return values.astype(np.float32)


@jax.jit
def _fuse(model, pair):
    pair = jnp.asarray(pair)
    dynamic = fusion.dynamic_fuse(model, pair)
    return {
        "static": fusion.static_fuse(model, pair).image,
        "ttd": dynamic.image,
        "dominability": dynamic.dominability[0],
    }
