"""Gradient-based RD: weights from how strongly each feature moves the loss.

Eq. 7 puts |g_m| in the place of the loss in eq. 6, RD_m = softmax over m of exp(-t |g_m|), where
g_m is the gradient of the loss L with respect to one channel of the features E_m(x_m). Our reading
of what it leaves open:

- L is the *sum* over the pixels of a loss map. Their mean would divide every gradient by their
  number, hence leave RD uniform on large images.
- Each source's features answer for the source's own map: g_m = d(sum of l_m) / dE_m(x_m). Where the
  loss is of the components, which know nothing of each other, the sum over the sources gives the
  same. Where it is of the fusion it does not: a network that *adds* its features (IFCNN-SUM,
  CDDFuse) has one gradient of any total for all sources, and RD would be uniform.

    maps = gradient_maps(network, sources)  # f32[M, H, W, K]
    chosen, _ = select_channel(maps, 58)
    fusion = dynamic_fuse(network, sources, settings, losses=chosen)

Source: Cao et al., "Test-Time Dynamic Image Fusion", NeurIPS 2024, section 5.3, eq. 7.
"""

from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp
from jax.interpreters import partial_eval

from ttd_jax.core import dominability as dom
from ttd_jax.core.fusion import Decomposition, FusionNetwork, measure_losses
from ttd_jax.core.theory import covariance
from ttd_jax.errors import UserError

CHANNEL_CHOICES = ("all", "auto")


def gradient_maps(
    network: FusionNetwork,
    sources: chex.Array,
    loss: dom.DominabilitySettings | Callable[[Decomposition], chex.Array] | None = None,
    *,
    parts: Decomposition | None = None,
    where: chex.Array | None = None,
) -> chex.Array:
    """|dL / dE_m(x_m)| for every pixel and channel of the features.

    Features are taken where fusion weighs them: after the encoder, before the merge. Everything
    downstream (components, static fusion) is a function of them. Where several leaves make up the
    features they stand side by side along K, in the order of `jax.tree.leaves`: CDDFuse's 'base' is
    0..63, its 'detail' 64..127.

    A network whose `solo` ignores the features (PIAFusion, whose streams are coupled: a component
    is the network with that source on all of its inputs) would have gradient zero for any loss of
    the components. There the features of source m occur twice: in the fusion, and in the pass that
    makes its component, as stream m of it. The gradient is the sum over both. So `fused`
    differentiates the fusion, `self` and `intensity` the passes; the other streams of a pass belong
    to no source and are held fixed.

    At kinks the gradient is that of one side or between: zero for |.| at zero and for ReLU.

    Args:
      network: a `Model`, a bound Flax backbone, or anything with its methods.
      sources: f32[M, H, W, C] in [0, 1], M >= 1, in the order of their roles.
      loss: settings whose loss, norm, space and clip define the loss maps, the network's own by
        default: each source by its own map. Or a function from a `Decomposition` to maps or
        numbers: all sources by the sum of them all.
      parts: the scene taken apart, to save the encoder; see `decompose`.
      where: bool[H, W], the pixels whose losses count, of settings; None for all.

    Returns:
      f32[M, H, W, K], non-negative.

    Raises:
      AssertionError: if the features' leaves do not all have the leading axes M, H, W.
      UserError: if a loss given as a function does not depend on the features.

    Example:
      >>> jax.jit(gradient_maps)(model, sources).shape
      (2, 16, 16, 64)

    Reference: the paper's eq. 7.
    """
    loss = network.settings if loss is None else loss
    x = network.prepare(sources) if parts is None else parts.x
    features = network.encode(x) if parts is None else parts.features
    chex.assert_shape(jax.tree.leaves(features), (*sources.shape[:3], None))
    reads = {"components", "static"} if callable(loss) else dom.LOSS_MAPS[loss.loss].reads
    alone = not reads.isdisjoint({"components", "copies"})
    passes = _component_passes(network, x) if alone else None

    def measure(features, passes):
        rebuilt = _rebuild(network, x, features, passes, reads=reads)
        if callable(loss):
            return loss(rebuilt)
        losses = measure_losses(network, sources, rebuilt, loss)
        return losses if where is None else jnp.where(where, losses, 0)

    if callable(loss) and not _depends(measure, features, passes):
        raise UserError("the loss does not depend on the features: it has no gradient")
    losses, pull_back = jax.vjp(measure, features, passes)
    if callable(loss) or "static" not in reads:
        gradient, by_passes = pull_back(jnp.ones_like(losses))
    else:
        gradient, by_passes = _by_own_losses(pull_back, losses)
    if passes is not None:
        own = jax.tree.map(_diagonal, by_passes)
        gradient = jax.tree.map(jnp.add, gradient, own)
    return jnp.abs(jnp.concatenate(jax.tree.leaves(gradient), axis=-1))


