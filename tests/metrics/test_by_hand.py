"""Every metric on arrays small enough to work out on paper."""

import math

import numpy as np
import pytest

from tests.metrics import pictures
from ttd_jax import metrics
from ttd_jax.benchmarks import references as reference
from ttd_jax.benchmarks.references import windows


def measure(name, fused, *sources, protocol="paper"):
    stack = np.array(sources, float) if sources else None
    return float(
        metrics.evaluate(np.array(fused, float), stack, protocol=protocol, names=[name])[name]
    )


HALVES = [[0, 0], [255, 255]]  # an edge along x
COLUMNS = [[0, 255], [0, 255]]
DIAGONAL = [[0, 255], [255, 0]]


def test_entropy_of_k_equally_frequent_grays_is_log2_k():
    assert measure("EN", HALVES) == pytest.approx(1)
    assert measure("EN", [[1, 2], [3, 4]]) == pytest.approx(2)
    assert measure("EN", np.arange(256).reshape(16, 16)) == pytest.approx(8)


def test_entropy_of_unequal_grays():
    assert measure("EN", [[7, 7], [7, 9]]) == pytest.approx(2 - 0.75 * math.log2(3))


def test_standard_deviation_is_the_population_one():
    assert measure("SD", HALVES) == pytest.approx(127.5)
    assert measure("SD", [[1, 2, 3, 4]]) == pytest.approx(math.sqrt(1.25))


def test_average_gradient_of_a_ramp():
    ramp = np.tile(np.arange(0, 60, 6), (5, 1))  # gx = 6 everywhere, gy = 0
    assert measure("AG", ramp) == pytest.approx(6 / math.sqrt(2))
    assert measure("AG", ramp, protocol="vifb") == pytest.approx(6 / math.sqrt(2) * 50 / (4 * 9))


def test_average_gradient_is_one_sided_at_the_border():
    # of the row 0 4 8 20: 4 - 0, (8 - 0) / 2, (20 - 4) / 2, 20 - 8
    assert measure("AG", [[0, 4, 8, 20]]) == pytest.approx((4 + 4 + 8 + 12) / 4 / math.sqrt(2))


def test_edge_intensity_of_a_step():
    step = np.repeat([[0, 0, 0, 80, 80, 80]], 5, axis=0)  # Sobel / 4 is 80 beside the step
    assert measure("EI", step) == pytest.approx(2 * 80 / 6)
    assert measure("EI", step, protocol="vifb") == pytest.approx(4 * 2 * 80 / 6)


def test_edge_intensity_of_a_slanted_ramp():
    y, x = np.mgrid[:5, :5]
    # Sobel / 4 of 3x + 4y is (6, 8) inside; replication halves the derivative across a border
    inside, beside, above, corner = 10, math.hypot(3, 8), math.hypot(6, 4), 5
    expected = (9 * inside + 6 * beside + 6 * above + 4 * corner) / 25
    assert measure("EI", 3 * x + 4 * y) == pytest.approx(expected)


def test_spatial_frequency_takes_each_mean_over_its_own_differences():
    # dx: 255 and 255 of two differences; dy: none
    assert measure("SF", COLUMNS) == pytest.approx(255)
    assert measure("SF", COLUMNS, protocol="vifb") == pytest.approx(math.sqrt(2 * 255**2 / 4))
    assert measure("SF", DIAGONAL) == pytest.approx(255 * math.sqrt(2))


def test_correlations_of_differences():
    # F = A + B: F - B is A and F - A is B
    assert measure("SCD", [[0, 30], [40, 70]], [[0, 30], [0, 30]], [[0, 0], [40, 40]]) == (
        pytest.approx(2)
    )
    # F = B: F - B is constant and correlates with nothing; F - A = B - A with B: 1 / sqrt 2
    assert measure("SCD", HALVES, COLUMNS, HALVES) == pytest.approx(1 / math.sqrt(2))


def test_correlations_of_differences_take_off_the_mean_of_the_other_sources():
    first, second, third = [[6, 0, 0]], [[0, 6, 0]], [[0, 0, 6]]
    # F = A: F - (B + C) / 2 = (6, -3, -3): 1 with A. F - (A + C) / 2 = (3, 0, -3): 0 with B, and
    # by symmetry 0 with C
    assert measure("SCD", first, first, second, third) == pytest.approx(1, abs=1e-6)


def test_cross_entropy_is_the_root_mean_square_over_the_sources():
    # p_F = 1/2 at 0 and 255. A has the same grays: 1 bit. B is all 0: 1 bit as well. C has no gray
    # in common: -log2 1e-7
    far = -math.log2(1e-7)
    assert measure("CE", HALVES, COLUMNS, [[0, 0], [0, 0]]) == pytest.approx(1, abs=1e-6)
    assert measure("CE", HALVES, COLUMNS, np.full((2, 2), 9)) == (
        pytest.approx(math.sqrt((1 + far**2) / 2))
    )


def test_vifb_cross_entropy_counts_common_grays_only():
    # A: 3/4 zeros, 1/4 at 255 against 1/2, 1/2; B shares nothing
    divergence = 0.75 * math.log2(1.5) + 0.25 * math.log2(0.5)
    figure = measure("CE", HALVES, [[0, 0], [0, 255]], np.full((2, 2), 9), protocol="vifb")
    assert figure == pytest.approx(divergence / 2)


