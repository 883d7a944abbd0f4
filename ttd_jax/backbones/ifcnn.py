"""IFCNN: a small convolutional network whose features are merged element-wise.

Source: Zhang et al., "IFCNN: A general image fusion framework based on convolutional neural
network", Information Fusion 54, 2020; architecture read from uzeful/IFCNN, Code/model.py.
"""

import jax.numpy as jnp
from flax import linen as nn

from ttd_jax.backbones.base import Backbone
from ttd_jax.backbones.folding import fold_batch_norm
from ttd_jax.backbones.layers import PaddedConv

# ImageNet statistics of RGB in [0, 1], the domain the network works in.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)

_EPSILON = 1e-5  # of the BatchNorms

_OPERATORS = {
    "max": lambda weighted: jnp.max(weighted, axis=0),
    "sum": lambda weighted: jnp.sum(weighted, axis=0),
    "mean": lambda weighted: jnp.mean(weighted, axis=0),
}


class _Block(nn.Module):
    """3x3 convolution with repeated border, frozen BatchNorm (if not folded), ReLU."""

    folded: bool = False
    precision: object = None

    @nn.compact
    def __call__(self, x):
        x = PaddedConv(64, 3, use_bias=self.folded, precision=self.precision, name="conv")(x)
        if not self.folded:
            x = nn.BatchNorm(use_running_average=True, epsilon=_EPSILON, name="bn")(x)
        return nn.relu(x)


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
        return self.conv2(self.conv1(x))

    def merge(self, features, weights):
        """f32[M, H, W, 64] and f32[M, H, W] to f32[H, W, 64]."""
        return _OPERATORS[self.operator](weights[..., None] * features)

    def decode(self, latent, x):
        """f32[H, W, 64] to f32[H, W, 3]; no residual."""
        del x
        return self.conv4(self.conv3(latent))

    def solo(self, x, features):
        """One source alone with weight one is its own merge: decoded as a batch."""
        del x
        return self.conv4(self.conv3(features))

    def fold(self, variables):
        """Each BatchNorm goes into the convolution before it."""
        for block in ("conv2", "conv3"):
            variables = fold_batch_norm(
                variables, f"{block}/bn", into=f"{block}/conv/conv", epsilon=_EPSILON
            )
        return variables
