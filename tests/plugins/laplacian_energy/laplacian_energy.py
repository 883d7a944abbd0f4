"""The energy of the Laplacian, a measure of focus, as a plug-in of ttd_jax."""

import jax.numpy as jnp

import ttd_jax


def laplacian_energy(fused, sources=None):
    """Mean squared Laplacian of f32[H, W], grays in 0..255: f32[]; the border repeats.

    Sources do not matter to it.
    """
    padded = jnp.pad(fused, 1, mode="edge")
    beside = padded[1:-1, :-2] + padded[1:-1, 2:] + padded[:-2, 1:-1] + padded[2:, 1:-1]
    return jnp.mean(jnp.square(beside - 4 * fused))


ttd_jax.register_metric(
    ttd_jax.Metric(
        name="EOL",
        function=laplacian_energy,
        better="up",
        low=0.0,
        high=1020.0**2,
        needs_sources=False,
        description="energy of the Laplacian: focus",
        reference="Huang and Jing, Pattern Recognit. Lett. 28 (2007) 493-500",
    )
)
