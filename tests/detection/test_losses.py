"""YOLOX's losses and gradients against the original's, and what they promise beyond."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax import traverse_util

from tests.compilation import quick_jit
from ttd_jax.detection.assignment import assign
from ttd_jax.detection.boxes import (
    Objects,
    decode_centers,
    flatten_levels,
    make_anchors,
    to_corners,
)
from ttd_jax.detection.losses import L1_WEIGHTS, WEIGHTS, loss_sums, make_objective, weigh
from ttd_jax.detectors import DetectorSpec
from ttd_jax.detectors.yolox import STRIDES
from ttd_jax.networks import lookup
from ttd_jax.weights.convert import convert_checkpoint

NAMES = {"iou": "iou_loss", "objectness": "conf_loss", "class": "cls_loss", "l1": "l1_loss"}
# What is differentiated: the end of the network, since compiling the way back costs most.
TRAINED = ("heads_0", "heads_1", "heads_2", "neck/down_coarse")


def _losses_of_a_batch(raw, objects):
    """Every loss with a weight, as YOLOX divides those of a batch, and the foreground's size."""
    sums, count = jax.tree.map(jnp.sum, jax.vmap(loss_sums)(raw, objects))
    return weigh(sums, jnp.maximum(count, 1), L1_WEIGHTS), count


def _assignments(raw, objects):
    def one(raw, objects):
        flat, anchors = flatten_levels(raw), make_anchors(416, 416)
        return assign(decode_centers(flat[:, :4], anchors), flat[:, 4:], objects, anchors)

    return jax.vmap(one)(raw, objects)


def _read(golden, dtype):
    stored = np.load(golden / "train_416.npz")
    targets = stored["targets"].astype(dtype)
    objects = Objects(
        boxes=np.asarray(to_corners(targets[..., 1:]), dtype),
        classes=targets[..., 0].astype(np.int32),
        mask=targets.sum(axis=-1) > 0,
    )
    return stored["images_bgr_u8"].transpose(0, 2, 3, 1).astype(dtype), objects


@pytest.fixture(scope="module")
def golden(shared):
    return shared / "golden/yolox"


@pytest.fixture(scope="module")
def expected(golden):
    return json.loads((golden / "expected.json").read_text())["train"]


@pytest.fixture(scope="module")
def stored(golden):
    return dict(np.load(golden / "train_416.npz"))


@pytest.fixture(scope="module")
def runs(torch, golden):
    """Of each mode: raw levels, losses, assignments, statistics; gradients of 'bn_eval'."""
    detector = convert_checkpoint(
        lookup("yolox_nano", DetectorSpec), golden / "yolox_nano_random.pth"
    )[0]
    batch = _read(golden, np.float32)
    flat = traverse_util.flatten_dict(detector.variables, sep="/")
    chosen = tuple(f"params/{part}/" for part in TRAINED)
    trained = {path: leaf for path, leaf in flat.items() if path.startswith(chosen)}

    # All of it comes as arguments: XLA would fold a network of constants, slowly.
    def run(trained, flat, batch, train):
        images, objects = batch
        variables = traverse_util.unflatten_dict({**flat, **trained}, sep="/")
        mutable = ["batch_stats"] if train else []
        raw, after = detector.module.apply(variables, images, train=train, mutable=mutable)
        terms, count = _losses_of_a_batch(raw, objects)
        return sum(terms[name] for name in WEIGHTS), {
            "raw": raw,
            "terms": terms,
            "count": count / objects.mask.sum(),
            "assignments": _assignments(raw, objects),
            "after": traverse_util.flatten_dict(after, sep="/"),
        }

    differentiate = jax.value_and_grad(run, has_aux=True)
    (_, fixed), gradients = quick_jit(differentiate, static_argnums=3)(trained, flat, batch, False)
    _, moving = quick_jit(run, static_argnums=3)(trained, flat, batch, True)
    return jax.tree.map(np.asarray, {"bn_eval": fixed, "bn_train": moving, "gradients": gradients})


@pytest.mark.parametrize("mode", ["bn_eval", "bn_train"])
def test_losses_equal_the_original(runs, expected, mode):
    found, reference = runs[mode], expected[f"{mode}_l1"]["losses"]
    for name, theirs in NAMES.items():
        assert found["terms"][name] == pytest.approx(reference[theirs], rel=1e-4), name
    total = sum(found["terms"][name] for name in WEIGHTS)
    assert total == pytest.approx(expected[mode]["losses"]["total_loss"], rel=1e-4)
    assert sum(found["terms"].values()) == pytest.approx(reference["total_loss"], rel=1e-4)
    assert found["count"] == reference["num_fg"]


@pytest.mark.parametrize("mode", ["bn_eval", "bn_train"])
def test_assignments_equal_the_original(runs, stored, mode):
    found = runs[mode]["assignments"]
    for image in range(2):
        (index,) = np.nonzero(found.foreground[image])
        prefix = f"{mode}_img{image}"
        np.testing.assert_array_equal(index, stored[f"{prefix}_fg_index"])
        np.testing.assert_array_equal(found.objects[image][index], stored[f"{prefix}_matched_gt"])
        np.testing.assert_allclose(
            found.overlaps[image][index], stored[f"{prefix}_ious"], rtol=0, atol=1e-4
        )
    assert not found.foreground[2].any()  # a picture without objects


