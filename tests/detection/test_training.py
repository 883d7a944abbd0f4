"""A detector trained on a data set: what changes, what stays, what goes on, what is refused."""

import importlib
import shutil

import jax
import numpy as np
import pytest

from tests.detection.small import (
    BOXES,
    EMPTY,
    SHALLOW,
    SIZE,
    draw_llvip,
    random_detector,
    xml,
)
from ttd_jax.detection.augmentation import Augmentation
from ttd_jax.detection.evaluation import evaluate
from ttd_jax.detection.inputs import find_inputs, find_labeled
from ttd_jax.detection.joint import join_variables
from ttd_jax.detection.samples import LabeledSampler
from ttd_jax.detection.training import _phases, _start, train_detector
from ttd_jax.detectors import Detector
from ttd_jax.errors import UserError
from ttd_jax.files import read_json_lines
from ttd_jax.training.checkpointing import Checkpoints
from ttd_jax.training.optimizer import make_optimizer
from ttd_jax.training.run import as_plain
from ttd_jax.weights.store import load, read_manifest

CONFIG = importlib.import_module("ttd_jax_configs.detect")
FROZEN = ("detector/heads_1", "detector/heads_2")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return draw_llvip(tmp_path_factory.mktemp("benchmarks"), "train")


@pytest.fixture
def configure(root, shallow_folder, random_weights):
    """`configure(**fields)`: three steps on the drawn scenes; fields of `config.train`."""

    def make(**fields):
        config = CONFIG.get_config("llvip/detection,small")
        config.root, config.detector = str(root), str(shallow_folder)
        config.weights_dir = str(random_weights.parent)
        config.size = (32, 32)
        config.train.update({"batch_size": 2, "log_every": 1, "checkpoint_every": 1, **fields})
        for phase in config.train.phases:
            phase.steps = 3
            phase.optimizer.update({"frozen": FROZEN, "learning_rate": 1e-2, "warmup_steps": 0})
            phase.augmentation.update({"mosaic": 0.5, "mirror": True})
        return config

    return make


def test_a_stopped_run_goes_on_to_the_same_weights_which_eval_takes(configure, root, tmp_path):
    config = configure(held_back=1, validate_every=2)
    outcome = train_detector(config, tmp_path / "run")
    assert outcome.weights == tmp_path / "run" / SHALLOW.name
    records = read_json_lines(tmp_path / "run/log.jsonl")
    losses = [r["loss"] for r in records if r["kind"] == "train"]
    assert len(losses) == 3
    assert {"AP50", "recall"} < [r for r in records if r["kind"] == "validation"][-1].keys()
    assert (tmp_path / "run/sheets/step-00000003.png").is_file()

    start, trained = random_detector(SHALLOW), load(outcome.weights)
    assert (trained.settings.classes, trained.settings.size) == (("person",), (32, 32))
    person = start.settings.classes.index("person")
    for level, moved in ((0, True), (1, False)):
        before, after = (d.variables["params"][f"heads_{level}"] for d in (start, trained))
        column = before["class"]["kernel"][:, person], after["class"]["kernel"][:, 0]
        assert np.array_equal(*column) != moved
    jax.tree.map(
        np.testing.assert_array_equal,
        start.variables["batch_stats"],
        trained.variables["batch_stats"],
    )
    manifest = read_manifest(outcome.weights)
    assert manifest["source"]["training"]["classes"] == {"person": "person"}

    shutil.copytree(tmp_path / "run", tmp_path / "again")
    shutil.rmtree(tmp_path / "again" / SHALLOW.name)
    shutil.rmtree(tmp_path / "again/checkpoints/3")
    assert Checkpoints(tmp_path / "again").newest == 2
    outcome = train_detector(config, tmp_path / "again", resume=True)
    assert read_manifest(outcome.weights)["sha256"] == manifest["sha256"]

    config.detector, config.split, config.inputs = str(outcome.weights), "train", ("visible",)
    assert evaluate(config, tmp_path / "out")["objects"] == sum(map(len, BOXES.values()))


def test_joint_training_changes_the_fusion_network_as_well(configure, random_weights, tmp_path):
    config = configure(input="ttd")
    (phase,) = config.train.phases
    phase.steps, phase.joint = 1, True
    train_detector(config, tmp_path / "run")
    before, after = (load(path).params for path in (random_weights, tmp_path / "run/ifcnn_sum"))
    changed = jax.tree.map(lambda a, b: bool((a != b).any()), before, after)
    assert all(jax.tree.leaves(changed))


def test_without_joint_the_fusion_network_is_frozen(configure, shallow_folder):
    inputs = find_inputs(("ttd",), ("visible", "infrared"), configure(), fold=False)
    detector = load(shallow_folder)
    variables = join_variables(detector=detector.variables, fusion=inputs.model.variables)
    for joint in (True, False):
        config = as_plain(configure().train.phases)[0] | {"joint": joint}
        (phase,) = _phases([config], detector, inputs, variables)
        trained = make_optimizer(phase.optimizer, variables["params"]).trainable
        assert all(jax.tree.leaves(trained["fusion"])) == joint
        assert any(jax.tree.leaves(trained["fusion"])) == joint
        assert any(jax.tree.leaves(trained["detector"]))


