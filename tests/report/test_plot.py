"""Plots are of one style, whatever Matplotlib's own settings are."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("matplotlib")

# In a process of its own: Matplotlib reads its settings once.
DRAW = """
import pathlib, sys
from ttd_jax.main import main
main(["ttd-jax", "--version"])
from matplotlib.figure import Figure
from ttd_jax.report import plot
with plot.styled():
    figure = Figure(figsize=(2, 1))
    figure.subplots().set_title("$x$")
    pathlib.Path(sys.argv[1]).write_bytes(plot.as_png(figure))
"""
SETTINGS = "text.usetex: True\nfont.size: 20\naxes.linewidth: thick\nnonsense: 1\n"


def test_settings_of_matplotlib_change_no_plot(tmp_path):
    pictures = []
    for name, settings, backend in (("own", "", "agg"), ("theirs", SETTINGS, "nonsense")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "matplotlibrc").write_text(settings)
        result = subprocess.run(
            [sys.executable, "-c", DRAW, "plot.png"],
            cwd=folder,
            env={**os.environ, "MPLBACKEND": backend},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (result.returncode, result.stderr) == (0, "")
        pictures.append((folder / "plot.png").read_bytes())
    assert pictures[0] == pictures[1]
