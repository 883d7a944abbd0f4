"""The metrics against their float64 definitions, on real images and on drawn ones.

The table of the documents is of twenty; here are some of them.
"""

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from tests.metrics import calibration, pictures
from tests.metrics.definitions import distinct
from ttd_jax import metrics
from ttd_jax.benchmarks import references as reference

MEASURED = [(protocol, name) for protocol in metrics.PROTOCOLS for name in distinct(protocol)]


@pytest.fixture(scope="module")
def real_worst(shared):
    scenes = pictures.real_scenes(shared)[::4]
    assert len(scenes) == 5
    return calibration.measure(scenes)


@pytest.mark.parametrize(("protocol", "name"), MEASURED)
def test_real_images_agree_with_float64(real_worst, protocol, name):
    assert real_worst[protocol, name] <= metrics.METRICS[name].tolerance


def test_calibration_table_has_a_row_for_every_definition(real_worst):
    table = calibration.markdown(real_worst, 5).splitlines()
    rows = [line.split("|")[1].strip() for line in table if line.startswith("|")][2:]
    assert sorted(rows) == sorted(name for _, name in MEASURED)


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("protocol", dict(MEASURED))
def test_any_number_of_sources_agrees_with_float64(count, protocol):
    fused, sources = pictures.draw(count=count, seed=count)
    names = [name for own, name in MEASURED if own == protocol]
    figures = metrics.evaluate(fused, sources, protocol=protocol, names=names)
    expected = reference.evaluate(fused, sources, protocol, names)
    assert list(figures) == list(expected) == names
    for name, figure in figures.items():
        tolerance = metrics.METRICS[name].tolerance
        assert figure == pytest.approx(expected[name], rel=tolerance, nan_ok=True), name


def test_ssim_is_that_of_scikit_image():
    fused, sources = pictures.draw()
    kinds = {
        "paper": {},
        "vifb": {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False},
    }
    for protocol, options in kinds.items():
        expected = sum(structural_similarity(s, fused, data_range=255, **options) for s in sources)
        figure = metrics.evaluate(fused, sources, protocol=protocol, names=["SSIM"])["SSIM"]
        assert figure == pytest.approx(expected, rel=1e-4)
        found = reference.evaluate(fused, sources, protocol, ["SSIM"])["SSIM"]
        assert found == pytest.approx(expected, rel=1e-12)


def test_mutual_information_is_that_of_scikit_learn():
    cluster = pytest.importorskip("sklearn.metrics.cluster")
    fused, sources = pictures.draw()
    labels = [image.astype(int).ravel() for image in (fused, *sources)]
    figures = metrics.evaluate(fused, sources, names=["MI", "NMI"])
    functions = {"MI": cluster.mutual_info_score, "NMI": cluster.normalized_mutual_info_score}
    for name, function in functions.items():
        expected = sum(function(labels[0], other) for other in labels[1:])
        assert figures[name] == pytest.approx(expected, rel=1e-4)
        found = reference.evaluate(fused, sources, "paper", [name])[name]
        assert found == pytest.approx(expected, rel=1e-9)


def test_a_metric_that_returns_nan_cannot_pass_calibration():
    assert calibration.relative_difference(float("nan"), 1.0) == np.inf
