"""The phases of a training, from a config: each with an objective, an optimizer and its steps."""

import dataclasses
import itertools
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from ttd_jax.errors import UserError, naming
from ttd_jax.fields import by_type, check_fields, mapping, whole
from ttd_jax.networks import Classifier, Model
from ttd_jax.registry import unknown
from ttd_jax.training.objectives import OBJECTIVES, ObjectiveOptions, make_objective
from ttd_jax.training.optimizer import Optimizer, OptimizerOptions, make_optimizer
from ttd_jax.training.state import TrainState

Options = TypeVar("Options")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Phase:
    """One phase.

    Attributes:
      name: of its objective.
      start: steps of the phases before it.
      steps: its own.
      options: what its objective was made with.
      objective: `(variables, sample) -> (loss, terms)`.
      optimizer: how parameters are updated.
    """

    name: str
    start: int
    steps: int
    options: Any
    objective: Callable
    optimizer: OptimizerOptions

    @property
    def end(self) -> int:
        """Steps made when it is over."""
        return self.start + self.steps

    def begin(self, variables: Mapping) -> tuple[TrainState, Optimizer]:
        """`(state, optimizer)` before its first step, from the variables of the phase before."""
        optimizer = make_optimizer(self.optimizer, variables["params"])
        return TrainState.create(variables, optimizer), optimizer


def make_phases(
    configs: Sequence[Mapping], model: Model, classifier: Classifier | None = None
) -> tuple[Phase, ...]:
    """The phases that the dicts of `config.phases` describe; see `configs/finetune.py`.

    Args:
      configs: dicts of `objective`, `steps`, `optimizer` (a dict of `OptimizerOptions`) and any
        field of `ObjectiveOptions`.
      model: the network to train.
      classifier: for PIAFusion's objective.

    Raises:
      UserError: no phase, an unknown name, field or pattern, a value out of its range.
    """

    def make(config):
        chosen = OBJECTIVES[config.pop("objective", None)]
        options = fill_options(ObjectiveOptions, {**config, "classifier": classifier})
        objective = make_objective(chosen.name, model.module, model.settings, options)
        return chosen.name, objective, options, chosen.frozen

    return chain_phases(configs, make, model.params, name="config.phases")


def chain_phases(
    configs: Sequence[Mapping], make: Callable, params: Any, *, name: str
) -> tuple[Phase, ...]:
    """Phases that follow each other.

    Args:
      configs: dicts with `steps`, `optimizer` and what `make` takes.
      make: `(config) -> (name, objective, options, frozen)` of a phase, from a copy of its other
        fields; `frozen` are patterns of what it does not train, whatever its optimizer says.
      params: what is trained, whose paths the optimizers' patterns should fit.
      name: what the list of configs is called.

    Raises:
      UserError: no phase, or one that cannot be, by its number.
    """
    if not configs:
        raise UserError(f"{name} is empty: a training needs a phase")
    for number, config in enumerate(configs):
        demands = {"steps": whole(least=1), "optimizer": mapping()}
        check_fields(config, demands, name=f"{name}[{number}]")
    ends = itertools.accumulate(config["steps"] for config in configs)
    phases = []
    for number, (config, end) in enumerate(zip(configs, ends, strict=True)):
        config = dict(config)
        steps, optimizer = config.pop("steps"), config.pop("optimizer")
        with naming(f"{name}[{number}]"):
            phase_name, objective, options, frozen = make(config)
            phase = Phase(
                name=phase_name,
                start=end - steps,
                steps=steps,
                options=options,
                objective=objective,
                optimizer=_optimizer_options(optimizer, steps, frozen),
            )
            make_optimizer(phase.optimizer, params)
        phases.append(phase)
    return tuple(phases)


def _optimizer_options(config, steps, frozen):
    """Those of a phase: a cosine without `total_steps` spans its steps."""
    config = dict(config)
    if config.get("schedule") == "cosine" and not config.get("total_steps"):
        config["total_steps"] = steps
    frozen = dict.fromkeys((*frozen, *config.pop("frozen", ())))
    return fill_options(OptimizerOptions, {**config, "frozen": tuple(frozen)})


def fill_options(options: type[Options], values: Mapping) -> Options:
    """An options dataclass with the values of a dict.

    Raises:
      UserError: for a field that it has not, or a value of another type.
    """
    known = [field.name for field in dataclasses.fields(options)]
    for name in sorted(set(values) - set(known)):
        raise unknown(name, known, kind="field")
    hints = typing.get_type_hints(options)
    check_fields(values, {name: by_type(hints[name]) for name in values}, name="")
    return options(**values)
