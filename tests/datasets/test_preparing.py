"""Benchmarks prepared from real samples and drawn pictures: the files' own bytes come back."""

import pathlib

import numpy as np
import pytest
from ttd_jax_datasets import find_config

from tests.datasets.conftest import BUILDERS
from ttd_jax.errors import UserError
from ttd_jax.pictures.images import decode_picture, read_picture
from ttd_jax.pictures.scenes import find_scenes

# What the samples hold of each benchmark: folder, counts.
SAMPLES = {
    "llvip/fusion": ("llvip", {"train": 4, "test": 6}),
    "llvip/detection": ("llvip", {"train": 1, "test": 3}),
    "msrs/fusion": ("msrs", {"test": 8}),
    "msrs/detection_visible": ("msrs", {"test": 8}),
    "msrs/detection_infrared": ("msrs", {"test": 8}),
    "msrs/detection_fusion": ("msrs", {"test": 8}),
    "m3fd/fusion": ("m3fd", {"test": 1}),
    "roadscene/fusion": ("roadscene", {"test": 8}),
    "tno/fusion": ("tno", {"test": 6}),
    "harvard_medical/mri_ct": ("harvard", {"test": 21}),
    "harvard_medical/mri_pet": ("harvard", {"test": 6}),
    "harvard_medical/mri_spect": ("harvard", {"test": 6}),
    "mefb/fusion": ("mefb", {"test": 12}),
    "mfi_whu/fusion": ("mfi_whu", {"test": 12}),
    "lytro/pairs": ("lytro", {"test": 12}),
    "lytro/triples": ("lytro", {"test": 2}),
}


@pytest.mark.parametrize("words", SAMPLES)
def test_real_samples_come_back_byte_for_byte(words, prepare, shared):
    folder, counts = SAMPLES[words]
    root = shared / "data" / folder
    examples = prepare(words, root)
    assert {split: len(found) for split, found in examples.items()} == counts
    cls, config = find_config(words)
    scenes = cls(config=config).find(root)
    for split, found in examples.items():
        assert found.roles == config.roles
        assert found.names == tuple(sorted(found.names))
        assert [scene.name for scene in scenes[split]] == list(found.names)
        for scene, example in zip(scenes[split], found, strict=True):
            assert example.name == scene.name
            assert example.files == tuple(path.read_bytes() for path in scene.sources)
            assert (example.boxes is not None) == bool(config.labels)


def test_a_folder_and_a_builder_give_the_same_pixels(prepare, shared):
    """Also where the suffix lies: two .png of MEFB are JPEG inside."""
    root = shared / "data" / "mefb"
    found = prepare("mefb", root)["test"]
    number = found.names.index("Sky")
    example = found[number]
    paths = [root / "input" / "Sky" / name for name in ("sKY_a.png", "Sky_B.png")]
    for path, data in zip(paths, example.files, strict=True):
        assert data[:2] == b"\xff\xd8"
        expected = read_picture(path).pixels
        np.testing.assert_array_equal(decode_picture(data, path).pixels, expected)


def test_boxes_and_classes_come_back(prepare, shared):
    examples = prepare("llvip/detection", shared / "data" / "llvip")["test"]
    example = examples[examples.names.index("190001")]
    assert examples.classes == ("person",)
    assert example.labels == (0, 0)
    expected = [(330 / 1024, 1018 / 1280, 588 / 1024, 1137 / 1280)]
    expected += [(304 / 1024, 1204 / 1280, 531 / 1024, 1.0)]
    np.testing.assert_allclose(example.boxes, expected, rtol=1e-6)


def test_label_sets_disagree_and_stay_apart(prepare, drawn):
    root = drawn("msrs")
    classes = {
        kind: prepare(f"msrs/detection_{kind}", root)["test"][0].labels
        for kind in ("visible", "infrared", "fusion")
    }
    assert classes == {"visible": (2, 0), "infrared": (0,), "fusion": (2,)}


def test_pictures_without_objects_have_empty_boxes(prepare, drawn):
    examples = prepare("m3fd/detection", drawn("m3fd"))["train"]
    assert [example.labels for example in examples] == [(0, 1, 4), (2, 5, 3), ()]
    assert examples[2].boxes == ()


def test_a_subset_takes_only_its_names(prepare, drawn):
    assert prepare("llvip/ttd_subset", drawn("llvip"))["test"].names == ("190071",)


def test_layouts_with_a_trap_each(prepare, drawn):
    scenes = prepare("mefb", drawn("mefb"))["test"].names
    assert scenes == ("Farmhouse", "Sky", "garage")
    triple = prepare("lytro/triples", drawn("lytro"))["test"][0]
    assert triple.name == "lytro-01"
    folder = BUILDERS / "lytro" / "dummy_data" / "Triple Series"
    assert triple.files == tuple((folder / f"lytro-01-{x}.jpg").read_bytes() for x in "ABC")


def test_a_folder_sorted_by_the_shell_and_a_builder_have_one_order(prepare, drawn):
    root = drawn("tno")
    folders = [str(root / "vi"), str(root / "ir")]
    assert [s.name for s in find_scenes(folders)] == list(prepare("tno", root)["test"].names)


def test_records_name_the_first_file_and_the_scene(prepare, drawn, tfds, tmp_path):
    prepare("mefb", drawn("mefb"))
    found = pathlib.Path(tmp_path, "prepared", "mefb", "fusion")
    (version,) = found.iterdir()
    builder = tfds.builder_from_directory(version)
    record = builder.as_data_source("test")[1]
    assert (record["name"], record["scene"]) == (b"sKY_a", b"Sky")
    assert record["under"].shape == (24, 32, 3)  # TFDS's own decoder understands it too
    assert builder.info.metadata["task"] == "multi-exposure"


def test_names_that_are_no_utf8_are_refused(tfds, drawn, tmp_path):
    from ttd_jax_datasets.preparing import prepare

    root = drawn("roadscene")
    with pytest.raises(UserError, match=r"data.*: its name is no UTF-8"):
        prepare(*find_config("roadscene"), root, tmp_path / "data\udcff")
    for file in list(root.rglob("FLIR_00211.jpg")):
        file.rename(file.with_stem("a\udcff"))
    with pytest.raises(UserError, match="its name is no UTF-8"):
        prepare(*find_config("roadscene"), root, tmp_path / "data")
    assert not (tmp_path / "data").exists()
