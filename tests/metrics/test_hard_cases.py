"""Images on which definitions divide by zero: the values are finite and are the documented ones."""

import jax
import numpy as np
import pytest

from tests.metrics import pictures
from tests.metrics.pictures import SHAPE
from ttd_jax import metrics
from ttd_jax.benchmarks import references as reference

QABF_MOST = 0.9994 / (1 + np.exp(-7.5)) * 0.9879 / (1 + np.exp(-4.4))


def true(name, fused, sources):
    return reference.evaluate(fused, sources, names=[name])[name]


def constant(gray, shape=SHAPE):
    return np.full(shape, float(gray))


def noise(seed, shape=SHAPE):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(float)


def two_valued():
    image = constant(0)
    image[:, 20:] = 255
    return image


FUSED, SOURCES = pictures.draw()
NAMES = {"paper": metrics.CORE, "vifb": ["AG", "EI", "SF", "CE", "SSIM"]}
CASES = {
    "constant fused": (constant(77), SOURCES),
    "black fused": (constant(0), SOURCES),
    "black source": (FUSED, np.stack([constant(0), SOURCES[1]])),
    "all sources black": (FUSED, np.stack([constant(0)] * 2)),
    "everything constant": (constant(77), np.stack([constant(77), constant(30)])),
    "everything black": (constant(0), np.stack([constant(0)] * 2)),
    "everything white": (constant(255), np.stack([constant(255)] * 2)),
    "two-valued": (two_valued(), np.stack([two_valued(), two_valued()[:, ::-1]])),
    "identical": (SOURCES[0], np.stack([SOURCES[0]] * 2)),
    "noise": (noise(0), np.stack([noise(1), noise(2)])),
    "8x8": (noise(3, (8, 8)), np.stack([noise(4, (8, 8)), noise(5, (8, 8))])),
    "one pixel": (constant(9, (1, 1)), np.stack([constant(9, (1, 1)), constant(8, (1, 1))])),
    "one row": (noise(3, (1, 40)), np.stack([noise(4, (1, 40)), noise(5, (1, 40))])),
}
# What the docstrings promise where a definition alone gives 0 / 0 or an infinity; M = 2.
NOTHING = dict.fromkeys(("EN", "SD", "AG", "EI", "SF", "MI", "NMI", "VIF", "CC"), 0.0)
PROMISED = {
    "constant fused": NOTHING,
    "black fused": NOTHING | {"PSNR": -100.0},
    "all sources black": {"MI": 0.0, "NMI": 0.0, "VIF": 0.0, "Qabf": 0.0, "CC": 0.0, "SCD": 0.0},
    "everything constant": NOTHING | {"Qabf": 0.0, "SCD": 0.0},
    "everything black": NOTHING | {"SSIM": 2.0, "Qabf": 0.0, "SCD": 0.0, "MSE": 0.0, "PSNR": 100.0},
    "everything white": NOTHING | {"SSIM": 2.0, "Qabf": 0.0, "SCD": 0.0, "MSE": 0.0, "PSNR": 100.0},
    "identical": {"SSIM": 2.0, "NMI": 2.0, "VIF": 2.0, "CC": 1.0, "SCD": 0.0, "MSE": 0.0}
    | {
        "Qabf": QABF_MOST,
        "PSNR": 100.0,
        "MI": 2 * np.log(2) * true("EN", SOURCES[0], []),
    },
    "one pixel": NOTHING | {"Qabf": 0.0, "SCD": 0.0, "MSE": 0.5},
}


@pytest.fixture(scope="module")
def figures():
    """case -> protocol -> figures, computed with every NaN an error, even one thrown away."""
    with jax.debug_nans(True):
        return {
            case: {p: metrics.evaluate(*scene, protocol=p, names=NAMES[p]) for p in NAMES}
            for case, scene in CASES.items()
        }


@pytest.mark.parametrize("protocol", NAMES)
@pytest.mark.parametrize("case", CASES)
def test_hard_case_agrees_with_float64(figures, case, protocol):
    expected = reference.evaluate(*CASES[case], protocol, NAMES[protocol])
    for name in NAMES[protocol]:
        # 1e-5: correlations and information of noise and of flat images are sums that cancel
        assert float(figures[case][protocol][name]) == pytest.approx(
            expected[name], rel=metrics.METRICS[name].tolerance, abs=1e-5
        ), name