def select_channel(
    maps: chex.Array,
    channel: int | str,
    *,
    losses: chex.Array | None = None,
    temperature: float | chex.Array = 1.0,
    where: chex.Array | None = None,
) -> tuple[chex.Array, chex.Array | None]:
    """One map per source out of those of all channels: the `losses` of `dynamic_fuse`.

    Args:
      maps: f32[M, H, W, K], see `gradient_maps`.
      channel: 0..K-1 (the paper takes 58 for IFCNN), 'all' for the mean over the channels, or
        'auto' for the first of `rank_channels`, which needs no ground truth.
      losses: f32[M, H, W], what 'auto' judges by; the theorem's are |c_m - x_m|.
      temperature: t that the weights will be made with; for 'auto'.
      where: bool[H, W], which pixels count for 'auto'; None for all.

    Returns:
      `(chosen, ranking)`: f32[M, H, W], and i32[K], channels from best to worst, or None if not
      'auto'.

    Raises:
      UserError: for a channel that is not there, or 'auto' without losses.

    Example:
      >>> maps = jax.jit(gradient_maps)(model, sources)
      >>> losses = ttd_jax.dynamic_fuse(model, sources).losses
      >>> chosen, ranking = select_channel(maps, "auto", losses=losses)
      >>> chosen.shape, ranking.shape
      ((2, 16, 16), (64,))
    """
    chex.assert_rank(maps, 4)
    count = maps.shape[-1]
    if channel == "all":
        return jnp.mean(maps, axis=-1), None
    if channel == "auto":
        if losses is None:
            raise UserError("channel 'auto' needs losses to judge the channels by")
        ranking, _ = rank_channels(maps, losses, temperature=temperature, where=where)
        return jnp.take(maps, ranking[0], axis=-1), ranking
    if isinstance(channel, str) or not 0 <= channel < count:
        raise UserError(
            f"channel must be 0 to {count - 1} or one of {CHANNEL_CHOICES}, got {channel!r}"
        )
    return maps[..., channel], None


def rank_channels(
    maps: chex.Array,
    losses: chex.Array,
    *,
    temperature: float | chex.Array = 1.0,
    where: chex.Array | None = None,
) -> tuple[chex.Array, chex.Array]:
    """Channels by the term of Theorem 3.1 that weights decide, the most negative first.

    One channel after the other, so that the weights of all never lie in memory together.

    Args:
      maps: f32[M, H, W, K], see `gradient_maps`.
      losses: f32[M, H, W], the l_m of the criterion.
      temperature: t of RD, positive.
      where: bool[H, W], which pixels count; None for all.

    Returns:
      `(ranking, scores)`: i32[K], and f32[K] in the channels' own order: sum_m Cov(RD_m, l_m) of
      the weights that each would give. Equal scores keep their order.

    Reference: the criterion is ours; the paper reports the best channel of all it tried.
    """
    chex.assert_shape(losses, maps.shape[:3])

    def score(channel):
        chosen = jax.lax.dynamic_index_in_dim(maps, channel, axis=3, keepdims=False)
        # t times the maps at temperature one: t may be traced.
        rd = dom.relative_dominability(temperature * chosen)
        return jnp.sum(covariance(rd, losses, where=where))

    scores = jax.lax.map(score, jnp.arange(maps.shape[-1]))
    return jnp.argsort(scores, stable=True), scores


def _rebuild(network, x, features, passes, *, reads):
    """The decomposition as a function of its features, and of those of the components' passes.

    What is not read is left zero.
    """
    weights = jnp.ones(x.shape[:3], x.dtype)
    components, static, copies = jnp.zeros_like(x), jnp.zeros_like(x[0]), None
    if "static" in reads:
        static = network.decode(network.merge(features, weights), x)
    if passes is not None:
        components = copies = jax.vmap(
            lambda each: network.decode(network.merge(each, weights), None)
        )(passes)
    elif "components" in reads:
        components = network.solo(x, features)
    elif "copies" in reads:
        copies = network.solo(x, features, copies=x.shape[0])
    return Decomposition(x, features, components, static, copies)


def _component_passes(network, x):
    """Features [M passes, M streams, H, W, K] behind the components; None if the own ones are.

    Pass m has source m on every input: what a coupled network calls its component.
    """
    if not getattr(network, "coupled", False):
        return None
    repeated = jnp.broadcast_to(x[:, None], (x.shape[0], *x.shape))
    return jax.vmap(network.encode)(repeated)


def _by_own_losses(pull_back, losses):
    """What `pull_back` gives of source m for the sum of loss map m alone, for every m."""
    own = jnp.eye(losses.shape[0], dtype=losses.dtype)[:, :, None, None]
    # All at once: inside of a loop XLA's convolutions on CPU are many times slower.
    by_each = jax.vmap(pull_back)(jnp.broadcast_to(own, (losses.shape[0], *losses.shape)))
    return jax.tree.map(_diagonal, by_each)


def _diagonal(leaf):
    """[M, M, ...] to [M, ...]."""
    return jnp.moveaxis(jnp.diagonal(leaf), -1, 0)


def _depends(function, *arguments):
    """Whether anything that a function returns is computed from any of its arguments.

    Asked of its program: zeros in a gradient could as well be honest ones.
    """
    program = jax.make_jaxpr(function)(*arguments).jaxpr
    _, used = partial_eval.dce_jaxpr(program, [True] * len(program.outvars))
    return any(used)