def test_ssim_of_constant_images_is_their_luminance_term():
    c1 = (0.01 * 255) ** 2
    expected = (2 * 100 * 50 + c1) / (100**2 + 50**2 + c1)
    for protocol in ("paper", "vifb"):
        figure = measure("SSIM", np.full((12, 12), 100), np.full((12, 12), 50), protocol=protocol)
        assert figure == pytest.approx(expected)


def test_ssim_of_one_window():
    image = np.zeros((7, 7))
    image[:, 0] = 70  # mean 10; sample variance 49/48 * (700 - 100) = 612.5
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    luminance = (2 * 10 * 20 + c1) / (100 + 400 + c1)
    structure = (2 * 2 * 612.5 + c2) / (612.5 + 4 * 612.5 + c2)
    assert measure("SSIM", image, 2 * image) == pytest.approx(luminance * structure, rel=1e-5)


def test_mutual_information_of_a_relabelling_is_the_entropy():
    assert measure("MI", HALVES, [[3, 3], [200, 200]]) == pytest.approx(math.log(2))
    assert measure("NMI", HALVES, [[3, 3], [200, 200]]) == pytest.approx(1)


def test_mutual_information_of_independent_images_is_zero():
    assert measure("MI", HALVES, COLUMNS) == pytest.approx(0, abs=1e-7)
    assert measure("NMI", HALVES, COLUMNS) == pytest.approx(0, abs=1e-7)


def test_normalized_mutual_information_divides_by_the_mean_entropy():
    # F tells halves; X is four grays of which the halves are a function: I = ln 2, H(X) = ln 4
    assert measure("NMI", HALVES, [[1, 2], [3, 4]]) == pytest.approx(2 * 1 / (1 + 2))


def test_vif_of_one_window_with_twice_the_contrast():
    rng = np.random.default_rng(0)
    source = rng.integers(100, 140, (3, 3)).astype(float)
    taps = np.exp(-0.5 * (np.arange(-1, 2) / 0.6) ** 2)
    window = np.outer(taps, taps) / np.outer(taps, taps).sum()
    variance = (window * source**2).sum() - (window * source).sum() ** 2
    # scale 1 shrinks to one 3x3 window; the later scales are single pixels and add nothing
    expected = math.log(1 + 4 * variance / 2) / math.log(1 + variance / 2)
    fused = 2 * source - 100
    assert measure("VIF", fused, source) == pytest.approx(expected, rel=1e-3)


def test_vif_of_a_negative_is_zero():
    rng = np.random.default_rng(0)
    source = rng.integers(0, 256, (3, 3))
    assert measure("VIF", 255 - source, source) == 0


def edge_kept(ratio, parallel):
    strength = 0.9994 / (1 + math.exp(-15 * (ratio - 0.5)))
    return strength * 0.9879 / (1 + math.exp(-22 * (parallel - 0.8)))


def test_qabf_weighs_by_the_strength_of_the_source():
    ramp = np.tile([0, 10, 20, 30, 40], (5, 1))
    # F is A; B is twice as steep: half its strength is kept, in the same direction
    expected = (1 * edge_kept(1, 1) + 2 * edge_kept(0.5, 1)) / 3
    assert measure("Qabf", ramp, ramp, 2 * ramp) == pytest.approx(expected, rel=1e-5)


def test_qabf_of_crossed_edges():
    ramp = np.tile([0, 10, 20, 30, 40], (5, 1))
    # strengths agree inside (9 pixels) and in the corners, where half of one meets half of the
    # other; along a border it is half against all or all against half: all are crossed
    strength = np.array([[0.5 if x in (0, 4) else 1.0 for x in range(5)]] * 5)
    kept = [
        [edge_kept(min(f, s) / max(f, s), 0) for f, s in zip(row, column, strict=True)]
        for row, column in zip(strength, strength.T, strict=True)
    ]
    expected = np.sum(np.array(kept) * strength.T) / strength.sum()
    assert measure("Qabf", ramp, ramp.T) == pytest.approx(expected, rel=1e-4)


def test_qabf_does_not_tell_an_edge_from_its_negative():
    ramp = np.tile([0, 10, 20, 30, 40], (5, 1))
    assert measure("Qabf", 40 - ramp, ramp) == pytest.approx(edge_kept(1, 1), rel=1e-5)


def test_correlation_is_the_mean_over_the_sources():
    assert measure("CC", HALVES, HALVES, COLUMNS) == pytest.approx(0.5)
    assert measure("CC", HALVES, 255 - np.array(HALVES)) == pytest.approx(-1)


def test_squared_error_and_peak_ratio():
    fused, first, second = [[1, 2], [3, 10]], [[1, 2], [3, 6]], [[1, 2], [3, 2]]
    assert measure("MSE", fused, first, second) == pytest.approx((16 / 4 + 64 / 4) / 2)
    assert measure("PSNR", fused, first, second) == pytest.approx(10 * math.log10(100 / 10))


def test_the_references_windows_are_the_same_in_one_and_two_dimensions():
    fused, sources = pictures.draw()
    separable = reference.evaluate(fused, sources, names=["SSIM", "VIF"])
    token = windows.two_dimensional.set(True)
    try:
        direct = reference.evaluate(fused, sources, names=["SSIM", "VIF"])
    finally:
        windows.two_dimensional.reset(token)
    for name, value in separable.items():
        assert direct[name] == pytest.approx(value, rel=1e-9)
