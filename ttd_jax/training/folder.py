"""The folder of a run: it holds one, which keeps the settings that it was started with."""

import contextlib
import dataclasses
import pathlib
from collections.abc import Iterator

from ttd_jax.errors import UserError, explain_os_errors
from ttd_jax.files import dumps, read_json, write_whole
from ttd_jax.folders import together
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
    @contextlib.contextmanager
    def hold(
        cls, path: pathlib.Path, kind: str, *, resume: bool, share: tuple[int, int]
    ) -> Iterator["RunFolder"]:
        """Looks for a run and keeps others out of the folder; see `ttd_jax.folders.together`.

        Args:
          path: where it is.
          kind: the command that trains.
          resume: whether to go on with a run.
          share: see above.

        Raises:
          UserError: there is a run, and `resume` is not set; or it cannot be had alone.
        """
        with together(path, kind, share=share, flag="--workdir"):
            begun = any((path / FOLDER).glob("[0-9]*"))
            if begun and not resume:
                raise UserError(
                    f"{path}: holds a run already: pass --resume, or choose another --workdir"
                )
            yield cls(path=path, begun=begun, share=share)

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
            known = read_json(file, {}, mend="choose another --workdir")
            if known is None:
                raise UserError(f"{file}: is missing: choose another --workdir")
            check_settings(self.path, known, settings, flag="--workdir")
        elif self.writes:
            with explain_os_errors(self.path):
                self.path.mkdir(parents=True, exist_ok=True)
                write_whole(file, dumps(settings))
