"""The authors' checkpoints, and what is refused in their place."""

import hashlib
import json
import os

import jax
import numpy as np
import pytest

from ttd_jax.errors import UserError
from ttd_jax.networks import lookup
from ttd_jax.weights import catalog, store
from ttd_jax.weights.convert import convert_checkpoint, convert_tensors

torch = pytest.importorskip("torch")

ROW = lookup("ifcnn_sum")


def random_tensors(seed=0):
    """A state dict of IFCNN's layout."""
    generator = np.random.default_rng(seed)
    shapes = ROW.shapes()
    tensors = {}
    for key, target in lookup("ifcnn_sum").layout.table.items():
        shape = shapes[target.path].shape
        if len(shape) == 4:
            shape = (shape[3], shape[2], *shape[:2])
        elif len(shape) == 2:
            shape = (shape[1], shape[0], 1, 1)
        tensors[key] = torch.from_numpy(generator.standard_normal(shape, np.float32))
    return tensors


def test_every_tensor_lands_where_the_table_says():
    tensors = random_tensors()
    variables, remarks = convert_tensors(ROW, tensors, name="x")
    assert not remarks
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(variables))
    kernel = variables["params"]["conv2"]["conv"]["conv"]["kernel"]
    np.testing.assert_array_equal(kernel[1, 2, 5, 7], tensors["conv2.conv.weight"][7, 5, 1, 2])
    np.testing.assert_array_equal(
        variables["params"]["conv4"]["kernel"], tensors["conv4.weight"][:, :, 0, 0].T
    )
    np.testing.assert_array_equal(
        variables["batch_stats"]["conv3"]["bn"]["var"], tensors["conv3.bn.running_var"]
    )


def test_the_table_reaches_every_variable_once():
    paths = [target.path for target in lookup("ifcnn_sum").layout.table.values()]
    assert sorted(paths) == sorted(ROW.shapes())


def test_batch_counters_are_the_only_keys_ignored():
    tensors = random_tensors() | {"conv2.bn.num_batches_tracked": torch.tensor(3)}
    convert_tensors(ROW, tensors, name="x")


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda t: t.pop("conv3.bn.bias"), "missing keys: 1 (conv3.bn.bias)"),
        (lambda t: t.update(extra=torch.zeros(1)), "unexpected keys: 1 (extra)"),
        (lambda t: t.update({"conv1.weight": t["conv1.weight"].mT[:, :, :5]}), "conv1.weight"),
        (lambda t: t.update({"conv4.weight": t["conv4.weight"][:, :, 0, 0]}), "conv4.weight"),
        (lambda t: t["conv4.bias"].fill_(float("nan")), "NaN or Inf"),
        (lambda t: t["conv1.weight"][0, 0, 0].fill_(float("inf")), "NaN or Inf"),
        (lambda t: t.update({"conv4.bias": t["conv4.bias"].int()}), "int32"),
    ],
)
def test_damaged_state_dicts_are_refused_by_name(damage, named):
    tensors = random_tensors()
    damage(tensors)
    with pytest.raises(UserError) as error:
        convert_tensors(ROW, tensors, name="x.pth")
    assert named in str(error.value)
    assert "x.pth" in str(error.value)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_float_types_are_converted_and_told(dtype):
    tensors = {key: tensor.to(dtype) for key, tensor in random_tensors().items()}
    variables, remarks = convert_tensors(ROW, tensors, name="x")
    assert str(dtype).removeprefix("torch.") in remarks[0]
    expected = tensors["conv4.bias"].float().numpy()
    np.testing.assert_array_equal(variables["params"]["conv4"]["bias"], expected)


def test_saved_weights_come_back_bit_for_bit(tmp_path):
    torch.save(random_tensors(), tmp_path / "x.pth")
    model, source, _ = convert_checkpoint(ROW, tmp_path / "x.pth")
    manifest = store.save(tmp_path / "w", model, source=source)
    loaded = store.load(tmp_path / "w")
    jax.tree.map(np.testing.assert_array_equal, loaded.variables, model.variables)
    assert loaded.settings == model.settings
    assert manifest["source"]["sha256"] == catalog.digests_of(tmp_path / "x.pth").sha256


def test_the_manifest_is_the_same_bytes_for_the_same_input(tmp_path):
    torch.save(random_tensors(), tmp_path / "x.pth")
    for name in ("a", "b"):
        model, source, _ = convert_checkpoint(ROW, tmp_path / "x.pth")
        store.save(tmp_path / name, model, source=source)
    first, second = ((tmp_path / n / store.MANIFEST).read_bytes() for n in ("a", "b"))
    assert first == second


