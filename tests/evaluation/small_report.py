"""A small evaluation with random weights and drawn scores, as a section of the page."""

import dataclasses
import functools
from unittest import mock

import cv2
import numpy as np

from tests.random_models import random_model
from ttd_jax.evaluation import comparison, report
from ttd_jax.evaluation.gallery import Gallery
from ttd_jax.evaluation.loop import Evaluation
from ttd_jax.networks import lookup
from ttd_jax.pictures.checking import check
from ttd_jax.pictures.examples import Example, FolderExamples
from ttd_jax.pictures.images import encode_picture
from ttd_jax.report import published

DATASET = "harvard_medical/mri_ct"
NAMES = ("EN", "SD", "CE", "MSE")
HOSTILE = "<b>x</b>"
SCENES = (HOSTILE, "10", "2", "a name that is rather long for a scene")
SHA256 = "ab" * 32


def examples():
    """Scenes of one shape: a colored and a gray picture."""
    return FolderExamples(
        Example(name, ("visible", "infrared"), (_picture(i, 3), _picture(100 + i, 1)))
        for i, name in enumerate(SCENES)
    )


@functools.cache
def small_job(strategies=("static", "ttd", "self")):
    """IFCNN of random weights."""
    row = lookup("ifcnn_sum")
    presets = {"static": None, "ttd": row.presets[row.default_preset], "self": row.presets["self"]}
    return Evaluation(
        model=random_model("ifcnn_sum"),
        strategies={name: presets[name] for name in strategies},
        color="auto",
        protocol="paper",
        names=NAMES,
    )


def small_section(strategies=("static", "ttd", "self")):
    """A section with drawn scores; the order by SD is not the order of the names."""
    job = small_job(strategies)
    generator = np.random.default_rng(0)
    records = [
        {
            "dataset": DATASET,
            "image": name,
            "scores": {
                s: dict(zip(NAMES, map(float, generator.normal(50, 20, 4)), strict=True))
                for s in strategies
            },
        }
        for name in SCENES
    ]
    table = dataclasses.replace(published.BENCHMARKS[DATASET], images=len(SCENES))
    with mock.patch.dict(published.BENCHMARKS, {DATASET: table}):
        compared = comparison.compare("ifcnn_sum", DATASET, records, NAMES, prepared=True)
    settings = {"weights_sha256": SHA256, "strategies": dict.fromkeys(strategies), "color": "auto"}
    cards = Gallery(job).cards(check(examples()), len(SCENES))
    return report.Section(comparison=compared, records=records, settings=settings, cards=cards)


def _picture(seed, channels):
    noise = np.random.default_rng(seed).random((48, 64, channels), np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2).reshape(noise.shape)
    return encode_picture((255 * smooth).astype(np.uint8), ".png")
