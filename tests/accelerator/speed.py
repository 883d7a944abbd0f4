"""Fusing, timed in turn with the same networks in PyTorch on the same device; and compiling."""

import contextlib
import dataclasses
import functools
import signal
import time
from collections.abc import Callable, Mapping, Sequence

import jax

from tests.accelerator.checks import Check
from ttd_jax.benchmarks import programs
from ttd_jax.benchmarks.cases import Case
from ttd_jax.benchmarks.fusion import compare
from ttd_jax.benchmarks.timing import median_ratio, summarize, time_rounds
from ttd_jax.errors import one_line
from ttd_jax.networks import lookup
from ttd_jax.parts import program_bytes
from ttd_jax.pictures.batches import plan_batches
from ttd_jax.pictures.checking import Checked
from ttd_jax.processes import usable_cpus

SIZES = {"ifcnn_sum": (480, 640), "piafusion": (480, 640), "cddfuse_ivf": (256, 256)}
TINY = (16, 24)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Timing:
    """How to time.

    Attributes:
      repeats: rounds.
      guard: seconds that one `torch.compile` may take; 0 leaves it out.
      end: when none is begun any more, in seconds of `time.monotonic`.
    """

    repeats: int
    guard: float
    end: float


def make_cases(names: Sequence[str], *, tiny: bool) -> list[Case]:
    """TTD of one scene by every network, then static; then of about a megapixel."""
    cases = []
    for together in (False, True):
        for strategy in ("ttd", "static"):
            for name in names:
                size, spec = TINY if tiny else SIZES[name], lookup(name)
                batch = 1
                if together:
                    batch = 2 if tiny else chosen_batch(name, size)
                settings = dataclasses.asdict(spec.dominability(spec.default_preset))
                cases.append(
                    Case(
                        model=name,
                        size=size,
                        strategy=strategy,
                        batch=batch,
                        precision="highest",
                        settings=settings,
                    )
                )
    return cases


def chosen_batch(name: str, size: tuple[int, int]) -> int:
    """How many scenes of one size are about a megapixel."""
    scenes = [Checked(size, (False,) * (lookup(name).source_count or 2), ())] * 8
    return plan_batches(scenes)[0].capacity


def speed_checks(
    cases: Sequence[Case], variables: Mapping[str, dict], timing: Timing, plans: dict
) -> list[Check]:
    """A check for every case; `plans` is told the bytes of every program by its case's name."""
    return [
        Check("speed", case.name, functools.partial(_time, case, variables, timing, plans))
        for case in cases
    ]


def _time(case, variables, timing, plans):
    variables = variables[case.model]
    program = programs.compile_case(case, variables)
    plans[case.name] = program_bytes(program.compiled)
    found = {
        "case": case.name,
        "compile": program.seconds,
        "flops": program.operations,
        "planned": plans[case.name],
        "notes": [],
    }
    functions = {"jax": program.run}
    fewer_bits = (case.strategy, case.batch) == ("ttd", 1)
    if fewer_bits:
        fast = dataclasses.replace(case, precision="default")
        functions["jax, default"] = programs.compile_case(fast, variables).run
    try:
        functions |= _torch_sides(case, variables, timing, program.run, found, fewer_bits)
    except (Exception, SystemExit) as error:
        found["notes"].append(f"torch: {one_line(error)}")
    rounds = time_rounds(functions, repeats=timing.repeats).wall
    found["seconds"] = {side: summarize(times) for side, times in rounds.items()}
    found["ratios"] = {side: median_ratio(rounds["jax"], times) for side, times in rounds.items()}
    return [found]


def _torch_sides(case, variables, timing, ours, found, fewer_bits):
    """Torch's sides: name -> function; what else is learned of them is put into `found`."""
    import torch

    kind = _torch_device(torch)
    make = functools.partial(
        programs.torch_case, case, variables, threads=usable_cpus(), device=kind
    )
    eager = make()
    sides = {"torch": _with_tf32(torch, eager, allowed=False)}
    found["difference"] = compare(case, ours, sides["torch"])
    found["torch_peak"] = _peak(torch, kind, sides["torch"])
    if fewer_bits and kind == "cuda":
        sides["torch, TF32"] = _with_tf32(torch, eager, allowed=True)
    allowed = min(timing.guard, timing.end - time.monotonic())
    if allowed > 0:
        compiled = _with_tf32(torch, make(compiled=True), allowed=False)
        begun = time.perf_counter()
        try:
            with _at_most(allowed):
                compiled()
            found["torch_compile"] = time.perf_counter() - begun
            compare(case, ours, compiled)
            sides["torch.compile"] = compiled
        except (Exception, SystemExit) as error:
            # The compiler may wrap what stops it in an error of its own.
            late = time.perf_counter() - begun >= allowed
            reason = f"more than {allowed:.0f} s" if late else one_line(error)
            found["notes"].append(f"torch.compile: {reason}")
    return sides


def _torch_device(torch):
    """The name that torch has for JAX's device."""
    platform = jax.devices()[0].platform
    if platform == "cpu":
        return "cpu"
    if platform in ("gpu", "cuda", "rocm") and torch.cuda.is_available():
        torch.backends.cudnn.benchmark = True  # XLA tries algorithms as well
        return "cuda"
    raise RuntimeError(f"torch {torch.__version__} sees no such device as JAX's {platform}")


def _with_tf32(torch, run, *, allowed) -> Callable[[], tuple]:
    """The same with torch's TF32 allowed or not: it is by default, in convolutions."""

    def call():
        torch.backends.cuda.matmul.allow_tf32 = allowed
        torch.backends.cudnn.allow_tf32 = allowed
        return run()

    return call


def _peak(torch, kind, run):
    """Bytes on the device while it runs."""
    if kind == "cpu":
        return None
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    run()
    return torch.cuda.max_memory_allocated()


@contextlib.contextmanager
def _at_most(seconds):
    """Raises `TimeoutError` in what takes longer, between two steps of Python."""

    def stop(number, frame):
        raise TimeoutError(f"more than {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
