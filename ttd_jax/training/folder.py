"""The folder of a run: it holds one, which keeps the settings that it was started with."""

import dataclasses
import json
import pathlib

from ttd_jax.errors import UserError, explain_os_errors
from ttd_jax.files import dumps, write_whole
from ttd_jax.pictures.records import check_settings
from ttd_jax.training.checkpointing import FOLDER

SETTINGS = "settings.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunFolder:
    """The folder of a run, which all of its processes share.

    Attributes:
      path: where it is.
      begun: whether there is a run to go on with.
      share: `(process, processes)`: this process's index, and how many there are.
    """

    path: pathlib.Path
    begun: bool
    share: tuple[int, int]

    @classmethod
    def find(cls, path: pathlib.Path, *, resume: bool, share: tuple[int, int]) -> "RunFolder":
        """Looks for a run; writes nothing.

        Raises:
          UserError: there is one, and `resume` is not set.
        """
        begun = any((path / FOLDER).glob("[0-9]*"))
        if begun and not resume:
            raise UserError(
                f"{path}: holds a run already: pass --resume, or choose another --workdir"
            )
        return cls(path=path, begun=begun, share=share)

    @property
    def writes(self) -> bool:
        """Whether this process is the one that writes."""
        return self.share[0] == 0

    def keep(self, settings: dict) -> None:
        """Writes the settings of a new run, or makes sure that a resumed one has the same.

        Args:
          settings: JSON-able, nested or not.

        Raises:
          UserError: the run that is there has other settings, or they cannot be written.
        """
        file = self.path / SETTINGS
        if self.begun:
            try:
                known = json.loads(file.read_text())
            except (OSError, ValueError) as error:
                raise UserError(f"{file}: unreadable: choose another --workdir") from error
            check_settings(self.path, known, settings, flag="--workdir")
        elif self.writes:
            with explain_os_errors(self.path):
                self.path.mkdir(parents=True, exist_ok=True)
                write_whole(file, dumps(settings))
