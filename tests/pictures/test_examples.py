"""Examples from folders and from prepared benchmarks."""

import json
import pathlib
import pickle
import shutil

import pytest
import ttd_jax_datasets

from tests import object_stores
from ttd_jax.errors import UserError
from ttd_jax.pictures import prepared as prepared_module
from ttd_jax.pictures.prepared import default_data_dir, prepared_examples
from ttd_jax.pictures.scenes import find_scenes
from ttd_jax.places import place

ROLES = ("visible", "infrared")
PICTURES = pathlib.Path(ttd_jax_datasets.__file__).parent / "tno" / "dummy_data"


@pytest.fixture
def from_folder():
    return find_scenes([str(PICTURES / "vi"), str(PICTURES / "ir")], ROLES)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    pytest.importorskip("array_record", reason="array_record is not installed")
    pytest.importorskip("tensorflow_datasets", reason="tensorflow-datasets is not installed")
    from ttd_jax_datasets.preparing import prepare

    path = tmp_path_factory.mktemp("prepared")
    prepare(*ttd_jax_datasets.find_config("tno"), PICTURES, path)
    return path


def test_a_folder_gives_names_without_reading_and_bytes_on_demand(tmp_path):
    root = shutil.copytree(PICTURES, tmp_path / "tno")
    found = find_scenes([str(root / "vi"), str(root / "ir")], ROLES)
    expected = (root / "vi" / "02.png").read_bytes()
    assert found[-1].files[0] == found[1].files[0] == expected
    (root / "ir" / "02.png").unlink()
    assert found.names == ("01", "02")
    assert found[0].roles == ROLES
    with pytest.raises(UserError, match=r"ir.02\.png: no such file"):
        found[1].read(1)


def test_a_folder_and_a_prepared_benchmark_give_equal_examples(from_folder, data_dir):
    prepared = prepared_examples("tno/fusion", "test", data_dir=data_dir)
    assert prepared.names == from_folder.names
    assert len(prepared) == len(from_folder) == 2
    for number in (1, 0, -1):
        one, other = prepared[number], from_folder[number]
        assert (one.name, one.roles, one.files) == (other.name, other.roles, other.files)
        assert one.sha256 == other.sha256
    for source in (prepared, from_folder):
        with pytest.raises(IndexError):
            source[2]
        assert [example.name for example in source] == ["01", "02"]


def test_sources_travel_to_other_processes(from_folder, data_dir):
    for source in (from_folder, prepared_examples("tno", "test", data_dir=data_dir)):
        assert pickle.loads(pickle.dumps(source))[1].files == from_folder[1].files


def test_a_prepared_benchmark_in_a_store_is_read_from_a_copy(from_folder, data_dir):
    there = object_stores.copy(data_dir, place("memory://box/prepared"))
    found = prepared_examples("tno", "test", data_dir=there)
    assert [example.files for example in found] == [example.files for example in from_folder]
    assert str(found.path).startswith("memory://box/prepared/tno/fusion/")
    assert pickle.loads(pickle.dumps(found))[1].files == from_folder[1].files
    with pytest.raises(UserError, match="memory://box/prepared: mefb is not prepared here"):
        prepared_examples("mefb", "test", data_dir=there)
    with pytest.raises(UserError, match="tno has no split 'train'"):
        prepared_examples("tno", "train", data_dir=there)
    shard = next(file for file in there.files() if "-of-" in file.name)
    shard.write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"memory://box/prepared/tno.*prepare the benchmark again"):
        prepared_examples("tno", "test", data_dir=there)[0]
    there.rmtree()


def test_the_data_folder_is_tfdss(monkeypatch, tmp_path, data_dir):
    monkeypatch.setenv("TFDS_DATA_DIR", str(data_dir))
    assert default_data_dir() == data_dir
    assert len(prepared_examples("tno", "test")) == 2
    monkeypatch.delenv("TFDS_DATA_DIR")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_data_dir() == tmp_path / "tensorflow_datasets"


def test_a_data_set_of_another_package_goes_by_its_builder(data_dir, from_folder, tmp_path):
    builder = "ttd_jax_datasets.tno.tno_dataset_builder:Builder"
    copy = shutil.copytree(data_dir, tmp_path / "prepared")
    (path,) = copy.glob("tno/fusion/*/metadata.json")
    metadata = json.loads(path.read_text())
    path.write_text(json.dumps({key: metadata[key] for key in ("roles", "names")}))
    for name in (builder, f"{builder}/fusion"):
        found = prepared_examples(name, "test", data_dir=copy)
        assert [example.files for example in found] == [example.files for example in from_folder]
        assert found.classes == ()
    with pytest.raises(UserError, match=r"Builder is not prepared here: prepare it with TFDS"):
        prepared_examples(builder, "test", data_dir=tmp_path)
    for name in ("no_such_module:Builder", "ttd_jax_datasets.tno:Builder"):
        with pytest.raises(UserError, match=rf"{name}: .*MODULE:BUILDER"):
            prepared_examples(name, "test", data_dir=data_dir)


def test_what_is_not_there_is_explained(data_dir):
    with pytest.raises(UserError, match="mefb is not prepared here: `ttd-jax datasets prepare"):
        prepared_examples("mefb", "test", data_dir=data_dir)
    with pytest.raises(UserError, match="no split 'train': it has test"):
        prepared_examples("tno", "train", data_dir=data_dir)


def test_a_format_that_needs_tensorflow_is_explained(data_dir, tmp_path):
    copy = shutil.copytree(data_dir, tmp_path / "prepared")
    (info,) = copy.glob("tno/fusion/*/dataset_info.json")
    info.write_text(info.read_text().replace('"array_record"', '"tfrecord"'))
    with pytest.raises(UserError, match=r"not prepared as array_record: .* --overwrite"):
        prepared_examples("tno", "test", data_dir=copy)


def test_another_kind_of_data_set_is_explained(data_dir, tmp_path):
    copy = shutil.copytree(data_dir, tmp_path / "prepared")
    (metadata,) = copy.glob("tno/fusion/*/metadata.json")
    metadata.unlink()
    with pytest.raises(UserError, match="not a benchmark of image fusion"):
        prepared_examples("tno", "test", data_dir=copy)


def test_a_damaged_file_is_named(data_dir, tmp_path):
    copy = shutil.copytree(data_dir, tmp_path / "prepared")
    (records,) = copy.glob("tno/fusion/*/*array_record*")
    data = bytearray(records.read_bytes())
    data[data.index(b"IEND")] ^= 0xFF
    records.write_bytes(data)
    with pytest.raises(UserError, match=r"tno.*test example 0 cannot be read .*--overwrite"):
        prepared_examples("tno", "test", data_dir=copy)[0]


def test_a_missing_package_is_named(monkeypatch):
    def missing(name):
        raise ImportError("No module named 'array_record'")

    monkeypatch.setattr(prepared_module.importlib, "import_module", missing)
    with pytest.raises(UserError, match=r"'array_record'.*pip install 'ttd-jax\[datasets\]'"):
        prepared_module.import_tfds.__wrapped__()
