"""Brings the pictures of a scene to one size and view."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from ttd_jax.align.alignment import Alignment
from ttd_jax.align.check import Shift, measure_shift
from ttd_jax.align.estimate import estimate
from ttd_jax.align.transform import Registration
from ttd_jax.align.warp import common, covered, warp_one
from ttd_jax.errors import UserError, counted, naming
from ttd_jax.pictures.images import Picture


@dataclasses.dataclass(frozen=True)
class LinedUp:
    """The sources of a scene, and how they line up.

    Attributes:
      pictures: the sources, warped where that was asked for.
      registration: how they were; None where they are as they were.
      shifts: of each but the first against it, where they were measured; () where not.
      remarks: source -> what somebody should know of it.
    """

    pictures: list[Picture]
    registration: Registration | None
    shifts: tuple[Shift, ...]
    remarks: Mapping[int, str]


def line_up(
    name: str, titles: Sequence[str], pictures: Sequence[Picture], alignment: Alignment
) -> LinedUp:
    """Does what an alignment says.

    Args:
      name: of the scene.
      titles: of the sources, for messages.
      pictures: they themselves; of any sizes if they are to be warped, else of one.
      alignment: what is to be done.

    Raises:
      UserError: pictures of other sizes, or of another number, than transforms are known for; a
        reference that is not there; pictures that have nothing in common.
    """
    if alignment.to >= len(pictures):
        raise UserError(f"align_to={alignment.to}: there are {len(pictures)} sources, from 0")
    registration = _register(name, titles, pictures, alignment)
    with naming(name):
        pictures = warped(pictures, registration, alignment.crop)
    shifts = _shifts(pictures) if alignment.model == "check" else ()
    remarks = dict(_remarks(titles, shifts, registration))
    return LinedUp(pictures, registration, shifts, remarks)


def _register(name, titles, pictures, alignment):
    """The transforms that are known, or found now; None where pictures are taken as they are."""
    if not alignment.moves:
        return None
    sizes = tuple(picture.size for picture in pictures)
    known = alignment.of_scene(name)
    if known is not None:
        if len(known.sizes) != len(sizes):
            raise UserError(
                f"{name}: has {len(sizes)} sources, and --transforms tells of "
                f"{len(known.sizes)}: find others with --align"
            )
        for title, size, given in zip(titles, sizes, known.sizes, strict=True):
            if size != given:
                raise UserError(
                    f"{title} is {size[1]}x{size[0]} (width x height), and its transform is for "
                    f"{given[1]}x{given[0]}: find another with --align"
                )
        return known
    if alignment.fov and len(alignment.fov) != len(sizes):
        raise UserError(
            f"fov has {counted(len(alignment.fov), 'angle')} for {len(sizes)} sources: pass one "
            "for each"
        )
    arrays = [picture.pixels for picture in pictures]
    transforms = estimate(arrays, model=alignment.model, to=alignment.to, fov=alignment.fov or None)
    return Registration(alignment.to, sizes, tuple(transforms))


def warped(
    pictures: Sequence[Picture], registration: Registration | None, crop: str
) -> list[Picture]:
    """A scene's sources as the reference sees them.

    Args:
      pictures: the sources.
      registration: of `line_up`.
      crop: see `Alignment`.

    Raises:
      UserError: they have nothing in common.
    """
    if registration is None:
        return list(pictures)
    size = registration.sizes[registration.to]
    matrices = [transform.array for transform in registration.transforms]
    has_data = [
        covered(matrix, picture.size, size)
        for matrix, picture in zip(matrices, pictures, strict=True)
    ]
    rows, columns = slice(None), slice(None)
    if crop == "common":
        rows, columns = common(np.logical_and.reduce(has_data))

    def moved(plane, matrix):
        return None if plane is None else warp_one(plane, matrix, size)[rows, columns]

    return [
        dataclasses.replace(
            picture,
            pixels=moved(picture.pixels, matrix),
            alpha=moved(picture.alpha, matrix),
            luma=moved(picture.luma, matrix),
            has_data=None if there[rows, columns].all() else there[rows, columns],
            carried=_carried(picture, matrix, (rows, columns)),
        )
        for picture, matrix, there in zip(pictures, matrices, has_data, strict=True)
    ]


def before_and_after(
    pictures: Sequence[Picture], index: int, reference: int, registration: Registration | None
) -> tuple[np.ndarray, ...]:
    """What shows how a source lies on the reference.

    Args:
      pictures: the sources of a scene as they were found.
      index: of the source.
      reference: of the reference.
      registration: of `line_up`.

    Returns:
      The reference u8[H, W, 1 or 3], the source as it was, of any size, the source warped, u8 of
      the reference's size, and bool[H, W], where it has data. The last two are None where nothing
      was warped.
    """
    shown, own = pictures[reference].as_bytes(), pictures[index].as_bytes()
    if registration is None:
        return shown, own, None, None
    size, matrix = shown.shape[:2], registration.transforms[index].array
    return shown, own, warp_one(own, matrix, size), covered(matrix, own.shape[:2], size)


def _carried(picture, matrix, cut):
    """What a picture's file says of it, but for where its pixels lie on the earth."""
    stays = np.array_equal(matrix, np.eye(3)) and not any(axis.start for axis in cut)
    return picture.carried if stays else dataclasses.replace(picture.carried, geo=())


def _shifts(pictures):
    """How far each picture but the first is off that one."""
    first, *others = (picture.pixels for picture in pictures)
    return tuple(measure_shift(first, other) for other in others)


def _remarks(titles, shifts, registration):
    """What somebody should know of how the pictures of a scene line up, by their indices."""
    mend = (
        "--align=similarity registers them"
        if registration is None
        else "find another transform with --align"
    )
    for index, shift in enumerate(shifts, start=1):
        if shift.off:
            yield (
                index,
                f"{titles[index]}: {shift.pixels:.1f} pixels off {titles[0]} "
                f"({shift.x:+.1f} right, {shift.y:+.1f} down): {mend}",
            )
    if registration is not None:
        for index, transform in enumerate(registration.transforms):
            if transform.remark and index != registration.to:
                yield index, f"{titles[index]}: {transform.remark}"
