"""Tables in every form in which they are written."""

import csv
import math

import pytest

from ttd_jax.report.columns import aligned
from ttd_jax.report.csv_text import csv_text
from ttd_jax.report.latex import booktabs, escape
from ttd_jax.report.markdown import padded_table, table
from ttd_jax.report.scores import heading, interval

HEAD = ("case", "seconds")
ROWS = [("ifcnn_sum 256x256", "0.12"), ("piafusion", "1.5")]


@pytest.mark.parametrize("write", [table, padded_table])
def test_a_table_in_markdown_has_a_cell_for_each_column_in_every_line(write):
    lines = write(HEAD, ROWS)
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [*map(tuple, cells[:1]), *map(tuple, cells[2:])] == [HEAD, *ROWS]
    assert all(set(rule) <= set("-:") and len(rule) >= 3 for rule in cells[1])
    if write is padded_table:
        assert len(set(map(len, lines))) == 1


def test_columns_in_a_terminal_start_at_the_same_place():
    lines = aligned([HEAD, *ROWS])
    assert len({line.index(row[1]) for line, row in zip(lines, [HEAD, *ROWS], strict=True)}) == 1
    assert all(line == line.rstrip() for line in aligned([("a", ""), ("bb", "c")]))


def test_csv_gives_back_what_it_was_given():
    rows = [["name", "value"], ['a, "b"', repr(math.pi)], ["c", 1e-17]]
    assert list(csv.reader(csv_text(rows).splitlines())) == [[str(c) for c in r] for r in rows]
    assert csv_text([["a\rb\nc", 1.5]]) == r"a\rb\nc,1.5" + "\n"


def test_latex_escapes_what_would_end_a_line_or_a_cell():
    assert escape("my_set, 5 % & more") == r"my\_set, 5 \% \& more"
    text = booktabs(
        "my_set", ["Method", "EN", "SD"], [["static", "1.00", "2.00"]], label="tab:mine"
    )
    assert r"\caption{my\_set}" in text
    assert r"\label{tab:mine}" in text
    assert r"\begin{tabular}{lcc}" in text
    assert text.count("&") == 4


def test_a_heading_says_which_way_is_better_and_an_interval_has_its_sign():
    assert [heading("EN"), heading("MSE")] == ["EN ↑", "MSE ↓"]
    estimate = {"low": -0.5, "high": 1.0}
    assert interval(estimate) == "[-0.5000, 1.0000]"
    assert interval(estimate, "+") == "[-0.5000, +1.0000]"
    assert interval({"low": None, "high": None}) == ""


def test_names_stay_in_their_cells_in_every_kind_of_table():
    name = 'a|b\r\n\x1b[31m"c",=1'
    (row,) = table(["name"], [[name]])[2:]
    assert row == r'| a\|b\r\n\x1b[31m"c",=1 |'
    text = csv_text([["name"], [name], ["=1+1"], ["@SUM(A1)"], ["-2"], [-2.5]])
    assert text.splitlines() == [
        "name",
        r'"a|b\r\n\x1b[31m""c"",=1"',
        *("'=1+1", "'@SUM(A1)", "'-2"),
        "-2.5",  # a number is no text
    ]
    assert escape("50% & $x_1^2 {a} ~ #b\\c\n") == (
        r"50\% \& \$x\_1\textasciicircum{}2 \{a\} \textasciitilde{} \#b\textbackslash{}c"
        r"\textbackslash{}n"
    )
