"""Config files of the commands that take `--config`, imported as `ttd_jax_configs`."""
