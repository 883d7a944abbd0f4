"""Pictures of the probes: the damaged source above its RD, from whole to ruined."""

import pathlib
from collections.abc import Mapping

import cv2
import jax
import numpy as np
from ml_collections import ConfigDict

from ttd_jax.analysis import probing, program
from ttd_jax.analysis.scenes import load_scene
from ttd_jax.analysis.studies import Study
from ttd_jax.core.quantization import quantize
from ttd_jax.files import write_whole
from ttd_jax.networks import Model
from ttd_jax.pictures.checking import Scenes
from ttd_jax.pictures.images import encode_picture
from ttd_jax.report.sheet import contact_sheet


def draw_probes(
    study: Study,
    datasets: Mapping[str, Scenes],
    model: Model,
    config: ConfigDict,
    out: pathlib.Path,
) -> None:
    """A contact sheet for each data set's first scene: `<data set>.png` in `out`.

    RD is that of the study's first preset, on one scale over the whole sheet.
    """
    preset = study.passes[0].weighings[0].curve
    for name, scenes in datasets.items():
        scene = load_scene(scenes, 0, crop=config.crop, channels=model.spec.channels)
        shown = [_damaged(one, model, scene.pictures, config, preset) for one in study.passes]
        low = min(float(rd.min()) for _, _, rd in shown)
        high = max(float(rd.max()) for _, _, rd in shown)
        role, scale = scene.roles[config.damaged], f"RD by {preset}, {low:.2f} blue to {high:.2f}"
        rows = []
        for one, (severities, pictures, rd) in zip(study.passes, shown, strict=True):
            titles = [f"{role}, {one.name} {severity:.0%}" for severity in severities]
            grays = [quantize(picture[..., :1], np.uint8) for picture in pictures]
            rows.append(list(zip(titles, grays, strict=True)))
            rows.append([(scale, _colored(one_rd, low, high)) for one_rd in rd])
        sheet = encode_picture(contact_sheet(rows), ".png")
        write_whole(out / f"{name.replace('/', '_')}.png", sheet)


def _damaged(one, model, sources, config, preset):
    weighings = tuple(w for w in one.weighings if w.curve == preset)
    show = program.compiled(
        probing.damaged_dominability,
        weighings=weighings,
        corruption=one.corruption,
        damaged=config.damaged,
    )
    rd, pictures = show(model, sources, jax.random.key(config.seed))
    return [w.coordinate for w in weighings], np.asarray(pictures), np.asarray(rd)


def _colored(rd, low, high):
    scaled = (255 * (rd - low) / max(high - low, 1e-6)).astype(np.uint8)
    return cv2.cvtColor(cv2.applyColorMap(scaled, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB)
