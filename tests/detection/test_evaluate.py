"""Objects found in sources, fusions and results: figures by hand, resuming, real pictures."""

import dataclasses
import importlib
import json
import pathlib
import shutil

import chex
import cv2
import numpy as np
import pytest
import ttd_jax_datasets

from tests.commands.conftest import draw
from tests.detection.small import BOXES, EMPTY, NAME, SIZE, draw_llvip, save, xml
from ttd_jax.detection import evaluation, inputs, tables
from ttd_jax.detection.average_precision import Found
from ttd_jax.detection.inputs import find_labeled, truth_of
from ttd_jax.detection.prediction import DetectionSettings
from ttd_jax.detectors import DetectorSpec
from ttd_jax.errors import UserError
from ttd_jax.networks import lookup
from ttd_jax.weights.convert import convert_checkpoint
from ttd_jax.weights.store import load

CONFIG = importlib.import_module("ttd_jax_configs.detect")


@pytest.fixture
def root(tmp_path):
    return draw_llvip(tmp_path)


@pytest.fixture
def configure(root, shallow_folder, random_weights):
    """`configure(**fields)`: a configuration for the drawn scenes and random networks."""

    def make(**fields):
        config = CONFIG.get_config()
        config.root = str(root)
        config.detector = str(shallow_folder)
        config.weights_dir = str(random_weights.parent)
        config.update(fields)
        return config

    return make


# Tables -----------------------------------------------------------------------------------------


def _record(image, objects, **found):
    """Objects are corners of persons; what was found, (corners, score)."""
    return {
        "image": image,
        "objects": {"boxes": objects, "classes": [0] * len(objects)},
        "found": {
            name: {
                "boxes": [box for box, _ in one],
                "classes": [0] * len(one),
                "scores": [score for _, score in one],
            }
            for name, one in found.items()
        },
    }


SETTINGS = {
    "shown": 0.25,
    "settings": {
        "dataset": "llvip/detection",
        "split": "test",
        "size": [64, 96],
        "detector": {"model": "yolox_nano"},
    },
}
SMALL, LARGE, ELSEWHERE = [0, 0, 20, 20], [100, 100, 250, 250], [300, 0, 330, 40]


def _two_scenes(*, alarm):
    """TTD finds both objects, the static fusion one; `alarm`: the score of what is not there."""
    return [
        _record("both", [SMALL, LARGE], static=[(LARGE, 0.9)], ttd=[(LARGE, 0.9), (SMALL, 0.8)]),
        _record("empty", [], static=[], ttd=[(ELSEWHERE, alarm)]),
    ]


def test_figures_of_objects_found_missed_and_imagined_by_hand():
    result = tables.summarize(_two_scenes(alarm=0.7), ("person",), ("static", "ttd"), **SETTINGS)
    assert (result["images"], result["empty"], result["objects"]) == (2, 1, 2)
    assert result["per_size"] == {"small": 1, "medium": 0, "large": 1}
    static, ttd = (result["inputs"][name] for name in ("static", "ttd"))
    assert static["figures"]["AP50"] == pytest.approx(51 / 101)  # recall 0, 0.01, ..., 0.50
    assert (static["best"]["precision"], static["best"]["recall"]) == (1.0, 0.5)
    assert ttd["figures"]["AP50"] == pytest.approx(1.0)
    assert (ttd["best"]["precision"], ttd["best"]["recall"]) == (1.0, 1.0)
    assert static["figures"]["AP_small"] == 0.0
    assert static["figures"]["AP_medium"] is None
    first, second = result["scenes"]
    assert (first["image"], first["change"], second["change"]) == ("both", 1, 1)
    assert first["found"] == {"static": [1], "ttd": [0, 1]}
    text = tables.markdown(result)
    assert "| static | 0.505 | 0.505 | 0.505 | 1.000 | 0.500 | 0.667 | 0.900 |" in text
    assert "| both | 2 | 1 | 2 | 0 | 0 |" in text
    assert "| empty | 0 | 0 | 0 | 0 | 1 |" in text


def test_what_is_found_where_no_object_is_counts_as_a_false_alarm():
    result = tables.summarize(_two_scenes(alarm=0.95), ("person",), ("static", "ttd"), **SETTINGS)
    ttd = result["inputs"]["ttd"]
    assert ttd["best"]["precision"] == pytest.approx(2 / 3)
    assert ttd["figures"]["AP50"] == pytest.approx(2 / 3)
    assert [scene["false_alarms"]["ttd"] for scene in result["scenes"]] == [0, 1]


