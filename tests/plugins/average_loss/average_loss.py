"""A loss map that holds each source against the average of all, as a plug-in of ttd_jax."""

import jax.numpy as jnp

import ttd_jax


def from_average(components, sources, static):
    """Each source decoded alone minus the mean source, f32[M, H, W, C]."""
    return components - jnp.mean(sources, axis=0)


ttd_jax.register_loss("average", from_average, reads=("components",))
