"""Float64 definitions of `ttd_jax.metrics.temporal`."""
