"""Parts of pictures: a network is written once, and computed in whatever parts are best.

Its methods take arrays and a `part`, which knows what pixels of a picture they hold. They look
around pixels by the steps that they `run`, and at all pixels by the sums that these `measure`:

    def __call__(self, x, part):
        values, sums = part.measure(self.tokens, x, margin=1)
        return part.run(self.mixed, x, values, margin=1, constants=[self.mix(sums)])

A step asks the part for what lies around its pixels, `part.pad(x, "edge")`: the border rule, or
other pixels. That depends on who runs it, of whom there are four:

- whole, `part.Part()`: arrays hold the picture and nothing else. Accelerators work on it at once.
- larger, `part.Part(extent)`: arrays hold more than the picture, whose end is data: pictures of
  many sizes share a program and a batch.
- tiles, `tiles.Tile`: of 64x64 pixels with the margin that a step looks at. What a CPU needs in
  between stays in its cache. Whole pictures, larger arrays and windows are all computed so there.
- windows, `deferred.HostPart`: the picture is too large for memory and stays on the host. Steps are
  put off until sums are needed; what is then computed at once, rows with a halo, is a `part.Part`
  whose sums leave the halo out.

The border rules are in `border`. A network whose methods take no part is computed whole, or in
windows if its spec tells how far it sees: `local`.
"""

from ttd_jax.parts.fuser import WindowFuser, WindowPlan, default_memory
from ttd_jax.parts.maps import SceneOptions, check_finite, empty_maps, map_shapes
from ttd_jax.parts.memory import (
    batch_memory,
    choose_count,
    format_size,
    held_bytes,
    overhead,
    parse_size,
    plan_program,
    program_bytes,
    scenes_that_fit,
)

__all__ = [
    "SceneOptions",
    "WindowFuser",
    "WindowPlan",
    "batch_memory",
    "check_finite",
    "choose_count",
    "default_memory",
    "empty_maps",
    "format_size",
    "held_bytes",
    "map_shapes",
    "overhead",
    "parse_size",
    "plan_program",
    "program_bytes",
    "scenes_that_fit",
]
