"""A detector's training from its configuration to weights that `detect eval` takes."""

import dataclasses
import pathlib

import jax

from ttd_jax.detection.augmentation import Augmentation
from ttd_jax.detection.evaluation import Search, detection_settings, find_size
from ttd_jax.detection.inputs import Inputs, find_inputs, find_labeled
from ttd_jax.detection.joint import (
    DETECTOR,
    FUSION,
    join_variables,
    make_fusion_objective,
    make_source_objective,
    split_variables,
)
from ttd_jax.detection.samples import LabeledSampler
from ttd_jax.detection.surgery import replace_classes
from ttd_jax.detection.validation import FIGURES, Validation
from ttd_jax.detectors import Detector, DetectorSpec
from ttd_jax.errors import UserError
from ttd_jax.pictures.checking import check
from ttd_jax.training.objectives import make_objective
from ttd_jax.training.phases import Phase, chain_phases, fill_options, optimizer_options
from ttd_jax.training.run import (
    Outcome,
    as_plain,
    check_numbers,
    find_run,
    make_training,
    settings_of,
    train,
)
from ttd_jax.training.scenes import held_back
from ttd_jax.training.settings import keep_settings
from ttd_jax.weights import store


@dataclasses.dataclass(frozen=True, kw_only=True)
class PhaseOptions:
    """What a phase trains, beside its steps, optimizer and augmentation.

    Attributes:
      l1: add the distance of the raw boxes to the losses.
      foreground: what the losses are divided by; None for each picture's own number of
        predictions that answer for an object.
      joint: train the fusion network as well; only where fusions are trained on.
      keep_fusing: with `joint`, weight of the unsupervised fusion loss beside the detector's.
    """

    l1: bool = False
    foreground: float | None = None
    joint: bool = False
    keep_fusing: float = 0.0


def train_detector(
    config, workdir: pathlib.Path, *, resume: bool = False, process: int = 0, processes: int = 1
) -> Outcome:
    """Trains a detector on a data set as a configuration says, or goes on with a stopped run.

    Args:
      config: see `configs/detect.py`.
      workdir: folder of the run, shared by all processes.
      resume: go on with the run that is there.
      process: this process's index.
      processes: how many there are.

    Raises:
      UserError: unknown names, missing weights or data, damaged pictures or label files, other
        settings in `workdir`, or a training that diverged.
    """
    begun = find_run(workdir, resume=resume)
    chosen = config.train
    check_numbers(chosen, FIGURES, name="config.train")
    dataset, examples = find_labeled(config, split=chosen.split)
    inputs = find_inputs((chosen.input,), examples.roles, config, fold=False)
    detector, names = _start(config, examples.classes)
    variables = _variables(detector, inputs)
    augmentations = _phases(as_plain(chosen.phases), detector, inputs, variables)
    kept, out = held_back(chosen.held_back, len(examples), name="config.train.held_back")
    scenes = check(examples, share=(process, processes))
    objects = max(scene.objects for scene in scenes)
    if not objects:
        raise UserError(f"{dataset}, {chosen.split}: no scene has an object to learn from")
    manifest, fusion = store.read_manifest(config.detector), None
    if inputs.model is not None:
        fusion = store.read_manifest(pathlib.Path(config.weights_dir) / inputs.model.spec.name)
    settings = {
        "config": settings_of(chosen),
        "precision": config.precision,
        "start": {"sha256": manifest["sha256"], "license": _license(manifest)},
        "classes": names,
        "size": list(detector.settings.size),
        "fusion": fusion and {"model": inputs.model.spec.name, "sha256": fusion["sha256"]},
        "data": {"name": dataset, "sha256": scenes.sha256},
    }
    keep_settings(workdir, settings, begun=begun, writes=process == 0)
    samplers = {
        phase: LabeledSampler(
            examples,
            kept,
            roles=examples.roles if inputs.strategies else inputs.names,
            size=detector.settings.size,
            objects=objects,
            augmentation=augmentation,
        )
        for phase, augmentation in augmentations.items()
    }
    validation = Validation(
        examples=examples,
        numbers=out,
        inputs=inputs,
        search=Search(
            detector=detector,
            classes=examples.classes,
            own=tuple(range(len(examples.classes))),
            size=detector.settings.size,
            settings=detection_settings(config),
        ),
        process=process,
    )
    training = make_training(
        chosen,
        workdir,
        tuple(augmentations),
        samplers.__getitem__,
        validation=validation if out else None,
        better="up",
        process=process,
        processes=processes,
    )
    export = _Export(
        path=workdir / manifest["model"],
        detector=detector,
        inputs=inputs,
        joint=any(phase["joint"] for phase in as_plain(chosen.phases)),
        settings=settings,
        licenses=(_license(manifest), fusion and _license(fusion)),
        writes=process == 0,
    )
    return train(training, variables, export, final=chosen.final)


