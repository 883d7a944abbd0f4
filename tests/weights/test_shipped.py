"""The weights that come with the package: what they are, and how good."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ttd_jax
from ttd_jax import metrics
from ttd_jax.pictures.images import read_picture
from ttd_jax.pictures.public import HELD_BACK, TRAINING, public_picture
from ttd_jax.pictures.synthetic import multi_focus_pair
from ttd_jax.weights import store

SHIPPED = "shipped/ifcnn_sum"
_fuse = jax.jit(lambda model, sources: ttd_jax.static_fuse(model, sources).image)


@pytest.fixture(scope="module")
def models(real_weights):
    paths = {"shipped": SHIPPED, "authors": real_weights}
    return {name: ttd_jax.load(path) for name, path in paths.items()}


def _psnr(image, truth):
    return -10 * np.log10(np.mean(np.square(np.asarray(image) - truth)))


def test_their_manifest_tells_how_they_were_trained():
    manifest = store.read_manifest(SHIPPED)
    source = manifest["source"]
    assert source["license"] == "Apache-2.0"
    assert "authors' weights" in source["note"]
    config = source["training"]["config"]
    assert set(config["datasets"]) == {"multi_focus", "multi_exposure"}
    assert config["initial"] == "bands"
    assert source["training"]["step"] == config["phases"][0]["steps"]


def test_they_are_small_and_have_not_seen_the_held_back_pictures():
    size = sum(path.stat().st_size for path in store.SHIPPED.rglob("*") if path.is_file())
    assert size < 500_000
    assert not set(HELD_BACK) & set(TRAINING)


def test_static_fusion_of_held_back_pairs_is_close_to_the_authors_network(models):
    """Twelve multi-focus pairs: the held-back pictures, three borders and blurs of each."""
    scores = {name: [] for name in ("average", *models)}
    for picture in HELD_BACK:
        truth = public_picture(picture, longest=256)
        for seed, sigma in enumerate((2.0, 3.0, 4.0)):
            pair = multi_focus_pair(truth, sigma=sigma, seed=100 + seed)
            scores["average"].append(_psnr(np.mean(pair, axis=0), truth))
            for name, model in models.items():
                scores[name].append(_psnr(_fuse(model, jnp.stack(pair)), truth))
    means = {name: np.mean(values) for name, values in scores.items()}
    assert len(scores["average"]) == 12
    assert means["shipped"] > means["average"] + 5
    assert means["shipped"] > means["authors"] - 1


def test_edges_of_real_multi_focus_pairs_survive_as_with_the_authors_network(models, shared):
    qabf = {name: [] for name in models}
    for first in sorted((shared / "data" / "lytro").glob("*-A.jpg")):
        paths = (first, first.with_name(first.name.replace("-A", "-B")))
        grays = np.stack([read_picture(p).grayed().pixels[..., 0] for p in paths])
        grays = grays[:, 132:388, 132:388]  # the middle: quick, and sharp in one or the other
        sources = jnp.broadcast_to(grays[..., None] / np.float32(255), (*grays.shape, 3))
        for name, model in models.items():
            picture = np.floor(255 * np.asarray(_fuse(model, sources))).astype(np.uint8)
            scores = metrics.evaluate(
                metrics.fused_planes(picture), grays.astype(np.float32), names=["Qabf"]
            )
            qabf[name].append(float(scores["Qabf"]))
    assert len(qabf["shipped"]) == 12
    assert np.mean(qabf["shipped"]) > 0.9 * np.mean(qabf["authors"])
