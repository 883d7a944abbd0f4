"""Where protocols differ, how they treat color, and the registry."""

import inspect

import cv2
import jax.numpy as jnp
import numpy as np
import pytest

from tests.metrics import pictures
from ttd_jax import metrics
from ttd_jax.benchmarks import references as reference
from ttd_jax.errors import UserError
from ttd_jax.report.listing import list_metrics, list_protocol


@pytest.fixture(scope="module")
def figures():
    scene = pictures.draw()
    return {protocol: metrics.evaluate(*scene, protocol=protocol) for protocol in ("paper", "vifb")}


def test_vifb_edge_intensity_is_four_times_the_papers(figures):
    assert float(figures["vifb"]["EI"]) == 4 * float(figures["paper"]["EI"])


def test_vifb_average_gradient_only_changes_the_count(figures):
    ratio = float(figures["vifb"]["AG"]) / float(figures["paper"]["AG"])
    assert ratio == pytest.approx(48 * 56 / (47 * 55), rel=1e-6)


def test_metrics_without_sources_are_marked_so():
    fused, sources = pictures.draw()
    alone = [name for name, row in metrics.METRICS.items() if not row.needs_sources]
    assert alone[:5] == ["EN", "SD", "AG", "EI", "SF"]
    figures = metrics.evaluate(fused, None, names=alone)
    other = metrics.evaluate(fused, 255 - sources, names=alone)
    assert {k: float(v) for k, v in figures.items()} == {k: float(v) for k, v in other.items()}


def test_marked_direction_is_that_of_a_better_image():
    # a fused image of two overlapping truths, against the same drowned in noise; no-source metrics
    # reward noise, so only the others can be told by this
    fused, sources = pictures.draw()
    noise = np.random.default_rng(0).normal(0, 60, fused.shape)
    worse = np.clip(np.round(fused + noise), 0, 255)
    names = ["SCD", "SSIM", "MI", "NMI", "VIF", "Qabf", "CC", "MSE", "PSNR"]
    good, bad = (metrics.evaluate(image, sources) for image in (fused, worse))
    for name in names:
        merit = metrics.METRICS[name].merit
        assert merit(float(good[name])) > merit(float(bad[name])), name


@pytest.mark.parametrize("protocol", metrics.PROTOCOLS)
def test_every_definition_has_a_reference_that_takes_the_same_choices(protocol):
    for row in metrics.scored(protocol).values():
        own, given = reference.definition(row.function), row.function
        given = getattr(given, "func", given)
        choices = set(inspect.signature(given).parameters) - {"extent", "mask"}
        assert set(inspect.signature(own.func).parameters) == choices, row.name


def test_listing_tells_every_metric_its_direction_and_origin():
    text = list_metrics()
    lines = text.splitlines()
    assert max(map(len, lines)) <= 140
    for name, row in metrics.METRICS.items():
        first = next(line for line in lines if line.split()[:1] == [name])
        assert first.split()[1] == row.better
        assert row.description in first
        assert row.reference in text


@pytest.mark.parametrize("protocol", metrics.PROTOCOLS)
def test_listing_tells_how_a_protocol_defines_its_metrics(protocol):
    text = list_protocol(protocol)
    for row in metrics.scored(protocol).values():
        line = next(line for line in text.splitlines() if line.split()[:1] == [row.name])
        assert row.definition in line
        assert row.program in line
    for name, why in metrics.PROTOCOLS[protocol].refused.items():
        assert why in text
        with pytest.raises(UserError, match=name):
            metrics.choose([name], protocol)


def test_lookup_takes_any_case_and_suggests():
    assert metrics.lookup("qabf").name == metrics.lookup("QABF").name == "Qabf"
    with pytest.raises(ValueError, match="did you mean 'PSNR'"):
        metrics.lookup("psn")


# Gray conversions -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def colors():
    return np.random.default_rng(0).integers(0, 256, (300, 400, 3)).astype(np.uint8)


def test_gray_of_sources_is_opencvs_to_the_integer(colors):
    expected = cv2.cvtColor(colors, cv2.COLOR_RGB2GRAY)
    np.testing.assert_array_equal(metrics.source_planes([colors])[0], expected)


def test_fused_gray_of_the_paper_exchanges_red_and_blue(colors):
    red, green, blue = (colors[..., channel].astype(np.float64) for channel in range(3))
    exact = 0.114 * red + 0.587 * green + 0.299 * blue
    gray = metrics.fused_planes(colors)
    assert gray.dtype == np.float32
    np.testing.assert_array_equal(gray, np.round(gray))
    assert np.abs(gray - exact).max() <= 0.5 + 1e-9
    exchanged = cv2.cvtColor(colors[..., ::-1].copy(), cv2.COLOR_RGB2GRAY)
    assert np.abs(gray - exchanged).max() <= 1
    assert np.mean(gray != exchanged) < 0.01
    assert np.mean(gray != metrics.source_planes([colors])[0]) > 0.9


@pytest.mark.parametrize("protocol", [name for name in metrics.PROTOCOLS if name != "paper"])
def test_a_picture_is_scored_as_a_source_is(colors, protocol):
    planes = metrics.source_planes([colors, colors[..., 0]], protocol=protocol)
    np.testing.assert_array_equal(metrics.fused_planes(colors, protocol=protocol), planes[0])
    channels = metrics.PROTOCOLS[protocol].colors is not None
    assert planes.shape == ((2, 3, 300, 400) if channels else (2, 300, 400))
    gray = metrics.source_planes([colors], protocol=protocol, gray=True)
    assert gray.shape == (1, 300, 400)


def test_one_channel_is_its_own_gray_in_every_protocol(colors):
    for protocol in metrics.PROTOCOLS:
        for image in (colors[..., 0], colors[..., :1]):
            gray = metrics.fused_planes(image, protocol=protocol)
            np.testing.assert_array_equal(gray, colors[..., 0])


def test_equal_channels_are_their_own_gray_in_every_protocol():
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=-1)
    for protocol in metrics.PROTOCOLS:
        planes = metrics.fused_planes(ramp, protocol=protocol)
        np.testing.assert_array_equal(planes, np.broadcast_to(ramp[..., 0], planes.shape))


def test_planes_are_the_same_of_jax_arrays(colors):
    for protocol in metrics.PROTOCOLS:
        planes = metrics.fused_planes(jnp.asarray(colors), protocol=protocol)
        assert planes.dtype == jnp.float32
        np.testing.assert_array_equal(planes, metrics.fused_planes(colors, protocol=protocol))


def test_planes_of_floats_and_odd_shapes_are_refused(colors):
    with pytest.raises(ValueError, match="judge uint8 pictures, got float32"):
        metrics.fused_planes(colors.astype(np.float32))
    with pytest.raises(ValueError, match=r"expected \[H, W\]"):
        metrics.source_planes([colors[..., :2]])
