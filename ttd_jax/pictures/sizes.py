"""What the sizes of a scene's pictures must be, and what is said of others."""

from collections.abc import Sequence

from ttd_jax.errors import UserError


def check_same_size(
    titles: Sequence[str], sizes: Sequence[tuple[int, int]], mend: str = ""
) -> None:
    """Refuses pictures (H, W) of one scene that differ in their size.

    Args:
      titles: of the pictures.
      sizes: of them.
      mend: what can be done about it, after a colon.

    Raises:
      UserError: names two of them by their titles.
    """
    for title, size in zip(titles, sizes, strict=True):
        if size != sizes[0]:
            raise UserError(
                f"{titles[0]} is {_show(sizes[0])} (width x height) but {title} is {_show(size)}: "
                f"the pictures of a scene must be aligned and of one size{mend}"
            )


def check_least_size(title: str, size: tuple[int, int], least: int, needs: str) -> None:
    """Refuses a picture (H, W) that is too small for `needs`, such as a network's name.

    Raises:
      UserError: names it by its title.
    """
    if min(size) < least:
        raise UserError(
            f"{title} is {_show(size)} (width x height): {needs} needs at least {least}x{least} "
            "pixels"
        )


def _show(size):
    return f"{size[1]}x{size[0]}"
