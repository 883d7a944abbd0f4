"""The paper's figures as data."""

import importlib

from ttd_jax import metrics
from ttd_jax.networks import lookup, networks
from ttd_jax.report import published


def test_every_table_has_known_metrics_and_the_papers_methods():
    methods = {lookup(name).published_as for name in networks()} - {None}
    enhanced = {"IFCNN", "CDDFuse", "PIAFusion"}
    assert methods - enhanced == {"DenseFuse", "MUFusion"}
    for name, table in published.BENCHMARKS.items():
        assert set(table.columns) <= set(metrics.METRICS), name
    for name in ("llvip/ttd_subset", "msrs/fusion", "harvard_medical/mri_ct"):
        for method in enhanced:
            assert published.BENCHMARKS[name].figure(f"{method}+TTD", "AG") > 0
    for name in ("llvip/ttd_subset", "msrs/fusion"):
        for method in methods:
            assert published.BENCHMARKS[name].figure(method, "AG") > 0


def test_benchmarks_have_the_official_number_of_images():
    for name, table in published.BENCHMARKS.items():
        builder, _, config = name.partition("/")
        declared = importlib.import_module(f"ttd_jax_datasets.{builder}.{builder}_dataset_builder")
        (cls,) = (c for c in vars(declared).values() if getattr(c, "name", None) == builder)
        (found,) = (c for c in cls.BUILDER_CONFIGS if config in ("", c.name))
        assert found.splits["test"] == table.images, name


def test_figures_are_found_by_method_and_metric():
    table = published.BENCHMARKS["harvard_medical/mri_ct"]
    assert table.figure("IFCNN", "SD") == 61.98
    assert table.figure("IFCNN+TTD", "SSIM") == 1.50
    assert table.figure("IFCNN", "VIF") is None
    assert table.figure("NewFuse", "SD") is None
    assert published.BENCHMARKS["mefb"].figure("IFCNN+TTD", "CE") == 11.41
    assert published.PARAMETER_NOISE[0.5].figure("IFCNN+TTD", "SF") == 18.71


def test_agreement_is_rounding_to_the_printed_digit():
    assert published.agrees(4.6195, 4.62)
    assert not published.agrees(61.9746, 61.98)
