"""What `evaluate` and `finetune` compute, on all accelerators, against one CPU device."""

import functools
from collections.abc import Sequence

import jax
import numpy as np

from tests.accelerator.checks import Check, compared
from tests.accelerator.scores import relative
from tests.random_models import random_model
from ttd_jax import metrics
from ttd_jax.benchmarks.cases import Case, make_scenes
from ttd_jax.core.color import resolve_color
from ttd_jax.evaluation.program import device_program
from ttd_jax.pictures.batches import choose_frames, fill_up, stack
from ttd_jax.training.objectives import ObjectiveOptions, make_objective
from ttd_jax.training.optimizer import OptimizerOptions, make_optimizer
from ttd_jax.training.state import TrainState
from ttd_jax.training.step import make_step

MODEL = "ifcnn_sum"
SIZES = ((40, 56), (33, 50), (48, 41), (46, 64))
RATE = 1e-2
# A gray that is rounded to its other neighbor changes a score of a small picture by up to so much.
SCORES, SUMS, STEP = 1e-2, 1e-4, 1e-3


def job_checks(devices: Sequence[jax.Device], names: Sequence[str]) -> list[Check]:
    """A check for either job, on those devices; `names` of the metrics."""
    evaluate = functools.partial(_evaluate, names=tuple(names))
    jobs = {"evaluate, mixed sizes": evaluate, "fine-tuning, one step": _finetune}
    return [
        Check("jobs", name, functools.partial(job, devices), held=True)
        for name, job in jobs.items()
    ]


def _on_both(job, devices):
    """What a job gives on the devices, and on one of the CPU's."""
    for side in (devices, jax.devices("cpu")[:1]):
        with jax.default_device(side[0]):
            yield job(side, len(devices))


def _evaluate(devices, names):
    score = functools.partial(_scores, names=names)
    (scores, sums), (wanted, wanted_sums) = _on_both(score, devices)
    found = [
        compared("scores", f"scene {scene}, {strategy}, {name}", relative(*pair), SCORES)
        for scene, *tables in zip(range(len(wanted)), scores, wanted, strict=True)
        for strategy, *rows in zip(("static", "ttd"), *tables, strict=True)
        for name, *pair in zip(names, *rows, strict=True)
    ]
    differences = [relative(*pair) for pair in zip(sums.ravel(), wanted_sums.ravel(), strict=True)]
    return [*found, compared("sums", "sums of pixels and losses", max(differences), SUMS)]


def _scores(devices, copies, names):
    """Scores and sums of the scenes of every size, `copies` times, spread over the devices."""
    model = random_model(MODEL)
    program = device_program(
        devices,
        strategies={"static": None, "ttd": model.settings},
        resolve_mode=lambda colored: resolve_color("auto", colored),
        how="round",
        protocol="paper",
        names=names,
    )
    sizes = SIZES * copies
    frames = choose_frames(sizes, exact=False)
    given = {}
    for slot, (size, frame) in enumerate(zip(sizes, frames, strict=True)):
        pictures = [np.uint8(np.rint(255 * picture)) for picture in _scene(size, slot)]
        grays = metrics.source_planes(pictures)
        given[slot] = (
            tuple(fill_up(np.float32(picture) / 255, frame.size) for picture in pictures),
            fill_up(grays, frame.size, axis=1),
            frame.extent(size),
        )
    shape = len(devices), len(sizes) // len(devices)
    arrays = jax.tree.map(
        lambda leaf: leaf.reshape(*shape, *leaf.shape[1:]), stack(len(sizes), given)
    )
    results = program(jax.tree.map(np.asarray, model), (*arrays, None))
    return [np.asarray(array).reshape(len(sizes), *array.shape[2:]) for array in results]


def _scene(size, seed):
    case = Case(model=MODEL, size=size, strategy="ttd", batch=1, precision="highest", settings={})
    return make_scenes(case, seed=seed)[0]


def _finetune(devices):
    (figures, update), (wanted_figures, wanted) = _on_both(_step, devices)
    told = [
        compared(name, name, relative(figures[name], wanted_figures[name]), STEP)
        for name in ("loss", "grad_norm")
    ]
    largest = np.abs(wanted).max()
    return [*told, compared("update", "update", np.abs(update - wanted).max() / largest, STEP)]


def _step(devices, copies):
    """Metrics and the change of all parameters of a step with RD in the loop."""
    model = random_model(MODEL)
    options = ObjectiveOptions(fusion="ttd")
    objective = make_objective("unsupervised", model.module, model.settings, options)
    optimizer = make_optimizer(OptimizerOptions(method="sgd", learning_rate=RATE), model.params)
    scenes = np.stack([_scene((32, 32), seed) for seed in range(2 * copies)])
    shape = len(devices), 1, len(scenes) // len(devices)
    state = TrainState.create(model.variables, optimizer)
    after, figures = make_step(objective, optimizer, devices=devices)(
        state, {"sources": scenes.reshape(*shape, *scenes.shape[1:])}
    )
    changes = jax.tree.map(
        lambda new, old: np.asarray(new) - np.asarray(old), after.params, state.params
    )
    return figures, np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(changes)])
