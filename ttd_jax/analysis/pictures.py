"""Pictures of studies: damaged sources above their RD, and what networks make of a scene."""

import pathlib
from collections.abc import Mapping, Sequence

import cv2
import jax
import numpy as np
from ml_collections import ConfigDict

from ttd_jax.analysis import probing, program
from ttd_jax.analysis.scenes import load_scene
from ttd_jax.analysis.studies import Pass, Study
from ttd_jax.core import fusion
from ttd_jax.core.quantization import quantize
from ttd_jax.files import write_whole
from ttd_jax.networks import Model
from ttd_jax.pictures.batches import Frame
from ttd_jax.pictures.checking import Scenes
from ttd_jax.pictures.images import encode_picture
from ttd_jax.report.sheet import contact_sheet

_COLUMNS = 4  # of what networks give


def draw_probes(
    study: Study,
    datasets: Mapping[str, Scenes],
    frames: Mapping[str, Sequence[Frame]],
    model: Model,
    config: ConfigDict,
    out: pathlib.Path,
) -> None:
    """A contact sheet for each data set's first scene: see `sheet_name`.

    RD is that of the study's first preset, on one scale over the whole sheet. `frames` are the
    arrays of all scenes.
    """
    preset = study.passes[0].weighings[0].curve
    for name, scenes in datasets.items():
        options = {
            "protocol": config.protocol,
            "crop": config.crop,
            "channels": model.spec.channels,
        }
        scene = load_scene(scenes, 0, frames[name][0], **options)
        shown = [_damaged(one, model, scene, config, preset) for one in study.passes]
        low = min(float(rd.min()) for _, _, rd in shown)
        high = max(float(rd.max()) for _, _, rd in shown)
        role, scale = scene.roles[config.damaged], f"RD by {preset}, {low:.2f} blue to {high:.2f}"
        rows = []
        for one, (severities, pictures, rd) in zip(study.passes, shown, strict=True):
            titles = [f"{role}, {one.name} {severity:.0%}" for severity in severities]
            grays = [quantize(picture[..., :1], np.uint8) for picture in pictures]
            rows.append(list(zip(titles, grays, strict=True)))
            rows.append([(scale, _colored(one_rd, low, high)) for one_rd in rd])
        _write(out, name, rows)


def draw_networks(
    datasets: Mapping[str, Scenes],
    networks: Sequence[tuple[Pass, Model, Mapping[str, Sequence[Frame]]]],
    config: ConfigDict,
    out: pathlib.Path,
) -> None:
    """A contact sheet for each data set's first scene, fused by each network: see `sheet_name`.

    Sources first, then a network's static fusion and that by the first of its loss maps.
    """
    for name, scenes in datasets.items():
        cells, sources = [], []
        for one, model, frames in networks:
            options = {
                "protocol": config.protocol,
                "crop": config.crop,
                "channels": model.spec.channels,
            }
            scene = load_scene(scenes, 0, frames[name][0], **options)
            height, width = scene.size
            for weighing in one.weighings[:2]:
                fuse = program.compiled(fusion.fuse, settings=weighing.settings)
                image = fuse(model, scene.pictures, extent=scene.extent).image
                image = np.asarray(image)[:height, :width]
                pixels = quantize(image, how=model.spec.quantize)
                cells.append((f"{one.name}, {weighing.name}", pixels))
            grays = scene.pictures[:, :height, :width, :1]
            sources = list(zip(scene.roles, quantize(grays, np.uint8), strict=True))
        lines = [cells[at : at + _COLUMNS] for at in range(0, len(cells), _COLUMNS)]
        _write(out, name, [sources, *lines])


def sheet_name(dataset: str) -> str:
    """The file that a data set's contact sheet is in."""
    return f"{dataset.replace('/', '_')}.png"


def _write(out, dataset, rows):
    write_whole(out / sheet_name(dataset), encode_picture(contact_sheet(rows), ".png"))


def _damaged(one, model, scene, config, preset):
    weighings = tuple(w for w in one.weighings if w.curve == preset)
    show = program.compiled(
        probing.damaged_dominability,
        weighings=weighings,
        corruption=one.corruption,
        damaged=config.damaged,
    )
    height, width = scene.size
    maps = show(model, scene.pictures, jax.random.key(config.seed), scene.extent)
    rd, pictures = (np.asarray(leaf)[:, :height, :width] for leaf in maps)
    return [w.coordinate for w in weighings], pictures, rd


def _colored(rd, low, high):
    scaled = (255 * (rd - low) / max(high - low, 1e-6)).astype(np.uint8)
    return cv2.cvtColor(cv2.applyColorMap(scaled, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB)
