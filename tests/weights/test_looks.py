"""Files that are no checkpoint of the network are refused by what they are, and never run."""

import dataclasses
import io
import pickle
import zipfile

import numpy as np
import pytest
from flax import linen as nn

import ttd_jax
from tests import small_networks as small
from ttd_jax.errors import UserError
from ttd_jax.networks import NETWORKS, Layout, lookup
from ttd_jax.networks.layout import biased
from ttd_jax.weights.checkpoint_file import read_checkpoint_file
from ttd_jax.weights.convert import convert_checkpoint

torch = pytest.importorskip("torch")
from ttd_jax.benchmarks.twins.random_state import random_state


def _written(write):
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()


def _zip(*names):
    def write(buffer):
        with zipfile.ZipFile(buffer, "w") as archive:
            for name in names:
                archive.writestr(name, b"x")

    return _written(write)


def _onnx():
    """The beginning of a model as `torch.onnx.export` writes it: version 8, producer 'pytorch'."""
    return b"\x08\x08\x12\x07pytorch\x1a\x052.1.0:" + bytes(range(200))


def _script(buffer):
    torch.jit.save(torch.jit.trace(torch.nn.Conv2d(1, 1, 3), torch.zeros(1, 1, 8, 8)), buffer)


class Whole(torch.nn.Module):
    """A module that is pickled as a whole."""


OTHERS = {  # what is written, and what is told
    "page": (b"<!DOCTYPE html>\n<html>404</html>", "a web page"),
    "text": ("Pas trouvé.\n".encode() * 60, "a text, not a checkpoint"),
    "pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
        "pointer of git-lfs",
    ),
    "Keras 2": (b"\x89HDF\r\n\x1a\n" + bytes(100), "an HDF5 file, such as Keras writes"),
    "Keras 3": (_zip("metadata.json", "config.json", "model.weights.h5"), "a Keras model"),
    "pictures": (_zip("a.png", "b.png", "c.png"), r"archive of 3 files \(a\.png, b\.png, \.\.\.\)"),
    "arrays": (_written(lambda file: np.savez(file, x=np.ones(3))), r"of 1 file \(x\.npy\)"),
    "array": (_written(lambda file: np.save(file, np.ones(3))), "a NumPy array"),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(30), "a picture"),
    "packed": (b"\x1f\x8b\x08" + bytes(30), "packed by gzip"),
    "ONNX": (_onnx(), "an ONNX model"),
    "whole": (_written(lambda file: torch.save(Whole(), file)), r"refused: .*\.Whole, and nothing"),
    "safetensors": (b"\x08" + bytes(7) + b'{"x":1}  ', "damaged safetensors file"),
    "optimizer": (
        _written(lambda file: torch.save(torch.optim.Adam([torch.zeros(3)]).state_dict(), file)),
        "an optimizer's state and no weights",
    ),
    "optimizer of an epoch": (
        _written(lambda file: torch.save({"epoch": 1, "opt": {"param_groups": []}}, file)),
        "an optimizer's state and no weights",
    ),
    "tensor": (_written(lambda file: torch.save(torch.ones(3), file)), "tensors without names"),
    "tensors": (_written(lambda file: torch.save([torch.ones(3)], file)), "tensors without names"),
    "number": (_written(lambda file: torch.save(3, file)), "no tensors but int"),
    "pickle": (pickle.dumps({"x": 3}), "pass its .pth file|truncated|refused"),
}


@pytest.mark.parametrize("other", OTHERS)
def test_other_files_are_refused_by_what_they_are(tmp_path, other):
    if other == "safetensors":
        pytest.importorskip("safetensors")
    content, told = OTHERS[other]
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(UserError, match=rf"x\.pth: .*({told})") as error:
        convert_checkpoint(lookup("ifcnn_sum"), tmp_path / "x.pth")
    assert "\n" not in str(error.value)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_script_is_not_run(tmp_path):
    (tmp_path / "x.pt").write_bytes(_written(_script))
    with pytest.raises(UserError, match=r"x\.pt: is a TorchScript archive, whose code is not run"):
        convert_checkpoint(lookup("ifcnn_sum"), tmp_path / "x.pt")


class Wide(small.Local):
    """With more features."""

    def setup(self):
        self.encoder = nn.Conv(8, (3, 3), precision=self.precision)
        self.decoder = nn.Conv(1, (3, 3), precision=self.precision)


def test_networks_with_keys_in_common_are_told_apart(tmp_path):
    """By the keys that they do not share, and then by shapes."""
    layouts = {
        name: Layout(name, {**biased("encoder", "encoder"), **biased(decoder, "decoder")})
        for name, decoder in (("first", "decoder"), ("second", "out"))
    }
    specs = {
        name: dataclasses.replace(small.LOCAL, name=name, layout=layouts[layout], build=build)
        for name, layout, build in (
            ("small_first", "first", small.Local),
            ("small_second", "second", small.Local),
            ("small_wide", "second", Wide),
        )
    }
    with small.registered():
        for spec in specs.values():
            ttd_jax.register_network(spec)
        for whose, spec in specs.items():
            torch.save(random_state(spec), tmp_path / "x.pth")
            convert_checkpoint(spec, tmp_path / "x.pth")
            for given in specs.keys() - {whose} | {"ifcnn_sum"}:
                with pytest.raises(UserError, match=f"looks like one of {whose}: pass --model="):
                    convert_checkpoint(NETWORKS[given], tmp_path / "x.pth")


CASES = [  # whose checkpoint, and what it is given for
    ("ifcnn_sum", "cddfuse_ivf"),
    ("cddfuse_ivf", "ifcnn_sum"),
    ("cddfuse_ivf", "cddfuse_ivf"),
    ("piafusion", "ifcnn_sum"),
    ("densefuse_rgb", "densefuse_gray"),  # by its shapes alone
    ("yolox_nano", "ifcnn_sum"),
]


@pytest.mark.parametrize(("whose", "given"), CASES)
def test_a_checkpoint_is_named_by_the_layout_that_fits_best(tmp_path, whose, given):
    """Even one that is wrapped and lacks a tensor."""
    state = random_state(NETWORKS[whose])
    state.popitem()
    torch.save({"model": {f"module.{k}": t for k, t in state.items()}}, tmp_path / "x.pth")
    told = "missing keys: 1" if whose == given else f"looks like one of .*--model={whose}$"
    with pytest.raises(UserError, match=told):
        convert_checkpoint(NETWORKS[given], tmp_path / "x.pth")


def test_a_flipped_byte_is_found_by_the_checksum(tmp_path):
    path = tmp_path / "a.pth"
    torch.save({"weight": torch.arange(4096.0)}, path)
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 0x40
    path.write_bytes(damaged)
    with pytest.raises(UserError, match=r"a.pth: damaged, its .* is not what was saved"):
        read_checkpoint_file(path)
