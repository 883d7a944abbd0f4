"""What a run was started with: a folder holds one run, and a run keeps its settings."""

import json
import pathlib

from ttd_jax.errors import UserError, explain_os_errors
from ttd_jax.files import dumps, write_whole
from ttd_jax.pictures.records import check_settings

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
        try:
            known = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: unreadable: choose another --workdir") from error
        check_settings(workdir, known, settings, flag="--workdir")
    elif writes:
        with explain_os_errors(workdir):
            workdir.mkdir(parents=True, exist_ok=True)
            write_whole(path, dumps(settings))
