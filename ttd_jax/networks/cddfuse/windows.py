"""CDDFuse layer by layer over windows, since its attention depends on all pixels.

Every block is swept over twice: once to add up what its attention depends on, once to apply it;
the second sweep of a block measures the next one as well. What is kept of the whole picture
between sweeps is one array f32[H, W, 64] a source, its shared features, and one more for the
picture being decoded. Base and detail features are made anew from the shared ones where they are
merged: that costs an eighth more operations, and keeping them twice the memory.
"""

import functools
import itertools
from collections.abc import Mapping, Sequence

import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from ttd_jax.core import color, fusion
from ttd_jax.core.dominability import LOSS_MAPS, weigh_losses
from ttd_jax.errors import UserError
from ttd_jax.networks.cddfuse.blocks import (
    CHANNELS,
    BaseBlock,
    ChannelAttention,
    DetailBranch,
    RestormerBlock,
    conv3x3,
    pointwise,
)
from ttd_jax.networks.cddfuse.network import RESIDUALS, stretch
from ttd_jax.networks.model import Model
from ttd_jax.parts.local import network_sources
from ttd_jax.parts.maps import SceneOptions, parts_and_sums
from ttd_jax.parts.sweeps import Sweeper, Work

_BLOCKS = ("block0", "block1", "block2", "block3")
# How far, in pixels, results depend on what is around: a transformer block's queries and keys, the
# block itself (queries, then its feed-forward), and one node of the detail branch, of whose three
# convolutions two follow each other.
_QKV, _BLOCK, _NODE = 1, 2, 2
_ENCODER_NODES = 3


