"""Benchmarks of image fusion as TFDS builders, imported as `ttd_jax_datasets`."""

import importlib

from ttd_jax.errors import UserError
from ttd_jax.registry import nearest

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


def builder_class(name: str):
    """The `FusionBuilder` of a benchmark; needs tensorflow-datasets.

    Raises:
      UserError: for an unknown name; the message suggests the nearest known one.
    """
    if name not in NAMES:
        raise UserError(f"unknown benchmark {name!r}: {_hint(name, NAMES)}")
    return importlib.import_module(f"ttd_jax_datasets.{name}.{name}_dataset_builder").Builder


def find_config(words: str):
    """The `FusionBuilder` class and the config that NAME or NAME/CONFIG names.

    NAME alone means its first config.

    Raises:
      UserError: for an unknown name or config.
    """
    name, _, config = words.partition("/")
    cls = builder_class(name)
    configs = {c.name: c for c in cls.BUILDER_CONFIGS}
    if config and config not in configs:
        raise UserError(f"{name} has no config {config!r}: {_hint(config, configs)}")
    return cls, configs[config] if config else cls.BUILDER_CONFIGS[0]


def _hint(name, known):
    near = nearest(name, known)
    return f"did you mean {near!r}?" if near else f"known: {', '.join(known)}"
