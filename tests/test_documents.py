"""The documents: what they show runs, what they name exists, and their links lead somewhere."""

import importlib
import itertools
import pkgutil
import re
import shlex
import subprocess
import sys

import pytest
import yaml
from absl import flags
from markdown_it import MarkdownIt

from tests.conftest import REPOSITORY
from ttd_jax.commands import common
from ttd_jax.errors import UserError
from ttd_jax.main import COMMANDS
from ttd_jax.weights.store import SHIPPED

README = REPOSITORY / "README.md"
PAGES = [README, *sorted((REPOSITORY / "docs").glob("*.md"))]
GUIDES = [*PAGES, REPOSITORY / "CONTRIBUTING.md"]
# What it tells of is partly gone, so that only its links are checked.
CHANGELOG = REPOSITORY / "CHANGELOG.md"
PLUGINS = sorted((REPOSITORY / "tests" / "plugins").glob("*/*.py"))

PARSER = MarkdownIt("commonmark").enable("table")
NOT_RUN = re.compile(r"<!-- not run: .+ -->")
QUOTED = re.compile(r"<!-- from (\S+) -->")


def named(path):
    return str(path.relative_to(REPOSITORY))


def each(paths):
    return pytest.mark.parametrize("page", paths, ids=named)


def fences(text):
    """`(fence, the comment right before it or "")` of every block of code of a page."""
    tokens = PARSER.parse(text)
    for before, token in itertools.pairwise([tokens[0], *tokens]):
        if token.type == "fence":
            yield token, before.content.strip() if before.type == "html_block" else ""


def program(text):
    """The Python of a page as one program whose lines stand where they stand in the page."""
    lines = [""] * len(text.splitlines())
    for fence, comment in fences(text):
        if fence.info == "python" and not NOT_RUN.fullmatch(comment):
            first = fence.map[0] + 1
            for number, line in enumerate(fence.content.splitlines(), start=first):
                lines[number] = line
    return "\n".join(lines)


def run_page(page, folder):
    """Runs the Python of a page in an empty folder that has weights/ifcnn_sum."""
    (folder / "weights").mkdir()
    (folder / "weights" / "ifcnn_sum").symlink_to(SHIPPED / "ifcnn_sum")
    script = folder / page.name
    script.write_text(program(page.read_text()))
    return subprocess.run(
        [sys.executable, script], cwd=folder, capture_output=True, text=True, timeout=300
    )


# What is shown runs ---------------------------------------------------------------------------


@each([page for page in PAGES if program(page.read_text()).strip()])
def test_the_python_of_a_page_runs(page, tmp_path):
    result = run_page(page, tmp_path)
    assert result.returncode == 0, result.stderr


def test_a_broken_snippet_is_found_and_its_line_named(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# Page\n\n```python\nx = 1\n```\n\nMore:\n\n```python\ny = x + 1\ny.no_such_thing\n```\n"
    )
    folder = tmp_path / "folder"
    folder.mkdir()
    result = run_page(page, folder)
    assert result.returncode != 0
    assert 'page.md", line 11' in result.stderr
    assert "no_such_thing" in result.stderr


def test_what_is_not_run_has_a_reason():
    text = "<!-- not run: {} -->\n```python\n1 / 0\n```\n"
    assert not program(text.format("needs a TPU")).strip()
    assert "1 / 0" in program(text.format(""))
    # Other languages are nobody's business here.
    assert not program("```sh\nls\n```\n").strip()


def test_little_is_not_run():
    comments = [comment for page in PAGES for _, comment in fences(page.read_text())]
    assert sum(bool(NOT_RUN.fullmatch(comment)) for comment in comments) <= 2


def test_nothing_but_the_package_and_what_it_stands_on_is_imported():
    allowed = {
        "import ttd_jax",
        "import flax",
        "import jax",
        "import jax.numpy as jnp",
        "from flax import linen as nn",
        "import tensorflow_datasets as tfds",
    }
    for page in PAGES:
        lines = program(page.read_text()).splitlines()
        imports = {line for line in lines if line.startswith(("import ", "from "))}
        assert imports <= allowed, page.name


def test_the_plugins_are_quoted_as_they_are():
    text = (REPOSITORY / "docs" / "extending.md").read_text()
    quoted = set()
    for fence, comment in fences(text):
        if match := QUOTED.fullmatch(comment):
            file = REPOSITORY / match[1]
            assert fence.content in file.read_text(), f"line {fence.map[0]}"
            quoted.add(file)
    assert quoted >= set(PLUGINS)


# Commands -------------------------------------------------------------------------------------


def code_spans(text):
    """Code inside of sentences and tables."""
    for token in PARSER.parse(text):
        for child in token.children or ():
            if child.type == "code_inline":
                yield child.content


def command_lines(text):
    """Every `ttd-jax` command of a page: its words, without the program's name."""
    blocks = [t.content for t in PARSER.parse(text) if t.type in ("fence", "code_block")]
    for line in itertools.chain(
        *(block.replace("\\\n", " ").splitlines() for block in blocks), code_spans(text)
    ):
        line = line.strip().replace("python -m ttd_jax ", "ttd-jax ").removeprefix("srun ")
        if line.startswith("ttd-jax "):
            yield shlex.split(line, comments=True)[1:]


