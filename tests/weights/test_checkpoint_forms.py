"""However a checkpoint was saved and wrapped, the same weights come of it."""

import collections
import dataclasses

import numpy as np
import pytest

import ttd_jax
from tests import small_networks as small
from ttd_jax.errors import UserError
from ttd_jax.networks import Layout, lookup
from ttd_jax.networks.layout import biased
from ttd_jax.weights import store
from ttd_jax.weights.convert import convert_checkpoint

torch = pytest.importorskip("torch")
from ttd_jax.benchmarks.twins.random_state import random_state


def _parts(loaded):
    """As CDDFuse's: a dict of state dicts."""
    return {
        f"{part}.{key}": tensor for part, state in loaded.items() for key, tensor in state.items()
    }


def _layout(name, encoder, decoder, **options):
    table = {**biased(encoder, "encoder"), **biased(decoder, "decoder")}
    return Layout(name, table, **options)


LAYOUTS = {
    "flat": _layout("flat", "encoder.0", "decoder.0"),
    "of prefixes": _layout("of prefixes", "model.encoder", "module.model"),
    "in parts": _layout("in parts", "E.conv", "D.conv", flatten=_parts),
    "with more": _layout("with more", "a.conv", "b.conv", unused=frozenset(("a.bn.bias",))),
}
IFCNN = lookup("ifcnn_sum")
SPECS = {
    **{name: dataclasses.replace(small.LOCAL, layout=each) for name, each in LAYOUTS.items()},
    # Of a layout of its own: that two others would fit as well takes time to find out.
    "ifcnn": dataclasses.replace(IFCNN, layout=dataclasses.replace(IFCNN.layout)),
}


def _tensors(spec):
    """The authors' state dict, flat."""
    return random_state(spec) | {key: torch.ones(3) for key in spec.layout.unused}


def _authors(spec):
    """What the authors of such a network save."""
    tensors = _tensors(spec)
    if spec.layout.name != "in parts":
        return tensors
    parts = collections.defaultdict(dict)
    for key, tensor in tensors.items():
        part, _, name = key.partition(".")
        parts[part][name] = tensor
    return dict(parts)


def _each(function, state, more=()):
    """A state dict, or each in a dict of them, made of (key, tensor) -> (key, tensor)."""
    if all(isinstance(value, dict) for value in state.values()):
        return {part: _each(function, inner, more) for part, inner in state.items()}
    return dict([*(function(key, tensor) for key, tensor in state.items()), *more])


def _prefixed(prefix, state):
    return _each(lambda key, tensor: (f"{prefix}{key}", tensor), state)


def _cast(dtype, state):
    return _each(lambda key, tensor: (key, tensor.to(dtype)), state)


def _prefixed_in_part(state):
    """A dict of state dicts of which one was wrapped; of a state dict, some of the keys."""
    first = next(iter(state))
    if isinstance(state[first], dict):
        return {**state, first: _prefixed("module.", state[first])}
    return {f"module.{key}" if key == first else key: tensor for key, tensor in state.items()}


ADAM = {"state": {0: {"step": torch.tensor(1.0), "exp_avg": torch.ones(3)}}, "param_groups": []}
COUNTER = [("bn.num_batches_tracked", torch.tensor(3))]
FORMS = {
    "as it is": lambda state: state,
    "data parallel": lambda state: _prefixed("module.", state),
    "compiled": lambda state: _prefixed("_orig_mod.", state),
    "compiled, data parallel": lambda state: _prefixed("module._orig_mod.", state),
    "data parallel, compiled": lambda state: _prefixed("_orig_mod.module.", state),
    "data parallel in part": _prefixed_in_part,
    "Lightning": lambda state: {"state_dict": _prefixed("model.", state), "epoch": 3},
    "Lightning, compiled": lambda state: {"state_dict": _prefixed("model._orig_mod.", state)},
    "state_dict": lambda state: {"state_dict": state},
    "tutorial": lambda state: {"model_state_dict": state, "loss": 0.1},
    "with optimizer": lambda state: {"model": state, "optimizer": ADAM, "epoch": 9},
    "optimizer first": lambda state: {"optimizer": ADAM, "net": state, "best": np.float64(0.5)},
    "epoch beside": lambda state: {**state, "epoch": 3, "name": "mine"},
    "ema": lambda state: {"ema": {"module": state, "updates": 7}},
    "net": lambda state: {"net": _prefixed("module.", state)},
    "params": lambda state: {"params": state},
    "weight": lambda state: {"weight": state, "epoch": 120},
    "generator": lambda state: {"generator": state, "discriminator": {"w": torch.ones(2)}},
    "model and ema": lambda state: {"model": state, "ema": _cast(torch.float64, state)},
    "nested": lambda state: {"model": {"state_dict": _prefixed("module.", state)}},
    "list": lambda state: [state, ADAM],
    "pairs": lambda state: list(state.items()),
    "OrderedDict": collections.OrderedDict,
    "batches counted": lambda state: _each(lambda *item: item, state, COUNTER),
    "float64": lambda state: _cast(torch.float64, state),
}
each_spec = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)


def _hash(spec, path):
    model, source, _ = convert_checkpoint(spec, path)
    assert source["license"].startswith("unknown")
    return store.tree_sha256(model.variables)


def _saved(path, content, **options):
    torch.save(content, path, **options)
    return path


@pytest.fixture
def expected(spec, tmp_path):
    return _hash(spec, _saved(tmp_path / "plain.pth", _authors(spec)))


