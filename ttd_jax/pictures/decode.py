"""The pictures of a scene."""

from collections.abc import Sequence

from ttd_jax.pictures.examples import Example
from ttd_jax.pictures.images import Picture, decode_picture
from ttd_jax.pictures.sizes import check_same_size


def decode_example(example: Example, *, gray: bool | Sequence[bool] = False) -> list[Picture]:
    """Decodes the sources of a scene.

    Args:
      example: the scene.
      gray: whether to OpenCV's gray; for all sources, or for each of them.

    Returns:
      A picture for each source, of one size.

    Raises:
      UserError: an unreadable picture, or pictures of different sizes.
    """
    titles = example.titles
    grays = [gray] * len(titles) if isinstance(gray, bool) else gray
    pictures = [
        decode_picture(example.read(index), title, gray=one)
        for index, (title, one) in enumerate(zip(titles, grays, strict=True))
    ]
    check_same_size(titles, [picture.size for picture in pictures])
    return pictures
