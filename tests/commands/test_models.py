"""`ttd-jax models`: what is known of every fusion network. Plug-ins: see tests/test_plugins.py."""

import json

from ttd_jax.networks import lookup, networks


def test_every_network_is_told_in_a_line_with_its_default_preset_first(command_line):
    printed = command_line("models").stdout
    assert max(map(len, printed.splitlines())) <= 160
    first = {line.split()[0]: line for line in reversed(printed.splitlines()) if line}
    for name in networks():
        spec = lookup(name)
        _, sources, channels, default = first[name].split()[:4]
        assert (sources, channels) == (str(spec.source_count or "any"), str(spec.channels))
        assert default.rstrip(",:") == (spec.default_preset or "none")
        assert ", ".join(spec.presets) in first[name]
        assert all(task in first[name] for task in spec.tasks)
        assert spec.paper in printed
        assert spec.license in printed


def test_json_holds_what_the_spec_holds(command_line):
    told = json.loads(command_line("models", "--json").stdout)
    assert set(told) == set(networks())
    for name, record in told.items():
        spec = lookup(name)
        for field in ("channels", "source_count", "min_size", "default_preset", "license", "paper"):
            assert record[field] == getattr(spec, field)
        assert record["tasks"] == list(spec.tasks)
        assert {p: settings["temperature"] for p, settings in record["presets"].items()} == {
            p: settings.temperature for p, settings in spec.presets.items()
        }


def test_arguments_are_refused(refused):
    refused("models", "ifcnn_sum", named=["ifcnn_sum"])
