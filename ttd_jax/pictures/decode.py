"""The pictures of a scene."""

import dataclasses
from collections.abc import Mapping

from ttd_jax import fields
from ttd_jax.pictures.examples import Example
from ttd_jax.pictures.images import Picture, Reading, decode_picture
from ttd_jax.pictures.ranges import of_sources, parse_ranges
from ttd_jax.pictures.sizes import check_same_size

# Fields of a config that say how files become pictures.
READING_FIELDS = {
    "range": fields.text,
    "bands": fields.several(fields.whole(least=1), "numbers of bands, from 1"),
}


def reading_of(config: Mapping) -> Reading:
    """How files become pictures, by the fields of a config.

    Args:
      config: with `READING_FIELDS`, checked.

    Raises:
      UserError: a range or bands that cannot be.
    """
    return Reading(ranges=parse_ranges(config["range"]), bands=tuple(config["bands"]) or None)


def decode_example(
    example: Example,
    reading: Reading = Reading(),  # noqa: B008 - frozen
) -> list[Picture]:
    """Decodes the sources of a scene.

    Args:
      example: the scene.
      reading: how its files become pictures.

    Returns:
      A picture for each source, of one size unless they are to be aligned.

    Raises:
      UserError: an unreadable picture, or pictures of different sizes; see `decode_picture`.
    """
    titles = example.titles
    pages = example.pages or (None,) * len(titles)
    ranges = of_sources(reading.ranges, len(titles))
    of_result = dataclasses.replace(reading, bands=None)
    pictures = [
        decode_picture(
            example.read(index),
            title,
            page=page,
            chosen=chosen,
            reading=of_result if index < reading.results else reading,
        )
        for index, (title, page, chosen) in enumerate(zip(titles, pages, ranges, strict=True))
    ]
    if len(set(titles)) < len(titles):  # pages of one file
        titles = [f"{title}, page {n}" for n, title in enumerate(titles, start=1)]
    if not reading.align.moves:
        mend = ": --align=affine brings them together" if reading.align.model == "check" else ""
        check_same_size(titles, [picture.size for picture in pictures], mend)
    return pictures
