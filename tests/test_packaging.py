"""The package as users get it: an editable install and a built wheel."""

import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCES = {
    "ttd_jax": "ttd_jax",
    "ttd_jax_datasets": "datasets",
    "ttd_jax_configs": "configs",
    "ttd_jax_third_party": "third_party",
}
IMPORTS = f"""
import importlib.util, json, sys
print(json.dumps({{n: importlib.import_module(n).__file__ for n in {list(SOURCES)}}}))
from ttd_jax.weights import catalog
assert catalog.known_files()
import ttd_jax_datasets
for name in ttd_jax_datasets.NAMES:
    assert importlib.util.find_spec(f"ttd_jax_datasets.{{name}}.{{name}}_dataset_builder")
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    # From a copy: setuptools would leave a `build` folder here, and pick up an old one.
    source = tmp_path_factory.mktemp("source") / "ttd_jax"
    everywhere = shutil.ignore_patterns(".*", "*.egg-info", "__pycache__")
    made = {"build", "demo", "weights"}  # by commands that ran here; `ttd_jax.weights` is a package
    shutil.copytree(
        ROOT,
        source,
        ignore=lambda folder, names: (
            everywhere(folder, names) | (made if pathlib.Path(folder) == ROOT else set())
        ),
    )
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q"]
    subprocess.run([*pip, "--wheel-dir", out, source], check=True)
    return next(out.glob("*.whl"))


def expected_files():
    """Every module and data file of the checkout, by its name in the wheel."""
    files = {"ttd_jax_entry.py"}
    for package, folder in SOURCES.items():
        for path in (ROOT / folder).rglob("*"):
            aside = path.name.endswith("_test.py") or {"__pycache__", "dummy_data"} & {*path.parts}
            if path.is_file() and not aside:
                files.add(str(pathlib.PurePath(package) / path.relative_to(ROOT / folder)))
    return files


def test_the_wheel_holds_every_file_and_no_test(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == expected_files()


def test_the_wheel_imports_from_anywhere(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n" + IMPORTS + "import ttd_jax_entry"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd="/", capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.count(str(tmp_path)) == len(SOURCES)


def test_the_editable_install_imports_from_anywhere():
    result = subprocess.run(
        [sys.executable, "-c", IMPORTS], cwd="/", capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    for folder in SOURCES.values():
        assert str(ROOT / folder) in result.stdout
