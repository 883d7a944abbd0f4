"""Label files of detection sets: their bytes to boxes relative to the picture.

A label format has `files(root, split)`, stem -> file; `place(split)`, where those are; and
`parse(data, size)`, which gives `Label`s or raises `ValueError` with what is wrong.
"""

import dataclasses
import pathlib
from collections.abc import Mapping
from xml.etree import ElementTree

from ttd_jax.errors import UserError
from ttd_jax.pictures.examples import Examples, FolderExamples
from ttd_jax.pictures.images import read_bytes, read_picture

# Labels count pixels from 0 or from 1, and YOLO's are rounded: that much may lie outside.
_SLACK = 1.0


@dataclasses.dataclass(frozen=True)
class Label:
    """One object: a box as fractions of the picture's height and width, and its class."""

    ymin: float
    xmin: float
    ymax: float
    xmax: float
    name: str


@dataclasses.dataclass(frozen=True)
class _LabelFolder:
    folder: str
    classes: tuple[str, ...]
    suffix = ""

    def place(self, split: str) -> str:
        """The folder of a split's label files, relative to the root."""
        return self.folder.format(split=split)

    def files(self, root: pathlib.Path, split: str) -> dict[str, pathlib.Path]:
        """Stem -> label file; empty where there is no such folder."""
        return {path.stem: path for path in (root / self.place(split)).glob(f"*{self.suffix}")}

    def _unknown(self, where, name):
        return f"{where} is of unknown class {name!r}, the classes are {', '.join(self.classes)}"


@dataclasses.dataclass(frozen=True)
class Voc(_LabelFolder):
    """Pascal VOC: an XML file for each picture, corners in pixels."""

    suffix = ".xml"

    def parse(self, data: bytes, size: tuple[int, int]) -> list[Label]:
        """The objects of a picture of `size` (H, W)."""
        try:
            root = ElementTree.fromstring(data)
        except ElementTree.ParseError as error:
            raise ValueError(f"truncated or not XML ({error})") from error
        _check_size(root, size)
        labels = []
        for number, node in enumerate(root.iter("object"), 1):
            name = (node.findtext("name") or "").strip()
            try:
                corners = [float(node.findtext(f"bndbox/{k}") or "") for k in _CORNERS]
            except ValueError:
                raise ValueError(f"object {number} lacks one of {', '.join(_CORNERS)}") from None
            if name not in self.classes:
                raise ValueError(self._unknown(f"object {number}", name))
            labels.append(_label(f"object {number}", name, corners, size))
        return labels


@dataclasses.dataclass(frozen=True)
class Yolo(_LabelFolder):
    """YOLO: a line for each object, class number, center and size as fractions of the picture."""

    suffix = ".txt"

    def parse(self, data: bytes, size: tuple[int, int]) -> list[Label]:
        """The objects of a picture of `size` (H, W)."""
        height, width = size
        labels = []
        for number, line in enumerate(data.decode("utf-8-sig", "replace").splitlines(), 1):
            words = line.split()
            if not words:
                continue
            try:
                index, x, y, w, h = int(words[0]), *map(float, words[1:])
            except ValueError:
                raise ValueError(
                    f"line {number} is truncated or not 'class x y width height': {line.strip()!r}"
                ) from None
            if not 0 <= index < len(self.classes):
                raise ValueError(self._unknown(f"line {number}", index))
            corners = [(x - w / 2) * width, (y - h / 2) * height]
            corners += [(x + w / 2) * width, (y + h / 2) * height]
            labels.append(_label(f"line {number}", self.classes[index], corners, size))
        return labels


_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def _check_size(root, size):
    """Refuses labels of a picture of another size, where they say one: some write zeros."""
    words = [(root.findtext(f"size/{side}") or "").strip() for side in ("height", "width")]
    height, width = (int(word) if word.isdecimal() else 0 for word in words)
    if height and width and (height, width) != size:
        raise ValueError(f"is of a picture of {width}x{height}, this one has {size[1]}x{size[0]}")


def _label(where, name, corners, size):
    height, width = size
    xmin, ymin, xmax, ymax = corners
    box = ", ".join(f"{c:g}" for c in corners)
    if xmin >= xmax or ymin >= ymax:
        raise ValueError(f"{where}: box ({box}) ends before it begins, or has no width or height")
    inside = -_SLACK <= xmin < xmax <= width + _SLACK and -_SLACK <= ymin < ymax <= height + _SLACK
    if not inside:  # also for NaN
        raise ValueError(f"{where}: box ({box}) is not inside the picture of {width}x{height}")
    x0, x1 = (min(max(x / width, 0.0), 1.0) for x in (xmin, xmax))
    y0, y1 = (min(max(y / height, 0.0), 1.0) for y in (ymin, ymax))
    return Label(y0, x0, y1, x1, name)


@dataclasses.dataclass(frozen=True)
class LabeledExamples(Examples):
    """Examples with the boxes of their label files, read when they are asked for.

    Attributes:
      pictures: the same examples without boxes.
      format: of the label files; see above.
      files: scene -> label file.
    """

    pictures: FolderExamples
    format: Voc | Yolo
    files: Mapping[str, pathlib.Path]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the scenes, without reading a file."""
        return self.pictures.names

    @property
    def roles(self) -> tuple[str, ...]:
        """Roles of the sources."""
        return self.pictures.roles

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes of the objects."""
        return self.format.classes

    def __getitem__(self, index):
        example = self.pictures[index]
        path = self.files[example.name]
        size, data = read_picture(example.sources[0]).size, read_bytes(path)
        try:
            found = self.format.parse(data, size)
        except ValueError as error:
            raise UserError(f"{path}: {error}: mend the file or download it again") from error
        return dataclasses.replace(
            example,
            boxes=tuple((x.ymin, x.xmin, x.ymax, x.xmax) for x in found),
            labels=tuple(self.classes.index(x.name) for x in found),
        )


def add_labels(
    scenes: FolderExamples, labels: Voc | Yolo | None, root: pathlib.Path, split: str
) -> FolderExamples | LabeledExamples:
    """Scenes with their boxes; as they are without `labels`."""
    if labels is None:
        return scenes
    return LabeledExamples(scenes, labels, labels.files(root, split))