def test_scenes_count_what_the_figures_count():
    for shown, name in ((0.9, "static"), (0.7, "ttd")):
        options = {**SETTINGS, "shown": shown}
        records = _two_scenes(alarm=0.95)
        result = tables.summarize(records, ("person",), ("static", "ttd"), **options)
        best = result["inputs"][name]["best"]
        hits = sum(len(scene["found"][name]) for scene in result["scenes"])
        alarms = sum(scene["false_alarms"][name] for scene in result["scenes"])
        assert (hits, hits + alarms) == (best["found"], best["used"])


# Detectors --------------------------------------------------------------------------------------


def test_only_the_data_sets_classes_count_by_their_names(shallow_folder):
    detector = load(shallow_folder, precision="highest")  # as `evaluate` does
    settings = DetectionSettings(confidence=0.01, overlap=0.65, limit=300)
    everything = evaluation.Search(
        detector=detector,
        classes=detector.settings.classes,
        own=tuple(range(80)),
        settings=settings,
    )
    pictures = {"one": np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)}
    whole = everything.find(pictures)["one"]
    search = dataclasses.replace(everything, classes=("car", "dog"), own=(2, 16))
    part = search.find(pictures)["one"]
    kept = np.isin(whole.classes, (2, 16))
    assert len(np.unique(whole.classes)) > 2
    np.testing.assert_array_equal(part.boxes, whole.boxes[kept])
    np.testing.assert_array_equal(part.scores, whole.scores[kept])
    by_hand = Found(np.eye(3, 4), np.array([16, 0, 2]), np.array([0.9, 0.8, 0.7]))
    two = search._known(by_hand)
    assert two.classes.tolist() == [1, 0]
    assert two.scores.tolist() == [0.9, 0.7]


# Runs -------------------------------------------------------------------------------------------


def test_a_stopped_run_ends_with_the_same_bytes(configure, tmp_path):
    chosen = {"inputs": ("infrared", "static")}
    whole = evaluation.evaluate(configure(**chosen), tmp_path / "whole")
    evaluation.evaluate(configure(**chosen, images=1), tmp_path / "stopped")
    evaluation.evaluate(configure(**chosen), tmp_path / "stopped", resume=True)
    for name in ("results.json", "results.md"):
        assert (tmp_path / "stopped" / name).read_bytes() == (
            tmp_path / "whole" / name
        ).read_bytes()
    assert json.loads((tmp_path / "whole" / "results.json").read_text()) == whole
    with pytest.raises(UserError, match=r"results of other scenes \(.*\): .*another --out"):
        evaluation.evaluate(configure(**chosen, images=1), tmp_path / "whole", resume=True)
    lines = tmp_path / "whole" / "records" / "process-00000.jsonl"
    lines.write_text(lines.read_text().replace('"boxes"', '"boxen"'))
    with pytest.raises(UserError, match=r"process-00000\.jsonl: line 1 is damaged"):
        evaluation.evaluate(configure(**chosen), tmp_path / "whole", resume=True)
    assert (whole["images"], whole["empty"], whole["objects"]) == (3, 1, 3)
    assert list(whole["inputs"]) == ["infrared", "static"]
    sheets = sorted(path.name for path in (tmp_path / "stopped" / "pictures").iterdir())
    assert sheets == [f"{i:02}_{scene['image']}.png" for i, scene in enumerate(whole["scenes"], 1)]
    sheet = cv2.imread(str(tmp_path / "stopped" / "pictures" / sheets[0]))
    assert sheet.shape[1] == 2 * SIZE[1] + 3 * 8


def test_scenes_of_many_sizes_share_a_program_and_their_pictures_keep_their_pixels(
    configure, root, tmp_path, monkeypatch
):
    for folder, channels in (("visible", 3), ("infrared", 1)):
        draw(root / f"llvip/{folder}/test/b.png", (70, 95), channels=channels, seed=channels)
    found, shown = {}, {}
    for how, traces in (("bucket", 1), ("exact", 2)):
        config = configure(inputs=("static", "ttd"), sizes=how, pictures=1)
        with monkeypatch.context() as patch:
            chex.clear_trace_counter()
            inputs._fuse.clear_cache()
            # Both strategies of a scene are fused by one program.
            counted = chex.assert_max_traces(inputs.fuse_pictures, n=2 * traces)
            patch.setattr(inputs, "fuse_pictures", counted)
            found[how] = evaluation.evaluate(config, tmp_path / how)["inputs"]
        _, examples = find_labeled(config)
        chosen = inputs.find_inputs(("static", "ttd"), examples.roles, config)
        chosen = chosen.framed({"a": SIZE, "b": (70, 95)}, sizes=how)
        shown[how] = [chosen.pictures(examples[index]) for index in range(2)]
    for bucket, exact in zip(shown["bucket"], shown["exact"], strict=True):
        for name, picture in exact.items():
            assert picture.shape == bucket[name].shape
            assert np.abs(picture.astype(int) - bucket[name]).max() <= 1
    for name in ("static", "ttd"):
        bucket, exact = (found[how][name]["figures"] for how in ("bucket", "exact"))
        known = {figure: value for figure, value in exact.items() if value is not None}
        assert {figure: bucket[figure] for figure in known} == pytest.approx(known, rel=1e-5)


