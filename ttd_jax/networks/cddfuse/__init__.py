"""CDDFuse: its module, its checkpoints, and what is known of it."""

import functools

from ttd_jax.networks.cddfuse.layout import LAYOUT
from ttd_jax.networks.cddfuse.network import RESIDUALS, CDDFuse
from ttd_jax.networks.presets import GRAY_PRESETS
from ttd_jax.networks.spec import FusionSpec, register_network

__all__ = ["RESIDUALS", "CDDFuse"]

for _suffix, _task, _residual in (
    ("ivf", "infrared-visible", "first"),
    ("mif", "medical", "none"),
):
    register_network(
        FusionSpec(
            name=f"cddfuse_{_suffix}",
            build=functools.partial(CDDFuse, residual=_residual),
            layout=LAYOUT,
            tasks=(_task,),
            channels=1,
            presets=GRAY_PRESETS,
            options=("residual",),
            min_size=CDDFuse.min_size,
            published_as="CDDFuse",
            checkpoint=f"CDDFuse_{_suffix.upper()}.pth",
            paper="Zhao et al., CDDFuse, CVPR 2023, 5906-5916",
            note="preset 'self' is that of the TTD authors' released script; 'fused' and "
            "'intensity' were chosen by measurement on IFCNN only",
        )
    )
