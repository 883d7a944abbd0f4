"""A fusion network of two convolutions, as a plug-in of ttd_jax."""

import jax.numpy as jnp
from flax import linen as nn

import ttd_jax


class TinyFusion(ttd_jax.Network):
    """One convolution in, the mean of the weighted features, one convolution out."""

    def setup(self):
        self.encoder = nn.Conv(16, (3, 3), precision=self.precision)
        self.decoder = nn.Conv(1, (3, 3), precision=self.precision)

    def encode(self, x):
        """f32[M, H, W, 1] to f32[M, H, W, 16]."""
        return nn.relu(self.encoder(x))

    def merge(self, features, weights):
        """f32[M, H, W, 16] and f32[M, H, W] to f32[H, W, 16]."""
        return jnp.mean(weights[..., None] * features, axis=0)

    def decode(self, latent, x):
        """f32[H, W, 16] to f32[H, W, 1]; no residual."""
        return self.decoder(latent)


LAYOUT = ttd_jax.Layout(
    name="tiny_fusion",
    table={
        **ttd_jax.layout.biased("encoder", "encoder"),
        **ttd_jax.layout.biased("decoder", "decoder"),
    },
)

SPEC = ttd_jax.FusionSpec(
    name="tiny_fusion",
    build=TinyFusion,
    layout=LAYOUT,
    channels=1,
    presets={"self": ttd_jax.DominabilitySettings(loss="self", temperature=50.0)},
    reach=ttd_jax.Reach(features=1, picture=1),
)
ttd_jax.register_network(SPEC)
