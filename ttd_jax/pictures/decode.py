"""The pictures of a scene."""

import dataclasses

from ttd_jax.pictures.examples import Example
from ttd_jax.pictures.images import Picture, Reading, decode_picture
from ttd_jax.pictures.ranges import of_sources
from ttd_jax.pictures.sizes import check_same_size


def decode_example(
    example: Example,
    reading: Reading = Reading(),  # noqa: B008 - frozen
) -> list[Picture]:
    """Decodes the sources of a scene.

    Args:
      example: the scene.
      reading: how its files become pictures.

    Returns:
      A picture for each source, of one size.

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
    check_same_size(titles, [picture.size for picture in pictures])
    return pictures
