"""Flags and checks that several commands share."""

import contextlib
import os
import pathlib

from absl import flags

from ttd_jax.core.dominability import LOSS_MAPS
from ttd_jax.errors import UserError
from ttd_jax.networks import PRECISIONS, FusionSpec, networks
from ttd_jax.registry import nearest

STRATEGIES = ("ttd", "static")


def define_model(values, kind=FusionSpec, *, meaning="one of"):
    """--model, one of the fusion networks unless another kind is given."""
    known = ", ".join(networks(kind))
    flags.DEFINE_string("model", None, f"{meaning}: {known}", flag_values=values)


def define_dominability(values):
    """--dominability, what RD is made from."""
    flags.DEFINE_string(
        "dominability",
        None,
        f"what RD is made from: a preset of the model, or a loss map: {', '.join(LOSS_MAPS)}; "
        "default: the model's",
        flag_values=values,
    )


def define_fold(values):
    """--fold."""
    flags.DEFINE_bool(
        "fold",
        True,
        "merge neighboring linear layers: the same up to rounding",
        flag_values=values,
    )


def define_config(values, file: str, meaning: str):
    """--config, by default the configuration of that name that comes with the package."""
    import ttd_jax_configs
    from ml_collections import config_flags

    default = pathlib.Path(ttd_jax_configs.__file__).parent / file
    config_flags.DEFINE_config_file("config", str(default), meaning, flag_values=values)


def define_json(values):
    """--json."""
    flags.DEFINE_bool("json", False, "print the result as JSON on stdout", flag_values=values)


def define_precision(values):
    """--precision of the networks' layers."""
    flags.DEFINE_enum(
        "precision",
        "highest",
        PRECISIONS,
        "of the networks' layers: highest: float32; high: TF32 on GPUs, three passes of bfloat16 "
        "on TPUs; default: the device's fastest; bfloat16: in bfloat16 on any device",
        flag_values=values,
    )


@contextlib.contextmanager
def interruptible(kept: str):
    """Tells whoever stops a run that `kept` is kept."""
    try:
        yield
    except KeyboardInterrupt:
        raise UserError(f"interrupted: {kept} kept: run again with --resume") from None


def require(values, *names):
    """Raises `UserError` for the first flag that was not given."""
    for name in names:
        if values[name].value is None:
            raise UserError(f"--{name} is missing: {values[name].help}")


def reject_arguments(arguments):
    """Raises `UserError` if the command got arguments that it does not take."""
    if arguments:
        raise UserError(f"unexpected argument {arguments[0]!r}: this command takes only flags")


def choose(arguments, actions, usage: str):
    """The action that the first argument names, and the other arguments.

    Args:
      arguments: of the command.
      actions: name -> action.
      usage: of the command: 'weights list | fetch NAME'.

    Raises:
      UserError: there is none of that name; the nearest is suggested.
    """
    name, *rest = arguments or [""]
    if name not in actions:
        near = nearest(name, actions)
        hint = f"did you mean {near!r}? " if near else ""
        raise UserError(f"{hint}usage: `ttd-jax {usage}`")
    return actions[name], rest


def only_argument(arguments, usage: str) -> str:
    """The one argument of an action; raises `UserError` if there are none or more."""
    if len(arguments) != 1:
        raise UserError(f"usage: `ttd-jax {usage}`, got {len(arguments)} names")
    return arguments[0]


def use_compilation_cache():
    """Keeps compiled programs between runs, in `JAX_COMPILATION_CACHE_DIR` or the user's cache."""
    import jax

    if jax.config.jax_compilation_cache_dir is None:
        root = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
        jax.config.update("jax_compilation_cache_dir", str(pathlib.Path(root) / "ttd_jax" / "xla"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


def define_processes(values):
    """The flags of a command that several hosts run together; see `meet`."""
    environment = os.environ.get
    flags.DEFINE_string(
        "coordinator",
        environment("JAX_COORDINATOR_ADDRESS"),
        "HOST:PORT of the first host; default: JAX_COORDINATOR_ADDRESS",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "processes",
        environment("JAX_NUM_PROCESSES", 1),
        "number of processes; default: JAX_NUM_PROCESSES",
        lower_bound=1,
        flag_values=values,
    )
    flags.DEFINE_integer(
        "process",
        environment("JAX_PROCESS_ID", 0),
        "which of them this is; default: JAX_PROCESS_ID",
        lower_bound=0,
        flag_values=values,
    )
    flags.DEFINE_bool(
        "distributed", False, "let JAX find the hosts: TPU pods, Slurm", flag_values=values
    )


def meet(values):
    """Meets the other processes, if there are any; this one's index and how many they are."""
    import jax

    if values.distributed:
        try:
            jax.distributed.initialize()
        except (RuntimeError, ValueError) as error:
            raise UserError(
                f"--distributed: JAX finds no other hosts ({error}): pass --coordinator, "
                "--processes and --process"
            ) from error
        return jax.process_index(), jax.process_count()
    if values.process >= values.processes:
        raise UserError(f"--process={values.process}: must be below --processes={values.processes}")
    if values.processes > 1:
        if not values.coordinator:
            raise UserError("--coordinator is missing: several processes need the HOST:PORT of one")
        jax.distributed.initialize(values.coordinator, values.processes, values.process)
    return values.process, values.processes