def test_the_tree_hash_sees_values_names_shapes_and_dtypes():
    tree = {"params": {"a": np.zeros((2, 3), np.float32), "b": np.ones(2, np.float32)}}
    changed = [
        {"params": {"a": np.zeros((2, 3), np.float32), "b": np.full(2, 1.5, np.float32)}},
        {"params": {"a": np.zeros((3, 2), np.float32), "b": np.ones(2, np.float32)}},
        {"params": {"a": np.zeros((2, 3), np.float64), "b": np.ones(2, np.float32)}},
        {"params": {"c": np.zeros((2, 3), np.float32), "b": np.ones(2, np.float32)}},
    ]
    hashes = {store.tree_sha256(t) for t in [tree, *changed]}
    assert len(hashes) == 5
    again = {"params": dict(reversed(tree["params"].items()))}
    assert store.tree_sha256(again) == store.tree_sha256(tree)


def test_presets_and_module_options_are_chosen_at_load_time(random_weights):
    model = store.load(random_weights, dominability="self", precision="high")
    assert model.settings == ROW.presets["self"]
    assert model.module.precision == "high"
    with pytest.raises(UserError, match="fused, intensity, self"):
        store.load(random_weights, dominability="best")


def test_known_files_are_recognized_by_either_hash(shared, tmp_path):
    for known in catalog.known_files():
        assert known.sha256 or known.git_blob
        assert len(known.commit) == 40
    original = shared / "weights" / "ifcnn" / "IFCNN-MAX.pth"
    assert catalog.recognize(catalog.digests_of(original)).model == "ifcnn_max"
    (tmp_path / "cut.pth").write_bytes(original.read_bytes()[:-1])
    assert catalog.recognize(catalog.digests_of(tmp_path / "cut.pth")) is None
    (tmp_path / "hello").write_bytes(b"hello\n")
    digests = catalog.digests_of(tmp_path / "hello")
    assert digests.git_blob == "ce013625030ba8dba906f756967f9e9ca394464a"


# The command ----------------------------------------------------------------------------------


def convert(checkpoint, out, model="ifcnn_sum"):
    return ("convert", f"--model={model}", f"--checkpoint={checkpoint}", f"--out={out}")


def test_real_checkpoints_convert_and_name_their_origin(shared, command_line, tmp_path):
    for operator in ("SUM", "MAX", "MEAN"):
        path = shared / "weights" / "ifcnn" / f"IFCNN-{operator}.pth"
        words = convert(path, tmp_path / operator, f"ifcnn_{operator.lower()}")
        result = command_line(*words, "--json")
        assert result.returncode == 0, result.stderr
        assert result.stderr == ""
        manifest = json.loads(result.stdout)
        assert manifest["source"]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert manifest["source"]["known_as"].endswith(f"Code/snapshots/IFCNN-{operator}.pth")
        assert manifest["parameters"] == 83843


