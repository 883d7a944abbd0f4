"""How protocols make one gray of three colors: exact integer arithmetic on uint8 or i32 planes.

Functions of red, green and blue, NumPy or JAX arrays of any shape in 0..255, to whole grays.
"""

import chex

# OpenCV's fixed-point BT.601 weights of red, green, blue: round(2**15 * w).
_OPENCV = (9798, 19235, 3735)
_SHIFT = 15
# MATLAB's weights in millionths: the first row of the inverse of NTSC's matrix.
_MATLAB = (298936, 587043, 114021)


def opencv_gray(red: chex.Array, green: chex.Array, blue: chex.Array) -> chex.Array:
    """To the integer what OpenCV's RGB to gray conversion gives, i32[...]."""
    weighed = _OPENCV[0] * red + _OPENCV[1] * green + _OPENCV[2] * blue
    return (weighed + (1 << (_SHIFT - 1))) >> _SHIFT


def matlab_gray(red: chex.Array, green: chex.Array, blue: chex.Array) -> chex.Array:
    """MATLAB's rgb2gray: 0.298936 R + 0.587043 G + 0.114021 B, rounded, i32[...]."""
    weighed = _MATLAB[0] * red + _MATLAB[1] * green + _MATLAB[2] * blue
    return (weighed + 500_000) // 1_000_000


def exchanged_gray(red: chex.Array, green: chex.Array, blue: chex.Array) -> chex.Array:
    """round(0.114 R + 0.587 G + 0.299 B), i32[...]: red weighs as blue, blue as red.

    The TTD paper's figures were taken from files whose channels were written in reverse order.
    """
    # thousandths, so that a half rounds up whatever the platform's floats do
    return (114 * red + 587 * green + 299 * blue + 500) // 1000
