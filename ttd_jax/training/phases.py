"""The phases of a training, from a config: each with an objective, an optimizer and its steps."""

import dataclasses
import functools
from collections.abc import Callable

from ttd_jax.errors import UserError
from ttd_jax.networks import Classifier, Model
from ttd_jax.training.objectives import (
    OBJECTIVES,
    ObjectiveOptions,
    make_objective,
    needed_keys,
)
from ttd_jax.training.optimizer import OptimizerOptions, make_optimizer
from ttd_jax.training.state import TrainState


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Phase:
    """One phase.

    Attributes:
      name: of its objective.
      start: steps of the phases before it.
      steps: its own.
      needs: keys that a sample must have.
      objective: `(variables, sample) -> (loss, terms)`.
      optimizer: how parameters are updated.
    """

    name: str
    start: int
    steps: int
    needs: tuple[str, ...]
    objective: Callable
    optimizer: OptimizerOptions

    @property
    def end(self) -> int:
        """Steps made when it is over."""
        return self.start + self.steps

    def begin(self, variables):
        """`(state, optimizer)` before its first step, from the variables of the phase before."""
        optimizer = make_optimizer(self.optimizer, variables["params"])
        return TrainState.create(variables, optimizer), optimizer


def make_phases(configs, model: Model, classifier: Classifier | None = None) -> tuple[Phase, ...]:
    """The phases that the dicts of `config.phases` describe; see `configs/finetune.py`.

    Args:
      configs: dicts of `objective`, `steps`, `optimizer` (a dict of `OptimizerOptions`) and any
        field of `ObjectiveOptions`.
      model: the network to train.
      classifier: for PIAFusion's objective.

    Raises:
      UserError: no phase, an unknown name, field or pattern, a value out of its range.
    """
    make = functools.partial(_phase, model, classifier)
    return chain_phases(configs, make, model.params, name="config.phases")


def chain_phases(configs, make: Callable[..., Phase], params, *, name: str) -> tuple[Phase, ...]:
    """Phases that follow each other.

    Args:
      configs: dicts with `steps`.
      make: `(config, steps, start) -> Phase`, of a copy of such a dict without its steps.
      params: what is trained, whose paths the optimizers' patterns should fit.
      name: what the list of configs is called.

    Raises:
      UserError: no phase, or one that cannot be, by its number.
    """
    if not configs:
        raise UserError(f"{name} is empty: a training needs a phase")
    phases, start = [], 0
    for number, config in enumerate(configs):
        config = dict(config)
        steps = config.pop("steps")
        try:
            if steps < 1:
                raise UserError(f"steps={steps}: must be positive")
            phase = make(config, steps, start)
            make_optimizer(phase.optimizer, params)
        except UserError as error:
            raise UserError(f"{name}[{number}]: {error}") from error
        phases.append(phase)
        start = phase.end
    return tuple(phases)


def _phase(model, classifier, config, steps, start):
    name, optimizer = config.pop("objective"), config.pop("optimizer")
    options = fill_options(ObjectiveOptions, {**config, "classifier": classifier})
    chosen = OBJECTIVES[name]
    return Phase(
        name=chosen.name,
        start=start,
        steps=steps,
        needs=needed_keys(name, options),
        objective=make_objective(name, model.module, model.settings, options),
        optimizer=optimizer_options(optimizer, steps, frozen=chosen.frozen),
    )


def optimizer_options(config, steps: int, *, frozen=()) -> OptimizerOptions:
    """The options of a phase of so many steps, from the dict of its config.

    Args:
      config: fields of `OptimizerOptions`.
      steps: what a cosine without `total_steps` spans.
      frozen: further patterns of what is not trained.

    Raises:
      UserError: an unknown field, or a value out of its range.
    """
    config = dict(config)
    if config.get("schedule") == "cosine" and not config.get("total_steps"):
        config["total_steps"] = steps
    frozen = dict.fromkeys((*frozen, *config.pop("frozen", ())))
    return fill_options(OptimizerOptions, {**config, "frozen": tuple(frozen)})


def fill_options(options, values):
    """An options dataclass with the values of a dict; `UserError` for a field that it has not."""
    known = [field.name for field in dataclasses.fields(options)]
    if unknown := sorted(set(values) - set(known)):
        raise UserError(f"unknown field {unknown[0]!r}: known are {', '.join(known)}")
    return options(**values)
