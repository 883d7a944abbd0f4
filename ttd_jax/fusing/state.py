"""What a sequence's frames need of those before them, in a file for a run that goes on."""

import dataclasses
import io
import json
import pathlib
import zipfile
from collections.abc import Mapping

import chex
import numpy as np

from ttd_jax.files import write_whole


@dataclasses.dataclass(frozen=True, eq=False)
class State:
    """Where a run is, between two frames.

    Attributes:
      number: of the next frame, from 0.
      gray: of the frame before; see `ttd_jax.fusing.frames.SequenceFrame`.
      bounds: of the ranges after it; see there.
      carried: see `ttd_jax.fusing.steady.SteadyFuser`.
    """

    number: int
    gray: np.ndarray | None = None
    bounds: tuple[tuple[float, float] | None, ...] = ()
    carried: Mapping[str, chex.Array] | None = None

    def save(self, path: pathlib.Path, folder: pathlib.Path) -> None:
        """Writes it whole or not at all; see `ttd_jax.files.write_whole`."""
        arrays = {name: np.asarray(array) for name, array in (self.carried or {}).items()}
        if self.gray is not None:
            arrays["gray"] = self.gray
        told = json.dumps({"number": self.number, "bounds": self.bounds})
        content = io.BytesIO()
        np.savez(content, told=np.array(told), **arrays)
        write_whole(path, content.getvalue(), folder)

    @classmethod
    def load(cls, path: pathlib.Path) -> "State | None":
        """What is in a file; None if there is none that is whole."""
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as content:
                arrays = dict(content)
            told = json.loads(str(arrays.pop("told")))
            bounds = tuple(each and tuple(each) for each in told["bounds"])
            gray = arrays.pop("gray", None)
            return cls(told["number"], gray, bounds, arrays or None)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None


START = State(0)
