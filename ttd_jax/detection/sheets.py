"""Pictures of scenes: what was found and missed in every input, side by side."""

import pathlib
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from ttd_jax.detection.average_precision import Found, Truth
from ttd_jax.detection.draw import draw
from ttd_jax.detection.inputs import Inputs
from ttd_jax.detection.tables import found_in, truth_in
from ttd_jax.files import write_whole
from ttd_jax.pictures.images import encode_picture

_WIDEST = 640  # pixels of a panel
_COLUMNS = 2
_GAP = 8
_TITLE = 26
_TEXT = 16


def draw_scenes(
    result: Mapping,
    records: Sequence[Mapping],
    examples,
    inputs: Inputs,
    folder: pathlib.Path,
    *,
    limit: int,
):
    """Writes NUMBER_IMAGE.png for the scenes that change most.

    Args:
      result: see `tables.summarize`.
      records: of all scenes, in the order of the examples.
      examples: the scenes.
      inputs: what the detector was shown.
      folder: where to write; sheets of an earlier run are replaced.
      limit: how many scenes.

    Raises:
      OSError: a file cannot be written.
    """
    positions = {record["image"]: index for index, record in enumerate(records)}
    for old in folder.glob("[0-9]*_*.png"):
        number, _, image = old.stem.partition("_")
        if number.isdigit() and image in examples.names:
            old.unlink()
    for number, scene in enumerate(result["scenes"][:limit], 1):
        folder.mkdir(parents=True, exist_ok=True)
        index = positions[scene["image"]]
        pictures = inputs.pictures(examples[index])
        panels = []
        for name, picture in pictures.items():
            found = found_in(records[index], name, result["shown"])
            panels.append(_panel(name, picture, truth_in(records[index]), found))
        sheet = encode_picture(_grid(panels), ".png")
        write_whole(folder / f"{number:02}_{scene['image']}.png", sheet)


def _panel(name, picture, truth, found):
    scale = min(1.0, _WIDEST / picture.shape[1])
    if scale < 1:
        size = (_WIDEST, max(1, round(picture.shape[0] * scale)))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        picture = picture.reshape(*size[::-1], -1)  # OpenCV drops the axis of gray
    truth = Truth(truth.boxes * scale, truth.classes)
    drawn = draw(picture, truth, Found(found.boxes * scale, found.classes, found.scores))
    title = np.full((_TITLE, drawn.shape[1], 3), 255, np.uint8)
    cv2.putText(title, name, (_GAP, 19), (20, 20, 20), cv2.FontFace("sans"), _TEXT)
    return np.concatenate([title, drawn])


def _grid(panels):
    """Panels of one size in rows of two."""
    height, width = panels[0].shape[:2]
    columns = min(_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    sheet = np.full(
        (rows * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP, 3), 255, np.uint8
    )
    for index, panel in enumerate(panels):
        top = _GAP + index // columns * (height + _GAP)
        left = _GAP + index % columns * (width + _GAP)
        sheet[top : top + height, left : left + width] = panel
    return sheet
