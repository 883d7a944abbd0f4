"""The tables of an evaluation: what stands beside the published figures, and what does not."""

import csv
import math
import shutil
import subprocess

import pytest

from tests.small_networks import registered
from ttd_jax.evaluation import comparison
from ttd_jax.metrics import METRICS, Metric, register_metric

MRI_CT = "harvard_medical/mri_ct"


def compared(count=21, *, prepared=True, dataset=MRI_CT, model="ifcnn_sum", **columns):
    """A comparison of drawn scores; `columns`: metric -> its mean in 'static' and in 'ttd'."""
    columns = columns or {"SD": (61.98, 66.14)}
    found = records(count, **columns)
    return comparison.compare(model, dataset, found, tuple(columns), prepared=prepared)


def records(count, **columns):
    return [
        {
            "image": f"{image:02}",
            "scores": {
                strategy: {name: means[index] for name, means in columns.items()}
                for index, strategy in enumerate(("static", "ttd"))
            },
        }
        for image in range(count)
    ]


def test_published_figures_stand_beside_those_of_the_official_images():
    found = compared()
    assert found["published_note"] == ""
    assert found["strategies"]["ttd"]["SD"]["published"] == 66.14
    assert found["strategies"]["ttd"]["SD"]["agrees"]
    text = comparison.markdown([found], "paper")
    assert "| SD ↑ | 61.9800 [61.9800, 61.9800] | 61.98 | +0.0000 | yes |" in text
    text = comparison.markdown([compared(69, dataset="llvip/ttd_subset")], "paper")
    assert "Published: 70 images of the test split" in text


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"count": 4}, "they are of 21 images, these of 4"),
        ({"prepared": False}, f"they are of the prepared {MRI_CT}"),
    ],
)
def test_of_other_images_they_are_left_out_with_a_word(options, why):
    found = compared(**options)
    assert not any(
        "published" in cell for of in found["strategies"].values() for cell in of.values()
    )
    assert found["published_note"] == f"published figures are left out: {why}"
    text = comparison.markdown([found], "paper")
    assert f"Published figures are left out: {why}." in text
    assert "rounds to it" not in text
    (first, *_) = csv.DictReader(comparison.csv_table([found], "paper").splitlines())
    assert first["published"] == first["agrees"] == ""


def test_where_nothing_is_published_nothing_is_said():
    assert compared(4, dataset="mine")["published_note"] == ""
    assert compared(4, dataset="mefb", model="cddfuse_ivf")["published_note"] == ""


def test_one_image_has_no_interval_and_is_no_share():
    text = comparison.markdown([compared(1)], "paper")
    assert "1 image\n" in text
    assert "| SD ↑ | 61.9800 | 66.1400 |" in text
    assert "| SD ↑ | +4.1600 |" in text
    assert "%" not in text
    assert "interval" not in text
    (first, *_) = csv.DictReader(comparison.csv_table([compared(1)], "paper").splitlines())
    assert first["low"] == first["high"] == first["std"] == ""


def test_what_is_printed_alike_is_bold_alike():
    first, second = _rows(SD=(1.461, 1.464), EN=(0.5, math.nan))
    assert first == [r"\textbf{1.46}", r"\textbf{0.50}"]
    assert second == [r"\textbf{1.46}", "n/a"]
    assert _rows(MSE=(9.0, 10.0)) == [[r"\textbf{9.00}"], ["10.00"]]


def _rows(**columns):
    lines = comparison.latex([compared(**columns)], "paper").splitlines()
    rows = [line.removesuffix(r" \\").split(" & ")[1:] for line in lines if " & " in line]
    return rows[1:]


@pytest.fixture
def asymmetry():
    """A metric of a plug-in that is best at zero."""
    with registered():
        register_metric(
            Metric(
                name="My_Qsf",
                function=lambda fused, sources, *, protocol: 0.0,
                better="zero",
                low=-1.0,
                high=1.0,
                group="perception",
                undefined="all is flat",
                description="d",
                reference="r",
            )
        )
        yield "My_Qsf"


