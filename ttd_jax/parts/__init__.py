"""Pictures of any size: strips or windows with a halo, equal to the whole picture."""

from ttd_jax.parts.fuser import WindowFuser, WindowPlan, default_memory, fuse_in_windows
from ttd_jax.parts.maps import SceneOptions, check_finite, empty_maps, map_shapes
from ttd_jax.parts.memory import format_size, overhead, parse_size, program_bytes

__all__ = [
    "SceneOptions",
    "WindowFuser",
    "WindowPlan",
    "check_finite",
    "default_memory",
    "empty_maps",
    "format_size",
    "fuse_in_windows",
    "map_shapes",
    "overhead",
    "parse_size",
    "program_bytes",
]
