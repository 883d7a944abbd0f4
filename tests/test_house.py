"""What may import what: rooms stand on floors, and arrows go down."""

import ast
import collections
import graphlib
import pathlib

import pytest

from tests.conftest import REPOSITORY

PACKAGE = "ttd_jax"
FACE = "ttd_jax/__init__.py"  # the public face, above all jobs
# What else this distribution installs -> its folder; each is one room.
BESIDE = {
    "ttd_jax_datasets": "datasets",
    "ttd_jax_configs": "configs",
    "ttd_jax_third_party": "third_party",
}
JOBS = {
    "analysis",
    "benchmarks",
    "detection",
    "doctor",
    "evaluation",
    "export",
    "fusing",
    "training",
}
FLOORS = (  # from the top; a room is a folder or a module of the package
    {FACE, "__main__", "commands", "main"},
    JOBS,
    {"pictures", "report", "ttd_jax_datasets", "weights"},
    {"detectors", "networks"},
    {"align", "metrics", "parts"},
    {"core"},
    {
        "errors",
        "fields",
        "files",
        "folders",
        "places",
        "processes",
        "registry",
        "ttd_jax_configs",
        "ttd_jax_third_party",
        "version",
    },
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
# (who, whom) -> why a job may stand on another.
JOBS_ON_JOBS = {
    ("detection", "training"): "a detector is trained by the same loop, phases and checkpoints",
    ("benchmarks", "evaluation"): "what a pod needs is told of the job's own program",
    ("benchmarks", "fusing"): "as well",
    ("benchmarks", "training"): "as well",
}
# Pure arrays in, pure arrays out: they know neither flags nor files nor another framework.
PURE = ("core", "detectors", "metrics", "networks", "parts")
IMPURE = {"absl", "cv2", "orbax", "tensorflow", "tensorflow_datasets", "torch"}


def room_of(name):
    """The room of a dotted name or of a file's parts; None outside of this distribution."""
    top, *rest = name
    if top in BESIDE:
        return top
    if top != PACKAGE:
        return None
    known = rest and ((REPOSITORY / PACKAGE / rest[0]).is_dir() or _is_module(rest[0]))
    return rest[0] if known else FACE


def _is_module(name):
    return (REPOSITORY / PACKAGE / f"{name}.py").is_file()


def imported(path):
    """Every dotted name that a file imports, within functions too, with its line."""
    pending = [ast.parse(path.read_text(encoding="utf-8"))]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending += node.orelse
        elif isinstance(node, ast.Import):
            yield from ((alias.name.split("."), node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno}: a relative import"
            yield from (([*node.module.split("."), a.name], node.lineno) for a in node.names)
        else:
            pending += ast.iter_child_nodes(node)


def files():
    """`(room, path)` of every module."""
    for package, folder in {PACKAGE: PACKAGE, **BESIDE}.items():
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            if path.name.endswith("_test.py"):
                continue
            parts = path.relative_to(REPOSITORY / folder).with_suffix("").parts
            yield room_of((package, *(part for part in parts if part != "__init__"))), path


@pytest.fixture(scope="module")
def arrows():
    """(room, other room) -> where the one imports the other."""
    found = collections.defaultdict(list)
    for room, path in files():
        for name, line in imported(path):
            other = room_of(name)
            if other not in (None, room):
                found[room, other].append(f"{path.relative_to(REPOSITORY)}:{line}")
    return found


def test_every_room_has_its_floor():
    assert {room for room, _ in files()} == FLOOR.keys()


def test_arrows_between_floors_go_down(arrows):
    upward = {
        f"{room} -> {other}": places
        for (room, other), places in arrows.items()
        if FLOOR[other] < FLOOR[room]
    }
    assert not upward


def test_rooms_stand_in_no_circle(arrows):
    graph = collections.defaultdict(set)
    for room, other in arrows:
        graph[room].add(other)
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError and names it


def test_jobs_do_not_stand_on_jobs_but_for_a_reason(arrows):
    assert {pair for pair in arrows if JOBS.issuperset(pair)} == JOBS_ON_JOBS.keys()


def test_nothing_stands_on_the_public_face_but_who_uses_it(arrows):
    users = {room for room, other in arrows if other == FACE}
    assert users <= {"commands"}


def test_pure_rooms_know_no_flags_no_files_and_no_other_framework():
    found = [
        f"{path.relative_to(REPOSITORY)}:{line}: {'.'.join(name)}"
        for room, path in files()
        if room in PURE
        for name, line in imported(path)
        if name[0] in IMPURE
    ]
    assert not found


def test_the_package_imports_none_of_its_tests():
    found = [
        f"{path.relative_to(REPOSITORY)}:{line}"
        for _, path in files()
        for name, line in imported(path)
        if name[0] == "tests"
    ]
    assert not found


def test_text_is_read_and_written_in_utf8_whatever_the_locale():
    """`encoding` is named wherever a file is opened as text."""
    found = []
    for _, path in files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and not any(k.arg == "encoding" for k in node.keywords):
                called = getattr(node.func, "attr", getattr(node.func, "id", None))
                words = [getattr(argument, "value", None) for argument in node.args]
                binary = any(isinstance(word, str) and "b" in word for word in words)
                opened = called == "open" and any(word in ("r", "w", "a", "x") for word in words)
                if called in ("read_text", "write_text") or (opened and not binary):
                    found.append(f"{path.relative_to(REPOSITORY)}:{node.lineno}")
    assert not found


def test_lazy_imports_count_and_those_for_type_checkers_do_not(tmp_path):
    module = pathlib.Path(tmp_path, "module.py")
    module.write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import ttd_jax.commands\n"
        "def lazy():\n    from ttd_jax.core import color\n    return color\n"
    )
    names = {".".join(name) for name, _ in imported(module)}
    assert names == {"typing.TYPE_CHECKING", "ttd_jax.core.color"}


def test_child_processes_import_nothing_from_where_one_stands():
    lines = [line for _, path in files() for line in path.read_text().splitlines()]
    starts = [line.strip() for line in lines if "sys.executable" in line]
    assert starts
    assert all('"-P", "-m"' in line for line in starts)
