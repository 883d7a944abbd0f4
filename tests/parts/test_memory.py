"""Sizes as people write them, and what there is."""

import jax
import jax.numpy as jnp
import pytest

from ttd_jax.parts.memory import format_size, free_memory, parse_size, program_bytes


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("123456", 123456),
        ("2GiB", 2 << 30),
        ("2g", 2 << 30),
        ("1.5 GiB", 3 << 29),
        ("500MB", 500_000_000),
        ("64kb", 64_000),
        (".5TiB", 1 << 39),
        ("7B", 7),
    ],
)
def test_sizes_are_read(text, count):
    assert parse_size(text) == count


@pytest.mark.parametrize("text", ["", "GiB", "-2GiB", "2 apples", "2GiBs", "0", "1e9", "nan"])
def test_what_is_no_size_is_refused_by_its_name(text):
    with pytest.raises(ValueError, match="is no size"):
        parse_size(text)


def test_a_size_that_is_printed_is_not_below_what_it_stands_for():
    for count in (1, 2**20, 2**20 + 1, 123456789):
        assert count <= parse_size(format_size(count)) < count + 2**20


def test_some_memory_is_free():
    assert 2**20 < free_memory(jax.devices()[0]) < 2**50


def test_a_program_holds_its_arguments_its_results_and_what_lies_between():
    def bytes_of(rows):
        x = jax.ShapeDtypeStruct((rows, 64), jnp.float32)
        return program_bytes(jax.jit(lambda x: jnp.sort(jnp.cos(x) @ x.T)).lower(x).compile())

    assert bytes_of(128) >= 4 * (128 * 64 + 128 * 128)
    assert bytes_of(512) > 8 * bytes_of(128)
