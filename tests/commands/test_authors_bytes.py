"""`ttd-jax fuse --color=authors`: from pictures to the bytes that the authors' scripts save."""

import numpy as np
import pytest

from tests.networks.golden import Golden
from ttd_jax.pictures.images import encode_picture, read_picture

pytestmark = pytest.mark.usefixtures("torch")

MSRS, TILED = "msrs_64x80", "tiled_odd_259x301"
# network -> its checkpoint and case; what is saved, by which strategy.
SAVED = {
    "densefuse_gray": ("densefuse/densefuse_gray.model", MSRS, "fused_u8", None),
    "densefuse_rgb": ("densefuse/densefuse_rgb.model", f"rgb_model_{MSRS}", "fused_u8", None),
    "didfuse": ("didfuse", MSRS, "fused_ttd_u8", "self"),
    "seafusion": ("seafusion/SeAFusion.pth", MSRS, "fused_rgb_u8", None),
    "mufusion_roadscene": (
        "mufusion/RoadScene.model",
        TILED,
        "fused_tiled_roadscene_rgb_u8",
        None,
    ),
}


@pytest.mark.parametrize("name", SAVED)
def test_bytes_are_those_of_the_authors_scripts(name, command_line, shared, tmp_path):
    checkpoint, case, key, preset = SAVED[name]
    weights = tmp_path / "weights"
    words = [f"--checkpoint={shared / 'weights' / checkpoint}", f"--out={weights}"]
    result = command_line("convert", f"--model={name}", *words)
    assert result.returncode == 0, result.stderr
    golden = Golden(shared, name.partition("_")[0], case)
    sources = []
    for source in ("vi_rgb_u8", "ir_u8"):
        sources.append(tmp_path / f"{source}.png")
        pixels = golden[source].reshape(*golden[source].shape[:2], -1)
        sources[-1].write_bytes(encode_picture(pixels, ".png"))
    how = f"--dominability={preset}" if preset else "--strategy=static"
    words = ["fuse", f"--weights={weights}", f"--out={tmp_path / 'out'}", how, *sources]
    result = command_line(*words, "--color=authors")
    assert result.returncode == 0, result.stderr
    found = read_picture(tmp_path / "out" / "vi_rgb_u8.png").pixels
    difference = abs(found.astype(int) - golden[key].reshape(found.shape))
    assert difference.max() <= 1
    assert np.mean(difference > 0) <= 1e-3
