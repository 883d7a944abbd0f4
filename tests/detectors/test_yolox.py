"""YOLOX against the original's stored blocks, and what converting and storing it promises."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ttd_jax
from tests.compilation import quick_jit
from ttd_jax.detectors import DetectorSettings, DetectorSpec
from ttd_jax.errors import UserError
from ttd_jax.networks import lookup
from ttd_jax.networks.layers import GroupedConv3x3, _grouped_native, _grouped_shifted
from ttd_jax.parts.border import pad_border
from ttd_jax.weights import catalog, store
from ttd_jax.weights.convert import convert_checkpoint, convert_tensors

torch = pytest.importorskip("torch")
from ttd_jax.benchmarks.twins.random_state import random_state

# Millions of trainable numbers, as published; nano and tiny with two digits.
PUBLISHED = {"nano": 0.91, "tiny": 5.06, "s": 9.0, "m": 25.3, "l": 54.2}
BLOCKS = {  # the name in the golden data -> the module and which of its outputs
    "stem": ("stem", None),
    "dark3": ("dark3_stage", None),
    "dark4": ("dark4_stage", None),
    "dark5": ("dark5_stage", None),
    "pan_8": ("neck", 0),
    "pan_16": ("neck", 1),
    "pan_32": ("neck", 2),
}


@pytest.fixture(scope="module")
def golden(shared):
    return shared / "golden/yolox"


@pytest.fixture(scope="module")
def detector(golden):
    return convert_checkpoint(lookup("yolox_nano", DetectorSpec), golden / "yolox_nano_random.pth")[
        0
    ]


def test_blocks_and_raw_predictions_equal_the_original(detector, golden):
    wanted = {module for module, _ in BLOCKS.values()}

    @quick_jit
    def run(variables, x):
        raw, stored = detector.module.apply(
            variables, x, capture_intermediates=lambda module, _: module.name in wanted
        )
        return raw, stored["intermediates"]

    stored = np.load(golden / "eval_416.npz")
    margins = json.loads((golden / "expected.json").read_text())["f32_vs_f64_maxabs_eval"]
    x = stored["image_bgr_u8"].transpose(1, 2, 0).astype(np.float32)
    raw, blocks = run(detector.variables, x)
    for name, (module, output) in BLOCKS.items():
        holder = blocks if module == "neck" else blocks["backbone"]
        (block,) = holder[module]["__call__"]
        block = np.asarray(block if output is None else block[output]).transpose(2, 0, 1)
        part = np.ix_(*(stored[f"{name}_sub_{axis}"] for axis in ("channels", "rows", "cols")))
        atol = 10 * margins[name]
        np.testing.assert_allclose(
            block[part], stored[f"{name}_sub"], rtol=0, atol=atol, err_msg=name
        )
        moments = [block.mean(dtype=np.float64), block.std(dtype=np.float64)]
        np.testing.assert_allclose(moments, stored[f"{name}_meanstd"], rtol=0, atol=atol)
    for stride, level in zip((8, 16, 32), raw, strict=True):
        expected = stored[f"raw_{stride}"].transpose(1, 2, 0)
        np.testing.assert_allclose(level, expected, rtol=0, atol=3e-3, err_msg=str(stride))


def test_detector_loads_as_it_was_converted_with_as_many_classes(detector, golden, tmp_path):
    assert detector.settings == DetectorSettings(classes=("class 0",), size=(416, 416))
    settings = dataclasses.replace(detector.settings, classes=("person",), inputs="imagenet")
    changed = detector.replace(settings=settings)
    manifest = store.save(tmp_path / "out", changed, source={})
    loaded = ttd_jax.load(tmp_path / "out")
    assert loaded.settings == settings
    assert loaded.module == detector.module
    assert store.tree_sha256(loaded.variables) == manifest["sha256"]


def test_weights_that_are_no_detector_are_refused(tmp_path):
    manifest = {"format": store.FORMAT, "model": "ifcnn_sum", "settings": {}, "sha256": ""}
    (tmp_path / store.MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=r"of ifcnn_sum, which is no detector: .*yolox_nano"):
        ttd_jax.load(tmp_path, kind=DetectorSpec)


def test_pretrained_weights_have_the_classes_of_coco(shared):
    path = shared / "weights/yolox/yolox_nano_coco_fp16rn.pth"
    detector, _, remarks = convert_checkpoint(lookup("yolox_nano_legacy", DetectorSpec), path)
    widened, alike = remarks
    assert widened == "float16 tensors were widened to float32"
    assert "would fit yolox_nano as well" in alike
    assert len(detector.settings.classes) == 80
    assert detector.settings.inputs == "imagenet"
    assert all(leaf.dtype == np.float32 for leaf in jax.tree.leaves(detector.variables))


def test_missing_and_extra_tensors_are_named(golden):
    row = lookup("yolox_nano", DetectorSpec)
    state = torch.load(golden / "yolox_nano_random.pth", weights_only=True)["model"]
    key = "head.obj_preds.2.bias"
    with pytest.raises(UserError, match=rf"missing keys: 1 \({key}\)"):
        convert_tensors(row, {k: v for k, v in state.items() if k != key}, name="it")
    with pytest.raises(UserError, match=r"unexpected keys: 1 \(more\.weight\)"):
        convert_tensors(row, {**state, "more.weight": torch.zeros(1)}, name="it")


@pytest.mark.parametrize("size", PUBLISHED)
def test_every_size_has_its_published_number_of_parameters_and_a_whole_layout(size):
    row = lookup(f"yolox_{size}", DetectorSpec)
    shapes = row.shapes()
    paths = [target.path for target in row.layout.table.values()]
    assert sorted(paths) == sorted(shapes)
    count = sum(np.prod(leaf.shape) for path, leaf in shapes.items() if path.startswith("params/"))
    assert count / 1e6 == pytest.approx(PUBLISHED[size], abs=0.05 if size in "sml" else 0.01)
    known = {known.file: known for known in catalog.known_files()}[row.checkpoint]
    assert known.model == row.name
    assert known.url("https://raw.githubusercontent.com") == (
        f"https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0/yolox_{size}.pth"
    )
    assert known.url("http://mirror/") == (
        f"http://mirror/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0/yolox_{size}.pth"
    )


def test_checkpoint_of_another_depth_is_recognized(tmp_path):
    path = tmp_path / "yolox.pth"
    torch.save({"model": random_state(lookup("yolox_tiny", DetectorSpec)), "optimizer": {}}, path)
    with pytest.raises(UserError, match=r"not a checkpoint of yolox_l: .*--model=yolox_tiny$"):
        convert_checkpoint(lookup("yolox_l", DetectorSpec), path)
    with pytest.raises(UserError, match=r"not a checkpoint of yolox_s: .*--model=yolox_tiny$"):
        convert_checkpoint(lookup("yolox_s", DetectorSpec), path)
    deeper = {
        key: np.zeros(1) for key in lookup("yolox_m", DetectorSpec).layout.table
    }  # has all keys of yolox_s
    with pytest.raises(UserError, match=r"pass --model=yolox_m$"):
        convert_tensors(lookup("yolox_l", DetectorSpec), deeper, name="it")


@pytest.mark.parametrize("size", [(8, 6), (7, 5)])
@pytest.mark.parametrize("group", [1, 2])
def test_shifted_sums_with_a_stride_equal_the_grouped_convolution(size, group):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, *size, 4), np.float32)
    kernel = rng.standard_normal((3, 3, group, 8), np.float32)

    def both(x, kernel):
        padded = pad_border(x)
        native = _grouped_native(padded, kernel, stride=2, precision=jax.lax.Precision.HIGHEST)
        return _grouped_shifted(padded, kernel, stride=2), native

    shifted, native = quick_jit(both)(x, kernel)
    assert shifted.shape == (2, -(-size[0] // 2), -(-size[1] // 2), 8)
    np.testing.assert_allclose(shifted, native, rtol=0, atol=1e-5)
    weights = rng.standard_normal(shifted.shape, np.float32)
    gradients = [
        quick_jit(jax.grad(lambda *of, i=i: jnp.sum(weights * both(*of)[i]), (0, 1)))(x, kernel)
        for i in range(2)
    ]
    for first, second in zip(*gradients, strict=True):
        np.testing.assert_allclose(first, second, rtol=0, atol=1e-4)
    module = GroupedConv3x3(8, group=group, stride=2)
    variables = {"params": {"kernel": kernel}}
    assert jax.eval_shape(module.apply, variables, pad_border(x)).shape == shifted.shape


@pytest.mark.parametrize("shape", [(64, 48, 3), (64, 64, 1), (64, 3)])
def test_any_other_shape_is_refused_by_name(shape):
    row = lookup("yolox_nano", DetectorSpec)
    with pytest.raises(ValueError, match=r"multiples of 32 pixels.* got shape"):
        jax.eval_shape(row.build().init, jax.random.key(0), jnp.zeros(shape))