@pytest.mark.parametrize("case", CASES)
def test_hard_case_is_finite_and_within_the_registered_limits(figures, case):
    for name in metrics.CORE:
        row = metrics.METRICS[name]
        scale = 2 if row.per_source else 1
        figure = float(figures[case]["paper"][name])
        assert np.isfinite(figure), name
        assert row.low * scale - 1e-5 <= figure <= row.high * scale * (1 + 1e-5), name


@pytest.mark.parametrize("case", PROMISED)
def test_hard_case_has_the_documented_value(figures, case):
    for name, value in PROMISED[case].items():
        assert float(figures[case]["paper"][name]) == pytest.approx(value, rel=1e-4, abs=1e-7), name


def test_zero_has_no_sign(figures):
    for case in ("everything constant", "everything black", "one pixel"):
        for name, figure in figures[case]["paper"].items():
            assert not (figure == 0 and np.signbit(figure)), (case, name)


@pytest.mark.parametrize("side", [8, 17, 24, 41])
def test_vif_of_small_images_shrinks_its_windows(side):
    fused, sources = pictures.draw(side, side + 3, seed=side)
    figure = metrics.evaluate(fused, sources, names=["VIF"])["VIF"]
    assert figure == pytest.approx(true("VIF", fused, sources), rel=1e-3)
    same = metrics.evaluate(sources[0], sources[:1], names=["VIF"])["VIF"]
    assert same == pytest.approx(1.0, rel=1e-4)


def test_vif_tells_its_coarsest_scale():
    # coarse waves kept, fine noise replaced: what is kept lies in the last two scales
    y, x = np.mgrid[:120, :128]
    waves = 128 + 50 * np.sin(x / 9) + 40 * np.cos(y / 11)
    fine = np.random.default_rng(0).normal(0, 12, (2, 120, 128))
    source, fused = np.clip(np.round(waves + fine), 0, 255)
    figure = metrics.evaluate(fused, source[None], names=["VIF"])["VIF"]
    assert figure == pytest.approx(true("VIF", fused, [source]), rel=1e-4)


def test_psnr_is_held_at_its_limit():
    source = np.full((300, 300), 255.0)
    fused = source.copy()
    fused[0, 0] = 254  # 97.7 dB against one source, 100.7 against it and an equal one
    measured = metrics.evaluate(fused, source[None], names=["PSNR"])["PSNR"]
    assert measured == pytest.approx(10 * np.log10(255**2 * 300**2), rel=1e-5)
    held = metrics.evaluate(fused, np.stack([source, fused]), names=["PSNR"])["PSNR"]
    assert held == 100


def test_metrics_of_random_small_images_stay_within_their_limits():
    rng = np.random.default_rng(0)
    for _ in range(40):  # few grays, so that flat patches and equal images are common
        images = rng.choice([0, 1, 128, 255], (3, 8, 8), p=rng.dirichlet(np.full(4, 0.3)))
        for name, figure in metrics.evaluate(images[0], images[1:]).items():
            row = metrics.METRICS[name]
            scale = 2 if row.per_source else 1
            assert row.low * scale - 1e-5 <= figure <= row.high * scale + 1e-5, (name, images)


def test_rounding_residue_of_a_constant_difference_correlates_with_nothing():
    image = np.minimum(SOURCES[0], 254)
    # image - mean of the first three sources is -1/3 everywhere, in float32 with a residue
    sources = np.stack([image, image, image + 1, 255 - image])
    figure = metrics.evaluate(image, sources, names=["SCD"])["SCD"]
    assert figure == pytest.approx(true("SCD", image, sources), rel=1e-4)


@pytest.mark.parametrize("shape", [(333, 777), (1919, 1081)])
def test_a_constant_image_has_no_deviation_whatever_its_size(shape):
    image = np.full(shape, 77.0)  # whose plain float32 mean is not 77
    assert metrics.evaluate(image, None, names=["SD"])["SD"] == 0


@pytest.mark.usefixtures("quick_compilation")
def test_a_region_without_the_middle_of_a_window_has_no_figure():
    corner = np.zeros(SHAPE, bool)
    corner[0, :3] = True
    names = ["SSIM", "MS_SSIM", "Qw", "VIF", "VIFF", "EN", "MSE"]
    figures = metrics.evaluate(FUSED, SOURCES, names=names, mask=corner)
    for name, figure in figures.items():
        assert np.isnan(figure) == (name not in ("EN", "MSE")), name
