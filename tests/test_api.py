"""The package's own conventions, over all that it offers to other code."""

import ast
import dataclasses
import importlib
import importlib.resources
import inspect
import re

import pytest
from flax import linen as nn

import ttd_jax
from tests.conftest import REPOSITORY
from ttd_jax import metrics

PACKAGE = REPOSITORY / "ttd_jax"
SHAPES_STATED = ("core", "metrics")
SHAPE = re.compile(r"\b(f32|f64|i32|u8|u16|bool)\[|\bany shape\b")
POSITIONAL = 3
# What modules name in their `__all__`, by its dotted name.
EXPORTED = {
    f"{module}.{name}": getattr(importlib.import_module(module), name)
    for module in ("ttd_jax", "ttd_jax.metrics", "ttd_jax.networks", "ttd_jax.parts")
    for name in importlib.import_module(module).__all__
}
FACE = {f"ttd_jax.{name}": getattr(ttd_jax, name) for name in ttd_jax.__all__}
FUNCTIONS = {name: value for name, value in FACE.items() if inspect.isfunction(value)}
RECORDS = {name: value for name, value in FACE.items() if dataclasses.is_dataclass(value)}


def public_functions(*rooms):
    """`(where, node, method)` of public functions of rooms and of methods of public classes.

    Without rooms, of the whole package.
    """
    for room in rooms or ("",):
        for path in sorted((PACKAGE / room).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for owner, node in _functions(tree):
                where = f"{path.relative_to(PACKAGE)}:{node.lineno}"
                yield f"{where} {owner}{node.name}", node, bool(owner)


def _functions(tree, owner=""):
    for node in tree.body:
        public = not re.match("_(?!_)", getattr(node, "name", "_"))
        if isinstance(node, ast.FunctionDef) and public:
            yield owner, node
        elif isinstance(node, ast.ClassDef) and public:
            yield from _functions(node, f"{node.name}.")


def parameters(node, *, method):
    """All parameters of a function, without `self` or `cls`."""
    spec = node.args
    named = [*spec.posonlyargs, *spec.args]
    static = any(ast.unparse(d) == "staticmethod" for d in node.decorator_list)
    named = named[1:] if method and not static else named
    return [*named, *spec.kwonlyargs, *filter(None, (spec.vararg, spec.kwarg))]


def documented(docstring, section):
    """Names that a section such as 'Args' of a docstring tells of; 'low, high: ...' are two."""
    found = re.search(rf"^{section}:\n((?:  .*\n|\n)+)", f"{inspect.cleandoc(docstring)}\n", re.M)
    if not found:
        return []
    heads = re.findall(r"^  (\S[^:]*):", found[1], re.M)
    return [name.strip().lstrip("*") for head in heads for name in head.split(",")]


def _tells(value):
    return inspect.ismodule(value) or inspect.isroutine(value) or inspect.isclass(value)


@pytest.mark.parametrize("name", [name for name, value in EXPORTED.items() if _tells(value)])
def test_what_is_exported_tells_what_it_is(name):
    written = inspect.getdoc(EXPORTED[name])
    assert written
    assert not written.startswith(f"{name.rsplit('.', 1)[1]}(")  # what dataclasses make up


def test_public_signatures_are_annotated():
    bare = {}
    for where, node, method in public_functions():
        missing = [p.arg for p in parameters(node, method=method) if not p.annotation]
        if node.returns is None and node.name != "__init__":
            missing.append("return")
        if missing:
            bare[where] = missing
    assert not bare


@pytest.mark.parametrize("name", FUNCTIONS)
def test_options_are_passed_by_name(name):
    kinds = [p.kind for p in inspect.signature(FUNCTIONS[name]).parameters.values()]
    assert inspect.Parameter.VAR_POSITIONAL not in kinds
    assert kinds.count(inspect.Parameter.POSITIONAL_OR_KEYWORD) <= POSITIONAL


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_parameter_is_documented_and_nothing_else(name):
    function = FUNCTIONS[name]
    told = documented(function.__doc__, "Args")
    assert told == list(inspect.signature(function).parameters)


@pytest.mark.parametrize("name", RECORDS)
def test_every_field_is_documented_and_nothing_else(name):
    kind = RECORDS[name]
    inherited = {"name", "parent"} if issubclass(kind, nn.Module) else set()  # Flax adds them
    for base in kind.__mro__[1:]:
        inherited |= vars(base).get("__annotations__", {}).keys()
    own = inspect.get_annotations(kind).keys() - inherited
    told = documented(kind.__doc__, "Attributes")
    assert sorted(told) == sorted(own)


def test_functions_of_arrays_state_shapes():
    silent = []
    for where, node, method in public_functions(*SHAPES_STATED):
        types = [ast.unparse(p.annotation or p) for p in parameters(node, method=method)]
        takes = any("chex.Array" in t and not t.startswith("Callable") for t in types)
        if takes and not method and not SHAPE.search(ast.get_docstring(node) or ""):
            silent.append(where)
    assert not silent


@pytest.mark.parametrize("name", list(metrics.METRICS))
def test_metrics_state_their_contract(name):
    function = metrics.METRICS[name].function
    written = getattr(function, "func", function).__doc__  # some are partial functions
    told = documented(written, "Args")
    assert (*told[:2], *told[-2:]) == ("fused", "sources", "extent", "mask")
    assert "f32[H, W]" in written
    assert "f32[M, H, W]" in written
    assert "grays in 0..255" in written
    assert "Raises:" in written
    assert "Reference:" in written


def test_type_checkers_may_read_the_package():
    assert importlib.resources.files(ttd_jax).joinpath("py.typed").is_file()
