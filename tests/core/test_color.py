"""BT.601 conversion and the treatment of colored sources."""

import functools

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ttd_jax.core import color
from ttd_jax.core.fusion import Fusion


def random_rgb(size=(9, 14), seed=0):
    return jax.random.uniform(jax.random.key(seed), (*size, 3))


def average(sources):
    """A stand-in for a network: the mean of its sources."""
    maps = jnp.zeros(sources.shape[:3])
    return Fusion(image=sources.mean(0), dominability=maps, components=sources, losses=maps)


def test_luma_and_chroma_are_those_of_opencv():
    rgb = np.asarray(random_rgb())
    expected = cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb)[..., [0, 2, 1]]
    luma, chroma = color.rgb_to_ycbcr(rgb)
    np.testing.assert_allclose(np.concatenate([luma, chroma], -1), expected, atol=1e-3)


def test_conversion_there_and_back_is_the_identity():
    rgb = random_rgb()
    np.testing.assert_allclose(color.ycbcr_to_rgb(*color.rgb_to_ycbcr(rgb)), rgb, atol=1e-6)


def test_gray_has_no_chroma():
    _, chroma = color.rgb_to_ycbcr(jnp.full((4, 5, 3), 0.3))
    np.testing.assert_allclose(chroma, 0.5, atol=1e-6)


def test_result_is_clipped():
    rgb = color.ycbcr_to_rgb(jnp.ones((2, 2, 1)), jnp.ones((2, 2, 2)))
    assert float(rgb.max()) == 1.0


def test_chroma_of_the_one_colored_source_is_kept_exactly():
    chroma = jax.random.uniform(jax.random.key(0), (1, 5, 6, 2))
    np.testing.assert_array_equal(color.merge_chroma(chroma), chroma[0])


def test_two_chromas_are_weighted_by_their_distance_from_gray():
    first, second = jnp.full((3, 3, 2), 0.9), jnp.full((3, 3, 2), 0.6)
    merged = color.merge_chroma(jnp.stack([first, second]))
    np.testing.assert_allclose(merged, (0.4 * 0.9 + 0.1 * 0.6) / 0.5, atol=1e-6)
    gray = jnp.full((3, 3, 2), 0.5)
    np.testing.assert_allclose(color.merge_chroma(jnp.stack([first, gray])), first, atol=1e-6)
    np.testing.assert_allclose(color.merge_chroma(jnp.stack([gray, gray])), 0.5, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_luma_mode_keeps_the_chroma_of_the_colored_source(channels):
    rgb, gray = random_rgb() * 0.4 + 0.3, random_rgb(seed=1)[..., :1] * 0.1 + 0.45
    fusion = color.fuse_in_color(average, (rgb, gray), mode="luma", channels=channels)
    luma, chroma = color.rgb_to_ycbcr(fusion.image)
    np.testing.assert_allclose(chroma, color.rgb_to_ycbcr(rgb)[1], atol=1e-5)
    np.testing.assert_allclose(luma, (color.rgb_to_luma(rgb) + gray) / 2, atol=1e-5)
    assert fusion.components.shape[-1] == 1


def test_modes_decide_the_channels_that_come_out():
    pictures = (random_rgb(), random_rgb(seed=1)[..., :1])
    fuse = functools.partial(color.fuse_in_color, average, channels=3)
    assert fuse(pictures, mode="gray").image.shape[-1] == 1
    assert fuse(pictures, mode="rgb").image.shape[-1] == 3
    assert fuse(pictures[1:], mode="network").image.shape[-1] == 3
    expected = (pictures[0] + pictures[1]) / 2
    np.testing.assert_allclose(fuse(pictures, mode="rgb").image, expected, atol=1e-6)


def test_modes_that_cannot_work_say_so():
    with pytest.raises(ValueError, match="three channels"):
        color.fuse_in_color(average, (random_rgb(),), mode="rgb", channels=1)
    with pytest.raises(ValueError, match="color"):
        color.fuse_in_color(average, (random_rgb()[..., :1],), mode="luma", channels=3)
