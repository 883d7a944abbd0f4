"""The stream of batches: deterministic, resumable, the same for any number of processes."""

import collections

import numpy as np
import pytest

from ttd_jax.training.pipeline import Pipeline, shard


class Numbers:
    """Seven scenes; a sample tells which scene it is of and what its generator drew."""

    def __len__(self):
        return 7

    def __call__(self, number, generator):
        return {"scene": np.int32(number), "drawn": generator.random()}


@pytest.fixture
def pipeline():
    """`pipeline(...)` opens one and closes it in the end."""
    opened = []

    def open_one(**options):
        opened.append(Pipeline(Numbers(), **{"batch_size": 4, "seed": 3, **options}))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


def take(pipeline, count):
    batches = [next(pipeline) for _ in range(count)]
    return {key: np.stack([batch[key] for batch in batches]) for key in batches[0]}


def test_a_seed_gives_the_same_batches_and_another_seed_others(pipeline):
    first, second, other = (take(pipeline(seed=seed), 9) for seed in (3, 3, 4))
    np.testing.assert_equal(first, second)
    assert (first["scene"] != other["scene"]).any()
    assert (first["drawn"] != other["drawn"]).all()


def test_every_epoch_shows_every_scene_once_in_another_order_and_draws_anew(pipeline):
    stream = take(pipeline(), 7)
    scenes = stream["scene"].reshape(4, 7)
    for epoch in scenes:
        assert sorted(epoch) == list(range(7))
    assert len({tuple(epoch) for epoch in scenes}) > 1
    assert len(np.unique(stream["drawn"])) == 28


@pytest.mark.parametrize("stop", [0, 1, 5])
def test_a_restored_position_goes_on_with_the_same_samples(pipeline, stop):
    whole = take(pipeline(), 8)
    stopped = pipeline()
    for _ in range(stop):
        next(stopped)
    assert stopped.position == 4 * stop
    resumed = pipeline()
    resumed.seek(stopped.position)
    np.testing.assert_equal(take(resumed, 8 - stop), {k: v[stop:] for k, v in whole.items()})


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_share_the_same_batches(pipeline, processes):
    whole = take(pipeline(), 8)
    shares = [pipeline(process=i, processes=processes) for i in range(processes)]
    begun = [take(share, 3) for share in shares]
    assert {share.position for share in shares} == {12}
    resumed = [pipeline(process=i, processes=processes) for i in range(processes)]
    for share in resumed:
        share.seek(12)
    rest = [take(share, 5) for share in resumed]
    for key, values in whole.items():
        parts = [np.concatenate([b[key], r[key]]) for b, r in zip(begun, rest, strict=True)]
        assert (np.stack(parts, axis=2).reshape(values.shape) == values).all()


def test_a_process_draws_no_sample_of_another_one_s(pipeline):
    drawn = []

    class Counted(Numbers):
        def __call__(self, number, generator):
            drawn.append(number)
            return super().__call__(number, generator)

    share = Pipeline(Counted(), batch_size=4, seed=3, process=2, processes=4)
    take(share, 3)
    share.close()
    own = take(pipeline(), 8)["scene"][:, 2].tolist()
    assert 3 <= len(drawn) <= 8  # some ahead
    assert collections.Counter(drawn) <= collections.Counter(own)


def test_a_batch_is_sharded_over_devices_and_steps_without_loss():
    batch = {"x": np.arange(24).reshape(12, 2)}
    sharded = shard(batch, devices=2, accumulate=3)["x"]
    assert sharded.shape == (2, 3, 2, 2)
    assert (sharded.reshape(12, 2) == batch["x"]).all()
