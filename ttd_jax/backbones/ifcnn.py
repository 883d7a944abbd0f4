"""IFCNN: a small convolutional network whose features are merged element-wise.

Source: Zhang et al., "IFCNN: A general image fusion framework based on convolutional neural
network", Information Fusion 54, 2020; architecture read from uzeful/IFCNN, Code/model.py.
"""

import jax.numpy as jnp
from flax import linen as nn

from ttd_jax.backbones.base import Backbone
from ttd_jax.backbones.folding import fold_batch_norm
from ttd_jax.backbones.layers import PaddedConv, merge_sources
from ttd_jax.backbones.tiles import locally

# ImageNet statistics of RGB in [0, 1], the domain the network works in.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)

_EPSILON = 1e-5  # of the BatchNorms


class _Block(nn.Module):
    """3x3 convolution with repeated border, frozen BatchNorm (if not folded), ReLU."""

    folded: bool = False
    precision: object = None

    def setup(self):
        self.conv = PaddedConv(64, 3, use_bias=self.folded, precision=self.precision)
        if not self.folded:
            self.bn = nn.BatchNorm(use_running_average=True, epsilon=_EPSILON)

    def __call__(self, x):
        """f32[..., H, W, 64] to the same."""
        return self._activate(self.conv.whole(x))

    def inner(self, padded):
        """A tile on a CPU: f32[H + 2, W + 2, 64] to f32[H, W, 64]."""
        return self._activate(self.conv.padded(padded))

    def _activate(self, x):
        return nn.relu(x if self.folded else self.bn(x))


class IFCNN(Backbone):
    """IFCNN with 64 features; sources f32[M, H, W, 3], any M >= 1.

    Attributes:
      operator: how weighted features are merged: 'max', 'sum' or 'mean'.
    """

    operator: str = "sum"

    def setup(self):
        self.conv1 = PaddedConv(64, 7, use_bias=False, precision=self.precision)
        self.conv2 = _Block(folded=self.folded, precision=self.precision)
        self.conv3 = _Block(folded=self.folded, precision=self.precision)
        self.conv4 = nn.Dense(3, precision=self.precision)  # a 1x1 convolution

    def prepare(self, sources):
        """RGB in [0, 1] standardised with ImageNet's mean and standard deviation."""
        return (sources - jnp.array(MEAN, sources.dtype)) / jnp.array(STD, sources.dtype)

    def restore(self, raw):
        """Standardised RGB back to [0, 1], unclipped."""
        return raw * jnp.array(STD, raw.dtype) + jnp.array(MEAN, raw.dtype)

    def encode(self, x):
        """f32[M, H, W, 3] to f32[M, H, W, 64]."""
        forms = {"plain": "encode_whole", "inner": "encode_tile"}
        return locally(self, x, **forms, margin=4, pad_mode="edge")

    def encode_whole(self, x):
        """See `encode`."""
        return self.conv2(self.conv1.whole(x))

    def encode_tile(self, tile, x):
        """A tile of the features, from a window of the sources."""
        first = tile.mend(self.conv1.padded(x), "edge", margin=1)
        return self.conv2.inner(first), ()

    def merge(self, features, weights):
        """f32[M, H, W, 64] and f32[M, H, W] to f32[H, W, 64]."""
        return merge_sources(self.operator, features, weights)

    def decode(self, latent, x):
        """f32[H, W, 64] to f32[H, W, 3]; no residual."""
        del x
        return self._decode(latent)

    def solo(self, x, features):
        """One source alone with weight one is its own merge: decoded as a batch."""
        del x
        return self._decode(features)

    def _decode(self, x):
        return locally(self, x, plain="decode_whole", inner="decode_tile", margin=1)

    def decode_whole(self, x):
        """f32[..., H, W, 64] to f32[..., H, W, 3]."""
        return self.conv4(self.conv3(x))

    def decode_tile(self, tile, x):
        """A tile of it, from a window."""
        return self.conv4(self.conv3.inner(tile.mend(x, "edge", margin=1))), ()

    def fold(self, variables):
        """Each BatchNorm goes into the convolution before it."""
        for block in ("conv2", "conv3"):
            variables = fold_batch_norm(
                variables, f"{block}/bn", into=f"{block}/conv/conv", epsilon=_EPSILON
            )
        return variables
