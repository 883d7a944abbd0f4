"""What lower precision changes in real fused pictures: bfloat16, and TF32 where there is none."""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import traverse_util

from ttd_jax.core import fusion
from ttd_jax.networks import Model
from ttd_jax.report.progress import progress

# Products of these layers are what accelerators compute with fewer bits.
_LAYERS = (nn.Conv, nn.Dense)
# Bits of exponent and mantissa of what is multiplied; sums are float32.
_OPERANDS = {"TF32 products": (8, 10), "bfloat16 products": (8, 7)}
_WHOLE = "bfloat16 throughout"


def measure_precision(model: Model, scenes: Sequence[np.ndarray]) -> dict:
    """Differences from float32 of TTD's fused pictures and RD.

    TF32 products are what `precision='high'` gives on GPUs, bfloat16 products what 'default' gives
    on TPUs. Both are imitated here, by rounding pictures, features and kernels before every
    convolution and 1x1, so that they can be told on any device; the two small products of CDDFuse's
    attention and the grouped convolutions stay float32. 'bfloat16 throughout' is
    `precision='bfloat16'` itself.

    Args:
      model: a network of full precision.
      scenes: f32[M, H, W, C] in [0, 1] each.

    Returns:
      Way -> `{'image', 'dominability'}` -> `{'largest', 'mean', 'root_mean_square'}`, over all
      pixels of all scenes, of values in [0, 1]; for `image` also `changed`, the share of its 8-bit
      values that are others.
    """
    half = model.replace(module=model.module.clone(precision="bfloat16"))
    programs = {way: _rounded(model, *bits) for way, bits in _OPERANDS.items()}
    programs[_WHOLE] = jax.jit(lambda sources: _fuse(half, sources))
    exact = jax.jit(lambda sources: _fuse(model, sources))
    found = {way: {"image": [], "dominability": [], "changed": []} for way in programs}
    with progress(scenes, "benchmark") as bar:
        for sources in bar:
            image, rd = map(np.asarray, exact(sources))
            for way, program in programs.items():
                other, other_rd = map(np.asarray, program(sources))
                changed = np.rint(255 * other) != np.rint(255 * image)
                found[way]["image"].append(np.ravel(other - image))
                found[way]["dominability"].append(np.ravel(other_rd - rd))
                found[way]["changed"].append(np.ravel(changed))
    return {way: _summary(differences) for way, differences in found.items()}


def markdown(found: Mapping) -> str:
    """One row a way."""
    lines = [
        "| layers | picture: largest | mean | 8-bit values changed | RD: largest | mean |",
        "|---|---|---|---|---|---|",
    ]
    for way, one in found.items():
        image, rd = one["image"], one["dominability"]
        lines.append(
            f"| {way} | {image['largest']:.1e} | {image['mean']:.1e} | {image['changed']:.1%} | "
            f"{rd['largest']:.1e} | {rd['mean']:.1e} |"
        )
    return "\n".join(lines) + "\n"


def _fuse(network, sources, settings=None):
    fused = fusion.dynamic_fuse(network, sources, settings)
    return fused.image, fused.dominability


def _rounded(model, exponent, mantissa):
    """The fusion with the operands of all layers rounded."""

    def few_bits(array):
        return jax.lax.reduce_precision(jnp.asarray(array), exponent, mantissa)

    def layer(method, arguments, keywords, context):
        if isinstance(context.module, _LAYERS) and context.method_name == "__call__":
            arguments = (few_bits(arguments[0]), *arguments[1:])
        return method(*arguments, **keywords)

    flat = traverse_util.flatten_dict(model.variables, sep="/")
    kernels = {name: few_bits(v) if name.endswith("kernel") else v for name, v in flat.items()}
    variables = traverse_util.unflatten_dict(kernels, sep="/")

    def fuse(sources):
        with nn.intercept_methods(layer):
            bound = model.module.bind(variables)
            return _fuse(bound, sources, model.settings)

    return jax.jit(fuse)


def _summary(differences):
    changed = np.concatenate(differences.pop("changed"))
    told = {name: _size(np.concatenate(parts)) for name, parts in differences.items()}
    told["image"]["changed"] = float(np.mean(changed))
    return told


def _size(differences):
    size = np.abs(differences.astype(np.float64))
    return {
        "largest": float(size.max()),
        "mean": float(size.mean()),
        "root_mean_square": float(np.sqrt(np.mean(np.square(size)))),
    }
