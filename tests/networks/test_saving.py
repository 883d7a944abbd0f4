"""What the authors' scripts save of fused pictures: their bytes, from their own fused arrays."""

import itertools

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.networks.golden import Golden
from ttd_jax.core.color import pillow_gray
from ttd_jax.core.quantization import quantize
from ttd_jax.networks import saving
from ttd_jax.networks.saving import Saving

YCRCB = Saving(join=saving.join_ycrcb)
STRETCHED = Saving(join=saving.join_ycrcb, stretch=("gray", "color"))
GRAY = Saving(stretch=("gray",))
OPENCV = Saving(join=saving.join_opencv)


def _unit(golden, key):
    return golden.picture(key) / np.float32(255)


# network, case, how the network finishes the key, rule, levels, fused key, saved key
SAVED = [
    *(
        ("densefuse", case, _unit, Saving(rgb="rgb" in case), "truncate", f"fused{ttd}_raw")
        for case in ("msrs_64x80", "random_odd_17x22", "rgb_model_msrs_64x80")
        for ttd in ("", "_ttd")
    ),
    *(
        ("didfuse", case, Golden.picture, Saving(), "round", f"fused{ttd}_raw")
        for case in ("msrs_64x80", "random_odd_17x22")
        for ttd in ("", "_ttd")
    ),
    *(
        ("pfcfuse", case, Golden.picture, OPENCV, "truncate", f"fused_{run}_vi")
        for case in ("msrs_64x80", "random_odd_17x22")
        for run in ("baseline", "ttd")
    ),
    *(
        ("seafusion", case, Golden.picture, STRETCHED, "truncate", f"fused{ttd}_raw")
        for case in ("msrs_64x80", "random_odd_17x22")
        for ttd in ("", "_ttd")
    ),
    ("mufusion", "tiled_odd_259x301", Golden.picture, GRAY, "round", "fused_tiled_roadscene"),
    ("piafusion", "msrs_night_72x96", Golden.picture, YCRCB, "truncate", "fused"),
    ("piafusion", "roadscene_odd_75x101", Golden.picture, YCRCB, "truncate", "fused"),
]


@pytest.mark.parametrize(("network", "case", "finish", "rule", "how", "key"), SAVED)
def test_bytes_are_those_of_the_authors_scripts(shared, network, case, finish, rule, how, key):
    golden = Golden(shared, network, case)
    fused, name = finish(golden, key), key.removesuffix("_raw")
    pictures = [
        golden[key] if golden[key].ndim == 3 else golden[key][..., None]
        for key in ("vi_rgb_u8", "ir_u8")
        if key in golden
    ]
    saved = rule.saved(fused, pictures, how)
    joined = rule.join is not None and f"{name}_rgb_u8" in golden
    expected = golden[f"{name}_rgb_u8" if joined else f"{name}_u8"]
    np.testing.assert_array_equal(saved, expected.reshape(saved.shape))
    assert saved.dtype == np.uint8
    if f"{name}_u8" in golden and joined:  # and its luma alone
        np.testing.assert_array_equal(quantize(fused, how=how)[..., 0], golden[f"{name}_u8"])


def test_chroma_of_mufusion_is_that_of_its_script_up_to_the_luma_that_it_fused(shared):
    # It fused luma that was not rounded; stored is what it gives for rounded grays.
    golden = Golden(shared, "mufusion", "tiled_odd_259x301")
    fused, rule = golden.picture("fused_tiled_roadscene"), Saving(join=saving.join_ycbcr)
    assert fused.min() < 0  # not clipped before colors are joined
    saved = rule.saved(fused, [golden["vi_rgb_u8"], golden["ir_u8"][..., None]], "round")
    expected = golden["fused_tiled_roadscene_rgb_u8"].astype(int)
    np.testing.assert_allclose(saved, expected, atol=1, rtol=0)


def test_fixed_point_is_that_of_opencv_and_pillow():
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (256, 257, 3), np.uint8)
    rgb[0, :8] = list(itertools.product((0, 255), repeat=3))
    luma = rng.random((256, 257, 1), np.float32)
    ycrcb = cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb)
    ycrcb[..., :1] = 255 * luma
    expected = cv2.cvtColor(ycrcb, cv2.COLOR_YCrCb2RGB)
    np.testing.assert_array_equal(saving.join_opencv(luma, rgb), expected)
    gray = np.asarray(Image.fromarray(rgb).convert("L"))
    np.testing.assert_array_equal(pillow_gray(rgb)[..., 0], gray)


def test_merged_chroma_has_the_weights_of_mufusions_scripts():
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (3, 4, 3), np.uint8), np.full((3, 4, 1), 90, np.uint8)]
    luma = rng.random((3, 4, 1), np.float32)
    rule = Saving(join=saving.join_ycbcr, merged=True)
    chroma = pictures[0] @ np.array([(-0.169, -0.331, 0.5), (0.5, -0.419, -0.081)]).T
    weights = abs(chroma - 128)
    cb, cr = np.moveaxis(chroma * weights / (weights + 128), -1, 0)  # the gray one has 0
    y = 255 * luma[..., 0].astype(float)
    rgb = np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], axis=-1)
    saved = rule.saved(luma, pictures, "round")
    np.testing.assert_allclose(saved, np.rint(np.clip(rgb, 0, 255)), atol=0)


def test_strips_are_those_of_the_whole_picture(monkeypatch):
    rng = np.random.default_rng(0)
    fused, rgb = rng.random((37, 5, 1), np.float32), rng.integers(0, 256, (37, 5, 3), np.uint8)
    gray = rgb[..., :1]
    for rule in (STRETCHED, OPENCV, Saving(join=saving.join_ycbcr, merged=True)):
        whole = rule.saved(fused, [rgb, gray], "truncate")
        with monkeypatch.context() as patch:
            patch.setattr(saving, "_ROWS", 8)
            np.testing.assert_array_equal(rule.saved(fused, [rgb, gray], "truncate"), whole)


def test_networks_are_given_what_the_scripts_give_them():
    rng = np.random.default_rng(0)
    rgb, other = rng.integers(0, 256, (2, 3, 4, 3), np.uint8)
    gray = rgb[..., :1]
    flat = np.repeat(pillow_gray(other), 3, axis=-1)
    for rule, pictures, expected, mode in (
        (Saving(), [other, gray], [flat, gray], "network"),
        (OPENCV, [rgb, other], [rgb, flat], "authors"),
        (OPENCV, [gray, rgb], [gray, rgb], "authors"),
        (OPENCV, [gray, gray], [gray, gray], "network"),
        (Saving(join=saving.join_ycbcr, merged=True), [rgb, other], [rgb, other], "authors"),
        (Saving(rgb=True), [rgb, gray], [rgb, gray], "rgb"),
        (GRAY, [gray, gray], [gray, gray], "authors"),
    ):
        for found, due in zip(rule.given(pictures), expected, strict=True):
            np.testing.assert_array_equal(found, due)
        assert rule.mode([picture.shape[-1] == 3 for picture in pictures]) == mode
