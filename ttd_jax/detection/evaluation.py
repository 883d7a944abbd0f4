"""How well objects are found in the sources, in their fusions and in anybody's results."""

import dataclasses
import functools
import pathlib

import jax
import numpy as np
from ml_collections import ConfigDict

from ttd_jax import fields
from ttd_jax.detection import tables
from ttd_jax.detection.average_precision import Found
from ttd_jax.detection.frames import letterbox
from ttd_jax.detection.inputs import Inputs, WithResults, find_labeled, plan_inputs, truth_of
from ttd_jax.detection.prediction import DetectionSettings, detect
from ttd_jax.detection.sheets import draw_scenes
from ttd_jax.detectors import Detector, DetectorSpec
from ttd_jax.errors import UserError, explain_os_errors, naming
from ttd_jax.files import dumps, read_json, write_whole
from ttd_jax.folders import alone
from ttd_jax.networks import PRECISIONS
from ttd_jax.pictures.ahead import ahead
from ttd_jax.pictures.batches import SIZES
from ttd_jax.pictures.checking import check
from ttd_jax.pictures.records import IMAGE, Records, check_covered, versions_of
from ttd_jax.report.progress import progress
from ttd_jax.weights import store

FIELDS = {
    "dataset": fields.text,
    "label_set": fields.text,
    "inputs": fields.names(),
    "results": fields.names(),
    "root": fields.text,
    "folders": fields.mapping(fields.text),
    "data_dir": fields.text,
    "split": fields.text,
    "images": fields.whole(),
    "model": fields.text,
    "weights_dir": fields.text,
    "precision": fields.one_of(PRECISIONS),
    "sizes": fields.one_of(SIZES),
    "detector": fields.text,
    "size": fields.several(fields.whole(least=1), "pixels, such as (416, 416)"),
    "known_as": fields.mapping(fields.text),
    "confidence": fields.number(least=0, most=1),
    "overlap": fields.number(least=0, most=1),
    "pictures": fields.whole(),
    "shown": fields.number(least=0, most=1),
}
# With every class of the detector; those that the data set has not are left out afterwards.
_LIMIT = 300
_RESULTS = "results.json"
_OBJECTS = {"boxes": [[float]], "classes": [int]}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Search:
    """A detector and how it looks at pictures.

    Attributes:
      detector: what finds.
      classes: of the data set.
      own: index of each of them among the detector's classes.
      settings: what counts as found.
    """

    detector: Detector
    classes: tuple[str, ...]
    own: tuple[int, ...]
    settings: DetectionSettings

    def find(self, pictures: dict[str, np.ndarray]) -> dict[str, Found]:
        """What is found in each of several pictures, in their own pixels.

        Every picture is searched alone: what is found does not depend on the others.
        """
        size = self.detector.settings.size
        framed = {name: letterbox(picture, size) for name, picture in pictures.items()}
        running = {
            name: _detect(self.detector, frame, self.settings)
            for name, (frame, _) in framed.items()
        }
        return {
            name: self._known(Found.of(jax.device_get(running[name]), ratio))
            for name, (_, ratio) in framed.items()
        }

    def _known(self, found):
        """The data set's classes alone, numbered as it does."""
        index = {own: number for number, own in enumerate(self.own)}
        kept = np.isin(found.classes, self.own)
        classes = np.array([index[kind] for kind in found.classes[kept]], int)
        return Found(found.boxes[kept], classes, found.scores[kept])


def evaluate(config: ConfigDict, out: pathlib.Path, *, resume: bool = False) -> dict:
    """Measures how well a detector finds the objects of a data set in every input.

    Args:
      config: see `configs/detect.py`.
      out: folder for records, results.json, results.md and pictures.
      resume: keep finished scenes.

    Returns:
      The results; see `tables.summarize`.

    Raises:
      UserError: unknown names, missing weights or data, label files or pictures that are damaged,
        a class that the detector does not know; `out` has results of other settings, or another run
        is writing there.
    """
    fields.check_fields(config, FIELDS)
    dataset, examples = find_labeled(config)
    count = config.images or None
    inputs = plan_inputs(config, examples.roles, examples.names[:count])
    shown = WithResults(examples, inputs.results)
    search = _search(config, examples.classes)
    settings = _settings(config, dataset, inputs, search)
    found = {name: {**_OBJECTS, "scores": [float]} for name in inputs.names}
    like = {**IMAGE, "size": [int], "objects": _OBJECTS, "found": found}
    records = Records(out, like=like)
    with alone(out, "detect eval"):
        records.find(settings, resume=resume)
        before = read_json(out / _RESULTS, {"scenes": [{"image": str}]}) or {"scenes": ()}
        held = [scene["image"] for scene in before["scenes"]]
        check_covered(out, "scenes", held, examples.names[:count], "look at all of them")
        scenes = check(shown, count=count)
        if not any(scene.objects for scene in scenes):
            raise UserError("the scenes have no objects at all: there is nothing to be found")
        held = dict(zip(examples.names[:count], (scene.size for scene in scenes), strict=True))
        inputs = inputs.framed(held, sizes=config.sizes)
        with records.leaving_no_trace():
            records.open(settings)
            kept = _run(dataset, scenes, inputs, search, records)
        result = tables.summarize(
            kept, search.classes, inputs.names, shown=config.shown, settings=settings
        )
        with explain_os_errors(out):
            write_whole(out / _RESULTS, dumps(result))
            write_whole(out / "results.md", tables.markdown(result))
            # Pictures come last: they take a while, and by then the tables are safe.
            draw_scenes(result, kept, shown, inputs, out / "pictures", limit=config.pictures)
    return result


