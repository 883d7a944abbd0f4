"""Sizes as people write them, what there is, and how many scenes fit in it."""

import math
import types

import jax
import jax.numpy as jnp
import pytest

from ttd_jax.parts.memory import (
    batch_memory,
    choose_count,
    format_size,
    free_memory,
    parse_size,
    plan_program,
    program_bytes,
    scenes_that_fit,
)


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


def test_scenes_fit_beside_what_all_of_them_share():
    assert scenes_that_fit(1000, 250, fixed=50) == 4  # 50 and four times 200
    assert scenes_that_fit(1000, 450, count=2, fixed=50) == 4
    assert scenes_that_fit(249, 250, fixed=50) == 0
    assert scenes_that_fit(40, 250, fixed=50) == 0


@pytest.mark.parametrize(
    ("memory", "count", "tried"),
    [(5000, 8, [8]), (650, 3, [8, 3]), (649, 2, [8, 2]), (250, 1, [8]), (10, 1, [8])],
)
def test_as_many_scenes_are_chosen_as_the_plan_of_their_program_leaves_room_for(
    memory, count, tried
):
    asked = []

    def planned(scenes):
        asked.append(scenes)
        return 50 + 200 * scenes

    assert choose_count(8, planned, memory=memory, fixed=50) == count
    assert asked == tried


def test_fewer_scenes_are_tried_where_the_compiler_refuses_or_a_plan_is_no_line():
    refused = {8: math.inf, 4: 900, 3: 701, 2: 600}
    assert choose_count(8, refused.get, memory=700) == 2
    assert choose_count(1, refused.get, memory=700) == 1  # nothing to choose: nothing is compiled


def test_a_program_that_the_compiler_finds_too_large_has_no_plan():
    def fail(message):
        raise jax.errors.JaxRuntimeError(message)

    assert plan_program(lambda: fail("RESOURCE_EXHAUSTED: of HBM")) == (None, math.inf)
    with pytest.raises(RuntimeError, match="INTERNAL"):
        plan_program(lambda: fail("INTERNAL: a bug"))
    compiled = jax.jit(jnp.cos).lower(jnp.ones(8)).compile()
    assert plan_program(lambda: compiled) == (compiled, program_bytes(compiled))


def test_a_batch_may_take_half_of_a_devices_own_memory():
    def device(platform, statistics):
        return types.SimpleNamespace(platform=platform, memory_stats=lambda: statistics)

    assert batch_memory(device("gpu", {"bytes_limit": 80, "bytes_in_use": 70})) == 40
    assert batch_memory(device("tpu", None)) is None
    assert batch_memory(jax.devices("cpu")[0]) is None
