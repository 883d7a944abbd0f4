"""The metrics under jit, vmap and pmap, and what one compilation shares."""

import functools
import os
import subprocess
import sys

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.metrics import pictures
from tests.metrics.definitions import distinct
from ttd_jax import metrics
from ttd_jax.errors import UserError

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture(scope="module")
def batch():
    scenes = [pictures.draw(seed=seed) for seed in range(8)]
    return tuple(np.stack(part).astype(np.float32) for part in zip(*scenes, strict=True))


@pytest.mark.parametrize("protocol", ["paper", "vifb"])
def test_vmap_over_eight_images_equals_a_loop(batch, protocol):
    fused, sources = batch
    names = distinct(protocol)
    evaluate = functools.partial(metrics.evaluate, protocol=protocol, names=names)
    together = jax.vmap(evaluate)(fused, sources)
    for index in range(8):
        alone = evaluate(fused[index], sources[index])
        for name, figure in alone.items():
            assert together[name][index] == pytest.approx(float(figure), rel=1e-5), name


def test_each_metric_alone_is_a_float32_scalar_and_equals_the_whole_set(batch):
    fused, sources = batch[0][0], batch[1][0]
    figures = metrics.evaluate(fused, sources)
    for name in metrics.CORE:
        figure = jax.jit(metrics.METRICS[name].function)(fused, sources)
        assert figure.shape == ()
        assert figure.dtype == jnp.float32
        assert float(figure) == pytest.approx(float(figures[name]), rel=1e-5), name


def test_one_trace_per_shape():
    chex.clear_trace_counter()
    names = ["EN", "SF", "MI"]
    traced = jax.jit(chex.assert_max_traces(lambda f, s: metrics.evaluate(f, s, names=names), n=1))
    for seed in range(3):
        traced(*map(jnp.float32, pictures.draw(24, 24, seed=seed)))
    with pytest.raises(AssertionError):
        traced(*map(jnp.float32, pictures.draw(24, 25)))


def test_evaluate_keeps_its_compilations():
    before = metrics._evaluate._cache_size()
    for seed in range(3):
        metrics.evaluate(*pictures.draw(20, 21, seed=seed), names=["CC", "MSE"])
    assert metrics._evaluate._cache_size() == before + 1


@pytest.mark.usefixtures("thorough_compilation")
def test_histograms_are_counted_once_for_all_metrics_that_need_them(batch):
    fused, sources = batch[0][0], batch[1][0]

    def scatters(*names):
        lowered = metrics._evaluate.lower(fused, sources, protocol="paper", names=names)
        return lowered.compile().as_text().count(" scatter(")

    assert scatters("EN") == 1
    assert scatters("MI", "NMI") == scatters("MI") == 1
    # fused, sources, joint with fused, joint of sources
    assert scatters("EN", "CE", "MI", "NMI", "TE", "Qncie") == 4


def test_order_of_names_is_kept_and_case_does_not_matter(batch):
    names = ["qabf", "EN", "ssim"]
    assert list(metrics.evaluate(batch[0][0], batch[1][0], names=names)) == ["Qabf", "EN", "SSIM"]


def test_strict_promotion_and_float64_inputs_leave_float32():
    fused, sources = pictures.draw()
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        for protocol in metrics.PROTOCOLS:
            if not (names := distinct(protocol, ["all"])):
                continue
            evaluate = functools.partial(metrics.evaluate, protocol=protocol, names=names)
            jax.eval_shape(evaluate, *map(jnp.float32, (fused, sources)))
            jax.eval_shape(evaluate, fused, sources, extent=np.array(fused.shape))
    with jax.enable_x64(True):
        wide = jax.eval_shape(lambda f, s: metrics.evaluate(f, s, names=["all"]), fused, sources)
    for name, figure in wide.items():
        assert figure == jax.ShapeDtypeStruct((), jnp.float32), name


PMAP = """
import jax, numpy as np
from tests.metrics import pictures
from tests.metrics.definitions import distinct
from ttd_jax import metrics

assert jax.local_device_count() == 4
scenes = [pictures.draw(16, 20, seed=seed) for seed in range(8)]
fused, sources = (np.stack(part).astype(np.float32) for part in zip(*scenes))
split = lambda x: x.reshape(4, 2, *x.shape[1:])
spread = jax.pmap(jax.vmap(metrics.evaluate))(split(fused), split(sources))
for index in range(8):
    for name, figure in metrics.evaluate(fused[index], sources[index]).items():
        np.testing.assert_allclose(spread[name].reshape(8)[index], figure, rtol=1e-5, err_msg=name)
print("same on", len(spread["EN"].sharding.device_set), "devices")
"""


def test_pmap_over_four_devices_equals_a_loop(request):
    environment = os.environ | {"JAX_NUM_CPU_DEVICES": "4", "JAX_PLATFORMS": "cpu"}
    result = subprocess.run(
        [sys.executable, "-c", PMAP],
        cwd=request.config.rootpath,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout.strip() == "same on 4 devices", result.stderr


def test_pictures_in_0_to_1_are_refused_where_values_are_known(batch):
    fused, sources = batch[0][0], batch[1][0]
    for low in ((fused / 255, sources), (fused, sources / 255)):
        with pytest.raises(UserError, match=r"lies in \[0, 1\], not in 0..255: ttd_jax.score"):
            metrics.evaluate(*low)
    assert jax.jit(metrics.evaluate)(fused / 255, sources)["EN"] >= 0
    dark = np.zeros_like(fused)
    dark[0, 0] = 1  # whole grays are grays, however dark
    metrics.evaluate(dark, sources, names=["EN"])
    with pytest.raises(UserError, match=r"fused is .*, not a gray picture f32\[H, W\]: .*score"):
        metrics.evaluate(np.stack([fused] * 3, axis=-1), sources)


@pytest.mark.parametrize("protocol", ["paper", "vifb"])
@pytest.mark.parametrize("spoiled", ["fused", "source"])
def test_every_metric_of_a_picture_with_nan_is_nan(batch, protocol, spoiled):
    fused, sources = np.array(batch[0][0]), np.array(batch[1][0])
    (fused if spoiled == "fused" else sources[1])[3, 4] = np.nan
    figures = metrics.evaluate(fused, sources, protocol=protocol)
    for name, figure in figures.items():
        assert np.isnan(figure), name
    assert np.isfinite(metrics.evaluate(batch[0][0], None, names=["EN"])["EN"])


def test_wrong_shapes_names_and_missing_sources_are_refused(batch):
    fused, sources = batch[0][0], batch[1][0]
    with pytest.raises(UserError):
        metrics.evaluate(fused, sources[0])
    with pytest.raises(UserError):
        metrics.evaluate(fused, sources[:, 1:])
    with pytest.raises(UserError):
        metrics.evaluate(fused, sources[:0])
    with pytest.raises(ValueError, match="did you mean 'SSIM'"):
        metrics.evaluate(fused, sources, names=["SIM"])
    with pytest.raises(ValueError, match="known protocols: paper, vifb"):
        metrics.evaluate(fused, sources, protocol="papers")
    with pytest.raises(ValueError, match="MI, CC cannot do without sources"):
        metrics.evaluate(fused, None, names=["EN", "MI", "CC"])
