"""Benchmarks of image fusion as TFDS builders, imported as `ttd_jax_datasets`."""
