"""The fusion networks in PyTorch: what the JAX ones are compared with. Needs `ttd-jax[convert]`."""
