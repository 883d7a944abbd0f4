"""Other classes for a trained detector: what is kept, what is new."""

import jax
import numpy as np
import pytest
from flax import traverse_util

from ttd_jax.detection import replace_classes
from ttd_jax.detectors import DetectorSpec
from ttd_jax.detectors.yolox import Head
from ttd_jax.detectors.yolox_blocks import ConvSettings
from ttd_jax.networks import lookup

ROW = lookup("yolox_nano", DetectorSpec)


@pytest.fixture(scope="module")
def detector():
    rng = np.random.default_rng(0)
    flat = {
        path: rng.uniform(0.5, 1, leaf.shape).astype(np.float32)
        for path, leaf in ROW.shapes().items()
    }
    return ROW.bind(traverse_util.unflatten_dict(flat, sep="/"))


def _predict(detector, x):
    """Of the coarsest level's head."""
    head = Head(len(detector.settings.classes), 0.25, ConvSettings(depthwise=True))
    return head.apply({key: tree["heads_2"] for key, tree in detector.variables.items()}, x)


def test_known_classes_keep_their_scores_and_boxes(detector):
    two = replace_classes(detector, ["car", "person"])
    assert two.settings.classes == ("car", "person")
    assert two.module.num_classes == 2
    x = np.random.default_rng(1).standard_normal((2, 3, 256), np.float32) / 100
    whole, part = _predict(detector, x), _predict(two, x)
    np.testing.assert_allclose(part[..., :5], whole[..., :5], rtol=1e-6)
    np.testing.assert_allclose(part[..., 5:], whole[..., [5 + 2, 5 + 0]], rtol=1e-6)


def test_shapes_fit_the_network_with_as_many_classes(detector):
    three = replace_classes(
        detector, {"People": "person", "Lamp": None, "Car": "car"}, key=jax.random.key(0)
    )
    assert three.settings.classes == ("People", "Lamp", "Car")
    shapes = {path: leaf.shape for path, leaf in ROW.shapes(three.settings).items()}
    flat = traverse_util.flatten_dict(three.variables, sep="/")
    assert {path: leaf.shape for path, leaf in flat.items()} == shapes
    old = traverse_util.flatten_dict(detector.variables, sep="/")
    for level in range(3):
        path = f"params/heads_{level}/class"
        bias, kernel = flat[f"{path}/bias"], flat[f"{path}/kernel"]
        np.testing.assert_array_equal(bias[2], old[f"{path}/bias"][2])
        assert jax.nn.sigmoid(bias[1]) == pytest.approx(0.01, rel=1e-4)
        assert 0 < np.abs(kernel[:, 1]).max() < 1
    unchanged = [path for path in flat if "/class/" not in path]
    assert all(flat[path] is old[path] for path in unchanged)


def test_what_cannot_be_is_refused(detector):
    with pytest.raises(ValueError, match="pass a key: 'lamp' must be learned anew"):
        replace_classes(detector, ["person", "lamp"])
    with pytest.raises(ValueError, match="knows no class 'people'"):
        replace_classes(detector, {"person": "people"})
    with pytest.raises(ValueError, match="at least one class"):
        replace_classes(detector, [])
