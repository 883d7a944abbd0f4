"""CDDFuse's checkpoints: what converts, what is refused and why, and what loads again."""

import collections

import numpy as np
import pytest

import ttd_jax
from ttd_jax.errors import UserError
from ttd_jax.networks import lookup
from ttd_jax.weights import catalog, store
from ttd_jax.weights.convert import convert_checkpoint

torch = pytest.importorskip("torch")
from ttd_jax.benchmarks.twins import cddfuse as twin
from ttd_jax.benchmarks.twins.random_state import random_state

ROW = lookup("cddfuse_ivf")
IFCNN = lookup("ifcnn_sum")
KEY = "encoder_level1.0.attn.qkv.weight"  # of the first part, f32[192, 64, 1, 1]


def _checkpoint(prefix="module."):
    """Random tensors as the authors lay them out: a dict of four state dicts."""
    parts = {part: collections.OrderedDict() for part in twin.PARTS}
    for key, tensor in random_state(ROW).items():
        part, name = key.split(".", 1)
        parts[part][prefix + name] = tensor
    return parts


@pytest.fixture
def save(tmp_path):
    def write(checkpoint):
        path = tmp_path / "weights.pth"
        torch.save(checkpoint, path)
        return path

    return write


def test_table_covers_every_tensor_and_every_variable_once(shared):
    checkpoint = torch.load(shared / "golden/cddfuse/cddfuse_random.pth", weights_only=True)
    table = lookup("cddfuse_ivf").layout.table
    assert set(table) == set(twin.flatten(checkpoint))
    paths = [target.path for target in table.values()]
    assert sorted(paths) == sorted(ROW.shapes())
    assert len(paths) == 158


@pytest.mark.parametrize("name", ["cddfuse_ivf", "cddfuse_mif"])
def test_saved_weights_load_as_they_were_converted(name, save, tmp_path):
    row = lookup(name)
    model, source, remarks = convert_checkpoint(row, save(_checkpoint()))
    (remark,) = remarks  # the other's tensors have the same shapes
    assert {"cddfuse_ivf": "cddfuse_mif", "cddfuse_mif": "cddfuse_ivf"}[name] in remark
    manifest = store.save(tmp_path / "out", model, source=source)
    assert manifest["parameters"] == sum(tensor.numel() for tensor in random_state(row).values())
    loaded = ttd_jax.load(tmp_path / "out")
    assert store.tree_sha256(loaded.variables) == manifest["sha256"]
    assert loaded.settings == row.presets["self"]
    assert loaded.module == row.build()


def test_keys_without_the_prefix_of_data_parallel_convert_to_the_same(save):
    with_prefix, _, _ = convert_checkpoint(ROW, save(_checkpoint()))
    without, _, _ = convert_checkpoint(ROW, save(_checkpoint(prefix="")))
    assert store.tree_sha256(with_prefix.variables) == store.tree_sha256(without.variables)


def test_missing_key_is_named(save):
    checkpoint = _checkpoint()
    del checkpoint["DIDF_Encoder"][f"module.{KEY}"]
    with pytest.raises(UserError, match=rf"missing keys: 1 \(DIDF_Encoder\.{KEY}\)"):
        convert_checkpoint(ROW, save(checkpoint))


def test_missing_part_is_named(save):
    checkpoint = _checkpoint()
    del checkpoint["DetailFuseLayer"]
    with pytest.raises(UserError, match=r"missing keys: 11 \(DetailFuseLayer\."):
        convert_checkpoint(ROW, save(checkpoint))


@pytest.mark.parametrize("key", ["module.more.weight", "module.conv1.weight"])
def test_extra_key_is_named_even_if_another_model_has_it(key, save):
    checkpoint = _checkpoint()
    checkpoint["DIDF_Decoder"][key] = torch.zeros(64, 3, 7, 7)
    expected = rf"unexpected keys: 1 \(DIDF_Decoder\.{key}\)"
    with pytest.raises(UserError, match=expected):
        convert_checkpoint(ROW, save(checkpoint))


def test_extra_part_is_named(save):
    checkpoint = {**_checkpoint(), "Discriminator": {"module.weight": torch.zeros(1)}}
    with pytest.raises(UserError, match=r"unexpected keys: 1 \(Discriminator\.module\.weight\)"):
        convert_checkpoint(ROW, save(checkpoint))


@pytest.mark.parametrize(
    ("part", "key"),
    [
        ("DIDF_Encoder", KEY),
        ("DIDF_Encoder", "encoder_level1.1.ffn.dwconv.weight"),
        ("DIDF_Decoder", "output.0.weight"),
        ("BaseFuseLayer", "mlp.dwconv.weight"),
        ("DetailFuseLayer", "net.0.theta_phi.bottleneckBlock.0.weight"),
    ],
)
def test_transposed_tensor_is_named(part, key, save):
    checkpoint = _checkpoint()
    state = checkpoint[part]
    state[f"module.{key}"] = state[f"module.{key}"].transpose(0, 1).contiguous()
    with pytest.raises(UserError, match=rf"'{part}\.{key}' has shape .*does not fit cddfuse_ivf"):
        convert_checkpoint(ROW, save(checkpoint))


def test_larger_kernel_where_a_pointwise_one_belongs_is_refused(save):
    checkpoint = _checkpoint()
    checkpoint["DIDF_Encoder"][f"module.{KEY}"] = torch.zeros(192, 64, 3, 3)
    with pytest.raises(UserError, match=r"has shape \(192, 64, 3, 3\), which does not fit"):
        convert_checkpoint(ROW, save(checkpoint))


def test_checkpoints_of_other_models_are_recognized_both_ways(save):
    with pytest.raises(UserError, match="of cddfuse_ivf: it looks like one of ifcnn_sum"):
        convert_checkpoint(ROW, save(random_state(IFCNN)))
    with pytest.raises(UserError, match="of ifcnn_sum: it looks like one of cddfuse_ivf"):
        convert_checkpoint(IFCNN, save(_checkpoint()))


def test_half_precision_is_widened_and_said(save):
    def cast(dtype):
        halves = _checkpoint()
        for state in halves.values():
            state.update({key: tensor.half().to(dtype) for key, tensor in state.items()})
        return halves

    model, _, remarks = convert_checkpoint(ROW, save(cast(torch.float16)))
    assert remarks[0] == "float16 tensors were widened to float32"
    expected, _, _ = convert_checkpoint(ROW, save(cast(torch.float32)))
    assert store.tree_sha256(model.variables) == store.tree_sha256(expected.variables)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_tensor_that_is_not_finite_is_named(value, save):
    checkpoint = _checkpoint()
    checkpoint["BaseFuseLayer"]["module.attn.scale"][3] = value
    with pytest.raises(UserError, match=r"'BaseFuseLayer\.attn\.scale' holds NaN or Inf"):
        convert_checkpoint(ROW, save(checkpoint))


@pytest.mark.parametrize("name", ["cddfuse_ivf", "cddfuse_mif"])
def test_authors_file_is_on_a_card(name):
    models = {known.file: known.model for known in catalog.known_files()}
    assert models[lookup(name).checkpoint] == name
