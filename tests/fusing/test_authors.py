"""`color=authors`: pictures of any size and depth, saved as scripts of networks' authors do."""

import dataclasses
import json

import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import ttd_jax
from tests import small_networks as small
from tests.commands.conftest import draw
from ttd_jax.core.color import pillow_gray
from ttd_jax.errors import UserError
from ttd_jax.fusing import arrays
from ttd_jax.networks import Saving
from ttd_jax.networks.saving import join_ycbcr, join_ycrcb
from ttd_jax.parts.part import WHOLE
from ttd_jax.pictures.images import read_picture
from ttd_jax.weights.store import save


def _mean(features, weights):
    return jnp.mean(weights[..., None] * features, axis=0)


class Toned(ttd_jax.Network):
    """Tones the mean of the sources; its script clips nothing, and stretches grays."""

    def setup(self):
        self.tone = nn.Dense(1, precision=self.precision)

    def encode(self, x, part=WHOLE):
        return x

    def merge(self, features, weights, part=WHOLE):
        return part.map(_mean, features, weights)

    def decode(self, latent, x, part=WHOLE):
        return part.run(self.paint, latent)

    def paint(self, latent, part):
        return jnp.tanh(self.tone(latent))

    def solo(self, x, features, part=WHOLE, copies=1):
        return self.decode(features, None, part)


class Plain(Toned):
    """The same as a network that is cut because it is local."""

    def encode(self, x):
        return x


TONED = dataclasses.replace(
    small.LOCAL, name="small_toned", build=Toned, reach=None, quantize="round"
)
VARIABLES = {"params": {"tone": {"kernel": jnp.full((1, 1), 3.0), "bias": jnp.full(1, -0.5)}}}
LOCAL = {"build": Plain, "reach": ttd_jax.Reach(0, 0)}
RULES = {
    "gray": Saving(stretch=("gray",)),
    "stretched": Saving(join=join_ycrcb, stretch=("gray", "color")),
    "merged": Saving(join=join_ycbcr, merged=True, stretch=("gray",)),
}


def _toned(**fields):
    return dataclasses.replace(TONED, **fields).bind(VARIABLES)


MODEL = _toned(saving=RULES["stretched"])


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(0)
    rows = np.linspace(0, 200, 300).astype(np.uint8)[:, None, None]
    return [
        rows + rng.integers(0, 50, (300, 17, 3), np.uint8),
        rng.integers(0, 60, (300, 17, 1), np.uint8),
    ]


def _by_hand(pictures, rule):
    """The static fusion, without a compiler."""
    grays = [p if p.shape[-1] == 1 else pillow_gray(p) for p in pictures]
    if rule.join is not None and pictures[0].shape[-1] == 3:
        grays[0] = pictures[0] @ np.array((0.299, 0.587, 0.114), np.float32)[:, None]
    raw = np.tanh(3 * sum(gray / np.float32(255) for gray in grays) / 2 - 0.5).astype(np.float32)
    assert raw.min() < -0.1
    return rule.saved(raw, pictures, "round").astype(int)


def _close(found, expected):
    """A value may sit on a step."""
    assert found.shape == expected.shape
    difference = abs(found.astype(int) - expected)
    assert difference.max() <= 1
    assert np.mean(difference > 0) <= 1e-3


@pytest.mark.parametrize(
    ("rule", "windows"),
    [("gray", None), ("merged", None), ("stretched", "in parts"), ("gray", "local")],
)
def test_the_whole_picture_is_stretched_and_joined(pictures, rule, windows, monkeypatch):
    if windows:  # no program of the whole picture has room
        monkeypatch.setattr(arrays.BatchFuser, "_whole", lambda self, batch: None)
        plan = arrays.BatchFuser._plan_windows

        def low(*words):
            fuser, options, found = plan(*words)
            return fuser, options, dataclasses.replace(found, rows=40)

        monkeypatch.setattr(arrays.BatchFuser, "_plan_windows", low)
    rule = RULES[rule]
    model = _toned(saving=rule, **(LOCAL if windows == "local" else {}))
    for sources in (pictures, [pictures[0][..., :1], pictures[1]]):
        fusion = ttd_jax.fuse(model, sources, strategy="static", color="authors")
        assert fusion.image.dtype == fusion.components.dtype == np.uint8
        _close(fusion.image, _by_hand(sources, rule))


def test_deeper_sources_and_alpha_are_of_8_bits(pictures):
    plain = ttd_jax.fuse(MODEL, pictures, color="authors")
    alpha = np.full((300, 17, 1), 90, np.uint8)
    first = np.concatenate([pictures[0], alpha], axis=-1).astype(np.uint16) * 257
    deep = ttd_jax.fuse(MODEL, [first, pictures[1]], color="authors").image
    assert deep.dtype == np.uint8
    np.testing.assert_array_equal(deep[..., :3], plain.image)
    np.testing.assert_array_equal(deep[..., 3:], alpha)


def test_the_gray_protocol_does_not_stretch(pictures):
    grays, model = [picture[..., :1] for picture in pictures], _toned(saving=RULES["gray"])
    found = {
        color: ttd_jax.fuse(model, grays, strategy="static", color=color).image
        for color in ("authors", "network")
    }
    assert found["authors"].max() == 255
    assert found["network"].max() < 240


def test_a_network_whose_script_is_not_known_names_another_color(pictures):
    with pytest.raises(
        UserError, match=r"authors of small_toned save .* is not known: use color=n"
    ):
        ttd_jax.fuse(_toned(), pictures, color="authors")


@pytest.fixture
def weights(tmp_path):
    with small.registered():
        ttd_jax.register_network(dataclasses.replace(TONED, saving=RULES["stretched"]))
        save(tmp_path / "weights", MODEL, source={"sha256": None, "license": "none"})
        yield tmp_path / "weights"


@pytest.mark.usefixtures("quick_compilation")
def test_files_are_saved_so_in_arrays_of_one_size_and_resumed(command_line, weights, tmp_path):
    for number, size in enumerate(((33, 40), (37, 36))):
        draw(tmp_path / "v" / f"{number}.png", size, channels=3, seed=number, dtype=np.uint16)
        draw(tmp_path / "i" / f"{number}.png", size, seed=9)
    folders = tmp_path / "v", tmp_path / "i"
    out = tmp_path / "out"
    words = [
        "fuse",
        f"--weights={weights}",
        f"--out={out}",
        "--color=authors",
        "--resume",
        "--json",
    ]
    for reused in (0, 2):
        result = command_line(*words, *folders)
        assert result.returncode == 0, result.stderr
        told = json.loads(result.stdout)
        assert told["reused"] == reused
        assert {scene["color"] for scene in told["scenes"]} == {"authors"}
    for number in range(2):
        names = [folder / f"{number}.png" for folder in folders]
        pixels = [read_picture(name).pixels for name in names]
        expected = ttd_jax.fuse(MODEL, pixels, color="authors").image
        found = read_picture(out / f"{number}.png").pixels
        assert found.dtype == np.uint8
        _close(found, expected.astype(int))


def test_a_range_of_the_source_is_refused(refused, weights, tmp_path):
    pair = [draw(tmp_path / f"{name}.png", (33, 40)) for name in "vi"]
    words = ["fuse", f"--weights={weights}", f"--out={tmp_path / 'out'}", *pair]
    named = ["color=authors", "8 bits", "--output_range=type"]
    refused(*words, "--color=authors", "--output_range=source", named=named)
