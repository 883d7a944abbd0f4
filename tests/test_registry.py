"""Names, what may be registered twice, and plug-ins of which some are broken."""

import types

import pytest

from ttd_jax import registry
from ttd_jax.errors import UserError
from ttd_jax.registry import Registry, check_function, check_name


@pytest.mark.parametrize(
    "name", ["", "a b", "a/b", "a,b", "a+b", "a=b", "a\n", "a|b", "-a", ".a", "ä\x1b", 3, None]
)
def test_what_no_flag_and_no_file_can_hold_is_no_name(name):
    with pytest.raises(UserError, match="a thing cannot be named"):
        check_name(name, "thing")


@pytest.mark.parametrize("name", ["a", "A.b-c_1", "4x", "Änderung"])
def test_names_of_letters_and_digits_will_do(name):
    check_name(name, "thing")


def test_a_name_may_have_another_meaning():
    with pytest.raises(UserError, match="'TTD': that has a meaning"):
        Registry("thing", reserved=("ttd",)).register("TTD", 1)


def registrar(module, things):
    """`register(name, entry, code)` as if a module of that name called it."""
    scope = {"__name__": module, "register": lambda *a, code: things.register(*a, code=code)}
    exec("def call(name, entry, code): register(name, entry, code=code)", scope)
    return scope["call"]


def code(name):
    return types.FunctionType((lambda: None).__code__, {}, name=name)


def named(name):
    function = code(name)
    function.__qualname__ = name
    return function


def test_names_in_another_case_are_taken():
    things = Registry("thing")
    registrar("one", things)("SD", 1, named("sd"))
    with pytest.raises(UserError, match=r"'SD' is registered already, by one: .* than 'sd'"):
        registrar("one", things)("sd", 2, named("sd"))
    assert dict(things) == {"SD": 1}


def test_the_same_code_of_the_same_module_replaces_what_it_registered():
    replaced = []
    things = Registry("thing", replaced=lambda: replaced.append(1))
    call = registrar("__main__", things)
    call("a", 1, named("A"))
    call("b", 2, named("B"))
    assert not replaced
    call("a", 3, named("A"))
    assert list(things.items()) == [("a", 3), ("b", 2)]
    assert replaced == [1]
    with pytest.raises(UserError, match="registered already, by __main__"):
        call("a", 4, named("Other"))
    with pytest.raises(UserError, match="registered already, by __main__"):
        registrar("other", things)("a", 4, named("A"))
    assert things["a"] == 3


def test_what_comes_with_this_package_is_never_replaced():
    things = Registry("thing")
    call = registrar("ttd_jax.something", things)
    call("a", 1, named("A"))
    with pytest.raises(UserError, match=r"by ttd_jax\.something"):
        call("a", 2, named("A"))
    registrar("theirs", things)("b", 1, named("B"))
    assert things.own() == ("a",)


@pytest.mark.parametrize("script_first", [True, False])
def test_a_script_counts_more_than_the_same_code_installed(script_first, plugins, monkeypatch):
    main = types.SimpleNamespace(__spec__=None, __file__="/home/her/mine.py")
    monkeypatch.setitem(registry.sys.modules, "__main__", main)
    things = Registry("thing")
    plugins(mine=lambda: registrar("mine", things)("a", "installed", named("A")))
    if not script_first:
        assert things["a"] == "installed"
    registrar("__main__", things)("a", "script", named("A"))
    registry.load_plugins()
    assert things["a"] == "script"


@pytest.fixture
def plugins(monkeypatch):
    """`plugins(name=function, ...)` installs plug-ins whose import calls the function."""

    def install(**functions):
        found = [
            types.SimpleNamespace(
                name=name,
                value=name,
                module=name,
                load=function,
                dist=types.SimpleNamespace(name=f"{name}-package"),
            )
            for name, function in functions.items()
        ]
        monkeypatch.setattr(registry.metadata, "entry_points", lambda group: found)

    monkeypatch.setattr(registry, "_pending", None)
    monkeypatch.setattr(registry, "_broken", [])
    monkeypatch.setattr(registry, "_registries", [])
    return install


def leave():
    raise SystemExit("bye")


@pytest.mark.parametrize("mistake", [lambda: 1 / 0, lambda: __import__("not_there"), leave])
def test_a_broken_plugin_is_told_once_and_the_others_work(mistake, plugins, capsys):
    things = Registry("thing")
    registrar("ttd_jax.own", things)("own", 0, named("own"))

    def broken():
        registrar("broken.inner", things)("half", 1, named("half"))
        mistake()

    plugins(broken=broken, good=lambda: registrar("good", things)("good", 2, named("good")))
    assert things["good"] == 2
    assert list(things) == ["own", "good"]  # nothing of the broken one
    (line,) = capsys.readouterr().err.splitlines()
    assert "plug-in 'broken' (broken) of broken-package is left out: " in line
    with pytest.raises(UserError, match=r"unknown thing 'half': .*plug-in 'broken'"):
        things["half"]
    assert not capsys.readouterr().err


def test_what_a_plugin_prints_while_it_is_imported_is_no_result(plugins, capsys):
    things = Registry("thing")
    plugins(loud=lambda: print("hello"))
    assert not list(things)
    assert capsys.readouterr() == ("", "hello\n")


def test_a_plugin_may_need_what_a_later_one_brings(plugins, capsys):
    things = Registry("thing")
    plugins(
        a=lambda: registrar("a", things)("first", things["second"] + 1, named("a")),
        b=lambda: registrar("b", things)("second", 1, named("b")),
    )
    assert dict(things) == {"second": 1, "first": 2}
    assert not capsys.readouterr().err


def test_of_two_plugins_that_want_a_name_the_first_by_its_package_has_it(plugins, capsys):
    things = Registry("thing")
    plugins(
        b=lambda: registrar("b", things)("same", "b", named("x")),
        a=lambda: registrar("a", things)("Same", "a", named("x")),
    )
    assert dict(things) == {"Same": "a"}
    assert "plug-in 'b'" in capsys.readouterr().err


def test_functions_are_held_to_their_signature():
    check_function("it", lambda fused, sources=None, *, protocol="x": 0, "(a, b, *, protocol)")
    check_function("it", lambda *a, **k: 0, "(a, b, *, protocol)")
    for wrong in (lambda a: 0, lambda a, b: 0, lambda a, b, *, protocol, more: 0):
        with pytest.raises(UserError, match=r"it: its function must take \(a, b, \*, protocol\)"):
            check_function("it", wrong, "(a, b, *, protocol)")
    with pytest.raises(UserError, match="needs a function"):
        check_function("it", "name", "(a)")
