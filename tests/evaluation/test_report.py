"""The page of an evaluation: what it says, and that it is whole and safe."""

import dataclasses
import html.parser
import json
import pathlib
import re
import runpy

import numpy as np
import pytest

from tests.evaluation.small_report import (
    DATASET,
    HOSTILE,
    NAMES,
    examples,
    small_job,
    small_section,
)
from ttd_jax.errors import UserError
from ttd_jax.evaluation import comparison, plots, report
from ttd_jax.evaluation.evaluate import evaluate
from ttd_jax.evaluation.gallery import Gallery, dominance_map, spread, thumbnail
from ttd_jax.pictures.checking import check

CONFIG = pathlib.Path(__file__).resolve().parents[2] / "configs" / "evaluate.py"


class Tags(html.parser.HTMLParser):
    """Every start tag with its attributes, and the text of the page outside of scripts."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.words, self._quiet = [], [], False
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._quiet = tag in ("script", "style")

    def handle_endtag(self, tag):
        self._quiet = False

    def handle_data(self, data):
        if not self._quiet:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def section():
    return small_section()


@pytest.fixture(scope="module")
def page(section):
    return report.render([section], "paper")


def test_the_page_holds_the_numbers_of_the_comparison(section, page):
    # through JSON, as results.json tells them
    table = json.loads(json.dumps(section.comparison))
    values = {a["data-value"] for tag, a in Tags(page).tags if tag == "td" and "data-value" in a}
    for cells in table["strategies"].values():
        assert {repr(cell["mean"]) for cell in cells.values()} <= values
    for gains in table["gains"].values():
        for gain in gains.values():
            assert {repr(gain["mean"]), repr(gain["improved"])} <= values
    published = [c for cells in table["strategies"].values() for c in cells.values()]
    published = [cell for cell in published if "published" in cell]
    assert published
    for cell in published:
        assert {repr(cell["published"]), repr(cell["difference"])} <= values
        assert report.signed(cell["difference"]) in page
    for record in section.records[:1]:
        assert repr(record["scores"]["static"]["SD"]) in values


@pytest.fixture(scope="module")
def config(random_weights, tmp_path_factory):
    """An evaluation of a few pairs in two folders."""
    root = tmp_path_factory.mktemp("pairs")
    for example in examples()[1:]:
        for role, data in zip(example.roles, example.files, strict=True):
            (root / role).mkdir(exist_ok=True)
            (root / role / f"{example.name}.png").write_bytes(data)
    config = runpy.run_path(str(CONFIG))["get_config"]("ifcnn_sum,mine")
    config.weights_dir = str(random_weights.parent)
    config.sources = (str(root / "visible"), str(root / "infrared"))
    config.metrics = ("EN", "SD")
    config.gallery = 2
    return config


def test_an_evaluation_ends_with_a_page_that_does_not_depend_on_resume(config, tmp_path):
    evaluate(config, tmp_path)
    page = (tmp_path / "report.html").read_text()
    (table,) = json.loads((tmp_path / "results.json").read_text())["comparisons"]
    tags = Tags(page).tags
    values = {a["data-value"] for tag, a in tags if "data-value" in a}
    for cells in table["strategies"].values():
        assert {repr(cell["mean"]) for cell in cells.values()} <= values
    assert sum(tag == "article" for tag, _ in tags) == 2
    (records,) = tmp_path.glob("*/records/*.jsonl")
    records.write_text("".join(records.read_text().splitlines(keepends=True)[:-1]))
    evaluate(config, tmp_path, resume=True)
    assert (tmp_path / "report.html").read_text() == page
    config.gallery = 0
    evaluate(config, tmp_path, resume=True)
    tags = Tags((tmp_path / "report.html").read_text()).tags
    assert not [tag for tag, _ in tags if tag in ("img", "article")]
    config.gallery = -1
    with pytest.raises(UserError, match="gallery"):
        evaluate(config, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_the_page_names_protocol_note_count_and_weights(section, page):
    text = Tags(page).text
    assert "Protocol paper" in text
    assert section.notes
    assert all(note in text for note in section.notes)
    assert f"{len(section.records)} images" in text
    assert section.settings["weights_sha256"] in text


def test_the_page_is_self_contained(page):
    assert not re.search(r"https?:|@import|//[a-z]+\.", page)
    for tag, attributes in Tags(page).tags:
        assert "srcset" not in attributes
        if tag == "img":
            assert attributes["src"].startswith("data:image/webp;base64,")
            assert attributes["alt"]
        elif tag == "link":
            assert attributes["href"] == "data:,"
        else:
            assert "src" not in attributes
            assert attributes.get("href", "#").startswith("#")


def test_names_are_escaped(section, page):
    assert HOSTILE in section.scores
    assert HOSTILE in Tags(page).text
    assert "b" not in {tag for tag, _ in Tags(page).tags}
    assert HOSTILE not in page


def test_ids_are_unique_and_links_lead_somewhere(section):
    tags = Tags(report.render([section, section], "paper")).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {a["href"][1:] for tag, a in tags if tag == "a"}
    assert {"s1", "s2"} < links <= set(ids)


def test_without_a_gallery_the_tables_stay(section):
    page = report.render([dataclasses.replace(section, cards=())], "paper")
    tags = Tags(page).tags
    assert not [tag for tag, _ in tags if tag in ("img", "select", "article")]
    assert sum(tag == "table" for tag, _ in tags) == 2


@pytest.mark.parametrize("strategies", [("static",), ("ttd",), ("ttd", "self")])
def test_any_choice_of_strategies_has_a_page(strategies):
    section = small_section(strategies)
    tags = Tags(report.render([section], "paper")).tags
    sliders = [a for tag, a in tags if tag == "input"]
    assert len(sliders) == (len(section.cards) if len(strategies) > 1 else 0)
    assert sum(tag == "table" for tag, _ in tags) == 1 + len(section.cards)


def test_the_gallery_shows_every_source_strategy_and_map():
    (card, *_) = Gallery(small_job()).cards(check(examples()), 3)
    assert list(card.sources) == ["visible", "infrared"]
    assert set(card.fused) == {"static", "ttd", "self"}
    assert set(card.maps) == {"ttd", "self"}
    _, rows = card.maps["ttd"]
    assert sum(row.share for row in rows) == pytest.approx(1)
    assert sum(row.mean for row in rows) == pytest.approx(1, abs=1e-5)


def test_a_map_shows_the_tint_of_its_legend():
    rd = np.zeros((2, 40, 500), np.float32)
    rd[0, :, :250] = rd[1, :, 250:] = 1
    image = np.full((40, 500, 3), 128, np.uint8)
    picture, rows = dominance_map(image, rd, np.array([0.5, 0.5]), ("a", "b"))
    assert (picture.width, picture.height) == (360, 29)  # the drawn legend is gone
    decoded = decode(picture)
    for row, column in zip(rows, (90, 270), strict=True):
        tint = np.array([int(row.tint[i : i + 2], 16) for i in (1, 3, 5)])
        expected = 0.15 * (50 + 0.75 * 128) + 0.85 * tint
        assert np.abs(decoded[14, column] - expected).max() < 12  # WebP has a loss


def test_pictures_are_small_and_never_enlarged():
    wide = thumbnail(np.zeros((100, 720, 1), np.uint8))
    assert (wide.width, wide.height) == decode(wide).shape[1::-1] == (360, 50)
    assert (thumbnail(np.zeros((9, 7, 3), np.uint8)).width) == 7


def decode(picture):
    import base64

    import cv2

    data = base64.b64decode(picture.uri.partition(",")[2])
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int)


def test_scenes_are_spread_over_the_data_set():
    assert spread(21, 5) == [0, 5, 10, 15, 20]
    assert spread(3, 12) == [0, 1, 2]
    assert spread(7, 1) == [0]
    assert spread(7, 0) == []


def test_a_plot_puts_values_where_its_axis_says():
    differences = {f"{i}": float(v) for i, v in enumerate([3.0, -1.0, 0.0, 7.0, 2.0])}
    plot = plots.plot_differences(differences, {name: -d for name, d in differences.items()})
    assert plot.middle == 2
    assert [dot[3] for dot in plot.dots] == ["1", "2", "4", "0", "3"]
    assert [dot[2] for dot in plot.dots] == [True, False, False, False, False]
    scale = {tick: y for y, tick in plot.ticks}
    assert plot.zero == scale[0]
    unit = (plot.zero - scale[5]) / 5
    for _, y, _, _, value in plot.dots:
        assert plots.TOP <= y <= plots.BOTTOM
        assert y == pytest.approx(plot.zero - unit * value, abs=0.5)
    assert plot.median == pytest.approx(plot.zero - unit * 2, abs=0.2)


def test_many_images_keep_their_extremes_on_the_plot():
    differences = {f"{i}": i / 7 - 100 for i in range(3000)}
    plot = plots.plot_differences(differences, differences)
    assert len(plot.dots) < 300
    assert plot.count == 3000
    assert (plot.dots[0][3], plot.dots[-1][3]) == ("0", "2999")


def test_ticks_are_round():
    assert plots.round_ticks(-0.06, 1.06) == [0.0, 0.5, 1.0]
    assert plots.round_ticks(-0.021, 0.0312) == [-0.02, 0.0, 0.02]


def test_of_one_image_the_page_tells_figures_and_no_interval(section):
    records = section.records[:1]
    compared = comparison.compare("ifcnn_sum", DATASET, records, NAMES, prepared=True)
    one = dataclasses.replace(section, comparison=compared, records=records, cards=())
    text = Tags(report.render([one], "paper")).text
    assert "1 image," in text
    assert not re.search(r"\[.*, .*\]|interval|%|better|worse", text.split("Differences on")[0])
    assert "published figures are left out: they are of 21 images, these of 1" in text


def test_a_score_that_is_no_number_spoils_no_plot(section):
    records = [*section.records]
    scores = {**records[0]["scores"], "ttd": {n: float("nan") for n in NAMES}}
    records[0] = {**records[0], "scores": scores}
    broken = dataclasses.replace(section, records=records)
    assert broken.plots("ttd")["SD"].count == len(records) - 1
    assert "nan" not in re.findall(r'c[xy]="([^"]+)"', report.render([broken], "paper"))