def test_many_metrics_are_shown_in_their_groups(asymmetry):
    names = tuple(METRICS)[-16:]
    found = compared(2, dataset="mine", **dict.fromkeys(names, (-1.0, 0.5)))
    lines = comparison.markdown([found], "paper").splitlines()
    rows = lines[lines.index("| --- | --- | --- |") + 1 :]
    headings = [row for row in rows if row.startswith("| **")]
    assert "| **perception** |  |  |" in headings
    under = rows.index("| **perception** |  |  |")
    own = rows[under + 1 :][: sum(METRICS[name].group == "perception" for name in names)]
    assert any(row.startswith("| My_Qsf →0 |") for row in own)
    assert sum(row.startswith("| My_Qsf") for row in rows) == 2  # and under the gains
    text = comparison.latex([found], "paper")
    block = text[text.index(r"\emph{perception}") :]
    assert r"My\_Qsf $\to 0$" in block.splitlines()[1]
    few = compared(2, dataset="mine", **dict.fromkeys(names[:15], (-1.0, 0.5)))
    assert "**" not in comparison.markdown([few], "paper")


def test_what_is_undefined_is_told_below_the_table(asymmetry):
    found = compared(3, dataset="mine", **{asymmetry: (None, -0.5), "SD": (1.0, 1.0)})
    told = "My_Qsf is undefined (all is flat); left out: 3 of static, of 3 images each."
    assert f"\n{told}\n" in comparison.markdown([found], "paper")
    assert told.replace("_", r"\_").replace("static", "ifcnn\\_sum (static)") in comparison.latex(
        [found], "paper"
    )
    rows = list(csv.DictReader(comparison.csv_table([found], "paper").splitlines()))
    assert (rows[0]["mean"], rows[0]["count"], rows[0]["undefined"]) == ("", "0", "3")


def test_models_and_strategies_are_ranked_on_each_data_set(asymmetry):
    """The better of each is the one with the more SD, less MSE, and what is nearer to zero."""
    scores = {"SD": (1.0, 2.0), "MSE": (5.0, 4.0), asymmetry: (-0.2, 0.1)}
    first = compared(12, dataset="mine", **scores)
    worse = {"SD": (0.0, 0.0), "MSE": (9.0, 9.0), asymmetry: (0.9, -0.9)}
    second = compared(12, dataset="mine", model="ifcnn_max", **worse)
    ranked = comparison.rank([(first, records(12, **scores)), (second, records(12, **worse))])
    assert ranked["mine"]["ranks"] == {
        "ifcnn_sum (ttd)": 1,
        "ifcnn_sum (static)": 2,
        "ifcnn_max (static)": 3.5,
        "ifcnn_max (ttd)": 3.5,
    }
    text = comparison.markdown([first, second], "paper", ranked)
    assert "| ifcnn_sum (ttd) | 1.00 |" in text
    assert (
        "mine: At 5 %, the 4 methods are not all alike on all (Friedman's test, 12 images" in text
    )
    assert "better than ifcnn_max (static) on 3 and worse on 0" in text
    assert "and is not told from ifcnn_sum (static)" in text
    rows = comparison.latex([first, second], "paper", ranked)
    assert (
        r"ifcnn\_sum (ttd) & \textbf{2.00} & \textbf{4.00} & \textbf{0.10} & \textbf{1.00}" in rows
    )
    pair = comparison.rank([(first, records(12, **scores))])
    told = "ifcnn_sum (ttd) is better than ifcnn_sum (static) on all and worse on none (Wilcoxon's"
    assert told in comparison.markdown([first], "paper", pair)
    few = comparison.rank([(first, records(9, **scores))])
    assert (
        "9 images are too few to test differences of 3 metrics: 10 are needed."
        in (comparison.rank_notes(few)[0])
    )


def test_the_table_of_all_metrics_compiles_and_fits_the_page(tmp_path):
    found = [
        compared(4, dataset=name, prepared=False, **dict.fromkeys(names, (4190.123, 1.0)))
        for name, names in {
            r"a&b_c%d$e#f{g}h~i^j\k<l>": METRICS,
            MRI_CT: ("EN", "SD"),
        }.items()
    ]
    text = comparison.latex(found, "paper")
    assert text.count(r"\centering") == 2
    assert r"\label{tab:harvard_medical-mri_ct}" in text
    if shutil.which("pdflatex") is None:
        pytest.skip("no pdflatex (apt-get install texlive-latex-base texlive-latex-recommended)")
    for kind in ("", "[twocolumn]"):
        (tmp_path / "page.tex").write_text(
            rf"\documentclass{kind}{{article}}\usepackage{{booktabs,graphicx}}\begin{{document}}"
            f"{text}\nTables \\ref{{tab:harvard_medical-mri_ct}}.\n\\end{{document}}"
        )
        words = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:]
        assert "Overfull" not in done.stdout
