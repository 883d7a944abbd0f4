"""Pictures of any size in bounded memory: strips with a halo, equal to the whole picture."""

from ttd_jax.tiling.fuser import StripFuser, StripPlan, default_memory, fuse_in_strips
from ttd_jax.tiling.maps import SceneOptions, empty_maps, leading, map_shapes
from ttd_jax.tiling.memory import format_size, overhead, parse_size, program_bytes

__all__ = [
    "SceneOptions",
    "StripFuser",
    "StripPlan",
    "default_memory",
    "empty_maps",
    "format_size",
    "fuse_in_strips",
    "leading",
    "map_shapes",
    "overhead",
    "parse_size",
    "program_bytes",
]