def test_parts_of_yolox_are_frozen_by_their_names_and_its_objective_is_traced(configure):
    """The rest is as of any detector; to compile the way back through this one takes a minute."""
    inputs = find_inputs(("visible",), ("visible", "infrared"), configure(), fold=False)
    detector = random_detector()
    variables = join_variables(detector=detector.variables)
    config = as_plain(configure().train.phases)[0]
    config["optimizer"]["frozen"] = ("detector/backbone", "detector/neck", "detector/heads_1")
    (phase,) = _phases([config], detector, inputs, variables)
    trained = make_optimizer(phase.optimizer, variables["params"]).trainable["detector"]
    assert {part for part, tree in trained.items() if any(jax.tree.leaves(tree))} == {
        "heads_0",
        "heads_2",
    }
    sample = {
        "sources": jax.ShapeDtypeStruct((1, 32, 32, 3), np.float32),
        "boxes": jax.ShapeDtypeStruct((1, 4), np.float32),
        "classes": jax.ShapeDtypeStruct((1,), np.int32),
        "mask": jax.ShapeDtypeStruct((1,), bool),
    }
    loss, terms = jax.eval_shape(phase.objective, variables, sample)
    assert loss.shape == ()
    assert {"iou", "objectness", "class"} < terms.keys()


def test_classes_that_the_detector_knows_stay_and_others_begin_anew(configure, shallow_folder):
    config = configure()
    config.known_as = {"People": "person"}
    detector, names = _start(config, ("People", "Lamp"))
    assert isinstance(detector, Detector)
    assert names == {"People": "person", "Lamp": None}
    start = load(shallow_folder)
    kernels = [d.variables["params"]["heads_0"]["class"]["kernel"] for d in (start, detector)]
    np.testing.assert_array_equal(
        kernels[0][:, start.settings.classes.index("person")], kernels[1][:, 0]
    )


def test_samples_are_of_one_shape_and_depend_on_the_seed_alone(root):
    config = CONFIG.get_config()
    config.root = str(root)
    _, examples = find_labeled(config, split="train")

    def sampler(**changes):
        return LabeledSampler(
            examples,
            (0, 1, 2),
            roles=("visible", "infrared"),
            size=(64, 96),
            objects=2,
            augmentation=Augmentation(**changes),
        )

    plain = sampler(mirror=False)
    for number, boxes in enumerate(BOXES.values()):
        sample = plain(number, np.random.default_rng(0))
        np.testing.assert_allclose(
            sample["boxes"][sample["mask"]], np.reshape(boxes, (-1, 4)), atol=1e-4
        )
        assert sample["sources"].shape == (2, *SIZE, 3)
        assert sample["covered"].all()
    varied = sampler(mosaic=0.5, zoom=(0.5, 1.5), shift=0.2)
    shapes = set()
    for seed in range(8):
        once, again = (varied(seed % 3, np.random.default_rng(seed)) for _ in range(2))
        jax.tree.map(np.testing.assert_array_equal, once, again)
        shapes.add(tuple((name, leaf.shape) for name, leaf in once.items()))
    assert len(shapes) == 1


@pytest.mark.parametrize(
    ("fields", "phase", "named"),
    [
        ({"input": "brightest"}, {}, ("'brightest'", "visible")),
        ({"split": "test"}, {}, ("'test'", "train")),
        ({"batch_size": 0}, {}, ("config.train.batch_size",)),
        ({"best": "loss"}, {}, ("config.train.best", "AP50")),
        ({"final": "best"}, {}, ("config.train.held_back",)),
        ({"held_back": 3}, {}, ("config.train.held_back=3", "3 scenes")),
        ({"phases": ()}, {}, ("config.train.phases",)),
        ({}, {"joint": True}, ("config.train.phases[0]", "joint", "ttd")),
        ({}, {"steps": 0}, ("config.train.phases[0]", "steps=0")),
        ({}, {"augmentation.zoom": (2.0, 1.0)}, ("config.train.phases[0]", "zoom")),
        ({}, {"optimizer.frozen": ("nothing",)}, ("config.train.phases[0]", "nothing")),
    ],
)
def test_mistakes_in_the_configuration_are_named(configure, tmp_path, fields, phase, named):
    config = configure(**fields)
    for one in config.train.phases:
        one.update_from_flattened_dict(phase)
    _refuses(config, tmp_path / "run", named)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (xml(BOXES["a"])[:-30], ("a.xml", "truncated")),
        (xml([(10, 20, 140, 60)]), ("a.xml", "(10, 20, 140, 60)", "96x64")),
        (xml(BOXES["a"], "unicorn"), ("a.xml", "'unicorn'", "person")),
    ],
)
def test_damaged_labels_are_told_before_the_first_step(configure, tmp_path, text, named):
    config = configure()
    config.root = str(draw_llvip(tmp_path / "own", "train"))
    (tmp_path / "own/llvip/Annotations/a.xml").write_text(text)
    _refuses(config, tmp_path / "run", named)


def test_scenes_without_any_object_teach_nothing(configure, tmp_path):
    config = configure()
    config.root = str(draw_llvip(tmp_path / "own", "train"))
    for path in (tmp_path / "own/llvip/Annotations").iterdir():
        path.write_text(EMPTY)
    _refuses(config, tmp_path / "run", ("llvip/detection", "no scene has an object"))


def _refuses(config, workdir, named):
    with pytest.raises(UserError) as error:
        train_detector(config, workdir)
    line = str(error.value)
    assert "\n" not in line
    for word in named:
        assert word in line
    assert not workdir.exists()
