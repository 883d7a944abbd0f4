"""Motion between frames, on clips where it is known."""

import itertools

import cv2
import numpy as np
import pytest

from ttd_jax.pictures.clips import generate_clip
from ttd_jax.pictures.motion import measure_motion

SIZE = (120, 161)


def grays(frame):
    """The streams of a clip's frame, u8[2, H, W]."""
    return np.stack([cv2.cvtColor(frame.visible, cv2.COLOR_RGB2GRAY), frame.thermal[..., 0]])


@pytest.fixture(scope="module")
def clip():
    noise = np.random.default_rng(0).random((240, 300, 3), np.float32)
    picture = sum(cv2.GaussianBlur(noise, (0, 0), s) * s for s in (1.5, 6.0))
    picture = cv2.normalize(picture, None, 0, 1, cv2.NORM_MINMAX)
    return list(generate_clip(picture, count=5, size=SIZE, speed=3.0, cuts=(3,)))


def test_motion_is_found_where_it_holds_and_nowhere_across_a_cut(clip):
    for before, now in itertools.pairwise(clip):
        motion = measure_motion(grays(before), grays(now))
        assert motion.flow.dtype == np.float32
        assert motion.cut == now.cut
        if now.cut:
            assert not motion.mask.any()
            continue
        error = np.linalg.norm(motion.flow - now.flow, axis=-1)
        assert np.linalg.norm(now.flow, axis=-1).mean() > 1.5
        assert error[now.mask & motion.mask].mean() < 0.5
        assert motion.mask[now.mask].mean() > 0.9


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (97, 33)])
def test_frames_may_have_any_size(size):
    frame = np.random.default_rng(0).integers(0, 256, size).astype(np.uint8)
    motion = measure_motion(frame, frame)
    assert motion.flow.shape == (*size, 2)
    assert motion.mask.shape == size
    assert not motion.cut
    assert motion.mask.all()


def test_noise_alone_shows_neither_motion_nor_a_cut():
    frames = np.random.default_rng(0).normal(60, 4, (2, *SIZE)).astype(np.uint8)
    motion = measure_motion(*frames)
    assert not motion.cut
    assert motion.mask.mean() > 0.9


def test_what_another_stream_alone_sees_move_is_not_reliable():
    still = np.random.default_rng(0).integers(0, 256, (24, 32)).astype(np.uint8)
    still = cv2.resize(still, SIZE[::-1], interpolation=cv2.INTER_CUBIC)
    warm = np.zeros((2, *SIZE), np.uint8)
    warm[0, 30:60, 20:50] = warm[1, 30:60, 40:70] = 200
    before, now = (np.stack([still, thermal]) for thermal in warm)
    assert measure_motion(before[0], now[0]).mask.all()
    mask = measure_motion(before, now).mask
    assert not mask[34:56, 24:36].any()
    assert not mask[34:56, 54:66].any()
    assert mask[80:].all()
