"""Tiles: what CPUs compute piece by piece is what the whole picture gives."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from jax import export

from ttd_jax.networks.cddfuse import network as cddfuse_network
from ttd_jax.networks.cddfuse.blocks import BaseBlock, DetailNode, RestormerBlock
from ttd_jax.networks.ifcnn import IFCNN
from ttd_jax.networks.layers import PaddedConv
from ttd_jax.parts import tiles
from ttd_jax.parts.part import WHOLE, Part

HIGHEST = jax.lax.Precision.HIGHEST
# Sides that tiles divide, and that they do not.
SIZES = [(16, 24), (21, 19)]


@pytest.fixture(autouse=True)
def _small_tiles(monkeypatch):
    monkeypatch.setattr(tiles, "SIZE", (8, 8))


def _quick_jit(function):
    return jax.jit(function, compiler_options={"xla_backend_optimization_level": 0})


def _noisy(module, *inputs, method=None):
    """Variables that are not those of an initialization, whose biases are all zero."""
    variables = module.init(jax.random.key(0), *inputs, method=method)
    noise = np.random.default_rng(0)
    return jax.tree.map(
        lambda leaf: leaf + 0.03 * noise.standard_normal(leaf.shape, np.float32), variables
    )


def _picture(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def _compare(monkeypatch, module, *inputs, method=None, atol=2e-5):
    """Of one module's outputs: tile by tile, and the whole picture at once."""
    variables = _noisy(module, *inputs, method=method)
    apply = functools.partial(module.apply, method=method)
    program = str(jax.make_jaxpr(apply)(variables, *inputs))
    assert "while[" in program or "scan[" in program  # it does go tile by tile
    found = _quick_jit(lambda *args: apply(*args))(variables, *inputs)
    monkeypatch.setattr(tiles, "SIZE", (1000, 1000))
    expected = _quick_jit(lambda *args: apply(*args))(variables, *inputs)
    np.testing.assert_allclose(found, expected, atol=atol, rtol=0)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "module",
    [
        RestormerBlock(HIGHEST),
        BaseBlock(False, HIGHEST),
        BaseBlock(True, HIGHEST),
        DetailNode(HIGHEST),
    ],
    ids=["restormer", "base", "base_folded", "detail"],
)
def test_blocks_tile_by_tile_equal_the_whole(monkeypatch, module, size):
    _compare(monkeypatch, module, _picture(2, *size, 64))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("pad_mode", ["edge", "reflect"])
def test_padded_convolutions_tile_by_tile_equal_the_whole(monkeypatch, pad_mode, size):
    module = _Run(PaddedConv(5, 3, pad_mode=pad_mode, precision=HIGHEST))
    _compare(monkeypatch, module, _picture(*size, 4))


@pytest.mark.parametrize("size", SIZES)
def test_reduction_and_output_tile_by_tile_equal_the_whole(monkeypatch, size):
    latent = {name: _picture(*size, 64, seed=seed) for seed, name in enumerate(("base", "detail"))}
    monkeypatch.setattr(cddfuse_network, "_DEPTH", 0)
    _compare(monkeypatch, cddfuse_network.Decoder(HIGHEST), latent, 0.0)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("folded", [False, True])
def test_ifcnn_tile_by_tile_equals_the_whole(monkeypatch, folded, size):
    _compare(monkeypatch, IFCNN(folded=folded), _picture(2, *size, 3))


class _Run(nn.Module):
    """A module, run as one step."""

    inner: nn.Module
    margin: int = 1

    def __call__(self, x, part=WHOLE):
        return part.run(self.inner, x, margin=self.margin)


class _Counter(nn.Module):
    """Sums over the tiles of what a picture holds, and the picture itself."""

    def __call__(self, x, part=WHOLE):
        return part.measure(self.count, x, margin=1)

    def count(self, x, part):
        inner = part.crop(part.pad(x) if isinstance(part, Part) else x)
        return (inner[..., :1], inner[..., 1:]), {"sum": jnp.sum(part.own(inner), axis=(0, 1))}


@pytest.mark.parametrize("size", SIZES)
def test_every_pixel_is_summed_and_written_once(size):
    x = _picture(2, 3, *size, 4)
    whole, sums = _Counter().apply({}, x)
    np.testing.assert_array_equal(whole, x)
    np.testing.assert_allclose(sums["sum"], x.sum((2, 3)), atol=1e-4)


def test_derivatives_are_those_of_the_whole(monkeypatch):
    module, x = _Run(PaddedConv(3, 3, precision=HIGHEST)), _picture(21, 19, 2)
    variables = _noisy(module, x)

    def slope():
        return jax.grad(lambda v, x: jnp.sum(module.apply(v, x) ** 2), (0, 1))

    program = str(jax.make_jaxpr(slope())(variables, x))
    assert "while[" not in program
    assert "scan[" not in program
    found = slope()(variables, x)
    monkeypatch.setattr(tiles, "SIZE", (1000, 1000))
    expected = slope()(variables, x)
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_batches_are_taken_one_sample_after_the_other():
    module, batch = _Run(PaddedConv(3, 3, precision=HIGHEST)), _picture(3, 21, 19, 2)
    variables = _noisy(module, batch[0])
    found = jax.jit(jax.vmap(module.apply, in_axes=(None, 0)))(variables, batch)
    for index in range(3):
        np.testing.assert_allclose(found[index], module.apply(variables, batch[index]), atol=1e-5)


def test_pictures_of_one_tile_are_not_cut():
    module, x = _Run(PaddedConv(3, 3)), _picture(8, 8, 2)
    program = str(jax.make_jaxpr(module.apply)(_noisy(module, x), x))
    assert "while[" not in program
    assert "scan[" not in program


def test_symbolic_sizes_take_the_form_of_the_picture_that_is_given(monkeypatch):
    """In every bit, one by one and in batches; the whole form of many pixels rounds otherwise."""
    module = _Run(PaddedConv(16, 3, precision=HIGHEST))
    variables = _noisy(module, _picture(8, 8, 16))
    apply = jax.vmap(functools.partial(module.apply, variables))
    shape = export.symbolic_shape("b, h, w, 16")
    program = export.export(jax.jit(apply))(jax.ShapeDtypeStruct(shape, jnp.float32)).call
    of_one_tile = [(8, 8), (3, 20)]
    batches = [_picture(2, *size, 16) for size in [*of_one_tile, *SIZES]]
    found = [_quick_jit(program)(batch) for batch in batches]
    for batch, own in zip(batches, found, strict=True):
        np.testing.assert_array_equal(own, _quick_jit(apply)(batch))
    monkeypatch.setattr(tiles, "SIZE", (1000, 1000))
    whole = jax.vmap(functools.partial(module.apply, variables))
    for batch, own in zip(batches, found, strict=True):
        rounds_otherwise = np.any(_quick_jit(whole)(batch) != own)
        assert rounds_otherwise == (batch.shape[1:3] not in of_one_tile)