@dataclasses.dataclass(frozen=True)
class _Export:
    """See `ttd_jax.training.run.Export`: the detector, and a fusion network that was trained."""

    path: pathlib.Path
    detector: Detector
    inputs: Inputs
    joint: bool
    settings: dict
    licenses: tuple[str, str | None]
    writes: bool

    @property
    def exists(self):
        return (self.path / store.MANIFEST).is_file()

    def write(self, checkpoint):
        if not self.writes:
            return
        variables = jax.device_get(checkpoint.state.variables)
        training = {**self.settings, "step": checkpoint.step}
        detectors, fusions = ({"license": one, "training": training} for one in self.licenses)
        if self.joint:
            model = self.inputs.model.replace(variables=split_variables(variables, FUSION))
            store.save(self.path.parent / model.spec.name, model, source=fusions, overwrite=True)
        detector = self.detector.replace(variables=split_variables(variables, DETECTOR))
        store.save(self.path, detector, source=detectors, overwrite=True)


def _start(config, classes):
    """`(detector, names)`: the one to begin with, and what it called each class, None for new."""
    detector = store.load(config.detector, kind=DetectorSpec, precision=config.precision)
    known = detector.settings.classes
    names = {}
    for name in classes:
        called = config.known_as.get(name, name)
        if name in config.known_as and called not in known:
            raise UserError(f"config.known_as.{name}={called!r}: the detector knows no such class")
        names[name] = called if called in known else None
    detector = replace_classes(detector, names, key=jax.random.key(config.train.seed))
    size = find_size(config) or detector.settings.size
    settings = dataclasses.replace(detector.settings, size=size)
    return detector.replace(settings=settings), names


def _variables(detector, inputs):
    parts = {DETECTOR: detector.variables}
    if inputs.model is not None:
        parts[FUSION] = inputs.model.variables
    return join_variables(**parts)


def _phases(configs, detector, inputs, variables):
    """Phase -> its augmentation, from the dicts of `config.train.phases`."""
    augmentations = {}

    def make(config, steps, start):
        try:
            augmentation = fill_options(Augmentation, config.pop("augmentation"))
        except ValueError as error:
            raise UserError(str(error)) from error
        phase = _phase(config, detector, inputs, steps, start)
        augmentations[phase] = augmentation
        return phase

    chain_phases(configs, make, variables["params"], name="config.train.phases")
    return augmentations


def _phase(config, detector, inputs, steps, start):
    optimizer = config.pop("optimizer")
    options = fill_options(PhaseOptions, config)
    losses = {"l1": options.l1, "foreground": options.foreground}
    if not inputs.strategies:
        if options.joint:
            raise UserError("joint=True needs fusions to train on: set config.train.input='ttd'")
        objective = make_source_objective(detector, **losses)
    else:
        objective = _fusion_objective(detector, inputs, options, losses)
    return Phase(
        name="joint" if options.joint else "detector",
        start=start,
        steps=steps,
        needs=(),
        objective=objective,
        optimizer=optimizer_options(optimizer, steps, frozen=_frozen(inputs, options)),
    )


def _fusion_objective(detector, inputs, options, losses):
    (settings,) = inputs.strategies.values()
    keep = None
    if options.keep_fusing:
        keep = make_objective("unsupervised", inputs.model.module, inputs.model.settings)
    return make_fusion_objective(
        detector,
        inputs.model,
        settings,
        keep_fusing=keep,
        keep_weight=options.keep_fusing,
        **losses,
    )


def _frozen(inputs, options):
    return (FUSION,) if inputs.strategies and not options.joint else ()


def _license(manifest):
    return manifest["source"].get("license", "unknown")
