"""What is installed and at hand, as one record; writes nothing but the compilation cache."""

import json
import math
import os
import pathlib
import platform
from importlib import metadata

from packaging.markers import Marker
from packaging.requirements import Requirement

from ttd_jax import processes
from ttd_jax.doctor import selftest
from ttd_jax.errors import UserError
from ttd_jax.weights import store

PACKAGE = "ttd-jax"
# Read from their metadata: importing TensorFlow or torch takes seconds and gigabytes.
PACKAGES = (
    PACKAGE,
    "jax",
    "jaxlib",
    "flax",
    "orbax-checkpoint",
    "optax",
    "numpy",
    "opencv-python-headless",
    "tensorflow-datasets",
    "torch",
)


def make_report(weights_dir: pathlib.Path, data_dir: pathlib.Path) -> dict:
    """Everything `ttd-jax doctor` shows.

    Args:
      weights_dir: folder of model directories, or one of them.
      data_dir: folder of prepared benchmarks.

    Returns:
      A JSON-able dict; 'problems' holds one line for each thing that is wrong, and is empty if
      nothing is. What is merely not there is no problem.
    """
    devices, problems = find_devices()
    record = {
        "versions": find_versions(),
        "devices": devices,
        "machine": find_machine(),
        "cache": find_cache(),
        "weights": find_weights(weights_dir, prove=bool(devices)),
        "data": find_data(data_dir),
        "extras": find_extras(),
        "selftest": _selftest() if devices else None,
    }
    for kind in ("weights", "data"):
        problems += [row["problem"] for row in record[kind] if row["problem"]]
    if devices and record["selftest"]["problem"]:
        problems.append(record["selftest"]["problem"])
    return {**record, "problems": problems}


def find_versions() -> dict[str, str | None]:
    """Versions of Python and of `PACKAGES`; None where one is not installed."""
    return {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}}


def find_devices() -> tuple[list[dict], list[str]]:
    """The devices that JAX computes on, and why there are none."""
    try:
        devices = processes.find_devices()
    except UserError as error:
        return [], [str(error)]
    return [
        {
            "platform": device.platform,
            "kind": device.device_kind,
            "memory": (device.memory_stats() or {}).get("bytes_limit"),
        }
        for device in devices
    ], []


def find_machine() -> dict:
    """Cores and memory in bytes; None where the system does not tell."""
    return {
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "usable_cores": processes.usable_cpus(),
        "memory": _pages("SC_PHYS_PAGES"),
        "free_memory": _pages("SC_AVPHYS_PAGES"),
    }


def find_cache() -> dict:
    """Where compiled programs are kept, and how much of them; its folder may be missing."""
    import jax

    place = jax.config.jax_compilation_cache_dir
    walk = os.walk(place or "")
    sizes = [_size(os.path.join(folder, name)) for folder, _, names in walk for name in names]
    return {"path": place, "files": len(sizes), "bytes": sum(sizes)}


def find_weights(weights_dir: pathlib.Path, *, prove: bool = True) -> list[dict]:
    """The model directories of a folder and those that come with the package.

    Args:
      weights_dir: the folder, or a model directory.
      prove: each by its hash, which needs a device.
    """
    root = pathlib.Path(weights_dir)
    patterns = (f"*/{store.MANIFEST}", f"*/{store.ARRAYS}", store.MANIFEST)
    places = [place for pattern in patterns for place in sorted(root.glob(pattern))]
    folders = list(dict.fromkeys(place.parent for place in places))
    shipped = pathlib.Path(store.SHIPPED.name) / selftest.MODEL
    if store.locate(shipped).is_dir():
        folders.append(shipped)
    return [_weights(folder, prove) for folder in folders]


def find_data(data_dir: pathlib.Path) -> list[dict]:
    """The prepared benchmarks of a folder, by their own records; no picture is read."""
    from ttd_jax_datasets import NAMES

    rows = []
    for name in NAMES:
        for place in sorted((pathlib.Path(data_dir) / name).glob("*/*/dataset_info.json")):
            row = {"name": f"{name}/{place.parts[-3]}/{place.parts[-2]}", "path": str(place.parent)}
            try:
                splits = json.loads(place.read_text(encoding="utf-8"))["splits"]
                counts = {split["name"]: sum(map(int, split["shardLengths"])) for split in splits}
            except (OSError, ValueError, KeyError, TypeError) as error:
                problem = f"{place}: unreadable ({_one_line(error)}): prepare it again"
                rows.append({**row, "splits": {}, "problem": problem})
            else:
                rows.append({**row, "splits": counts, "problem": None})
    return rows


def find_extras() -> list[dict]:
    """The optional extras: what each lacks, and the line that installs it."""
    try:
        names = metadata.metadata(PACKAGE).get_all("Provides-Extra") or []
    except metadata.PackageNotFoundError:
        return []
    return [
        {
            "name": name,
            "missing": sorted(_missing(PACKAGE, name)),
            "install": f"pip install '{PACKAGE}[{name}]'",
        }
        for name in names
    ]


def _weights(folder, prove):
    row = {"path": str(folder), "model": None, "sha256": None, "license": None, "problem": None}
    try:
        manifest = store.read_manifest(folder)
        row.update(model=manifest["model"], sha256=manifest["sha256"])
        row["license"] = manifest["source"].get("license")
        if prove:
            store.load(folder)
    except UserError as error:
        row["problem"] = _one_line(error)
    except RuntimeError as error:  # no room on the device
        row["problem"] = f"{folder}: cannot be loaded: {_one_line(error)}"
    except (TypeError, ValueError, OSError) as error:
        row["problem"] = f"{folder}: unusable ({_one_line(error)}): convert the weights again"
    return row


def _selftest():
    try:
        result = selftest.run_selftest()
    except RuntimeError as error:  # XLA's: no memory, a driver that fails
        problem = f"self-test failed: JAX cannot compute here: {_one_line(error)}"
        return {"differences": {}, "problem": problem}
    problem = None if result.passed else f"self-test failed: {result}"
    finite = {k: v if math.isfinite(v) else None for k, v in result.differences.items()}  # JSON's
    return {"differences": finite, "problem": problem}


def _missing(package, extra):
    """Names of what an extra needs and is not installed, following extras inside extras.

    A requirement that holds on some systems only is left out: it may not be meant here.
    """
    lacking = set()
    named = str(Marker(f"extra == '{extra}'"))
    for requirement in map(Requirement, metadata.requires(package) or []):
        if str(requirement.marker) != named:
            continue
        if _version(requirement.name) is None:
            lacking.add(requirement.name)
            continue
        for nested in requirement.extras:
            lacking |= _missing(requirement.name, nested)
    return lacking


def _version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _pages(name):
    try:
        return os.sysconf(name) * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not on every system
        return None


def _size(path):
    try:
        return os.path.getsize(path)
    except OSError:  # another process tidies up
        return 0


def _one_line(error):
    return " ".join(str(error).split())[:300]