def load_detector(config: ConfigDict) -> Detector:
    """The detector of a configuration, whose frames are as large as that asks for.

    Raises:
      UserError: missing or damaged weights, or a size that frames cannot have.
    """
    detector = store.load(config.detector, kind=DetectorSpec, precision=config.precision)
    size = config.size or detector.settings.size
    with naming(f"config.size={config.size}"):
        return detector.replace(settings=dataclasses.replace(detector.settings, size=size))


def detection_settings(config: ConfigDict) -> DetectionSettings:
    """What counts as found, from a configuration."""
    with naming("config"):
        return DetectionSettings(confidence=config.confidence, overlap=config.overlap, limit=_LIMIT)


def _search(config, classes):
    settings, detector = detection_settings(config), load_detector(config)
    known = detector.settings.classes
    own = []
    for name in classes:
        called = config.known_as.get(name, name)
        if called not in known:
            raise UserError(
                f"{config.detector}: the detector knows no class {called!r}: take another one, or "
                f"set config.known_as.{name} to its own name"
            )
        own.append(known.index(called))
    return Search(detector=detector, classes=tuple(classes), own=tuple(own), settings=settings)


def _settings(config, dataset, inputs: Inputs, search):
    fused, networks = None, [search.detector]
    if inputs.model is not None:
        networks.append(inputs.model)
        fused = {
            "model": inputs.model.spec.name,
            "weights_sha256": inputs.manifest["sha256"],
            "strategies": {
                name: chosen and dataclasses.asdict(chosen)
                for name, chosen in inputs.strategies.items()
            },
        }
    detector = store.read_manifest(config.detector)
    return {
        "dataset": dataset,
        "split": config.split,
        "inputs": list(inputs.names),
        "results": list(config.results),
        "fused": fused,
        "precision": config.precision,
        "sizes": config.sizes,
        "detector": {"model": detector["model"], "weights_sha256": detector["sha256"]},
        "classes": {
            name: search.detector.settings.classes[own]
            for name, own in zip(search.classes, search.own, strict=True)
        },
        "size": list(search.detector.settings.size),
        "confidence": config.confidence,
        "overlap": config.overlap,
        "versions": versions_of(*networks, strategies=inputs.strategies.values()),
    }


def _run(dataset, scenes, inputs, search, records):
    """Searches what is not finished; the records of all scenes."""
    finished, keys = records.finished(), [(dataset, *key) for key in scenes.keys]
    todo = [index for index, key in enumerate(keys) if key not in finished]

    def load(index):
        example, decoded = scenes.load(index)
        return example, inputs.pictures(example, decoded)

    loaded = ahead(load, todo, threads=1)  # they are fused as well
    with progress(loaded, dataset, len(todo)) as bar:
        for index, (example, pictures) in bar:
            size = scenes[index].size
            truth = truth_of(example, size)
            records.append(
                {
                    "dataset": dataset,
                    "image": example.name,
                    "sha256": list(scenes[index].sha256),
                    "size": list(size),
                    "objects": {"boxes": truth.boxes.tolist(), "classes": truth.classes.tolist()},
                    "found": {
                        name: {k: v.tolist() for k, v in dataclasses.asdict(found).items()}
                        for name, found in search.find(pictures).items()
                    },
                }
            )
    finished = records.finished()
    return [finished[key] for key in keys]


@functools.partial(jax.jit, static_argnames="settings")
def _detect(detector, frame, settings):
    """`Detections` of a picture u8[H, W, 3]."""
    return detect(detector, frame.astype(np.float32) / np.float32(255), settings)