class Payload:
    """Runs a command when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_malicious_pickles_are_refused_and_not_run(refused, tmp_path):
    for legacy in (True, False):
        path, proof = tmp_path / f"bad{legacy}.pth", tmp_path / "ran"
        torch.save(
            {**random_tensors(), "x": Payload(proof)},
            path,
            _use_new_zipfile_serialization=not legacy,
        )
        refused(*convert(path, tmp_path / "w"), named=[path, "refused"])
        assert not proof.exists()
        assert not (tmp_path / "w").exists()
    torch.load(path, weights_only=False)
    assert proof.exists()  # the payload is a real one


def test_unreadable_checkpoints_are_named(refused, tmp_path):
    torch.save(random_tensors(), tmp_path / "whole.pth", _use_new_zipfile_serialization=False)
    whole = (tmp_path / "whole.pth").read_bytes()
    torch.save(random_tensors(), tmp_path / "zip.pth")
    zipped = (tmp_path / "zip.pth").read_bytes()
    for name, data in {
        "half.pth": whole[: len(whole) // 2],
        "start.pth": whole[:100],
        "zip_half.pth": zipped[: len(zipped) // 2],
        "page.pth": b"<!DOCTYPE html><html>404</html>",
        "empty.pth": b"",
    }.items():
        (tmp_path / name).write_bytes(data)
        refused(*convert(tmp_path / name, tmp_path / "w"), named=[name])
    refused(*convert(tmp_path / "none.pth", tmp_path / "w"), named=["none.pth", "no such file"])
    refused(*convert(tmp_path, tmp_path / "w"), named=[tmp_path])
    assert not (tmp_path / "w").exists()


def test_files_of_other_kinds_say_what_they_are(refused, tmp_path):
    os.mkfifo(tmp_path / "pipe")  # nobody writes into it: reading would wait for ever
    refused(*convert(tmp_path / "pipe", tmp_path / "w"), named=["pipe", "is no file"])
    refused("weights", "verify", tmp_path / "pipe", named=["pipe", "neither a file nor a folder"])


def _prefixed(prefix):
    return lambda tensors: {f"{prefix}{key}": tensor for key, tensor in tensors.items()}


def test_networks_that_the_tensors_would_fit_as_well_are_told(tmp_path):
    torch.save(random_tensors(), tmp_path / "x.pth")
    _, _, remarks = convert_checkpoint(ROW, tmp_path / "x.pth")
    (remark,) = remarks  # nothing in an unknown file tells how it merges
    assert "taken for ifcnn_sum" in remark
    assert "ifcnn_max, ifcnn_mean as well" in remark


def test_wrapped_checkpoints_of_other_networks_are_recognized(tmp_path):
    torch.save({"state_dict": _prefixed("module.")(random_tensors())}, tmp_path / "x.pth")
    with pytest.raises(UserError, match="looks like one of ifcnn_sum"):
        convert_checkpoint(lookup("cddfuse_ivf"), tmp_path / "x.pth")


def test_a_checkpoint_that_holds_itself_has_an_end(tmp_path):
    loaded = {}
    loaded["model"] = loaded["state_dict"] = loaded
    torch.save(loaded, tmp_path / "x.pth")
    with pytest.raises(UserError, match="not laid out as a checkpoint"):
        convert_checkpoint(ROW, tmp_path / "x.pth")


CLAIMS = {  # what a tensor is said to be -> the tensor, and what the message tells
    "a terabyte": (lambda: torch.zeros(1).as_strided((1 << 38,), (0,)), "has shape"),
    "without values": (lambda: torch.zeros(3, device="meta"), "holds no values"),
    "sparse": (lambda: torch.ones(3).to_sparse(), "is sparse"),
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_tensors_are_looked_at_before_they_are_read(refused, tmp_path, claim):
    make, named = CLAIMS[claim]
    torch.save(random_tensors() | {"conv4.bias": make()}, tmp_path / "x.pth")
    refused(*convert(tmp_path / "x.pth", tmp_path / "w"), named=["'conv4.bias'", named])
    assert not (tmp_path / "w").exists()


def test_a_full_disk_is_one_line_and_leaves_nothing(refused, tmp_path):
    torch.save(random_tensors(), tmp_path / "x.pth")
    refused(
        *convert(tmp_path / "x.pth", tmp_path / "w"),
        process=True,
        prefix=("sh", "-c", 'ulimit -f 64; exec "$@"', "sh"),
        env={"JAX_ENABLE_COMPILATION_CACHE": "0"},
        named=["w: cannot write", "the disk or quota is full (File too large)"],
    )
    assert [path.name for path in tmp_path.iterdir()] == ["x.pth"]


def test_another_models_checkpoint_is_refused(shared, refused, tmp_path):
    path = shared / "weights" / "ifcnn" / "IFCNN-MAX.pth"
    refused(*convert(path, tmp_path / "w"), named=["IFCNN-MAX.pth", "--model=ifcnn_max"])
    path = shared / "weights" / "piafusion" / "best_cls.pth"
    refused(*convert(path, tmp_path / "w"), named=[path])
    path = shared / "weights" / "yolox" / "yolox_nano_coco_fp16rn.pth"
    refused(*convert(path, tmp_path / "w"), named=[path])
    assert not (tmp_path / "w").exists()


def test_weights_are_never_replaced_by_accident(command_line, refused, tmp_path):
    torch.save(random_tensors(0), tmp_path / "a.pth")
    torch.save(random_tensors(1), tmp_path / "b.pth")
    out = tmp_path / "w"
    assert command_line(*convert(tmp_path / "a.pth", out)).returncode == 0
    before = (out / store.MANIFEST).read_bytes()
    refused(*convert(tmp_path / "b.pth", out), named=[out, "--overwrite"])
    assert (out / store.MANIFEST).read_bytes() == before
    assert command_line(*convert(tmp_path / "b.pth", out), "--overwrite").returncode == 0
    assert (out / store.MANIFEST).read_bytes() != before
    other = tmp_path / "precious"
    other.mkdir()
    (other / "thesis.txt").write_text("x")
    refused(*convert(tmp_path / "b.pth", other), "--overwrite", named=[other])
    assert (other / "thesis.txt").exists()
    assert {p.name for p in tmp_path.iterdir()} == {"a.pth", "b.pth", "w", "precious"}


def test_missing_and_unknown_flags_are_named(refused, tmp_path):
    refused("convert", "--model=ifcnn_sum", named=["--checkpoint"])
    refused("convert", "--modle=ifcnn_sum", named=["modle"])
    refused(*convert("x.pth", tmp_path / "w", "ifcnn-sun"), named=["did you mean 'ifcnn_sum'"])
    refused("covert", named=["did you mean 'convert'"])
