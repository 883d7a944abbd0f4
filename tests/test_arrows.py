"""Which room imports which: arrows point inward, and no job stands on another."""

import ast
import pathlib

import ttd_jax

PACKAGE = pathlib.Path(ttd_jax.__file__).resolve().parent
# Lower floors first; rooms of one floor may import one another but for the jobs.
FLOORS = (
    {"errors", "files", "registry", "version"},
    {"core", "metrics", "networks", "detectors", "parts", "processes"},
    {"report", "pictures", "weights"},
    {"fusing", "evaluation", "analysis", "training", "detection", "export", "doctor", "benchmarks"},
    {"commands"},
    {"main"},
)
JOBS = FLOORS[3]
EXCEPTIONS = {("detection", "training")}  # a detector is trained by the same loop


def imported(path):
    """Names of the rooms that a file imports, inside of functions as well."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "ttd_jax":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from [node.module.split(".")[1]] if node.module.startswith("ttd_jax.") else []
        elif isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
            yield from (name[1] for name in names if name[0] == "ttd_jax" and len(name) > 1)


def test_no_room_imports_an_outer_one_and_no_job_another():
    floors = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
    wrong = set()
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for other in imported(path):
            if room in floors and other in floors and other != room:
                outer = floors[other] > floors[room]
                if outer or ({room, other} <= JOBS and (room, other) not in EXCEPTIONS):
                    wrong.add((str(path.relative_to(PACKAGE)), other))
    assert not wrong
