"""Batches of one shape, and their slots."""

import itertools

import numpy as np

from ttd_jax.pictures.batches import fill_up, plan_batches, stack, stack_masks
from ttd_jax.pictures.checking import Checked
from ttd_jax.pictures.images import Picture


def checked(size, colored=(True, False), **fields):
    return Checked(size, colored, ("", ""), **fields)


def test_a_batch_holds_one_shape_and_every_scene_is_in_one():
    sizes = [(256, 256), (480, 640)]
    scenes = [checked(sizes[i % 2], (i % 3 == 0, False)) for i in range(40)]
    batches = plan_batches(scenes)
    for batch in batches:
        assert {(scenes[i].size, scenes[i].colored) for i in batch.indices} == {
            (batch.size, batch.colored)
        }
    assert sorted(i for batch in batches for i in batch.indices) == list(range(40))
    order = [(batch.size, batch.colored) for batch in batches]
    changes = sum(a != b for a, b in itertools.pairwise(order))
    assert changes == len(set(order)) - 1  # batches of one shape follow each other


def test_capacity_is_one_program_a_shape_and_falls_with_the_size():
    small = plan_batches([checked((64, 64))] * 11)
    assert [len(b.indices) for b in small] == [8, 3]
    assert {b.capacity for b in small} == {8}
    large = plan_batches([checked((2000, 3000))] * 3)
    assert [b.capacity for b in large] == [1, 1, 1]
    assert {b.capacity for b in plan_batches([checked((64, 64))], 5)} == {1}


def test_as_many_scenes_are_together_as_fit_unless_their_number_is_given():
    asked = []

    def fit(batch):
        asked.append((batch.size, batch.capacity, batch.indices))
        return 3

    scenes = [checked((600, 800))] * 10 + [checked((64, 64))] * 2
    batches = plan_batches(scenes, fit=fit)
    assert asked == [((600, 800), 8, tuple(range(8))), ((64, 64), 2, (10, 11))]
    assert [(b.capacity, len(b.indices)) for b in batches] == [
        (3, 3),
        (3, 3),
        (3, 3),
        (3, 1),
        (2, 2),
    ]
    assert {b.capacity for b in plan_batches(scenes, 5, fit=None)} == {5, 2}
    assert plan_batches(scenes, 5, fit=fit) == plan_batches(scenes, 5)
    assert len(asked) == 2


def test_a_scene_keeps_its_slot_whatever_is_finished():
    (first, second) = plan_batches([checked((64, 64))] * 7, 4)
    assert first.missing({0, 2}) == {1: 1, 3: 3}
    assert second.missing({5}) == {0: 4, 2: 6}
    assert second.shapes == ((64, 64, 3), (64, 64, 1))


def test_slots_without_a_scene_hold_zeros():
    slots = {2: (np.ones(2), [np.uint8(7)]), 0: (np.full(2, 3.0), [np.uint8(5)])}
    arrays, (numbers,) = stack(4, slots)
    np.testing.assert_array_equal(arrays, [[3, 3], [0, 0], [1, 1], [0, 0]])
    assert numbers.tolist() == [5, 0, 7, 0]
    assert numbers.dtype == np.uint8
    np.testing.assert_array_equal(stack(1, {0: np.ones(2)}, lambda x: x / 2), [[0.5, 0.5]])


def test_scenes_of_many_sizes_lie_in_arrays_of_one():
    scenes = [checked((60, 90)), checked((64, 80)), checked((2000, 3000)), checked((50, 90))]
    small, large = plan_batches(scenes, exact=False)
    assert small.indices == (0, 1, 3)
    assert small.size == (64, 96)
    assert small.extents.tolist() == [[60, 90], [64, 80], [50, 90]]
    assert large.size == (2000, 3000)  # alone in its arrays, which hold nothing else
    assert large.extents is None
    first, second = plan_batches(scenes[:2] + scenes[3:], 2, exact=False)
    assert second.extents.tolist() == [[50, 90], [64, 96]]  # of slots without a scene, all
    assert first.frame == second.frame


def test_arrays_are_filled_up_below_and_to_the_right():
    grays = fill_up(np.ones((2, 3, 4)), (5, 6), axis=1)
    assert grays.shape == (2, 5, 6)
    assert grays.sum() == 24
    assert grays[:, :3, :4].all()
    own = np.ones((3, 4, 1))
    assert fill_up(own, (3, 4)) is own


def test_scenes_with_masks_are_batched_apart():
    scenes = [checked((60, 90), masked=n % 3 == 0) for n in range(7)]
    whole, masked = sorted(plan_batches(scenes), key=lambda batch: batch.masked)
    assert (whole.indices, whole.mask_shape) == ((1, 2, 4, 5), None)
    assert (masked.indices, masked.mask_shape) == ((0, 3, 6), (2, 60, 90))


def test_masks_are_stacked_and_false_beyond_the_picture():
    some = np.arange(6).reshape(2, 3) > 1
    pictures = [Picture(np.zeros((2, 3, 1), np.uint8), has_data=mask) for mask in (None, some)]
    masks = stack_masks(pictures, (4, 4))
    assert (masks.dtype, masks.shape) == (bool, (2, 4, 4))
    np.testing.assert_array_equal(masks[:, :2, :3], [np.ones((2, 3)), some])
    assert masks.sum() == 6 + 4
