"""Samples: aligned, mirrored alike, in the network's channels, with something on them."""

import cv2
import numpy as np
import pytest
import tifffile

from tests.commands.conftest import draw
from tests.training.small_run import small_config
from ttd_jax.errors import UserError
from ttd_jax.networks import lookup
from ttd_jax.pictures.checking import check
from ttd_jax.pictures.crops import central_crop, is_low_contrast, random_crop, random_flip
from ttd_jax.pictures.scenes import find_scenes
from ttd_jax.training.data import find_data
from ttd_jax.training.samples import SampleOptions, Sampler
from ttd_jax.training.scenes import held_back, join_examples


@pytest.fixture
def pairs(tmp_path):
    """Three scenes; the infrared picture is the visible one's negative of its red channel."""
    for i in range(3):
        visible = draw(tmp_path / "v" / f"{i}.png", (40, 48), channels=3, seed=i)
        (tmp_path / "i").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "i" / f"{i}.png"), 255 - cv2.imread(str(visible))[..., 2])
    return find_scenes([tmp_path / "v", tmp_path / "i"], ("v", "i"))


def sampler(examples, **options):
    defaults = {"channels": 1, "crop": 16}
    return Sampler(examples, range(len(examples)), SampleOptions(**{**defaults, **options}))


def test_crops_and_flips_of_the_sources_are_aligned(pairs):
    draws = sampler(pairs, channels=3, color="rgb", least_contrast=0.0)
    generator = np.random.default_rng(0)
    for number in range(3):
        for _ in range(10):
            visible, infrared = draws(number, generator)["sources"]
            assert visible.shape == (16, 16, 3)
            np.testing.assert_allclose(infrared[..., 0], 1 - visible[..., 0], atol=1e-6)


def test_samples_are_read_by_the_configs_ranges_and_bands(tmp_path):
    generator = np.random.default_rng(0)
    for folder, shape in (("v", (24, 32, 5)), ("i", (24, 32))):
        (tmp_path / folder).mkdir()
        for i in range(3):
            picture = generator.uniform(20, 45, shape).astype(np.float32)
            file = tmp_path / folder / f"{i}.tif"
            tifffile.imwrite(file, picture, photometric="minisblack", planarconfig="contig")
    config = small_config(tmp_path, "", range="20,45", bands=(3, 2, 1))
    data = find_data(config, lookup("ifcnn_sum"), needs=())
    for sampler in (data.scenes, data.held_back):
        sources = sampler(0, generator)["sources"]
        assert 0 <= sources.min() < 0.1
        assert 0.8 < sources.max() <= 1
    with pytest.raises(UserError, match="of evaluate and finetune"):
        find_data(small_config(tmp_path, "", bands=(1,)), lookup("ifcnn_sum"), needs=())


def test_crops_reach_every_place_and_flips_every_way():
    picture = np.arange(25).reshape(5, 5, 1)
    generator = np.random.default_rng(0)
    corners = {random_crop([picture], 3, generator)[0][0, 0, 0].item() for _ in range(200)}
    assert corners == {0, 1, 2, 5, 6, 7, 10, 11, 12}
    turned = {tuple(random_flip([picture], generator)[0].ravel()) for _ in range(50)}
    assert len(turned) == 4
    assert (central_crop([picture], 3)[0] == picture[1:4, 1:4]).all()
    assert central_crop([picture], 0)[0].shape == central_crop([picture], 9)[0].shape == (5, 5, 1)


def test_channels_are_those_of_the_network(pairs):
    generator = np.random.default_rng(0)
    gray = sampler(pairs, visible_rgb=True, flips=False, least_contrast=0.0)(1, generator)
    assert gray["sources"].shape == (2, 16, 16, 1)
    luma = gray["visible_rgb"] @ np.array([0.299, 0.587, 0.114], np.float32)
    np.testing.assert_allclose(gray["sources"][0, ..., 0], luma, atol=1e-6)
    repeated = sampler(pairs, channels=3)(1, generator)["sources"]
    assert (repeated == repeated[..., :1]).all()
    assert (repeated >= 0).all()
    assert (repeated <= 1).all()