class LayeredFuser:
    """Fuses scenes in windows with CDDFuse; called as `LocalFuser` is.

    Raises:
      UserError: the model computes in bfloat16.
    """

    def __init__(self, model: Model, options: SceneOptions):
        self._model, self._options = model, options
        module = model.module
        if module.precision == "bfloat16":
            raise UserError(
                "CDDFuse is cut in windows in float32 only: allow it more memory, pass smaller "
                "pictures, or another precision than bfloat16"
            )
        self._precision = module.precision
        self._block = RestormerBlock(module.precision)
        self._base = BaseBlock(folded=module.folded, precision=module.precision)
        self._detail = DetailBranch(nodes=_ENCODER_NODES, precision=module.precision)
        self._detail_fusion = DetailBranch(nodes=1, precision=module.precision)
        self._residual = RESIDUALS[module.residual]
        detail = (_ENCODER_NODES + 1) * _NODE
        self._works = {
            "view": Work(self._view, 0),
            "embed": Work(self._embed, 1 + _QKV),
            "to_block": Work(functools.partial(self._to, self._block), _BLOCK + _QKV),
            "to_base": Work(functools.partial(self._to, self._base), _BLOCK + _QKV),
            "merge_base": Work(self._merge_base, _BLOCK + _QKV),
            "merge": Work(self._merge, max(_BLOCK, detail) + _QKV),
            "output": Work(self._output, _BLOCK + 2),
            "measure_losses": Work(self._measure_losses, 0),
            "paint": Work(self._paint, 0),
        }

    def __call__(
        self, sweeper: Sweeper, pictures: Sequence[np.ndarray], targets: Mapping[str, np.ndarray]
    ) -> dict:
        """Fuses one scene; see `LocalFuser.__call__`."""
        options, settings, count = self._options, self._model.settings, len(pictures)
        height, width = pictures[0].shape[:2]
        judged = LOSS_MAPS[settings.loss].reads
        wants_losses = options.dynamic or "losses" in options.save
        wants_components = "components" in options.save or (wants_losses and "components" in judged)
        wants_static = not options.dynamic or (wants_losses and "static" in judged)

        scene = _Scene(self._works, self._model.params, sweeper, (height, width))
        x = sweeper.empty(count, height, width, 1)
        scene.sweep("view", {}, {"pictures": pictures}, {"x": x})
        scene.encode(x)

        zeros = np.broadcast_to(np.float32(0), (count, height, width, 1))
        ones = np.broadcast_to(np.float32(1), (count, height, width, 1))
        components, static, losses = zeros, zeros[0], zeros
        rd = np.broadcast_to(np.float32(1 / count), zeros.shape)
        weights = ones
        if wants_components:
            components = sweeper.empty(count, height, width, 1)
            for m in range(count):
                # No residual: that of a picture of zeros.
                scene.decode([m], ones[:1], zeros, components[m])
        if wants_static:
            static = sweeper.empty(height, width, 1)
            scene.decode(range(count), ones, x, static)
        if wants_losses:
            found = {"losses": sweeper.empty(*zeros.shape)}
            if options.dynamic:
                found |= {"rd": sweeper.empty(*zeros.shape), "weights": sweeper.empty(*zeros.shape)}
            parts = {"x": x, "components": components, "static": static}
            scene.sweep("measure_losses", {}, parts, found)
            losses, rd = found["losses"], found.get("rd", rd)
            weights = found.get("weights", ones)
        raw = static
        if options.dynamic:
            raw = sweeper.empty(height, width, 1)
            scene.decode(range(count), weights, x, raw)
        del scene, weights
        maps = {"image": raw, "components": components, "rd": rd, "losses": losses}
        paint, extremes = self._works["paint"], sweeper.extremes(raw)
        return sweeper.sweep(paint, extremes, {"pictures": pictures, "maps": maps}, targets)

    # What is done with a window: `(constants, windows, owned) -> (parts, sums)` -------------------

    def _view(self, constants, windows, owned):
        """What the network is given."""
        del constants, owned
        sources = network_sources(windows["pictures"], self._options)
        return {"x": self._model.prepare(sources)}, {}

    def _embed(self, constants, windows, owned):
        """The encoder's first convolution."""
        shared = conv3x3(CHANNELS, self._precision).apply(
            {"params": constants["embed"]}, windows["x"]
        )
        return {"stream": shared}, _measure(self._block, constants["next"], shared, owned)

    def _to(self, following, constants, windows, owned):
        """A block, up to the one that follows: another of its kind, or the base branch."""
        out = _apply(self._block, constants["block"], windows["stream"], constants["sums"])
        return {"stream": out}, _measure(following, constants["next"], out, owned)

    def _merge_base(self, constants, windows, owned):
        """The weighted sum of the sources' base features."""
        merged = sum(
            weight * _apply(self._base, constants["base"], shared, sums)
            for weight, shared, sums in zip(
                windows["weights"], windows["shared"], constants["sums"], strict=True
            )
        )
        return {"stream": merged}, _measure(self._base, constants["next"], merged, owned)

    def _merge(self, constants, windows, owned):
        """Both fusion layers, and what the decoder makes of base and detail together."""
        base = _apply(self._base, constants["block"], windows["stream"], constants["sums"])
        detail = sum(
            weight * self._detail.apply({"params": constants["detail"]}, shared)
            for weight, shared in zip(windows["weights"], windows["shared"], strict=True)
        )
        detail = self._detail_fusion.apply({"params": constants["detail_fusion"]}, detail)
        out = pointwise(CHANNELS, self._precision).apply(
            {"params": constants["reduce"]}, jnp.concatenate([base, detail], axis=-1)
        )
        return {"stream": out}, _measure(self._block, constants["next"], out, owned)

    def _output(self, constants, windows, owned):
        """The decoder's last block and what follows it."""
        del owned
        out = _apply(self._block, constants["block"], windows["stream"], constants["sums"])
        out = conv3x3(CHANNELS // 2, self._precision).apply({"params": constants["output1"]}, out)
        out = conv3x3(1, self._precision).apply(
            {"params": constants["output2"]}, nn.leaky_relu(out, 0.01)
        )
        return {"raw": nn.sigmoid(out + self._residual(windows["x"]))}, {}

    def _measure_losses(self, constants, windows, owned):
        """Losses, and the weights made of them."""
        del constants, owned
        parts = fusion.Decomposition(
            x=windows["x"],
            features=None,
            components=windows["components"],
            static=windows["static"],
        )
        settings = self._model.settings
        sources = self._model.restore(parts.x)
        losses = fusion.measure_losses(self._model, sources, parts, settings)
        rd, weights = weigh_losses(losses, settings)
        maps = {"losses": losses, "rd": rd, "weights": weights}
        return {name: found[..., None] for name, found in maps.items()}, {}

    def _paint(self, constants, windows, owned):
        """The finished picture in its colors."""
        maps = windows["maps"]
        fused = fusion.Fusion(
            image=stretch(maps["image"], *constants),
            dominability=maps["rd"][..., 0],
            components=self._model.restore(maps["components"]),
            losses=maps["losses"][..., 0],
        )
        fused = color.fuse_in_color(
            lambda sources: fused,
            windows["pictures"],
            mode=self._options.mode,
            channels=self._options.channels,
        )
        return parts_and_sums(fused, owned, self._options)


class _Scene:
    """One scene on its way through the network: the order of the sweeps."""

    def __init__(self, works, params, sweeper, size):
        self._works, self._params, self._sweeper, self._size = works, params, sweeper, size
        self._shared, self._sums = [], []

    def sweep(self, name, constants, sources, targets):
        """One sweep by its name; its sums."""
        return self._sweeper.sweep(self._works[name], constants, sources, targets)

    def encode(self, x):
        """Keeps the shared features of every source, and the sums of its base branch."""
        encoder = self._params["encoder"]
        blocks = encoder["blocks"]
        for source in x:
            stream = {"stream": self._sweeper.empty(*self._size, CHANNELS)}
            constants = {"embed": encoder["embed"], "next": blocks[_BLOCKS[0]]}
            sums = self.sweep("embed", constants, {"x": source}, stream)
            sums = self._through(blocks, stream, sums)
            constants = {"block": blocks[_BLOCKS[-1]], "next": encoder["base"], "sums": sums}
            self._sums.append(self.sweep("to_base", constants, stream, stream))
            self._shared.append(stream["stream"])

    def decode(self, members, weights, x, raw):
        """Merges some sources with weights f32[N, H, W, 1], decodes them, writes to `raw`."""
        params = self._params
        blocks = params["decoder"]["blocks"]
        stream = {"stream": self._sweeper.empty(*self._size, CHANNELS)}
        sources = {"weights": weights, "shared": [self._shared[m] for m in members]}
        constants = {
            "base": params["encoder"]["base"],
            "next": params["base_fusion"],
            "sums": [self._sums[m] for m in members],
        }
        sums = self.sweep("merge_base", constants, sources, stream)
        constants = {
            "block": params["base_fusion"],
            "detail": params["encoder"]["detail"],
            "detail_fusion": params["detail_fusion"],
            "reduce": params["decoder"]["reduce"],
            "next": blocks[_BLOCKS[0]],
            "sums": sums,
        }
        sums = self.sweep("merge", constants, sources | stream, stream)
        sums = self._through(blocks, stream, sums)
        constants = {
            "block": blocks[_BLOCKS[-1]],
            "output1": params["decoder"]["output1"],
            "output2": params["decoder"]["output2"],
            "sums": sums,
        }
        self.sweep("output", constants, stream | {"x": x}, {"raw": raw})

    def _through(self, blocks, stream, sums):
        """All blocks but the last; the sums of that."""
        for name, following in itertools.pairwise(_BLOCKS):
            constants = {"block": blocks[name], "next": blocks[following], "sums": sums}
            sums = self.sweep("to_block", constants, stream, stream)
        return sums


def _measure(block, params, x, owned):
    """What a block's attention depends on, summed over the owned pixels."""

    def sums(block, x):
        return block.attention.measure(jnp.where(owned, block.qkv(block.norm1(x)), 0))

    return block.apply({"params": params}, x, method=sums)


def _apply(block, params, x, sums):
    """A block whose attention depends on `sums` in place of the window's own."""

    def mix_given(method, arguments, keywords, context):
        if isinstance(context.module, ChannelAttention) and context.method_name == "mix":
            return method(sums)
        return method(*arguments, **keywords)

    # Whatever form the block takes, layer by layer or in tiles, it mixes once.
    with nn.intercept_methods(mix_given):
        return block.apply({"params": params}, x)
