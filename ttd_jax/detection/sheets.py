"""Pictures of scenes: what was found and missed in every input, side by side."""

import pathlib
from collections.abc import Mapping, Sequence

from ttd_jax.detection.average_precision import Found, Truth
from ttd_jax.detection.draw import draw
from ttd_jax.detection.inputs import Inputs
from ttd_jax.detection.tables import found_in, truth_in
from ttd_jax.files import write_whole
from ttd_jax.pictures.examples import Example
from ttd_jax.pictures.images import encode_picture
from ttd_jax.report.caption import titled
from ttd_jax.report.sheet import grid, resize

_WIDEST = 640  # pixels of a panel
_COLUMNS = 2


def draw_scenes(
    result: Mapping,
    records: Sequence[Mapping],
    examples: Sequence[Example],
    inputs: Inputs,
    folder: pathlib.Path,
    *,
    limit: int,
) -> None:
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
    known = {record["image"]: (index, record) for index, record in enumerate(records)}
    for old in folder.glob("[0-9]*_*.png"):
        number, _, image = old.stem.partition("_")
        if number.isdigit() and image in examples.names:
            old.unlink()
    for number, scene in enumerate(result["scenes"][:limit], 1):
        folder.mkdir(parents=True, exist_ok=True)
        index, record = known[scene["image"]]
        panels = [
            _panel(name, picture, truth_in(record), found_in(record, name, result["shown"]))
            for name, picture in inputs.pictures(examples[index]).items()
        ]
        rows = [panels[i : i + _COLUMNS] for i in range(0, len(panels), _COLUMNS)]
        sheet = encode_picture(grid(rows), ".png")
        write_whole(folder / f"{number:02}_{scene['image']}.png", sheet)


def _panel(name, picture, truth, found):
    scale = min(1.0, _WIDEST / picture.shape[1])
    if scale < 1:
        picture = resize(picture, _WIDEST)
    truth = Truth(truth.boxes * scale, truth.classes)
    drawn = draw(picture, truth, Found(found.boxes * scale, found.classes, found.scores))
    return titled(drawn, name, height=26, left=8, size=16)
