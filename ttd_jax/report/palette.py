"""Colors that color-blind people can tell apart (Okabe and Ito), as '#rrggbb'.

Reference: Okabe and Ito, Color Universal Design, 2008, https://jfly.uni-koeln.de/color.
"""

ORANGE = "#e69f00"
SKY_BLUE = "#56b4e9"
GREEN = "#009e73"
BLUE = "#0072b2"
VERMILION = "#d55e00"
PURPLE = "#cc79a7"
BLACK = "#000000"


def rgb(color: str) -> tuple[int, int, int]:
    """Red, green and blue in 0..255.

    Example:
      >>> rgb(ORANGE)
      (230, 159, 0)
    """
    return tuple(bytes.fromhex(color[1:]))
