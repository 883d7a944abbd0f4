"""Optimizers: a schedule, clipping, groups of parameters and frozen ones, from plain options.

A pattern is matched against '/'-joined paths of parameters (`encoder/embed/kernel`), as file names
are: `*` stands for anything, slashes included. The name of a sub-tree stands for all of it.
"""

import dataclasses
import fnmatch
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import traverse_util

from ttd_jax.errors import UserError, check_choice
from ttd_jax.registry import nearest

METHODS = ("adam", "adamw", "sgd")
SCHEDULES = ("constant", "step", "cosine")
CLIP_SCOPES = ("all", "group")
_FROZEN, _REST = "frozen", "rest"


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimizerOptions:
    """How parameters are updated. Steps are updates, not epochs.

    Attributes:
      method: 'adam', 'adamw' or 'sgd'.
      learning_rate: the highest one.
      schedule: 'constant'; 'step': times `decay_factor` every `decay_steps`; 'cosine': down to
        `floor` over `total_steps`, of which `warmup_steps` belong to the warm-up.
      warmup_steps: of a linear warm-up from 0, for any schedule.
      total_steps: of the whole training; for 'cosine'.
      decay_steps: for 'step'; counted from the end of the warm-up.
      decay_factor: for 'step'.
      floor: the least learning rate of 'step' and 'cosine'.
      weight_decay: of 'adamw', decoupled; of the others, added to the gradient (L2).
      momentum: of 'sgd'.
      betas: of 'adam' and 'adamw'.
      epsilon: of 'adam' and 'adamw'.
      clip_norm: the greatest norm of the gradient, None for no clipping.
      clip_scope: 'all': the norm of all that trains; 'group': of each group by itself.
      frozen: patterns of what is not trained: neither gradient nor weight decay changes it.
      groups: pattern -> factor on the learning rate, the first match counts; each group is updated
        by an optimizer of its own. The others form one more group with factor 1.
    """

    method: str = "adam"
    learning_rate: float = 1e-4
    schedule: str = "constant"
    warmup_steps: int = 0
    total_steps: int | None = None
    decay_steps: int | None = None
    decay_factor: float = 0.5
    floor: float = 0.0
    weight_decay: float = 0.0
    momentum: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    clip_norm: float | None = None
    clip_scope: str = "all"
    frozen: tuple[str, ...] = ()
    groups: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        check_choice("method", self.method, METHODS)
        check_choice("schedule", self.schedule, SCHEDULES)
        check_choice("clip_scope", self.clip_scope, CLIP_SCOPES)
        for field in ("learning_rate", "decay_factor", "epsilon"):
            _require(getattr(self, field) > 0, field, "positive", getattr(self, field))
        for field in ("warmup_steps", "floor", "weight_decay", "momentum"):
            _require(getattr(self, field) >= 0, field, "zero or more", getattr(self, field))
        if self.clip_norm is not None:
            _require(self.clip_norm > 0, "clip_norm", "positive or None", self.clip_norm)
        if self.schedule == "step":
            _require((self.decay_steps or 0) > 0, "decay_steps", "positive", self.decay_steps)
        if self.schedule == "cosine":
            enough = (self.total_steps or 0) > self.warmup_steps
            demand = "more than warmup_steps (by default it is the phase's own steps)"
            _require(enough, "total_steps", demand, self.total_steps)


