"""The page in a headless Chromium: its slider, its sorting, its width, its console."""

import os
import pathlib
import shutil

import pytest

from tests.evaluation.small_report import SCENES, small_section
from ttd_jax.evaluation import report

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """A browser of Debian's packages chromium and chromium-driver."""
    browser, chromedriver = shutil.which("chromium"), pathlib.Path("/usr/bin/chromedriver")
    if not browser or not chromedriver.exists():
        reason = "no Chromium (apt-get install chromium chromium-driver)"
        if os.environ.get("TTD_JAX_REQUIRE_BROWSER"):
            pytest.fail(reason)
        pytest.skip(reason)
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(chromedriver)))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(report.render([small_section()], "paper"), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def page(driver, url):
    """The browser with the page just opened; afterwards nothing may be on the console."""
    resize(driver, 1280)
    driver.get(url)
    yield driver
    assert driver.get_log("browser") == []


def resize(driver, width):
    # a window cannot be made as narrow as a telephone
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def find(page, selector):
    return page.find_elements("css selector", selector)


def cut(slider):
    """Where the upper picture begins, as a share of the width."""
    over = slider.find_element("css selector", ".over:not([hidden])")
    return float(over.value_of_css_property("clip-path").split()[-1].rstrip("%)")) / 100


def names(page):
    return [card.text for card in find(page, ".card h4")]


def choose(page, selector, text):
    from selenium.webdriver.support.ui import Select

    Select(find(page, selector)[0]).select_by_visible_text(text)


def test_the_slider_follows_pointer_and_keys(page):
    from selenium.webdriver import ActionChains, Keys

    slider = find(page, ".compare")[0]
    assert cut(slider) == 0.5
    width = slider.size["width"]
    actions = ActionChains(page).move_to_element(slider).click_and_hold()
    actions.move_by_offset(round(width / 4), 0).release().perform()
    assert cut(slider) == pytest.approx(0.75, abs=0.02)
    before = cut(slider)
    slider.find_element("css selector", "input").send_keys(Keys.ARROW_LEFT * 5)
    assert cut(slider) == pytest.approx(before - 0.05, abs=0.001)
    assert cut(find(page, ".compare")[1]) == 0.5


def test_the_gallery_sorts_by_scores_and_gains(page):
    section = small_section()
    scores = section.scores
    assert names(page) == list(SCENES)
    choose(page, ".sort-key", "SD: ttd")
    assert names(page) == sorted(SCENES, key=lambda n: scores[n]["ttd"]["SD"])
    choose(page, ".sort-order", "descending")
    choose(page, ".sort-key", "MSE: self \N{MINUS SIGN} static")

    def gain(name):
        return scores[name]["self"]["MSE"] - scores[name]["static"]["MSE"]

    assert names(page) == sorted(SCENES, key=gain, reverse=True)
    assert names(page) != list(SCENES)


def test_another_strategy_takes_the_place_of_the_first(page):
    card = find(page, ".card")[0]
    assert "RD), ttd" in card.text
    choose(page, ".choose", "self")
    assert "RD), self" in card.text
    assert "RD), ttd" not in card.text
    (shown,) = [e for e in find(card, ".over img") if e.is_displayed()]
    assert shown.get_attribute("alt").endswith(", self")


def test_a_click_on_a_header_sorts_its_table(page):
    def column():
        cells = find(page, ".sortable tbody td:nth-child(2)")[: len(section.names)]
        return [float(cell.get_attribute("data-value")) for cell in cells]

    section = small_section()
    header = find(page, "th[data-column='1'] button")[0]
    header.click()
    assert column() == sorted(column(), reverse=True)
    header.click()
    assert column() == sorted(column())
    assert header.find_element("xpath", "..").get_attribute("aria-sort") == "ascending"
    find(page, "th[data-column='0'] button")[0].click()
    means = section.strategies["static"]
    assert column() == [means[name]["mean"] for name in section.names]


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_page(page, url, width, scheme):
    media = [{"name": "prefers-color-scheme", "value": scheme}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
    resize(page, width)
    page.get(url)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    outside = """
        const edge = document.documentElement.clientWidth;
        return [...document.querySelectorAll("body *")]
          .filter((e) => !e.closest(".scroll") && e.getBoundingClientRect().right > edge)
          .map((e) => e.outerHTML.slice(0, 80));"""
    assert page.execute_script(outside) == []
    broken = "return [...document.images].filter((i) => !i.complete || !i.naturalWidth).length"
    assert page.execute_script(broken) == 0
    luma = """
        const rgb = (e, key) => getComputedStyle(e)[key].match(/\\d+/g).slice(0, 3).map(Number);
        const sum = (v) => v[0] + v[1] + v[2];
        const html = document.documentElement;
        return sum(rgb(html, "color")) - sum(rgb(html, "backgroundColor"));"""
    assert (page.execute_script(luma) > 0) == (scheme == "dark")
