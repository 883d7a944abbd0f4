"""The tasks of image fusion and the roles of their sources."""

from collections.abc import Mapping

# task -> the roles of its sources, in the order in which they are passed everywhere.
TASKS: Mapping[str, tuple[str, ...]] = {
    "infrared-visible": ("visible", "infrared"),
    "medical": ("MRI", "CT, PET or SPECT"),
    "multi-exposure": ("under-exposed", "over-exposed"),
    "multi-focus": ("near focus", "far focus"),
}
