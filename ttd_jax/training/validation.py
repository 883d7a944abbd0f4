"""How good the network is at a moment of its training: held-back scenes, fused and scored."""

import dataclasses
import functools
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from ttd_jax import metrics
from ttd_jax.core import fusion as fusion_lib
from ttd_jax.core.quantization import quantize
from ttd_jax.networks import FusionSpec, Model
from ttd_jax.pictures.batches import Frame, fill_up
from ttd_jax.processes import add_up
from ttd_jax.report.sheet import contact_sheet
from ttd_jax.training.objectives import FUSIONS
from ttd_jax.training.samples import Sampler, luma

LOSS = "loss"
_PROTOCOL = "paper"
_SHOWN = 4  # scenes on a sheet


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Validation:
    """What to measure, and on what.

    Attributes:
      scenes: a sampler of the held-back scenes.
      crop: side of their middles; 0 takes them whole.
      frames: the arrays that hold these.
      model: the network with any variables.
      names: of the metrics.
      share: `(process, processes)`: this process looks at every so many-th scene only.
    """

    scenes: Sampler
    crop: int
    frames: Sequence[Frame]
    model: Model
    names: tuple[str, ...]
    share: tuple[int, int] = (0, 1)

    def measure(self, objective: Callable, variables: Mapping) -> tuple[Mapping, np.ndarray | None]:
        """Means over the held-back scenes, of a metric over those on which it is defined.

        Args:
          objective: `(variables, sample) -> (loss, terms)`.
          variables: of the network.

        Returns:
          `(figures, sheet)`: `{'loss', 'static': {metric: mean}, 'ttd': {metric: mean}}`, without
          'ttd' where nothing can be weighed, the same in every process, and this process's first
          scenes, u8[H, W, 3], None if it has none.
        """
        variables = jax.device_get(variables)  # on one device of each process, however trained
        fusions = self.model.spec.doable(FUSIONS)
        sums, rows = np.zeros((2, 1 + len(fusions) * len(self.names))), []
        process, processes = self.share
        for number in range(process, len(self.scenes), processes):
            middle = self.scenes.middle(number, self.crop)
            sources, sample = middle["sources"], _in_frame(middle, self.frames[number])
            loss, _ = _loss_program(objective)(variables, sample)
            grays = np.stack([np.rint(255 * luma(source)[..., 0]) for source in sample["sources"]])
            told = variables, sample["sources"], grays, sample.get("extent")
            scores, images = _score_program(self)(*told)
            found = np.concatenate([[loss], np.ravel(scores)])
            defined = ~np.isnan(found) | (np.arange(len(found)) == 0)  # a loss always counts
            sums += np.where(defined, found, 0), defined
            if len(rows) < _SHOWN:
                rows.append(_sheet_row(self.scenes.roles, sources, images))
        totals, counts = add_up(sums)
        loss, *scores = np.where(counts, totals / np.maximum(counts, 1), np.nan).tolist()
        means = iter(scores)
        figures = {s: {name: next(means) for name in self.names} for s in fusions}
        return {LOSS: loss, **figures}, contact_sheet(rows) if rows else None


@functools.lru_cache(1)  # kept from call to call
def _loss_program(objective):
    return jax.jit(objective)


@functools.lru_cache(1)
def _score_program(validation):
    """Function `(variables, sources, grays, extent) -> (scores f32[2, metrics], images)`."""

    def score(variables, sources, grays, extent):
        model = validation.model.replace(variables=variables)
        images, rows = {}, []
        for name in model.spec.doable(FUSIONS):
            image = fusion_lib.fuse(model, sources, model.strategy(name), extent=extent).image
            images[name] = quantize(image, how=model.spec.quantize)
            judged = metrics.fused_planes(images[name], protocol=_PROTOCOL)
            options = {"protocol": _PROTOCOL, "names": validation.names, "extent": extent}
            scores = metrics.evaluate(judged, grays, **options)
            rows.append(jnp.stack([scores[metric] for metric in validation.names]))
        return jnp.stack(rows), images

    return jax.jit(score)


def figure_merits(names: Iterable[str], spec: FusionSpec) -> dict[str, Callable[[float], float]]:
    """Every figure of a validation that a checkpoint can be chosen by -> its merit."""
    merits = {name: metrics.lookup(name).merit for name in names}
    fusions = spec.doable(FUSIONS)
    return {LOSS: operator.neg} | {
        f"{s}/{n}": merit for s in fusions for n, merit in merits.items()
    }


def _in_frame(sample, frame):
    """A sample whose pictures f32[..., H, W, C] lie in arrays of a frame."""
    size = sample["sources"].shape[1:3]
    filled = {name: fill_up(x, frame.size, axis=x.ndim - 3) for name, x in sample.items()}
    return filled | ({"extent": frame.extent(size)} if frame.shared else {})


def _sheet_row(roles, sources, images):
    height, width = sources.shape[1:3]
    fused = (images[name][:height, :width] for name in FUSIONS if name in images)
    pictures = [*map(quantize, sources), *fused]
    captions = [*roles, "static fusion", "TTD fusion"][: len(pictures)]
    return list(zip(captions, map(np.asarray, pictures), strict=True))
