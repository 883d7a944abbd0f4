"""Letterboxing against the original's frames, and both generations of preprocessing."""

import cv2
import jax
import numpy as np
import pytest

from ttd_jax.detection.frames import letterbox
from ttd_jax.detection.preparation import prepare
from ttd_jax.pictures.images import read_picture


@pytest.fixture(scope="module")
def street(shared):
    return read_picture(shared / "data/llvip/visible/test/190001.jpg").pixels


@pytest.mark.parametrize("side", [416, 832])
def test_frame_equals_the_original(shared, street, side):
    framed, ratio = letterbox(street, (side, side))
    path = shared / "golden/yolox_coco" / f"llvip190001_vi_letterbox{side}.png"
    np.testing.assert_array_equal(framed[..., ::-1], cv2.imread(str(path)))
    assert ratio == side / 1280


def test_frame_in_the_domain_of_the_network_equals_the_original(shared, street):
    stored = np.load(shared / "golden/yolox/eval_416.npz")
    framed, ratio = letterbox(street, (416, 416))
    assert ratio == stored["letterbox_ratio"]
    found = prepare(framed.astype(np.float32) / 255, "bgr")
    expected = stored["image_bgr_u8"].transpose(1, 2, 0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("height", "width"), [(10, 40), (40, 10), (1, 300), (64, 96)])
def test_picture_is_at_the_top_left_and_gray_is_around_it(height, width):
    framed, ratio = letterbox(np.full((height, width, 1), 7, np.uint8), (64, 96))
    rows, columns = max(1, int(height * ratio)), max(1, int(width * ratio))
    assert framed.shape == (64, 96, 3)
    assert (framed[:rows, :columns] == 7).all()
    assert (framed == 7).all(axis=-1).sum() == rows * columns
    assert set(np.unique(framed)) <= {7, 114}
    assert ratio == min(64 / height, 96 / width)


def test_legacy_preprocessing_standardizes_rgb():
    rgb = np.random.default_rng(0).random((4, 5, 3), dtype=np.float32)
    found = prepare(rgb, "imagenet")
    mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    np.testing.assert_allclose(found, (rgb - mean) / deviation, rtol=0, atol=1e-5)
    assert np.isfinite(jax.grad(lambda x: prepare(x, "imagenet").sum())(rgb)).all()
    with pytest.raises(ValueError, match=r"one of .*got 'rgb'"):
        prepare(rgb, "rgb")
