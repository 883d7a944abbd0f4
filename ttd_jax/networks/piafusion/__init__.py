"""PIAFusion: its module, its checkpoints, and what is known of it."""

import numpy as np

from ttd_jax.networks.layout import DENSE, Layout, biased
from ttd_jax.networks.piafusion.network import PIAFusion, exchange
from ttd_jax.networks.presets import GRAY_PRESETS
from ttd_jax.networks.saving import Saving, join_ycrcb
from ttd_jax.networks.spec import FusionSpec, register_network

__all__ = ["PIAFusion", "exchange"]

_LAYOUT = Layout(
    name="piafusion",
    table={
        **biased("encoder.vi_conv1", "level1/visible", DENSE),
        **biased("encoder.vi_conv2.conv.1", "level2/visible/conv"),
        **biased("encoder.vi_conv3.conv.1", "level3/visible/conv"),
        **biased("encoder.vi_conv4.conv.1", "level4/visible/conv"),
        **biased("encoder.vi_conv5.conv.1", "level5/visible/conv"),
        **biased("encoder.ir_conv1", "level1/infrared", DENSE),
        **biased("encoder.ir_conv2.conv.1", "level2/infrared/conv"),
        **biased("encoder.ir_conv3.conv.1", "level3/infrared/conv"),
        **biased("encoder.ir_conv4.conv.1", "level4/infrared/conv"),
        **biased("encoder.ir_conv5.conv.1", "level5/infrared/conv"),
        **biased("decoder.conv1.conv.1", "decoder1/conv"),
        **biased("decoder.conv2.conv.1", "decoder2/conv"),
        **biased("decoder.conv3.conv.1", "decoder3/conv"),
        **biased("decoder.conv4.conv.1", "decoder4/conv"),
        **biased("decoder.conv5", "decoder5", DENSE),
    },
)


def _keep_contrast(kernel):
    """The kernel with the gain that LeakyReLU takes away, blind to the mean of what comes in."""
    inputs = tuple(range(kernel.ndim - 1))
    if np.prod(kernel.shape[:-1]) > 1:  # the first layer sees nothing but one gray
        kernel = kernel - kernel.mean(axis=inputs, keepdims=True)
    return 2 * kernel


register_network(
    FusionSpec(
        name="piafusion",
        build=PIAFusion,
        layout=_LAYOUT,
        tasks=("infrared-visible",),
        channels=1,
        presets=GRAY_PRESETS,
        quantize="truncate",
        saving=Saving(join=join_ycrcb),
        source_count=2,
        min_size=PIAFusion.min_size,
        random_kernel=_keep_contrast,
        published_as="PIAFusion",
        checkpoint="fusion_model_epoch_29.pth",
        paper="Tang et al., PIAFusion, Information Fusion 83-84 (2022) 79-92",
        note="how TTD meets PIAFusion, its presets included, is our reading: the TTD authors "
        "released no code for it",
    )
)
