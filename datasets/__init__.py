"""Benchmarks of image fusion as TFDS builders, imported as `ttd_jax_datasets`."""

import importlib
from typing import Any

from ttd_jax.registry import unknown

# A benchmark is the folder of that name; its builder is `<name>_dataset_builder.Builder`.
NAMES = (
    "llvip",
    "msrs",
    "m3fd",
    "roadscene",
    "tno",
    "harvard_medical",
    "mefb",
    "mfi_whu",
    "lytro",
)


def builder_class(name: str) -> type:
    """The `FusionBuilder` of a benchmark; needs tensorflow-datasets.

    Raises:
      UserError: for an unknown name; the message suggests the nearest known one.
    """
    from ttd_jax.pictures.prepared import import_tfds

    if name not in NAMES:
        raise unknown(name, NAMES, kind="benchmark")
    import_tfds()
    return importlib.import_module(f"ttd_jax_datasets.{name}.{name}_dataset_builder").Builder


def find_config(words: str) -> tuple[type, Any]:
    """The `FusionBuilder` class and the config that NAME or NAME/CONFIG names.

    NAME alone means its first config.

    Raises:
      UserError: for an unknown name or config.
    """
    name, _, config = words.partition("/")
    cls = builder_class(name)
    configs = {c.name: c for c in cls.BUILDER_CONFIGS}
    if config and config not in configs:
        raise unknown(config, configs, kind=f"{name} config")
    return cls, configs[config] if config else cls.BUILDER_CONFIGS[0]
