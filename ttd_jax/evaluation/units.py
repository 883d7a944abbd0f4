"""Which scenes go to which device together, the same however many devices there are."""

import collections
import concurrent.futures
import dataclasses
import hashlib
from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from ttd_jax.errors import UserError
from ttd_jax.fusing.plan import fitting_batch
from ttd_jax.pictures.images import Picture, decode_picture


@dataclasses.dataclass(frozen=True)
class Unit:
    """What one device takes at once: scenes of one shape.

    Every scene has its slot in a unit of fixed capacity, whatever else was finished before and on
    whichever device it runs, so that its scores are the same bits in every run.

    Attributes:
      indices: of the examples; fewer than `capacity` in the last unit of a shape.
      capacity: slots that the program is compiled for.
      shape: ((H, W), which sources have color).
    """

    indices: tuple[int, ...]
    capacity: int
    shape: tuple


@dataclasses.dataclass(frozen=True)
class Inputs:
    """One decoded scene: pictures for the network, grays for the metrics, hashes of its files."""

    pictures: tuple[np.ndarray, ...]
    grays: np.ndarray
    sha256: tuple[str, ...]


def plan_units(examples, *, gray: bool, batch_size: int = 0, share=None) -> list[Unit]:
    """Decodes examples once to learn their shapes, and cuts each shape into units.

    Args:
      examples: a sequence of `Example`.
      gray: whether the network sees gray pictures.
      batch_size: scenes in a unit; 0 chooses by size.
      share: with several processes, `(process, processes, add)`: this one decodes only its part,
        and `add` sums an integer array over all of them. Otherwise every example is decoded here.

    Returns:
      All units, the same in every process.

    Raises:
      UserError: an unreadable image, or sources of different sizes.
    """
    process, processes, add = share or (0, 1, lambda table: table)
    mine = range(process, len(examples), processes)
    table = np.zeros((len(examples), 2 + len(examples[0].roles)), np.int32)

    def shape_of(index):
        pictures = decode_example(examples[index], gray)
        return (*pictures[0].size, *(picture.colored for picture in pictures))

    with concurrent.futures.ThreadPoolExecutor() as pool:
        shapes = pool.map(shape_of, mine)
        bar = tqdm(shapes, "checking", len(mine), unit="scene", delay=1, disable=None)
        for index, shape in zip(mine, bar, strict=True):
            table[index] = shape
    groups = collections.defaultdict(list)
    for index, (height, width, *colored) in enumerate(add(table).tolist()):
        groups[(height, width), tuple(map(bool, colored))].append(index)
    units = []
    for shape, members in groups.items():
        capacity = min(batch_size or fitting_batch(shape[0]), len(members))
        units += [
            Unit(tuple(members[start : start + capacity]), capacity, shape)
            for start in range(0, len(members), capacity)
        ]
    return units


def load_inputs(example, *, gray: bool) -> Inputs:
    """Decodes one example."""
    pictures = decode_example(example, gray)
    grays = [
        picture.pixels[..., 0] if gray else decode_picture(data, name, gray=True).pixels[..., 0]
        for picture, data, name in zip(pictures, example.files, _names(example), strict=True)
    ]
    return Inputs(
        pictures=tuple(picture.as_float() for picture in pictures),
        grays=np.stack([_byte_gray(gray) for gray in grays]),
        sha256=tuple(hashlib.sha256(data).hexdigest() for data in example.files),
    )


def stack(units: Sequence[Unit], inputs: Sequence[dict], devices: int):
    """Arrays of the program: `(pictures, grays, mask)` with leading axes [device, batch].

    Args:
      units: at most one per device, of one shape.
      inputs: for each unit, slot -> `Inputs` of the scenes to compute.
      devices: number of devices; those without a unit get padding.
    """
    (height, width), colored = units[0].shape
    lead = (devices, units[0].capacity)
    pictures = tuple(np.zeros((*lead, height, width, 3 if c else 1), np.float32) for c in colored)
    grays = np.zeros((*lead, len(colored), height, width), np.float32)
    mask = np.zeros(lead, bool)
    for device, slots in enumerate(inputs):
        for slot, scene in slots.items():
            for array, picture in zip(pictures, scene.pictures, strict=True):
                array[device, slot] = picture
            grays[device, slot] = scene.grays
            mask[device, slot] = True
    return pictures, grays, mask


def decode_example(example, gray: bool) -> list[Picture]:
    """The pictures of one example, in the order of its roles.

    Raises:
      UserError: an unreadable image, or sources of different sizes.
    """
    names = _names(example)
    pictures = [
        decode_picture(data, name, gray=gray)
        for data, name in zip(example.files, names, strict=True)
    ]
    for name, picture in zip(names[1:], pictures[1:], strict=True):
        if picture.size != pictures[0].size:
            sizes = [f"{p.size[1]}x{p.size[0]}" for p in (pictures[0], picture)]
            raise UserError(
                f"{names[0]} is {sizes[0]} but {name} is {sizes[1]}: the sources of a scene must "
                "be aligned and of one size"
            )
    return pictures


def _names(example):
    return [f"{example.name} ({role})" for role in example.roles]


def _byte_gray(gray):
    if gray.dtype == np.uint16:
        gray = np.rint(gray / 257)
    return gray.astype(np.float32)
