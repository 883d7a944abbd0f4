"""What a run was started with: a folder holds one run, and a run keeps its settings."""

import json
import pathlib

from ttd_jax.errors import UserError, explain_os_errors
from ttd_jax.files import dumps, write_whole

SETTINGS = "settings.json"


def keep_settings(workdir: pathlib.Path, settings: dict, *, begun: bool, writes: bool = True):
    """Writes the settings of a new run, or makes sure that a resumed one has the same.

    Args:
      workdir: of the run.
      settings: JSON-able, nested or not.
      begun: whether there is a run to go on with.
      writes: whether this process is the one that writes.

    Raises:
      UserError: the run that is there has other settings, or they cannot be written.
    """
    path = workdir / SETTINGS
    if begun:
        known, given = (dict(_leaves(tree)) for tree in (_read(path), json.loads(dumps(settings))))
        changed = sorted(k for k in known | given if known.get(k) != given.get(k))
        if changed:
            raise UserError(
                f"{workdir}: holds a run with another {', '.join(changed)}: choose another "
                "--workdir, or the settings that it was started with"
            )
    elif writes:
        with explain_os_errors(workdir):
            workdir.mkdir(parents=True, exist_ok=True)
            write_whole(path, dumps(settings))


def _read(path):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: unreadable: choose another --workdir") from error


def _leaves(tree, name=""):
    """`(name, value)` of every leaf: fields joined by '.', items of lists as in NAME[0]."""
    if isinstance(tree, dict) and tree:
        for key, value in tree.items():
            yield from _leaves(value, f"{name}.{key}" if name else key)
    elif isinstance(tree, list) and tree:
        for index, value in enumerate(tree):
            yield from _leaves(value, f"{name}[{index}]")
    else:
        yield name, tree
