"""Where the time of a command goes."""

import contextlib
import pathlib
from collections.abc import Iterator

from absl import flags

from ttd_jax.folders import alone


@contextlib.contextmanager
def profiling(values: flags.FlagValues, process: int = 0, processes: int = 1) -> Iterator[None]:
    """Traces what devices and threads do within it, if there is --profile, also where it fails.

    Args:
      values: the flag of `common.Flags.profile`.
      process: this process's index.
      processes: how many there are; each of several has a folder of its own in that one.

    Raises:
      UserError: another run is writing there, or it cannot be written.
    """
    if values.profile is None:
        yield
        return
    import jax

    folder = pathlib.Path(values.profile)
    if processes > 1:
        folder /= f"process-{process}"
    options = jax.profiler.ProfileOptions()
    options.python_tracer_level = 0  # every call of a function: much, and slow
    with alone(folder, flag="--profile"), jax.profiler.trace(folder, profiler_options=options):
        yield
