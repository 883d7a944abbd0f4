"""The pictures of a scene."""

from collections.abc import Sequence

from ttd_jax.errors import UserError
from ttd_jax.pictures.examples import Example
from ttd_jax.pictures.images import Picture, decode_picture


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
    for title, picture in zip(titles, pictures, strict=True):
        if picture.size != pictures[0].size:
            raise UserError(
                f"{titles[0]} is {show_size(pictures[0].size)} (width x height) but {title} is "
                f"{show_size(picture.size)}: the pictures of a scene must be aligned and of one "
                "size"
            )
    return pictures


def show_size(size: tuple[int, int]) -> str:
    """(H, W) for a message: width x height.

    Example:
      >>> show_size((480, 640))
      '640x480'
    """
    return f"{size[1]}x{size[0]}"
