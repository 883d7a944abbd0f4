"""How the processes of a run find each other, and end together."""

import contextlib
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator

from absl import flags

from ttd_jax.commands.common import show
from ttd_jax.errors import UserError, one_line
from ttd_jax.processes import find_devices, wait_for_all
from ttd_jax.report.progress import remark

_PATIENCE = 300  # seconds that the processes have to meet
_PARTING = 20  # that they have to part
_GRACE = 3  # for one to tell its own failure before another's ends it
_LOST = 50  # without a sign of life; JAX aborts all after 100
# Where processes tell each other, in JAX's coordination service.
_FAILED, _SIGNS = "ttd_jax/failed", "ttd_jax/signs/"


@contextlib.contextmanager
def meeting(values: flags.FlagValues) -> Iterator[tuple[int, int]]:
    """What all processes of a run do within it; this one's index and how many they are.

    They leave it together. Where one fails all end, in a line and with status 2: the others might
    wait for it for ever.

    Args:
      values: the flags of `common.Flags.processes`.

    Raises:
      UserError: the others cannot be found, or the flags do not say how; or whatever is raised
        within.
    """
    import jax

    if not _meet(values):
        yield 0, 1
        return
    with _failing_together():
        find_devices()
        process, processes = jax.process_index(), jax.process_count()
        devices = f"with {jax.local_device_count()} of {jax.device_count()} devices"
        show(f"ttd-jax: process {process} of {processes}, from 0, {devices}", sys.stderr)
        yield process, processes
        wait_for_all()


def _meet(values):
    """Whether there are other processes, which it meets."""
    if values.distributed == "off":
        return False
    coordinator = _told(values, "coordinator", "JAX_COORDINATOR_ADDRESS")
    processes = _told(values, "processes", "JAX_NUM_PROCESSES")
    process = _told(values, "process", "JAX_PROCESS_ID")
    if processes is not None:
        if processes > 1 and not coordinator:
            raise UserError("--coordinator is missing: several processes need the HOST:PORT of one")
        process = process or 0
    elif found := _cluster(values.distributed == "on"):
        processes, own = found
        process = own if process is None else process
    else:
        processes, process = 1, process or 0
    if process >= processes:
        raise UserError(f"--process={process}: must be below --processes={processes}")
    if processes == 1:
        return False
    port = re.fullmatch(r".+:(\d{1,5})", coordinator or ":1", re.ASCII)
    if coordinator and not (port and 0 < int(port[1]) < 2**16):
        raise UserError(f"--coordinator={coordinator}: write HOST:PORT, as in 10.0.0.1:1234")
    import jax

    flag = f"--coordinator={coordinator}" if coordinator else f"--distributed={values.distributed}"
    # JAX's library for CPUs tells of its connections on standard output.
    sys.stdout.flush()
    sys.stdout = os.fdopen(os.dup(1), "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    polite = signal.getsignal(signal.SIGTERM)
    try:
        with _giving_up(flag):
            jax.distributed.initialize(
                coordinator, processes, process, initialization_timeout=2 * _PATIENCE
            )
    except (RuntimeError, ValueError) as error:
        raise UserError(f"{flag}: the processes cannot meet: {one_line(error)}") from error
    signal.signal(signal.SIGTERM, polite)  # which JAX takes over to do nothing of its own
    return True


def _cluster(needed):
    """`(processes, process)` by the cluster that JAX sees here; None where it sees none."""
    # What `jax.distributed.initialize` asks by itself; there is no public name.
    from jax._src import clusters

    def counts(kind):
        if kind is clusters.SlurmCluster:  # its daemons start those of Open MPI
            return "OMPI_COMM_WORLD_SIZE" not in os.environ
        if kind is clusters.K8sCluster:  # any pod's environment looks like it
            return "JOB_COMPLETION_INDEX" in os.environ
        return not kind.opt_in_only_method

    mend = (
        "start it with srun, mpirun, xpk or `gcloud ... --worker=all`, or pass --coordinator, "
        "--processes and --process"
    )
    try:
        kinds = filter(counts, clusters.ClusterEnv._cluster_types)
        kind = next((kind for kind in kinds if kind.is_env_present()), None)
        if kind is not None:
            # An interactive step of Slurm is one task of a job that has several.
            step = kind is clusters.SlurmCluster and os.environ.get("SLURM_STEP_NUM_TASKS")
            return int(step or kind.get_process_count()), kind.get_process_id()
    except Exception as error:  # a variable that is no number, a service that does not answer
        if needed:
            raise UserError(f"--distributed=on: {one_line(error)}: {mend}") from error
        remark(f"the other hosts cannot be found ({one_line(error)}): goes on without them")
    else:
        if needed:
            raise UserError(f"--distributed=on: JAX finds no cluster here: {mend}")
    return None


@contextlib.contextmanager
def _giving_up(flag):
    """Ends the process, in one line, where the others do not come: JAX would abort it."""

    def leave():
        mend = (
            "check that it can be reached, and that every process was started, or pass "
            "--distributed=off"
        )
        show(f"ttd-jax: {flag}: the processes have not met in {_PATIENCE} s: {mend}", sys.stderr)
        os._exit(2)

    timer = threading.Timer(_PATIENCE, leave)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextlib.contextmanager
def _failing_together():
    """Tells the other processes of a failure, and ends this one where another fails or is lost."""
    import jax
    from jax._src.distributed import global_state  # as orbax does: there is no public name

    client, own, over = global_state.client, global_state.process_id, threading.Event()
    signs = dict.fromkeys(range(global_state.num_processes), ("", time.monotonic()))

    def find_lost():
        """The first process, where the service is, looks for signs of life."""
        now = time.monotonic()
        for key, sign in client.key_value_dir_get(_SIGNS):
            process = int(key.removeprefix(_SIGNS))
            if signs[process][0] != sign:
                signs[process] = sign, now
        for process, (_, since) in signs.items():
            if now - since > _LOST:
                client.key_value_set(_FAILED, f"process {process} was lost: see its host")

    def watch():
        line = None
        while line is None:
            if over.wait(1):
                return
            with contextlib.suppress(Exception):  # nothing has failed, or JAX ends this one itself
                client.key_value_set(f"{_SIGNS}{own}", str(time.time()), allow_overwrite=True)
                if own == 0:
                    find_lost()
                line = client.key_value_try_get(_FAILED)
        if over.wait(_GRACE):
            return
        show(f"ttd-jax: {line}", sys.stderr)
        _part()
        jax.distributed.shutdown()  # waits for the one that has failed
        os._exit(2)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    except BaseException as error:
        line = str(error) if isinstance(error, UserError) else one_line(error)
        if "UNKNOWN: Gloo" in line:  # what CPUs say
            line = "another process was lost: see its host"
            error = UserError(line)
        with contextlib.suppress(Exception):  # another one was first
            client.key_value_set(_FAILED, f"process {own}: {line}")
        _part()
        raise error
    finally:
        over.set()
        watcher.join()


def _part():
    """Ends the process soon, should JAX wait at its end for one that was lost."""
    timer = threading.Timer(_PARTING, os._exit, [2])
    timer.daemon = True
    timer.start()


def _told(values, name, variable):
    """A flag's value, or what the environment says in its place."""
    if values[name].value is None and (word := os.environ.get(variable)):
        try:
            values[name].parse(word)
        except flags.Error as error:
            raise UserError(f"{variable}: {error}") from error
    return values[name].value
