"""What a detector in training finds in scenes that it is not trained on."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import jax
import numpy as np

from ttd_jax.detection.average_precision import measure
from ttd_jax.detection.draw import draw
from ttd_jax.detection.evaluation import Search
from ttd_jax.detection.inputs import Inputs, truth_of
from ttd_jax.detection.joint import DETECTOR, FUSION, split_variables
from ttd_jax.processes import add_up
from ttd_jax.report.sheet import contact_sheet

# Every figure of a validation that a checkpoint can be chosen by: larger is better.
FIGURES = ("AP50", "AP", "precision", "recall", "F1")
_SHOWN = 4  # scenes on a sheet
_LEAST_SCORE = 0.25  # of what is drawn


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Validation:
    """Where to look, and how.

    Attributes:
      examples: labeled ones.
      numbers: those of them that are held back.
      inputs: the one input that the detector is trained on.
      search: the detector with any variables, and how it looks.
      process: this process's index: the first one alone searches.
    """

    examples: Sequence
    numbers: Sequence[int]
    inputs: Inputs
    search: Search
    process: int = 0

    def measure(self, objective: Callable, variables: Mapping) -> tuple[Mapping, np.ndarray | None]:
        """Figures of the held-back scenes.

        Args:
          objective: not used: what counts is what is found.
          variables: joined ones; see `join_variables`.

        Returns:
          `(figures, sheet)`: `FIGURES` in [0, 1], the same in every process, 0 where there is
          nothing to be found; and some scenes, u8[H, W, 3], None but in the first process.
        """
        del objective
        figures, sheet = np.zeros(len(FIGURES)), None
        if self.process == 0:
            figures, sheet = self._search(jax.device_get(variables))
        return dict(zip(FIGURES, map(float, add_up(figures)), strict=True)), sheet

    def _search(self, variables):
        detector = self.search.detector.replace(variables=split_variables(variables, DETECTOR))
        search, inputs = dataclasses.replace(self.search, detector=detector), self.inputs
        if inputs.model is not None:
            network = inputs.model.replace(variables=split_variables(variables, FUSION))
            inputs = dataclasses.replace(inputs, model=network)
        (name,) = inputs.names
        truths, founds, rows = [], [], []
        for number in self.numbers:
            example = self.examples[number]
            pictures = inputs.pictures(example)
            truths.append(truth_of(example, pictures[name].shape[:2]))
            founds.append(search.find(pictures)[name])
            if len(rows) < _SHOWN:
                shown = founds[-1].above(_LEAST_SCORE)
                rows.append([(example.name, draw(pictures[name], truths[-1], shown))])
        result = measure(truths, founds, search.classes)
        best = result.best
        figures = (
            result.figures["AP50"],
            result.figures["AP"],
            *((best.precision, best.recall, best.f1) if best else (None,) * 3),
        )
        return np.array([figure or 0.0 for figure in figures]), contact_sheet(rows)