@pytest.mark.parametrize("name", ["multi_focus", "multi_exposure"])
def test_synthetic_pairs_know_their_truth(tmp_path, name):
    draw(tmp_path / "a.png", (40, 40), channels=3)
    examples = find_scenes([tmp_path], ("picture",), least=1)
    draws = sampler(examples, channels=3, color="rgb", crop=24, synthetic=(name,))
    sample = draws(0, np.random.default_rng(1))
    truth, (first, second) = sample["truth"], sample["sources"]
    assert truth.shape == first.shape == (24, 24, 3)
    assert np.abs(first - second).max() > 0.05
    if name == "multi_focus":  # what one blurs the other shows sharp
        nearest = np.minimum(np.abs(first - truth), np.abs(second - truth))
        assert nearest.mean() < 0.3 * np.abs(first - truth).mean()
    else:
        assert (first <= second + 1e-6).all()
    again = draws(0, np.random.default_rng(1))
    np.testing.assert_equal(sample, again)


def test_several_kinds_of_synthetic_pairs_take_turns_by_chance(tmp_path):
    draw(tmp_path / "a.png", (40, 40), channels=3)
    examples = find_scenes([tmp_path], ("picture",), least=1)
    kinds = ("multi_focus", "multi_exposure")
    draws = sampler(examples, channels=3, color="rgb", crop=24, synthetic=kinds)
    assert draws.roles == ("source1", "source2")
    generator = np.random.default_rng(4)
    darker = [
        (lambda s: bool((s[0] <= s[1] + 1e-6).all()))(draws(0, generator)["sources"])
        for _ in range(12)
    ]
    assert 2 <= sum(darker) <= 10  # only exposures are ordered


def test_contrast_is_that_of_the_outer_percentiles_over_the_upper_one():
    ramp = np.linspace(0.5, 0.6, 101)
    assert not is_low_contrast(ramp, (0.59 - 0.51) / 0.59 - 1e-6)
    assert is_low_contrast(ramp, (0.59 - 0.51) / 0.59 + 1e-6)
    assert is_low_contrast(np.zeros(9))
    assert is_low_contrast(np.full(9, 0.3))
    assert not is_low_contrast(np.zeros(9), 0.0)


def test_crops_without_contrast_are_left_out(tmp_path):
    flat = np.full((40, 80), 128, np.uint8)
    lively = flat.copy()
    lively[:, 48:] = np.random.default_rng(0).integers(0, 255, (40, 32))
    for folder in ("v", "i"):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / "a.png"), flat)
        cv2.imwrite(str(tmp_path / folder / "b.png"), lively)
    examples = find_scenes([tmp_path / "v", tmp_path / "i"], ("v", "i"))
    draws = sampler(examples)
    generator = np.random.default_rng(0)
    for number in (0, 1) * 10:  # in place of the flat scene comes one of the other
        source = draws(number, generator)["sources"][0]
        assert not is_low_contrast(source)
    only_flat = Sampler(examples, [0], SampleOptions(channels=1, crop=16))
    with pytest.raises(UserError, match="least_contrast"):
        only_flat(0, generator)


def test_scenes_are_held_back_evenly_and_never_trained_on():
    for count, out_of in ((0, 3), (1, 2), (4, 12), (3, 10), (9, 10)):
        kept, back = held_back(count, out_of)
        assert len(back) == count
        assert sorted((*kept, *back)) == list(range(out_of))
    assert held_back(2, 8)[1] == (2, 6)
    with pytest.raises(UserError, match="held_back"):
        held_back(3, 3)


def test_sets_are_joined_and_their_fingerprint_tells_every_file(pairs, tmp_path):
    joined = join_examples({"x": pairs, "y": pairs})
    assert [joined[i].name for i in range(6)] == [*joined.names]
    assert joined[4].name == "y/1"
    assert joined[4].files == pairs[1].files
    before = check(joined).sha256
    draw(tmp_path / "i" / "2.png", (40, 48), seed=77)
    assert check(joined).sha256 != before
    single = find_scenes([tmp_path / "v"], ("picture",), least=1)
    with pytest.raises(UserError, match="numbers of sources"):
        join_examples({"x": pairs, "y": single})
