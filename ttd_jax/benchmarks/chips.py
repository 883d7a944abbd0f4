"""What TPU chips have and can do, and what follows from it for a program: arithmetic only."""

import dataclasses
import re
from collections.abc import Mapping

from ttd_jax.errors import UserError
from ttd_jax.parts import scenes_that_fit
from ttd_jax.registry import unknown

# Passes of bfloat16 products that one product takes: JAX's `Precision` on TPUs.
PASSES = {"highest": 6, "high": 3, "default": 1, "bfloat16": 1}
# Kept free of a chip's memory: the runtime's own, and the arrays of the batch that comes next.
_RESERVE = 1 / 16


@dataclasses.dataclass(frozen=True)
class Chip:
    """A TPU chip.

    Attributes:
      memory: bytes of HBM.
      bandwidth: of HBM, bytes a second.
      products: operations a second of products in bfloat16.
      options: of `get_topology_desc`, so that a chip is one device, as JAX has it there.
    """

    memory: int
    bandwidth: float
    products: float
    options: Mapping[str, str] = dataclasses.field(default_factory=dict)


# As Google tells: docs.cloud.google.com/tpu/docs/v4, and .../v5e, .../v5p and .../v6e.
CHIPS = {
    "v4": Chip(32 * 2**30, 1200e9, 275e12, {"chip_config_name": "megacore"}),
    "v5e": Chip(16 * 2**30, 819e9, 197e12),
    "v5p": Chip(95 * 2**30, 2765e9, 459e12),
    "v6e": Chip(32 * 2**30, 1640e9, 918e12),
}


def chip_of(topology: str) -> Chip:
    """The chip of a topology such as 'v5e:4x4'.

    Raises:
      UserError: its form is another, or the chip is unknown.
    """
    name, _, sides = topology.partition(":")
    if not re.fullmatch("[1-9][0-9]*(x[1-9][0-9]*)*", sides):
        raise UserError(f"--topology={topology}: pass a chip and its arrangement, such as v5e:4x4")
    if name not in CHIPS:
        raise unknown(name, CHIPS, kind="TPU chip")
    return CHIPS[name]


def estimate(
    found: Mapping, chip: Chip, *, chips: int, batch: int, precision: str
) -> dict[str, float | int]:
    """What a chip makes of a program at best.

    Args:
      found: of the program on one chip: `memory` (bytes of `arguments`, `outputs`, `temporaries`
        and, of the arguments, of the `weights`), `bytes_accessed` and `operations`.
      chip: its facts.
      chips: how many there are.
      batch: scenes of a chip.
      precision: of products.

    Returns:
      `seconds_of_memory` and `seconds_of_products` of a run, `seconds`, the longer of both,
      `scenes_held`, that a chip has memory for, and `scenes_per_hour` of all chips.
    """
    memory = found["memory"]
    taken = memory["arguments"] + memory["outputs"] + memory["temporaries"]
    of_memory = found["bytes_accessed"] / chip.bandwidth
    of_products = PASSES[precision] * found["operations"] / chip.products
    seconds = max(of_memory, of_products)
    return {
        "seconds_of_memory": of_memory,
        "seconds_of_products": of_products,
        "seconds": seconds,
        "scenes_held": scenes_that_fit(
            int((1 - _RESERVE) * chip.memory), taken, count=batch, fixed=memory["weights"]
        ),
        "scenes_per_hour": 3600 * chips * batch / seconds,
    }
