"""A detector's training from its configuration to weights that `detect eval` takes."""

import dataclasses
import operator
import pathlib

import jax
from ml_collections import ConfigDict

from ttd_jax import fields
from ttd_jax.detection import joint
from ttd_jax.detection.augmentation import Augmentation
from ttd_jax.detection.evaluation import FIELDS, Search, detection_settings, load_detector
from ttd_jax.detection.inputs import find_inputs, find_labeled
from ttd_jax.detection.samples import LabeledSampler
from ttd_jax.detection.surgery import replace_classes
from ttd_jax.detection.validation import FIGURES, Validation
from ttd_jax.errors import UserError
from ttd_jax.pictures.checking import check
from ttd_jax.pictures.records import versions_of
from ttd_jax.training.folder import RunFolder
from ttd_jax.training.loop import Training
from ttd_jax.training.objectives import make_objective
from ttd_jax.training.phases import chain_phases, fill_options
from ttd_jax.training.run import RUN_FIELDS, Outcome, as_plain, check_numbers, settings_of, train
from ttd_jax.training.scenes import held_back
from ttd_jax.weights import store

_TRAIN_FIELDS = {"split": fields.text, "input": fields.text, **RUN_FIELDS}


@dataclasses.dataclass(frozen=True, kw_only=True)
class PhaseOptions:
    """What a phase trains, beside its steps and optimizer.

    Attributes:
      augmentation: how its frames are varied.
      l1: add the distance of the raw boxes to the losses.
      foreground: what the losses are divided by; None for each picture's own number of
        predictions that answer for an object.
      joint: train the fusion network as well; only where fusions are trained on.
      keep_fusing: with `joint`, weight of the unsupervised fusion loss beside the detector's.
    """

    augmentation: Augmentation
    l1: bool = False
    foreground: float | None = None
    joint: bool = False
    keep_fusing: float = 0.0


def train_detector(
    config: ConfigDict,
    workdir: pathlib.Path,
    *,
    resume: bool = False,
    process: int = 0,
    processes: int = 1,
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
        settings in `workdir`, another run that is writing there, or a training that diverged.
    """
    fields.check_fields(config, {**FIELDS, "train": fields.mapping()})
    fields.check_fields(config.train, _TRAIN_FIELDS, name="config.train")
    share = process, processes
    with RunFolder.hold(workdir, "detect train", resume=resume, share=share) as folder:
        return _train(config, folder)


def _train(config, folder):
    chosen = config.train
    check_numbers(chosen, FIGURES, name="config.train")
    dataset, examples = find_labeled(config, split=chosen.split)
    inputs = find_inputs((chosen.input,), examples.roles, config, fold=False)
    detector, names = _start(config, examples.classes)
    networks = {joint.DETECTOR: detector}
    if inputs.model is not None:
        networks[joint.FUSION] = inputs.model
    variables = joint.join_variables(**{part: one.variables for part, one in networks.items()})
    phases = _phases(as_plain(chosen.phases), detector, inputs, variables)
    kept, out = held_back(chosen.held_back, len(examples), name="config.train.held_back")
    scenes = check(examples, share=folder.share)
    objects = max(scene.objects for scene in scenes)
    if not objects:
        raise UserError(f"{dataset}, {chosen.split}: no scene has an object to learn from")
    manifest, fusion = store.read_manifest(config.detector), inputs.manifest
    settings = {
        "config": settings_of(chosen),
        "precision": config.precision,
        "sizes": config.sizes,
        "start": {"sha256": manifest["sha256"], "license": _license(manifest)},
        "classes": names,
        "size": list(detector.settings.size),
        "fusion": fusion and {"model": inputs.model.spec.name, "sha256": fusion["sha256"]},
        "data": {"name": dataset, "sha256": scenes.sha256},
        "confidence": config.confidence,
        "overlap": config.overlap,
        "versions": versions_of(*networks.values(), strategies=inputs.strategies.values()),
    }
    folder.keep(settings)

    def sampler(phase):
        return LabeledSampler(
            examples,
            kept,
            roles=examples.roles if inputs.strategies else inputs.names,
            size=detector.settings.size,
            objects=objects,
            augmentation=phase.options.augmentation,
        )

    unseen = {examples.names[number]: scenes[number].size for number in out}
    validation = Validation(
        examples=examples,
        numbers=out,
        inputs=inputs.framed(unseen, sizes=config.sizes),
        search=Search(
            detector=detector,
            classes=examples.classes,
            own=tuple(range(len(examples.classes))),
            settings=detection_settings(config),
        ),
        process=folder.share[0],
    )
    training = Training(
        config=chosen,
        folder=folder,
        phases=phases,
        sampler=sampler,
        validation=validation if out else None,
        merit=operator.pos,
    )

    def save(path, variables, origin):
        def save_part(path, part, start):
            trained = networks[part].replace(variables=joint.split_variables(variables, part))
            source = {"license": _license(start), "training": origin}
            store.save(path, trained, source=source, overwrite=True)

        if any(phase.options.joint for phase in phases):
            save_part(path.parent / inputs.model.spec.name, joint.FUSION, fusion)
        # Last: where the detector's weights are, all are.
        save_part(path, joint.DETECTOR, manifest)

    return train(training, variables, settings, manifest["model"], save)


def _start(config, classes):
    """`(detector, names)`: the one to begin with, and what it called each class, None for new."""
    detector = load_detector(config)
    known = detector.settings.classes
    names = {}
    for name in classes:
        called = config.known_as.get(name, name)
        if name in config.known_as and called not in known:
            raise UserError(f"config.known_as.{name}={called!r}: the detector knows no such class")
        names[name] = called if called in known else None
    return replace_classes(detector, names, key=jax.random.key(config.train.seed)), names


def _phases(configs, detector, inputs, variables):
    """From the dicts of `config.train.phases`."""

    def make(config):
        augmentation = fill_options(Augmentation, config.pop("augmentation", {}))
        options = fill_options(PhaseOptions, {**config, "augmentation": augmentation})
        if options.joint and not inputs.strategies:
            raise UserError("joint=True needs fusions to train on: set config.train.input='ttd'")
        frozen = (joint.FUSION,) if inputs.strategies and not options.joint else ()
        objective = _objective(detector, inputs, options)
        return "joint" if options.joint else "detector", objective, options, frozen

    return chain_phases(configs, make, variables["params"], name="config.train.phases")


def _objective(detector, inputs, options):
    losses = {"l1": options.l1, "foreground": options.foreground}
    if not inputs.strategies:
        return joint.make_source_objective(detector, **losses)
    (settings,) = inputs.strategies.values()
    if options.keep_fusing:
        keep = make_objective("unsupervised", inputs.model.module, inputs.model.settings)
        losses |= {"keep_fusing": keep, "keep_weight": options.keep_fusing}
    return joint.make_fusion_objective(detector, inputs.model, settings, **losses)


def _license(manifest):
    return manifest["source"].get("license", "unknown")
