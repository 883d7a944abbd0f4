"""The torch fusions that `ttd-jax benchmark` compares with do the same as ours."""

import dataclasses
import functools

import numpy as np
import pytest

import ttd_jax
from tests.compilation import quick_jit
from ttd_jax.benchmarks.cases import Case, make_scenes
from ttd_jax.benchmarks.programs import torch_case
from ttd_jax.networks import lookup
from ttd_jax.networks.folding import fold
from ttd_jax.networks.random_variables import random_variables

torch = pytest.importorskip("torch")
from ttd_jax.benchmarks.twins.random_state import random_state

pytestmark = pytest.mark.usefixtures("one_torch_thread")

ATOL = {"cddfuse": 1e-4, "pfcfuse": 1e-4}  # they stretch the picture's range; others 1e-5


@functools.partial(quick_jit, static_argnums=0)
def _fuse(strategy, model, sources):
    fuse = {"static": ttd_jax.static_fuse, "ttd": ttd_jax.dynamic_fuse}[strategy]
    fusion = fuse(model, sources)
    return fusion.image, fusion.dominability


def _both(case, count, *, compiled=False):
    """Images and RD of `count` scenes, of ours and of torch, in our order of axes."""
    row = case.spec
    variables = random_variables(row)
    model = fold(row.bind(variables, settings=row.read_settings(case.settings)))
    case = dataclasses.replace(case, batch=count)
    scenes = make_scenes(case)
    fused, rd = torch_case(case, variables, threads=1, compiled=compiled)()
    theirs = fused.movedim(1, -1).numpy(), rd if rd is None else rd.numpy()
    ours = [_fuse(case.strategy, model, scene) for scene in scenes]
    return [np.stack(arrays) for arrays in zip(*ours, strict=True)], theirs


def _case(name, *, size, strategy="ttd", **settings):
    row = lookup(name)
    if row.presets:
        settings = dataclasses.asdict(row.presets[row.default_preset]) | settings
    return Case(
        model=name, size=size, strategy=strategy, batch=1, precision="highest", settings=settings
    )


@pytest.mark.parametrize(
    "case",
    [
        _case("cddfuse_ivf", size=(17, 20)),
        _case("piafusion", size=(15, 18)),
        _case("densefuse_rgb", size=(13, 10)),
        _case("pfcfuse", size=(9, 8)),
        _case("didfuse", size=(13, 10)),
        _case("seafusion", size=(9, 8)),
        _case("ifcnn_sum", size=(24, 31)),
        _case("ifcnn_sum", size=(24, 31), loss="self", space="image", clip=True, norm="squared"),
        _case("ifcnn_mean", size=(24, 31), loss="intensity", temperature=3.0),
        _case("ifcnn_max", size=(23, 30), strategy="static"),
        _case("mufusion_tno", size=(20, 26), strategy="static"),
    ],
    ids=lambda case: f"{case.name} {case.settings.get('loss')}",
)
def test_torch_fuses_as_jax_does(case):
    (image, rd), (their_image, their_rd) = _both(case, count=2)  # the scenes do not meet
    atol = ATOL.get(case.spec.layout.name, 1e-5)
    np.testing.assert_allclose(image, their_image, atol=atol, rtol=0)
    assert np.ptp(image) > 100 * atol
    if their_rd is not None:
        np.testing.assert_allclose(rd, their_rd, atol=atol, rtol=0)
        assert np.ptp(rd) > 100 * atol


@pytest.mark.parametrize("strategy", ["static", "ttd"])
def test_compiled_torch_fuses_as_jax_does(monkeypatch, strategy):
    # All but the kernels, whose compilation takes long; and cases may be more than torch expects.
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="aot_eager"))
    with torch._dynamo.config.patch(recompile_limit=1):
        for size in [(9, 10), (8, 11)]:
            case = _case("ifcnn_max", size=size, strategy=strategy)
            (image, _), (their_image, _) = _both(case, count=1, compiled=True)
            np.testing.assert_allclose(image, their_image, atol=1e-5, rtol=0)


def test_random_weights_are_those_of_their_seed():
    row = lookup("ifcnn_sum")
    first, again, other = (random_state(row, seed=seed)["conv1.weight"] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
