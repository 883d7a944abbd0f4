"""`python -m ttd_jax`."""

from ttd_jax.main import entry

entry()
