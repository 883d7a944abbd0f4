"""`ttd-jax models`: every fusion network that is known, those of plug-ins included."""

import json
import os

import pytest

from ttd_jax.core.tasks import TASKS
from ttd_jax.networks import lookup, networks

PLUG_IN = """
from ttd_jax.networks import IFCNN, FusionSpec, register_network

register_network(
    FusionSpec(
        name="plugged",
        build=IFCNN,
        channels=3,
        tasks=("medical",),
        source_count=4,
        license="MIT",
        paper="A paper",
    )
)
"""


@pytest.fixture(scope="module")
def plugged(tmp_path_factory):
    """The environment of a process in which a package with a network is installed."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "plugged_network.py").write_text(PLUG_IN)
    info = folder / "plugged-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ttd_jax.plugins]\nplugged = plugged_network\n")
    return {"PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}


def test_every_network_is_told_in_a_line_with_its_default_preset_first(command_line, plugged):
    printed = command_line("models", env=plugged).stdout
    assert max(map(len, printed.splitlines())) <= 160
    first = {line.split()[0]: line for line in reversed(printed.splitlines()) if line}
    for name in networks():
        spec = lookup(name)
        _, _, channels, default = first[name].split()[:4]
        assert (channels, default.rstrip(",")) == (str(spec.channels), spec.default_preset)
        assert ", ".join(spec.presets) in first[name]
        assert all(task in first[name] for task in spec.tasks)
        assert spec.paper in printed
        assert spec.license in printed
    assert first["plugged"].split() == ["plugged", "4", "3", "self", "medical"]


def test_json_holds_what_the_spec_holds(command_line, plugged):
    told = json.loads(command_line("models", "--json", env=plugged).stdout)
    assert set(told) == {*networks(), "plugged"}
    for name in networks():
        spec, record = lookup(name), told[name]
        assert record["channels"] == spec.channels
        assert record["source_count"] == spec.source_count
        assert record["default_preset"] == spec.default_preset
        assert {p: r["temperature"] for p, r in record["presets"].items()} == {
            p: settings.temperature for p, settings in spec.presets.items()
        }
        assert set(record["tasks"]) <= set(TASKS)
    assert told["plugged"]["license"] == "MIT"


def test_arguments_are_refused(refused):
    refused("models", "ifcnn_sum", named=["ifcnn_sum"])