def _require(condition, field, demand, value):
    if not condition:
        raise UserError(f"{field} must be {demand}, got {value}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Optimizer:
    """An optimizer for the parameters it was made for.

    Attributes:
      transformation: optax's `init` and `update`, clipping and learning rates included.
      schedule: function of the step, giving the learning rate of a factor of 1.
      trainable: bools, structured like the parameters.
    """

    transformation: optax.GradientTransformation
    schedule: Callable[[Any], Any]
    trainable: Any


def make_optimizer(options: OptimizerOptions, params: Any) -> Optimizer:
    """The optimizer that `options` describe.

    Args:
      options: see `OptimizerOptions`.
      params: the parameters to train, or their shapes.

    Raises:
      UserError: a pattern matches no parameter (the message names near paths), or all are frozen.
    """
    labels = _label(options, params)
    trainable = jax.tree.map(lambda label: label != _FROZEN, labels)
    if not any(jax.tree.leaves(trainable)):
        raise UserError(f"frozen: {', '.join(options.frozen)}: nothing is left to train")
    own_clip = options.clip_norm if options.clip_scope == "group" else None
    factors = {_name(index): factor for index, factor in enumerate(options.groups.values())}
    transformations = {
        label: _group(options, factor, own_clip)
        for label, factor in {**factors, _REST: 1.0}.items()
    }
    parts = [optax.partition({**transformations, _FROZEN: optax.set_to_zero()}, labels)]
    if options.clip_norm is not None and options.clip_scope == "all":
        zero = optax.masked(optax.set_to_zero(), jax.tree.map(lambda t: not t, trainable))
        parts = [zero, optax.clip_by_global_norm(options.clip_norm), *parts]
    return Optimizer(
        transformation=optax.chain(*parts),
        schedule=make_schedule(options),
        trainable=trainable,
    )


def make_schedule(options: OptimizerOptions, factor: float = 1.0) -> Callable:
    """The learning rate as a function of the step (i32[] or int), times `factor`.

    Not joined from optax's schedules: the first steps of its warm-up are 5e-5 off after a
    cancellation, and a floor of its `exponential_decay` is a ceiling where the factor is 1 or more.
    """
    peak = factor * options.learning_rate

    def schedule(step):
        step = jnp.asarray(step, jnp.float32)
        since = jnp.maximum(step - options.warmup_steps, 0.0)
        if options.schedule == "step":
            rate = peak * options.decay_factor ** jnp.floor(since / options.decay_steps)
            rate = jnp.maximum(rate, min(options.floor, peak))
        elif options.schedule == "cosine":
            share = jnp.minimum(since / (options.total_steps - options.warmup_steps), 1.0)
            floor = min(options.floor, peak)
            rate = floor + (peak - floor) * 0.5 * (1 + jnp.cos(jnp.pi * share))
        else:
            rate = jnp.full_like(step, peak)
        # The first step of a warm-up is already a small one, not an idle one.
        return rate * jnp.minimum((step + 1) / (options.warmup_steps + 1), 1.0)

    return schedule


def _group(options, factor, clip_norm):
    rate, decay = make_schedule(options, factor), options.weight_decay
    parts = [] if clip_norm is None else [optax.clip_by_global_norm(clip_norm)]
    if decay and options.method != "adamw":
        parts.append(optax.add_decayed_weights(decay))
    b1, b2 = options.betas
    methods = {
        "adam": optax.adam(rate, b1, b2, options.epsilon),
        "adamw": optax.adamw(rate, b1, b2, options.epsilon, weight_decay=decay),
        "sgd": optax.sgd(rate, options.momentum or None),
    }
    return optax.chain(*parts, methods[options.method])


def _label(options, params):
    """What happens to each parameter: a tree of `group0`..., `frozen` and `rest`."""
    paths = list(traverse_util.flatten_dict(params, sep="/"))
    labels = dict.fromkeys(paths, _REST)
    groups = [("groups", pattern, _name(i)) for i, pattern in enumerate(options.groups)]
    frozen = [("frozen", pattern, _FROZEN) for pattern in options.frozen]
    for field, pattern, label in (*reversed(groups), *frozen):
        matched = [path for path in paths if _matches(path, pattern)]
        if not matched:
            raise UserError(
                f"{field}: {pattern!r} matches no parameter: {_nearest(pattern, paths)}"
            )
        labels.update(dict.fromkeys(matched, label))
    return traverse_util.unflatten_dict(labels, sep="/")


def _name(index):
    """The label of a group: a plain word, since checkpoints make file names of it."""
    return f"group{index}"


def _matches(path, pattern):
    return any(fnmatch.fnmatchcase(path, form) for form in (pattern, f"{pattern}/*"))


def _nearest(pattern, paths):
    trees = {path.rsplit("/", depth)[0] for path in paths for depth in range(path.count("/") + 1)}
    near = nearest(pattern, sorted(trees))
    if near:
        return f"did you mean {near!r}?"
    return f"there are {', '.join(sorted({path.split('/')[0] for path in paths}))}"
