"""What the device can do at best, as measured: the roof and the slope of a roofline."""

import functools

import jax
import jax.numpy as jnp

SIDE = 2048  # of the matrices; their product is far from bound by memory
LENGTH = 2**26  # floats: 256 MiB, beyond any cache


def roof_functions(precision: str) -> dict:
    """Functions to be timed: 'matmul', of square matrices, and 'stream', over an f32 vector.

    The matrices are f32, multiplied with that precision, or bfloat16. The vector is read and
    written in place: a fresh copy would time the system's handing out of memory, which can take ten
    times as long.
    """
    narrow = precision == "bfloat16"
    matrix = jnp.ones((SIDE, SIDE), jnp.bfloat16 if narrow else jnp.float32)
    multiply = jax.jit(functools.partial(jnp.matmul, precision=None if narrow else precision))
    add = jax.jit(lambda x: x + 1, donate_argnums=0)
    held = [jnp.zeros(LENGTH, jnp.float32)]

    def stream():
        held[0] = add(held[0])
        return held[0]

    return {"matmul": lambda: multiply(matrix, matrix), "stream": stream}


def matmul_rate(seconds: float) -> float:
    """Operations a second of the matrix product that took `seconds`."""
    return 2 * SIDE**3 / seconds


def stream_rate(seconds: float) -> float:
    """Bytes a second, read and written, of the stream that took `seconds`."""
    return 2 * 4 * LENGTH / seconds