@pytest.mark.parametrize("changed", ["picture", "labels", "result"])
def test_a_run_goes_on_but_for_the_scenes_that_changed(configure, root, tmp_path, changed):
    shutil.copytree(root / "llvip/visible/test", tmp_path / "mine")
    config = configure(inputs=("infrared",), results=(f"mine={tmp_path / 'mine'}",), pictures=0)
    evaluation.evaluate(config, tmp_path / "out")
    if changed == "labels":
        (root / "llvip/Annotations/a.xml").write_text(xml([(3, 4, 33, 44)]))
    else:
        folder = root / "llvip/infrared/test" if changed == "picture" else tmp_path / "mine"
        draw(folder / "a.png", SIZE, seed=77)
    after = evaluation.evaluate(config, tmp_path / "out", resume=True)
    assert after == evaluation.evaluate(config, tmp_path / "fresh")
    lines = (tmp_path / "out/records/process-00000.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["image"] for line in lines) == sorted([*BOXES, "a"])


def test_anybodys_pictures_give_what_the_same_pictures_gave(configure, root, tmp_path):
    (tmp_path / "mine").mkdir()
    for path in (root / "llvip/visible/test").iterdir():
        shutil.copy(path, tmp_path / "mine")
    config = configure(inputs=("visible",), results=(f"copy={tmp_path / 'mine'}",))
    result = evaluation.evaluate(config, tmp_path / "out")
    assert result["inputs"]["copy"] == result["inputs"]["visible"]
    assert all(scene["change"] == 0 for scene in result["scenes"])


def test_prepared_boxes_are_those_of_the_label_files(root, tmp_path):
    pytest.importorskip("array_record", reason="array_record is not installed")
    prepare = importlib.import_module("ttd_jax_datasets.preparing").prepare
    cls, chosen = ttd_jax_datasets.find_config("llvip/detection")
    prepare(cls, chosen, root / "llvip", tmp_path / "prepared")
    config = CONFIG.get_config()
    config.data_dir = str(tmp_path / "prepared")
    _, prepared = find_labeled(config)
    config.root = str(root)
    _, upstream = find_labeled(config)
    assert (prepared.names, prepared.classes) == (upstream.names, upstream.classes)
    for one, other in zip(prepared, upstream, strict=True):
        assert one.files == other.files
        expected = np.reshape(BOXES[one.name], (-1, 4))
        np.testing.assert_allclose(truth_of(one, SIZE).boxes, expected, atol=1e-4)
        np.testing.assert_allclose(truth_of(other, SIZE).boxes, expected, atol=1e-4)
        assert one.labels == other.labels


def test_msrs_is_scored_against_the_label_set_of_the_configuration():
    config = CONFIG.get_config("msrs/detection")
    config.root = str(pathlib.Path(ttd_jax_datasets.__file__).parent)
    config.folders = {"msrs": "msrs/dummy_data"}
    name, examples = find_labeled(config)
    assert name == "msrs/detection_fusion"
    assert examples.classes == ("person", "bicycle", "car")
    fused = {example.name: truth_of(example, (24, 32)) for example in examples}
    config.label_set = "infrared"
    name, examples = find_labeled(config)
    assert name == "msrs/detection_infrared"
    assert len(examples) == 2
    assert list(fused) == ["00004N"]
    assert fused["00004N"].classes.tolist() == [2]
    np.testing.assert_allclose(fused["00004N"].boxes, [[0, 12, 16, 24]])


# Mistakes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (xml(BOXES["a"])[:-30], ("a.xml", "truncated")),
        (xml([(10, 20, 140, 60)]), ("a.xml", "(10, 20, 140, 60)", "96x64")),
        (xml(BOXES["a"], "unicorn"), ("a.xml", "'unicorn'", "person")),
    ],
)
def test_damaged_labels_are_named(root, text, named):
    (root / "llvip/Annotations/a.xml").write_text(text)
    config = CONFIG.get_config()
    config.root = str(root)
    _, examples = find_labeled(config)
    with pytest.raises(UserError) as error:
        list(examples)
    for word in named:
        assert word in str(error.value)


