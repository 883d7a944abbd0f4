"""Sequences with known motion."""

import itertools

import cv2
import numpy as np
import pytest

from ttd_jax.pictures.clips import generate_clip

SIZE = (48, 65)


def picture():
    noise = np.random.default_rng(0).random((90, 121, 3), np.float32)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3.0), None, 0, 1, cv2.NORM_MINMAX)


def carried(frame, flow):
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float32)
    return cv2.remap(frame, columns + flow[..., 0], rows + flow[..., 1], cv2.INTER_LINEAR)


@pytest.fixture(scope="module")
def clip():
    return list(generate_clip(picture(), count=6, size=SIZE, noise=(0, 0), speed=4.0, cuts=(4,)))


def test_the_flow_carries_each_frame_onto_the_next_where_the_mask_says_so(clip):
    for before, now in itertools.pairwise(clip):
        if now.cut:
            assert not now.mask.any()
            continue
        assert 0.7 < now.mask.mean() < 1
        assert np.abs(now.flow).max() > 2
        for kind in ("visible", "thermal"):
            error = np.abs(
                carried(getattr(before, kind), now.flow) - 1.0 * getattr(now, kind).squeeze()
            )
            assert error[now.mask].mean() < 1.5
            assert error[~now.mask].mean() > 3 * error[now.mask].mean()


def test_the_object_moves_by_itself_and_is_warm(clip):
    moving = np.linalg.norm(clip[1].flow - np.median(clip[1].flow, axis=(0, 1)), axis=-1) > 1
    assert 0.03 < moving.mean() < 0.4
    thermal = clip[1].thermal[..., 0]
    assert thermal[moving].mean() > thermal[~moving].mean() + 30


def test_frames_are_those_of_their_seed_and_number():
    def frames(count, seed, noise=(0.1, 0.1), **options):
        clip = generate_clip(picture(), count=count, size=SIZE, seed=seed, noise=noise, **options)
        return [(frame.visible, frame.thermal) for frame in clip]

    short, long, other = frames(2, 1), frames(3, 1), frames(2, 2)
    for (visible, thermal), (same, alike) in zip(short, long[:2], strict=True):
        np.testing.assert_array_equal(visible, same)
        np.testing.assert_array_equal(thermal, alike)
    assert not np.array_equal(short[0][0], other[0][0])
    clean, deep = frames(2, 1, (0, 0)), frames(2, 1, depth=np.uint16)
    assert 20 < np.std(np.subtract(short[0][0], clean[0][0], dtype=float)) < 27
    assert deep[0][1].dtype == np.uint16
    np.testing.assert_allclose(deep[0][1] / 257, short[0][1], atol=0.51)