def test_gradients_equal_the_original(runs, expected, stored):
    table = lookup("yolox_nano", DetectorSpec).layout.table
    compared = 0
    for key, norm in expected["bn_eval"]["grad_norms_f64"].items():
        gradient = runs["gradients"].get(table[key].path)
        if gradient is not None:
            assert np.linalg.norm(gradient) == pytest.approx(norm, rel=3e-3), key
            compared += 1
    assert compared == len(runs["gradients"]) > 100
    for key, path in (
        ("head.obj_preds.0.weight", "heads_0/objectness/kernel"),
        ("head.reg_preds.1.bias", "heads_1/box/bias"),
        ("backbone.C3_n4.conv3.bn.weight", "neck/down_coarse/conv3/bn/scale"),
    ):
        reference = stored[f"bn_eval_grad.{key}"]
        found = np.ravel(runs["gradients"][f"params/{path}"])
        np.testing.assert_allclose(
            found, np.ravel(reference), rtol=0, atol=1e-3 * np.abs(reference).max(), err_msg=key
        )


def test_statistics_after_a_batch_equal_the_original(runs, stored):
    table = lookup("yolox_nano", DetectorSpec).layout.table
    # Torch keeps the unbiased variance, this network that of the batch: a part in 10^3 or less.
    for key, reference in stored.items():
        if key.startswith("after."):
            found = runs["bn_train"]["after"][table[key.removeprefix("after.")].path]
            np.testing.assert_allclose(found, reference, rtol=2e-3, atol=1e-5, err_msg=key)


@pytest.mark.parametrize("mode", ["bn_eval", "bn_train"])
def test_losses_of_these_predictions_in_float64(runs, golden, expected, mode):
    with jax.enable_x64(True):
        raw = tuple(level.astype(np.float64) for level in runs[mode]["raw"])
        terms, _ = jax.jit(_losses_of_a_batch)(raw, _read(golden, np.float64)[1])
        for name, value in terms.items():
            assert value.dtype == np.float64
            reference = expected[f"{mode}_l1"]["losses_f64"][NAMES[name]]
            assert value == pytest.approx(reference, rel=2e-5), name


def _random_raw(height, width, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    return tuple(
        rng.standard_normal((height // s, width // s, 5 + classes), np.float32) for s in STRIDES
    )


def _objects(*boxes, size=4):
    padded = np.zeros((size, 4), np.float32)
    padded[: len(boxes)] = np.reshape(boxes, (-1, 4))
    return Objects(
        boxes=padded, classes=np.zeros(size, np.int32), mask=np.arange(size) < len(boxes)
    )


def test_without_objects_only_objectness_counts_and_no_gradient_is_nan():
    def total(raw, objects):
        sums, count = loss_sums(raw, objects)
        return sum(sums.values()), (sums, count)

    raw = _random_raw(64, 96)
    raw[0][0, 0, 2:4] = 200  # a box whose size overflows
    run = quick_jit(jax.value_and_grad(total, has_aux=True))
    (_, (sums, count)), gradient = run(raw, _objects())
    assert count == sums["iou"] == sums["class"] == sums["l1"] == 0
    logits = np.concatenate([level[..., 4].ravel() for level in raw]).astype(np.float64)
    assert sums["objectness"] == pytest.approx(np.log1p(np.exp(logits)).sum(), rel=1e-5)
    for level in gradient:
        assert np.isfinite(level).all()
        assert not np.asarray(level)[..., [0, 1, 2, 3, 5, 6, 7]].any()
        assert (level[..., 4] > 0).all()
    # One more object among the padding, and the same program has boxes and classes to learn.
    raw[0][0, 0, 2:4] = 0
    (_, (sums, count)), gradient = run(raw, _objects((20, 10, 60, 50)))
    assert count >= 1
    assert min(sums[name] for name in NAMES) > 0
    assert all(np.isfinite(level).all() for level in gradient)
    assert any(np.asarray(level)[..., :4].any() for level in gradient)


class _Small(nn.Module):
    """As a detector: means of patches, one layer a level."""

    @nn.compact
    def __call__(self, x):
        return tuple(
            nn.Dense(6, name=f"level{s}")(nn.avg_pool(x, (s, s), strides=(s, s))) for s in STRIDES
        )


def _sample(*boxes):
    image = np.zeros((64, 64, 3), np.float32)
    for left, top, right, bottom in boxes:
        image[top:bottom, left:right] = 1
    objects = _objects(*boxes)
    return {
        "image": image,
        "boxes": objects.boxes,
        "classes": objects.classes,
        "mask": objects.mask,
    }


def test_descent_on_the_objective_lowers_it_on_a_batch():
    module = _Small()
    samples = [_sample((8, 8, 40, 48)), _sample(), _sample((0, 16, 20, 40), (32, 32, 64, 64))]
    batch = jax.tree.map(lambda *leaves: np.stack(leaves), *samples)
    objective = make_objective(module, "imagenet", l1=True)
    variables = module.init(jax.random.key(0), batch["image"][0])

    def mean(variables):
        loss, terms = jax.vmap(objective, in_axes=(None, 0))(variables, batch)
        return jnp.mean(loss), terms

    step = quick_jit(jax.value_and_grad(mean, has_aux=True))
    (first, terms), _ = step(variables)
    assert set(terms) == {*L1_WEIGHTS, "foreground"}
    np.testing.assert_allclose(sum(terms[name] for name in L1_WEIGHTS).mean(), first, rtol=1e-6)
    assert terms["foreground"][1] == 0
    for _ in range(30):
        (loss, _), gradient = step(variables)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
        variables = jax.tree.map(lambda leaf, slope: leaf - 0.02 * slope, variables, gradient)
    assert loss < 0.5 * first


def test_a_given_foreground_divides_every_picture_alike():
    module = _Small()
    sample = _sample((8, 8, 40, 48))
    variables = module.init(jax.random.key(0), sample["image"])
    own = quick_jit(make_objective(module, "bgr"))(variables, sample)
    given = quick_jit(make_objective(module, "bgr", foreground=4.0))(variables, sample)
    assert given[0] == pytest.approx(float(own[0] * own[1]["foreground"] / 4), rel=1e-5)