def parse(words):
    """The flags and arguments of a command; raises for an unknown or unusable flag."""
    name, *rest = words
    command = importlib.import_module(f"ttd_jax.commands.{name}")
    values = flags.FlagValues()
    values.set_gnu_getopt(True)
    command.define_flags(values)
    return command, values, common.parse(values, [name, *rest])


@each(GUIDES)
def test_every_command_exists_with_its_flags(page):
    for words in command_lines(page.read_text()):
        if words[0] in ("COMMAND", "--help", "--version"):
            continue
        assert words[0] in COMMANDS, words
        if "--help" in words:
            continue
        command, _, arguments = parse(words)
        if words[0] in ("datasets", "detect", "weights") and arguments:
            assert f"ttd-jax {words[0]} {arguments[0]}" in command.__doc__, words


def all_flags():
    names = set()
    for name in COMMANDS:
        _, values, _ = parse([name])
        names |= set(values) | {f"no{flag}" for flag in values}
    return names


def has_key(config, path):
    """Whether a configuration has `phases[0].optimizer.method`, say."""
    for key, index in re.findall(r"([a-z_0-9]+)|\[(\d+)\]", path):
        try:
            config = config[int(index)] if index else config[key]
        except (KeyError, IndexError, TypeError):
            return False
    return True


@each(GUIDES)
def test_every_flag_in_a_sentence_exists(page):
    known = all_flags()
    configs = [parse([name])[1].config for name in ("evaluate", "analyze", "detect")]
    # Networks differ in their phases.
    for model in ("ifcnn_sum", "cddfuse_ivf", "piafusion"):
        words = ["finetune", f"--config=configs/finetune.py:{model},msrs"]
        configs.append(parse(words)[1].config)
    for span in code_spans(page.read_text()):
        for name, path in re.findall(r"--([a-z_]+)\.?([a-z_0-9.\[\]]*)", span):
            if not span.startswith(("--", "ttd-jax ")):
                continue  # another program's
            assert name in known or name == "help", span
            assert not path or any(has_key(config, path) for config in configs), span


def test_a_wrong_command_or_flag_is_found():
    text = "Run `ttd-jax fuse --modle=x`, or\n\n    ttd-jax fuse \\\n        --color=purple a b\n"
    first, second = sorted(command_lines(text), key=len)
    for words in (first, second):
        with pytest.raises(flags.Error):
            parse(words)
    with pytest.raises(UserError, match="no_such_key"):
        parse(["evaluate", "--config.no_such_key=1"])


# Names and links ------------------------------------------------------------------------------


@each(GUIDES)
def test_every_file_that_is_named_is_there(page):
    pattern = r"(tests|docs|configs|datasets|third_party|ttd_jax|\.ci|\.github)/[\w./*-]*"
    for span in code_spans(page.read_text()):
        if re.fullmatch(pattern, span):
            assert any(REPOSITORY.glob(span.rstrip("/"))), span


@each(GUIDES)
def test_every_name_of_the_package_exists(page):
    for span in code_spans(page.read_text()):
        for name in re.findall(r"(?<![\w/.])ttd_jax(?:\.[A-Za-z_]\w*)+", span):
            if name != "ttd_jax.plugins":  # a group of entry points
                pkgutil.resolve_name(name)


def slug(heading):
    """The anchor that the forge makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def headings(text):
    tokens = PARSER.parse(text)
    for before, token in itertools.pairwise(tokens):
        if before.type == "heading_open":
            yield slug(token.content.replace("`", ""))


def links(text):
    for token in PARSER.parse(text):
        for child in token.children or ():
            if child.type in ("link_open", "image"):
                yield child.attrs.get("href") or child.attrs["src"]


@each([*GUIDES, CHANGELOG])
def test_every_link_leads_to_a_file(page):
    for link in links(page.read_text()):
        if re.match(r"\w+:", link):  # another place
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in headings(target.read_text()), link


def test_every_page_is_in_the_index_and_in_the_readme():
    index = REPOSITORY / "docs" / "README.md"
    pages = {page for page in PAGES if page.parent == index.parent and page != index}
    for page in (index, README):
        linked = {(page.parent / link).resolve() for link in links(page.read_text())}
        assert linked >= pages, page


# Single documents -----------------------------------------------------------------------------


def test_the_readme_is_short_and_begins_with_the_two_commands():
    text = README.read_text()
    assert len(text.splitlines()) <= 150
    first = next(t for t in PARSER.parse(text) if t.type in ("fence", "code_block"))
    words = [line.split()[:2] for line in first.content.splitlines()]
    assert words == [["make", "demo"], ["make", "test"]]


def test_the_citation_file_is_one():
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors", "license", "type"} <= citation.keys()
    assert citation["cff-version"] == "1.2.0"
    paper = citation["preferred-citation"]
    assert {"type", "title", "authors", "year"} <= paper.keys()
    assert paper["title"] in README.read_text()
    for author in (*citation["authors"], *paper["authors"]):
        assert author.keys() & {"name", "family-names"}
    for name in (author["family-names"] for author in paper["authors"]):
        assert name in README.read_text()
