"""The folder of a run: it holds one, which keeps the settings that it was started with."""

import contextlib
import dataclasses
import io
import pathlib
import tarfile
from collections.abc import Iterator

from ttd_jax.errors import UserError, explain_os_errors, one_line
from ttd_jax.files import dumps, read_json, write_whole
from ttd_jax.folders import together
from ttd_jax.pictures.records import check_settings
from ttd_jax.places import local, on_disk
from ttd_jax.training.checkpointing import FOLDER
from ttd_jax.training.logs import LINES

SETTINGS = "settings.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunFolder:
    """The folder of a run, which all of its processes share.

    Orbax and TensorBoard write a disk. Of a folder in an object store each process has a copy, and
    the first one publishes its own with every checkpoint, which is one object: a tar of its folder.

    Attributes:
      path: where this process reads and writes.
      place: where it is: `path`, or in an object store.
      begun: whether there is a run to go on with.
      share: `(process, processes)`: this process's index, and how many there are.
    """

    path: pathlib.Path
    place: pathlib.Path
    begun: bool
    share: tuple[int, int]
    _published: dict = dataclasses.field(default_factory=dict, repr=False)

    @classmethod
    @contextlib.contextmanager
    def hold(
        cls, path: pathlib.Path, kind: str, *, resume: bool, share: tuple[int, int]
    ) -> Iterator["RunFolder"]:
        """Looks for a run and keeps others out of the folder; see `ttd_jax.folders.together`.

        Args:
          path: where it is, a place.
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
            with local(path, _is_needed) as here:
                if not on_disk(path):
                    _unpack(here / FOLDER)
                folder = cls(path=here, place=path, begun=begun, share=share)
                yield folder
                folder.publish()

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

    def publish(self) -> None:
        """Copies what is new into the object store, if the folder is there.

        Raises:
          UserError: it cannot be written.
        """
        if on_disk(self.place) or not self.writes:
            return
        checkpoints, packed = self.path / FOLDER, self.place / FOLDER
        plain = (file for file in self.path.rglob("*") if checkpoints not in file.parents)
        now = {file: file.stat().st_mtime_ns for file in plain if file.is_file()}
        self.place.store(self.path, (f for f in now if self._published.get(f) != now[f]))
        self._published.update(now)
        # They come last: what a resumed run forgets was told after its checkpoint.
        steps = {step.name for step in checkpoints.glob("[0-9]*") if step.name.isdigit()}
        there = {tar.stem for tar in packed.glob("*.tar")}
        for step in steps - there:
            data = io.BytesIO()
            with tarfile.open(fileobj=data, mode="w") as tar:
                tar.add(checkpoints / step, step)
            (packed / f"{step}.tar").write_bytes(data.getvalue())
        for step in there - steps:
            (packed / f"{step}.tar").unlink()


def _is_needed(file):
    """Whether a resumed run reads a file."""
    return file.name in (SETTINGS, LINES) or file.suffix == ".tar"


def _unpack(checkpoints):
    for file in checkpoints.glob("*.tar"):
        try:
            with tarfile.open(file, "r:") as tar:
                tar.getmember(file.stem)  # of what is no tar any more nothing would be told
                tar.extractall(checkpoints, filter="data")
        except (tarfile.TarError, KeyError) as error:
            raise UserError(
                f"{file}: damaged checkpoint ({one_line(error)}): remove it and run again with "
                "--resume"
            ) from error
        file.unlink()