@each_spec
def test_every_form_of_a_file_converts_to_the_same(spec, expected, tmp_path):
    for name, form in FORMS.items():
        assert _hash(spec, _saved(tmp_path / "x.pth", form(_authors(spec)))) == expected, name
    legacy = {"_use_new_zipfile_serialization": False}
    assert _hash(spec, _saved(tmp_path / "x.model", _authors(spec), **legacy)) == expected


@each_spec
def test_the_manifest_proves_the_same_weights(spec, expected, tmp_path):
    with small.registered():
        if spec.name not in ttd_jax.networks():
            ttd_jax.register_network(spec)
        model, source, _ = convert_checkpoint(spec, tmp_path / "plain.pth")
        assert store.save(tmp_path / "w", model, source=source)["sha256"] == expected


@each_spec
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_converts_to_its_rounded_values(spec, dtype, tmp_path):
    halves = _cast(dtype, _authors(spec))
    rounded = _saved(tmp_path / "rounded.pth", _cast(torch.float32, halves))
    assert _hash(spec, _saved(tmp_path / "x.pth", halves)) == _hash(spec, rounded)


@each_spec
@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_safetensors_convert_to_the_same(spec, prefix, dtype, expected, tmp_path):
    save_file = pytest.importorskip("safetensors.torch").save_file
    tensors = _cast(dtype, _prefixed(prefix, _tensors(spec)))
    save_file(tensors, tmp_path / "x", metadata={"format": "pt"})  # known by its bytes
    if dtype is not torch.float32:
        rounded = _cast(torch.float32, _cast(dtype, _authors(spec)))
        expected = _hash(spec, _saved(tmp_path / "rounded.pth", rounded))
    assert _hash(spec, tmp_path / "x") == expected


# Several files, and parts in one ---------------------------------------------------------------


def _halves(spec):
    """The flat tensors, in two dicts."""
    tensors = _tensors(spec)
    first = dict(list(tensors.items())[:2])
    return first, {key: tensor for key, tensor in tensors.items() if key not in first}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "both").mkdir()
    (tmp_path / "both" / "README.md").write_text("of the authors")
    return tmp_path / "both"


@each_spec
def test_files_of_a_folder_are_taken_together(spec, expected, folder):
    first, second = _halves(spec)
    first |= dict(COUNTER)  # in both files, and no matter
    _saved(folder / "Encoder.pkl", {"weight": first, "epoch": 120})
    _saved(folder / "Decoder.pt", {"state_dict": _prefixed("module.", second) | dict(COUNTER)})
    assert _hash(spec, folder) == expected
    _, source, _ = convert_checkpoint(spec, folder)
    assert [one["file"] for one in source["files"]] == ["Decoder.pt", "Encoder.pkl"]
    assert all(len(one["sha256"]) == 64 and one["known_as"] is None for one in source["files"])


@each_spec
def test_a_file_of_parts_is_taken_together(spec, expected, tmp_path):
    first, second = _halves(spec)
    parts = {"encoder": {"weight": first}, "decoder": _prefixed("module.", second), "epoch": 1}
    assert _hash(spec, _saved(tmp_path / "x.pth", parts)) == expected
    assert _hash(spec, _saved(tmp_path / "x.pth", [first, second])) == expected
    assert _hash(spec, _saved(tmp_path / "x.pth", {"model": parts, "optimizer": ADAM})) == expected


def test_a_folder_with_a_file_for_each_part_is_one_checkpoint(tmp_path, folder):
    spec = SPECS["in parts"]
    expected = _hash(spec, _saved(tmp_path / "plain.pth", _authors(spec)))
    for part, state in _authors(spec).items():
        _saved(folder / f"{part}.pth", _prefixed("module.", state))
    assert _hash(spec, folder) == expected


def test_a_folder_of_one_file_is_that_file(tmp_path, folder):
    spec = SPECS["flat"]
    _saved(folder / "x.pth", _authors(spec))
    assert convert_checkpoint(spec, folder)[1] == convert_checkpoint(spec, folder / "x.pth")[1]


def test_folders_that_do_not_fit_are_refused(tmp_path, folder):
    spec = SPECS["flat"]

    def refuses(message):
        with pytest.raises(UserError, match=message) as error:
            convert_checkpoint(spec, folder)
        assert "\n" not in str(error.value)

    refuses(r"both: no checkpoint is in this folder \(\*\.pth, ")
    first, second = _halves(spec)
    _saved(folder / "a.pth", first)
    refuses(r"both: does not fit small_local: missing keys: 2 \(decoder\.0\.weight, ")
    _saved(folder / "b.pth", _tensors(spec))
    refuses(r"a\.pth and b\.pth both hold 'encoder\.0\.weight'")
    _saved(folder / "b.pth", second)
    _saved(folder / "c.pth", ADAM)
    refuses(r"c\.pth: not laid out .* it holds an optimizer's state")
    (folder / "c.pth").write_text("<html>not found</html>")
    refuses(r"c\.pth: is a web page")
    (folder / store.MANIFEST).write_text("{}")
    refuses("both: holds converted weights already")


def test_two_models_in_one_file_are_not_mixed(tmp_path):
    spec = SPECS["flat"]
    _saved(tmp_path / "x.pth", {"student": _tensors(spec), "teacher": _tensors(spec)})
    with pytest.raises(UserError, match="not laid out as a checkpoint of small_local"):
        convert_checkpoint(spec, tmp_path / "x.pth")


def test_keys_that_become_the_same_are_refused(tmp_path):
    spec = SPECS["flat"]
    twice = {**_tensors(spec), **_prefixed("module.", _tensors(spec))}
    _saved(tmp_path / "x.pth", twice)
    with pytest.raises(UserError, match=r"unexpected keys: 4 \(module\.encoder\.0\.weight, "):
        convert_checkpoint(spec, tmp_path / "x.pth")