def test_a_damaged_label_is_told_before_anything_is_computed(configure, root, tmp_path):
    (root / "llvip/Annotations/c.xml").write_text(xml([(10, 20, 140, 60)]))
    _refuses(configure(inputs=("visible",)), tmp_path / "out", ("c.xml", "(10, 20, 140, 60)"))
    assert not (tmp_path / "out/records/process-00000.jsonl").exists()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"inputs": ("visible",), "detector": "nowhere"}, ("nowhere", "convert")),
        ({"weights_dir": "nowhere"}, ("nowhere", "convert")),
        ({"inputs": ("visible", "brightest")}, ("'brightest'", "visible", "ttd")),
        ({"inputs": ("ttd", "ttd")}, ("'ttd'", "twice")),
        ({"inputs": ()}, ("config.inputs",)),
        ({"inputs": (), "results": ("nowhere",)}, ("'nowhere'", "NAME=FOLDER")),
        ({"inputs": (), "results": ("mine=nowhere",)}, ("nowhere", "no such folder")),
        (
            {"inputs": (), "results": ("mine=~/nowhere",)},
            (str(pathlib.Path.home() / "nowhere"), "no such"),
        ),
        (
            {"inputs": ("visible",), "known_as": {"person": "People"}},
            ("'People'", "config.known_as.person"),
        ),
        ({"inputs": ("visible",), "size": (60, 96)}, ("config.size", "32")),
        ({"inputs": ("visible",), "confidence": 2.0}, ("confidence",)),
        ({"inputs": ("visible",), "size": (64,)}, ("config.size", "32")),
        ({"shown": -0.1}, ("config.shown",)),
        ({"pictures": -1}, ("config.pictures",)),
        ({"dataset": "llvip/fusion"}, ("llvip/fusion", "no boxes")),
        ({"dataset": "msrs/detection", "label_set": "mine"}, ("'mine'", "fusion")),
    ],
)
def test_mistakes_in_the_configuration_are_named(configure, tmp_path, fields, named):
    _refuses(configure(**fields), tmp_path / "out", named)


def test_results_that_do_not_belong_to_the_scenes_are_named(configure, root, tmp_path):
    config = configure(inputs=(), results=(f"mine={tmp_path / 'mine'}",))
    for name in BOXES:
        draw(tmp_path / f"mine/{name}.png", (32, 96))
    _refuses(config, tmp_path / "sizes", ("a.png", "96x32", "96x64"))
    (tmp_path / "mine/b.png").unlink()
    _refuses(config, tmp_path / "fewer", ("1 of 3 scenes", "(b)"))


def test_scenes_without_any_object_are_nothing_to_measure(configure, root, tmp_path):
    for path in (root / "llvip/Annotations").iterdir():
        path.write_text(EMPTY)
    _refuses(configure(inputs=("visible",)), tmp_path / "out", ("no objects at all",))


def _refuses(config, out, named):
    with pytest.raises(UserError) as error:
        evaluation.evaluate(config, out)
    line = str(error.value)
    assert "\n" not in line
    for word in named:
        assert word in line
    assert not (out / "results.json").exists()


# Real pictures ----------------------------------------------------------------------------------


def test_persons_of_llvip_are_found_in_both_sources_the_same_in_every_run(torch, shared, tmp_path):
    checkpoint = shared / "weights/yolox/yolox_nano_coco_fp16rn.pth"
    coco = convert_checkpoint(lookup(NAME, DetectorSpec), checkpoint)[0]
    config = CONFIG.get_config()
    config.root = str(shared / "data")
    config.detector = str(save(tmp_path / "nano", coco))
    config.inputs = ("visible", "infrared")
    config.pictures = 1
    result = evaluation.evaluate(config, tmp_path / "first")
    assert (result["images"], result["objects"]) == (3, 8)
    # Of 10 persons in 5 such pictures another implementation found 0.82 and 0.64.
    for kind, least in (("visible", 0.7), ("infrared", 0.5)):
        one = result["inputs"][kind]
        assert one["figures"]["AP50"] > least
        assert 0.3 < one["figures"]["AP"] < one["figures"]["AP50"]
        assert one["best"]["objects"] == 8
    assert evaluation.evaluate(config, tmp_path / "second") == result
