"""PIAFusion's checkpoints: what converts, what is refused and why, and what loads again."""

import collections

import numpy as np
import pytest

import ttd_jax
from ttd_jax.errors import UserError
from ttd_jax.networks import ClassifierSpec, FusionSpec, lookup
from ttd_jax.weights import catalog, store
from ttd_jax.weights.convert import convert_checkpoint

torch = pytest.importorskip("torch")
from ttd_jax.benchmarks.twins import piafusion as twins

FUSION = lookup("piafusion")
CLASSIFIER = lookup("piafusion_classifier", ClassifierSpec)
TWINS = {FUSION.name: twins.PIAFusion, CLASSIFIER.name: twins.IlluminationClassifier}

both = pytest.mark.parametrize("row", [FUSION, CLASSIFIER], ids=lambda row: row.name)


def _state(row):
    return collections.OrderedDict(twins.randomize(TWINS[row.name](), seed=0).state_dict())


@pytest.fixture
def save(tmp_path):
    def write(state):
        path = tmp_path / "weights.pth"
        torch.save(state, path)
        return path

    return write


@both
def test_saved_weights_load_as_they_were_converted(row, save, tmp_path):
    model, source, remarks = convert_checkpoint(row, save(_state(row)))
    assert remarks == []
    manifest = store.save(tmp_path / "out", model, source=source)
    assert manifest["parameters"] == sum(tensor.numel() for tensor in _state(row).values())
    if row is FUSION:
        loaded = ttd_jax.load(tmp_path / "out")
        assert loaded.settings == FUSION.presets["self"]
    else:
        loaded = ttd_jax.load(tmp_path / "out")
        rgb = np.random.default_rng(0).random((16, 16, 3), dtype=np.float32)
        assert ttd_jax.illumination(loaded, rgb) == ttd_jax.illumination(model, rgb)
    assert store.tree_sha256(loaded.variables) == manifest["sha256"]
    assert loaded.module == model.module


def test_each_kind_of_weights_is_refused_where_the_other_is_meant(save, tmp_path):
    for row in (FUSION, CLASSIFIER):
        model, source, _ = convert_checkpoint(row, save(_state(row)))
        store.save(tmp_path / row.name, model, source=source)
    with pytest.raises(UserError, match=r"of piafusion, which is no illumination classifier: pass"):
        ttd_jax.load(tmp_path / "piafusion", kind=ClassifierSpec)
    with pytest.raises(UserError, match="of piafusion_classifier, not of piafusion: pass the"):
        ttd_jax.load(tmp_path / "piafusion_classifier", name="piafusion")
    with pytest.raises(UserError, match="unknown model 'piafusion_classifier'"):
        ttd_jax.load(
            tmp_path / "piafusion_classifier", name="piafusion_classifier", kind=FusionSpec
        )


@both
def test_missing_key_is_named(row, save):
    state = _state(row)
    key, _ = state.popitem()
    with pytest.raises(UserError, match=rf"missing keys: 1 \({key}\)"):
        convert_checkpoint(row, save(state))


@both
def test_extra_key_is_named(row, save):
    with pytest.raises(UserError, match=r"unexpected keys: 1 \(more\.weight\)"):
        convert_checkpoint(row, save({**_state(row), "more.weight": torch.zeros(1)}))


@pytest.mark.parametrize(
    ("row", "key"),
    [
        (FUSION, "encoder.vi_conv1.weight"),
        (FUSION, "encoder.ir_conv3.conv.1.weight"),
        (CLASSIFIER, "conv1.conv.1.weight"),
        (CLASSIFIER, "linear2.weight"),
    ],
)
def test_transposed_tensor_is_named(row, key, save):
    state = _state(row)
    state[key] = state[key].transpose(0, 1).contiguous()
    with pytest.raises(UserError, match=rf"'{key}' has shape .*does not fit {row.name}"):
        convert_checkpoint(row, save(state))


@both
def test_checkpoint_of_the_other_network_is_recognized(row, save):
    other = CLASSIFIER if row is FUSION else FUSION
    with pytest.raises(UserError, match=f"not a checkpoint of {row.name}.*--model={other.name}$"):
        convert_checkpoint(row, save(_state(other)))


@both
def test_half_precision_is_widened_and_said(row, save):
    halves = {key: tensor.half() for key, tensor in _state(row).items()}
    model, _, remarks = convert_checkpoint(row, save(halves))
    assert remarks == ["float16 tensors were widened to float32"]
    whole = {key: tensor.float() for key, tensor in halves.items()}
    expected, _, _ = convert_checkpoint(row, save(whole))
    assert store.tree_sha256(model.variables) == store.tree_sha256(expected.variables)


def test_pretrained_classifier_is_recognized_and_no_fusion_network(shared):
    path = shared / "weights/piafusion/best_cls.pth"
    _, source, _ = convert_checkpoint(CLASSIFIER, path)
    assert source["known_as"].startswith("linklist2/PIAFusion_pytorch@dc1abc33")
    assert source["license"] == "none stated"
    with pytest.raises(UserError, match=r"this is best_cls\.pth .*--model=piafusion_classifier"):
        convert_checkpoint(FUSION, path)


@both
def test_authors_file_is_on_a_card(row):
    models = {known.file: known.model for known in catalog.known_files()}
    assert models[row.checkpoint] == row.name
