"""Decoding and duplicates against the original's detections, and the rule written out as a loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from tests.compilation import quick_jit
from ttd_jax.detection import Found, detect, letterbox
from ttd_jax.detection.boxes import overlap
from ttd_jax.detection.prediction import DetectionSettings, decode, select, suppress
from ttd_jax.detection.preparation import prepare
from ttd_jax.detectors import Detector, DetectorSettings, DetectorSpec
from ttd_jax.detectors.yolox import STRIDES
from ttd_jax.networks import lookup
from ttd_jax.pictures.images import read_picture
from ttd_jax.weights.convert import convert_checkpoint

_select = jax.jit(select, static_argnums=1)
_suppress = jax.jit(suppress, static_argnames="threshold")


@pytest.fixture(scope="module")
def stored(shared):
    return np.load(shared / "golden/yolox/eval_416.npz")


@pytest.fixture(scope="module")
def coco(torch, shared):
    path = shared / "weights/yolox/yolox_nano_coco_fp16rn.pth"
    return convert_checkpoint(lookup("yolox_nano_legacy", DetectorSpec), path)[0]


def _kept(detections):
    found = Found.of(detections)
    return found.boxes, found.scores, found.classes


# The original ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "confidence", "threshold"),
    [("detections_c001_n065", 0.01, 0.65), ("detections_c025_n045", 0.25, 0.45)],
)
def test_what_remains_without_duplicates_equals_the_original(stored, name, confidence, threshold):
    settings = DetectionSettings(confidence=confidence, overlap=threshold, limit=200)
    detections = _select(stored["decoded"], settings)
    boxes, scores, classes = _kept(detections)
    expected = stored[name]
    np.testing.assert_allclose(boxes, expected[:, :4], rtol=0, atol=1e-4)
    np.testing.assert_allclose(scores, expected[:, 4] * expected[:, 5], rtol=1e-6)
    np.testing.assert_array_equal(classes, expected[:, 6])
    padding = ~np.asarray(detections.mask)
    assert not detections.boxes[padding].any()
    assert not detections.scores[padding].any()


def test_decoded_boxes_equal_the_original(stored):
    raw = tuple(stored[f"raw_{stride}"].transpose(1, 2, 0) for stride in (8, 16, 32))
    np.testing.assert_allclose(decode(raw), stored["decoded"], rtol=1e-5, atol=1e-4)


def test_boxes_and_detections_equal_the_original_in_float64(torch, shared, stored):
    path = shared / "golden/yolox/yolox_nano_random.pth"
    detector = convert_checkpoint(lookup("yolox_nano", DetectorSpec), path)[0]
    settings = DetectionSettings(confidence=0.01, overlap=0.65, limit=200)
    with jax.enable_x64(True):
        variables = jax.tree.map(np.float64, detector.variables)
        x = stored["image_bgr_u8"].transpose(1, 2, 0).astype(np.float64)
        decoded = decode(jax.jit(detector.module.apply)(variables, x))
        np.testing.assert_allclose(decoded, stored["decoded_f64"], rtol=1e-9, atol=1e-6)
        boxes, scores, _ = _kept(_select(decoded, settings))
    expected = stored["detections_c001_n065_f64"]
    np.testing.assert_allclose(boxes, expected[:, :4], rtol=0, atol=1e-6)
    np.testing.assert_allclose(scores, expected[:, 4] * expected[:, 5], rtol=1e-9)


def test_pretrained_predictions_equal_the_original_without_any_picture(coco, shared):
    stored = np.load(shared / "golden/yolox_coco/sine_64x96.npz")
    raw = jax.jit(coco.module.apply)(coco.variables, stored["input"][0].transpose(1, 2, 0))
    found, expected = decode(raw), stored["fp16rn_decoded"]
    np.testing.assert_allclose(found[:, :4], expected[:, :4], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(found[:, 4:], expected[:, 4:], rtol=0, atol=1e-5)


@pytest.mark.parametrize("side", [416, 832])
def test_people_in_a_real_street_are_found_where_the_original_finds_them(coco, shared, side):
    picture = read_picture(shared / "data/llvip/visible/test/190001.jpg").pixels
    framed, _ = letterbox(picture, (side, side))
    stored = np.load(shared / "golden/yolox_coco" / f"llvip190001_vi_{side}.npz")

    loose = DetectionSettings(confidence=0.01, overlap=0.65)

    @quick_jit
    def run(detector, picture):
        x = prepare(picture, detector.settings.inputs)
        decoded = decode(detector.module.apply(detector.variables, x))
        return select(decoded, loose), select(decoded, DetectionSettings())

    found = run(coco, framed.astype(np.float32) / 255)
    for detections, name in zip(
        found, ("nms_conf0.01_iou0.65", "nms_conf0.25_iou0.45"), strict=True
    ):
        boxes, scores, classes = _kept(detections)
        expected = stored[f"fp16rn_{name}"]
        assert len(boxes) == len(expected)
        shares = np.asarray(overlap(boxes[:, None], expected[None, :, :4].astype(np.float32)))
        same = classes[:, None] == expected[None, :, 6]
        partner = np.argmax(np.where(same, shares, -1), axis=1)
        assert sorted(partner) == list(range(len(expected)))
        assert shares[np.arange(len(boxes)), partner].min() > 0.98
        reference = (expected[:, 4] * expected[:, 5])[partner]
        np.testing.assert_allclose(scores, reference, rtol=0, atol=0.01)
    assert "person" in {coco.settings.classes[index] for index in classes}


class _Flat(nn.Module):
    """As a detector of two classes: everywhere a box of one cell, surer where the red is."""

    def __call__(self, x):
        levels = []
        for s in STRIDES:
            red = nn.avg_pool(x, (s, s), strides=(s, s))[..., 2:] / 255  # of BGR in 0..255
            box, sure = jnp.zeros((*red.shape[:-1], 4)), 20 * (red - 0.5)
            levels.append(jnp.concatenate([box, sure, -sure, sure], axis=-1))
        return tuple(levels)


def test_detect_prepares_runs_decodes_and_selects_for_one_picture_or_a_batch():
    detector = Detector(
        variables={}, module=_Flat(), settings=DetectorSettings(classes=("dark", "red"))
    )
    pictures = np.zeros((2, 64, 96, 3), np.float32)
    pictures[0, 8:16, 24:32, 0] = 1
    found = jax.jit(jax.vmap(detect, in_axes=(None, 0)))(detector, pictures)
    np.testing.assert_array_equal(found.mask.sum(axis=1), [1, 0])
    np.testing.assert_allclose(found.boxes[0, 0], [20, 4, 28, 12])  # cells without their half
    assert found.classes[0, 0] == 1
    assert found.scores[0, 0] == pytest.approx(1, abs=1e-3)
    one = jax.jit(detect)(detector, pictures[0])
    jax.tree.map(lambda many, alone: np.testing.assert_array_equal(many[0], alone), found, one)


# The rule -------------------------------------------------------------------------------------


def _boxes(count, seed):
    rng = np.random.default_rng(seed)
    corner, sides = rng.uniform(0, 60, (count, 2)), rng.uniform(10, 40, (count, 2))
    boxes = np.concatenate([corner, corner + sides], axis=1).astype(np.float32)
    return boxes, rng.integers(0, 3, count), rng.random(count) < 0.9


def test_duplicates_go_as_in_the_loop_from_the_strongest_on():
    removed = 0
    for seed in range(10):
        boxes, groups, mask = _boxes(80, seed)
        shares = np.asarray(overlap(boxes[:, None], boxes[None]))
        expected = np.array(mask)
        for index in range(len(boxes)):
            if expected[index]:
                weaker = np.arange(len(boxes)) > index
                expected &= ~(weaker & (shares[index] > 0.4) & (groups == groups[index]))
        found = _suppress(boxes, groups, mask, threshold=0.4)
        np.testing.assert_array_equal(found, expected)
        removed += int(mask.sum() - expected.sum())
    assert removed > 100


def test_a_chain_of_overlaps_is_followed_to_its_end():
    left = np.arange(30, dtype=np.float32)[:, None] * 4
    boxes = np.concatenate([left, 0 * left, left + 10, 0 * left + 10], axis=1)
    found = _suppress(boxes, np.zeros(30, int), np.ones(30, bool), threshold=0.4)
    np.testing.assert_array_equal(found, np.arange(30) % 2 == 0)


def _decoded(*rows, classes=2):
    """Predictions (center x, y, width, height, score, class)."""
    decoded = np.zeros((len(rows), 5 + classes), np.float32)
    for row, (*box, score, kind) in zip(decoded, rows, strict=True):
        row[:4], row[4], row[5 + kind] = box, 1, score
    return decoded


def test_classes_keep_apart_unless_told_otherwise():
    decoded = _decoded((20, 20, 10, 10, 0.9, 0), (20, 20, 10, 10, 0.8, 1), (21, 20, 10, 10, 0.7, 0))
    apart = _select(decoded, DetectionSettings())
    np.testing.assert_array_equal(apart.mask, [True, True, False])
    np.testing.assert_array_equal(apart.classes, [0, 1, 0])
    np.testing.assert_allclose(apart.boxes[0], [15, 15, 25, 25])
    together = _select(decoded, DetectionSettings(across_classes=True))
    np.testing.assert_array_equal(together.mask, [True, False, False])


def test_only_the_strongest_are_given_and_none_below_the_confidence():
    decoded = _decoded(*((30 * i, 20, 10, 10, 0.1 * i, 0) for i in range(1, 9)))
    found = _select(decoded, DetectionSettings(confidence=0.35, limit=3))
    np.testing.assert_allclose(found.scores, [0.8, 0.7, 0.6], rtol=1e-6)
    every = _select(decoded, DetectionSettings(confidence=0.35))
    assert every.mask.sum() == 5
    assert every.scores.shape == (8,)


def test_nothing_is_found_where_nothing_is():
    found = _select(_decoded((20, 20, 10, 10, 0.1, 0)), DetectionSettings())
    assert not found.mask.any()
    assert not found.boxes.any()


@pytest.mark.parametrize("options", [{"confidence": 1.5}, {"overlap": -0.1}, {"limit": 0}])
def test_settings_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        DetectionSettings(**options)
