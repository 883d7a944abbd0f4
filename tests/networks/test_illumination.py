"""The illumination classifier against the original's stored outputs and a torch twin."""

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ttd_jax
from ttd_jax.networks import ClassifierSpec, lookup
from ttd_jax.networks.illumination import day_probability
from ttd_jax.weights.convert import convert_checkpoint, convert_tensors

torch = pytest.importorskip("torch")
from ttd_jax.benchmarks.twins import piafusion as twins

ROW = lookup("piafusion_classifier", ClassifierSpec)


@pytest.fixture(scope="module", params=["msrs_night_72x96", "roadscene_odd_75x101"])
def golden(request, shared):
    return np.load(shared / "golden/piafusion" / f"{request.param}.npz")


@pytest.fixture(scope="module")
def pretrained(shared):
    return shared / "weights/piafusion/best_cls.pth"


@pytest.fixture(scope="module")
def classifier(pretrained):
    return convert_checkpoint(ROW, pretrained)[0]


@pytest.fixture(scope="module")
def twin():
    return twins.randomize(twins.IlluminationClassifier(), seed=0)


@pytest.fixture(scope="module")
def random_classifier(twin):
    return ROW.bind(convert_tensors(ROW, twin.state_dict(), name="twin")[0])


def _picture(height, width, seed=0):
    return np.random.default_rng(seed).random((height, width, 3), dtype=np.float32)


def _to_torch(rgb):
    return torch.from_numpy(np.array(rgb, np.float32).transpose(2, 0, 1)[None])


def test_scores_and_probability_equal_the_original(classifier, golden):
    rgb = golden["vi_rgb_u8"].astype(np.float32) / 255
    day, parts = jax.jit(classifier.module.apply)(classifier.variables, rgb)
    np.testing.assert_allclose(parts["pooled"], golden["cls_pooled"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(parts["pre_relu"], golden["cls_pre_relu"], rtol=0, atol=1e-4)
    np.testing.assert_allclose(day, golden["cls_day_prob"], rtol=0, atol=1e-6)


@torch.no_grad()
def test_twin_equals_the_original(pretrained, golden):
    twin = twins.IlluminationClassifier().eval()
    twin.load_state_dict(torch.load(pretrained, weights_only=True, map_location="cpu"))
    pooled, scores = twin(_to_torch(golden["vi_rgb_u8"] / np.float32(255)))
    np.testing.assert_allclose(pooled[0], golden["cls_pooled"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(scores[0], golden["cls_pre_relu"], rtol=0, atol=1e-4)


def test_real_night_pictures_are_night(classifier, shared):
    paths = sorted((shared / "data/msrs/test/vi").glob("*N.png"))
    assert paths
    pictures = np.stack([cv2.imread(str(path))[..., ::-1] for path in paths])
    of_all = jax.jit(jax.vmap(ttd_jax.illumination, in_axes=(None, 0)))
    assert (of_all(classifier, pictures.astype(np.float32) / 255) < 0.5).all()


@torch.no_grad()
@pytest.mark.parametrize("size", [(16, 16), (17, 31), (50, 33)])
def test_scores_equal_the_twin_at_even_and_odd_sizes(twin, random_classifier, size):
    rgb = _picture(*size)
    day, parts = jax.jit(random_classifier.module.apply)(random_classifier.variables, rgb)
    pooled, scores = twin(_to_torch(rgb))
    np.testing.assert_allclose(parts["pooled"], pooled[0], rtol=0, atol=1e-5)
    np.testing.assert_allclose(parts["pre_relu"], scores[0], rtol=0, atol=1e-5)
    np.testing.assert_array_equal(day, day_probability(parts["pre_relu"]))


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ((3.0, 1.0), 0.75),
        ((2.0, -1.0), 1.0),
        ((-1.0, 2.0), 0.0),
        ((0.0, 0.0), 0.5),
        ((-1.0, -2.0), 0.5),
    ],
)
def test_probability_is_the_share_of_the_positive_scores(scores, expected):
    assert day_probability(jnp.array(scores)) == expected


def test_probability_without_evidence_has_a_finite_gradient():
    assert np.isfinite(jax.grad(day_probability)(jnp.array([-1.0, -2.0]))).all()


def test_probability_of_nan_is_nan_and_not_undecided():
    assert np.isnan(day_probability(jnp.array([np.nan, 1.0])))


def test_jit_and_vmap_equal_the_plain_call(random_classifier):
    pictures = np.stack([_picture(20, 24, seed=1), 0.1 * _picture(20, 24, seed=2)])
    plain = [ttd_jax.illumination(random_classifier, rgb) for rgb in pictures]
    batch = jax.jit(jax.vmap(ttd_jax.illumination, in_axes=(None, 0)))
    np.testing.assert_allclose(batch(random_classifier, pictures), plain, rtol=0, atol=1e-6)


@pytest.mark.parametrize("shape", [(15, 40, 3), (40, 15, 3), (40, 40, 1), (1, 40, 40, 3)])
def test_any_other_shape_is_refused_by_name(random_classifier, shape):
    with pytest.raises(ValueError, match=r"16x16 pixels.* got shape"):
        ttd_jax.illumination(random_classifier, jnp.zeros(shape))
