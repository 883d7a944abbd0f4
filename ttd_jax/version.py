"""The package's version, read from its metadata."""

from importlib import metadata

try:
    __version__ = metadata.version("ttd-jax")
except metadata.PackageNotFoundError:  # a checkout that nobody installed
    __version__ = "unknown"
