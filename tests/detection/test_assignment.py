"""SimOTA against the rule written out as loops, and on cases that can be told by hand."""

import jax
import numpy as np
import pytest

from ttd_jax.detection.assignment import assign
from ttd_jax.detection.boxes import Objects, make_anchors, overlap, to_centers, to_corners

HEIGHT, WIDTH, CLASSES = 64, 96, 3
ANCHORS = make_anchors(HEIGHT, WIDTH)
COUNT = len(ANCHORS.strides)
_assign = jax.jit(assign)


def _case(seed, count, size=8):
    """Predictions scattered about the anchors, and `count` of `size` objects."""
    rng = np.random.default_rng(seed)
    spread = ANCHORS.strides * rng.normal(0, 0.7, (COUNT, 2))
    sides = ANCHORS.strides * np.exp(rng.normal(0.8, 0.6, (COUNT, 2)))
    centers = np.concatenate([ANCHORS.centers + spread, sides], axis=1).astype(np.float32)
    logits = rng.normal(-1, 2, (COUNT, 1 + CLASSES)).astype(np.float32)
    boxes = np.zeros((size, 4), np.float32)
    middles = rng.uniform((0, 0), (WIDTH, HEIGHT), (count, 2))
    halves = rng.uniform(4, 24, (count, 2))
    boxes[:count] = np.concatenate([middles - halves, middles + halves], axis=1)
    classes = np.zeros(size, np.int32)
    classes[:count] = rng.integers(CLASSES, size=count)
    return centers, logits, Objects(boxes=boxes, classes=classes, mask=np.arange(size) < count)


def _expected(centers, logits, objects):
    """The rule, pair by pair, in float64."""
    corners = np.asarray(to_corners(centers), np.float64)
    probabilities = 1 / (1 + np.exp(-logits.astype(np.float64)))
    there = np.flatnonzero(objects.mask)
    distance = np.abs(
        np.asarray(to_centers(objects.boxes))[there, None, :2] - ANCHORS.centers[None]
    )
    near = (distance < 1.5 * ANCHORS.strides).all(axis=-1)
    candidates = np.flatnonzero(near.any(axis=0))
    cost, share = np.zeros((2, len(there), len(candidates)))
    shares = np.asarray(overlap(objects.boxes[:, None], corners[None]))
    for row, index in enumerate(there):
        for column, place in enumerate(candidates):
            share[row, column] = shares[index, place]
            joint = np.sqrt(probabilities[place, 0] * probabilities[place, 1:])
            truth = np.arange(CLASSES) == objects.classes[index]
            cost[row, column] = (
                -np.sum(np.where(truth, np.log(joint), np.log(1 - joint)))
                - 3 * np.log(share[row, column] + 1e-8)
                + 1e6 * (not near[row, place])
            )
    owner = np.full(COUNT, -1)
    taken = np.zeros(cost.shape, bool)
    for row in range(len(there)):
        wanted = max(int(np.sort(share[row])[::-1][:10].sum()), 1)
        taken[row, np.argsort(cost[row])[:wanted]] = True
    for column in range(len(candidates)):
        takers = np.flatnonzero(taken[:, column])
        if len(takers) > 1:  # whoever it is cheapest to, even if that one did not take it
            takers = [np.argmin(cost[:, column])]
        if len(takers):
            owner[candidates[column]] = there[takers[0]]
    return owner


@pytest.mark.parametrize("count", [1, 3, 8])
def test_assignment_equals_the_rule_written_out(count):
    contested = 0
    for seed in range(3):
        centers, logits, objects = _case(seed, count)
        found = _assign(centers, logits, objects, ANCHORS)
        owner = np.where(found.foreground, found.objects, -1)
        expected = _expected(centers, logits, objects)
        np.testing.assert_array_equal(owner, expected, err_msg=str(seed))
        contested += np.sum(owner >= 0)
        shares = overlap(objects.boxes[found.objects], to_corners(centers))
        np.testing.assert_allclose(
            found.overlaps, np.where(found.foreground, shares, 0), rtol=0, atol=1e-6
        )
    assert contested >= 3 * min(count, 4)


def test_a_picture_without_objects_is_all_background():
    found = _assign(*_case(0, 0), ANCHORS)
    assert not found.foreground.any()
    assert not found.overlaps.any()


def test_padding_changes_nothing():
    centers, logits, objects = _case(3, 4)
    shorter = jax.tree.map(lambda leaf: leaf[:4], objects)
    garbage = objects.replace(boxes=np.where(objects.mask[:, None], objects.boxes, 30.0))
    first, *others = (
        _assign(centers, logits, each, ANCHORS) for each in (objects, shorter, garbage)
    )
    for other in others:
        jax.tree.map(np.testing.assert_array_equal, first, other)


def test_a_batch_equals_picture_by_picture():
    cases = [_case(seed, count) for seed, count in ((0, 2), (1, 0), (2, 8))]
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *cases)
    batch = jax.jit(jax.vmap(assign, in_axes=(0, 0, 0, None)))(*stacked, ANCHORS)
    for index, case in enumerate(cases):
        alone = _assign(*case, ANCHORS)
        jax.tree.map(
            lambda many, one, i=index: np.testing.assert_array_equal(many[i], one), batch, alone
        )
