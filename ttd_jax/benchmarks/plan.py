"""What the jobs' programs need of a TPU pod, without one: compiled for it, one after the other."""

import dataclasses
import importlib
from collections.abc import Sequence

from ttd_jax_configs import finetune

from ttd_jax.benchmarks.apart import run_apart
from ttd_jax.benchmarks.cases import Case
from ttd_jax.benchmarks.chips import PASSES, chip_of, estimate
from ttd_jax.errors import UserError, explain_missing
from ttd_jax.report.markdown import padded_table
from ttd_jax.report.progress import progress

PROGRAMS = ("fuse", "evaluate", "finetune")
# A TPU of this machine's own is left to others, and nobody is asked where it stands.
_ENVIRONMENT = {
    "JAX_PLATFORMS": "cpu",
    "JAX_ENABLE_COMPILATION_CACHE": "false",
    "TPU_SKIP_MDS_QUERY": "1",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}
_NOTES = """\
Compiled, not run. The roofline is the longer of two times of a chip: its memory's for the bytes
accessed, its products' for the operations ({passes}).
A run takes longer: scenes an hour are those of all chips at that pace, an upper bound, if pictures
are read as fast. A chip holds so many scenes in its {memory:.0f} GiB less a sixteenth, if each
takes as much as those that were compiled.
"""


def choose_programs(cases: Sequence[Case], programs: Sequence[str]) -> list[tuple[str, Case]]:
    """What is to be compiled.

    Args:
      cases: of several strategies.
      programs: of `PROGRAMS`.

    Returns:
      Every case where they are to fuse; and for each network and size the program of `evaluate`,
      and for each network that of `finetune`, on crops of its configuration's size.
    """
    crop = finetune.get_config().crop
    chosen = {}
    for program in programs:
        for case in cases:
            size = (crop, crop) if program == "finetune" else case.size
            strategy = case.strategy if program == "fuse" else "ttd"
            own = dataclasses.replace(case, size=size, strategy=strategy)
            chosen[program, own.name] = program, own
    return list(chosen.values())


def plan_programs(chosen: Sequence[tuple[str, Case]], topology: str) -> dict:
    """Compiles programs for a topology, each in a process of its own, which Ctrl-C ends at once.

    Args:
      chosen: see `choose_programs`.
      topology: such as 'v5e:4x4'. Programs that do not fit in a chip are compiled for half as many
        scenes, and so on.

    Returns:
      `topology`; `chip`, the facts of one; `chips`, their number; and `programs`: what
      `compiler.compile_task` says of each with what `estimate` makes of it. JSON-able.

    Raises:
      UserError: libtpu is missing, there is no such topology, or compiling fails.
    """
    chip = chip_of(topology)
    with explain_missing("--what=plan", "tpu-plan"):
        importlib.import_module("libtpu")
    chips, found = None, []
    with progress(chosen, description="plan", unit="program") as bar:
        for program, case in bar:
            told = _compile(program, case, topology, chip)
            while "refused" in told and case.batch > 1:  # fewer scenes may fit
                case = dataclasses.replace(case, batch=case.batch // 2)
                told = _compile(program, case, topology, chip)
            chips = told.pop("chips")
            if "refused" not in told:
                numbers = {"chips": chips, "batch": case.batch, "precision": case.precision}
                told |= estimate(told, chip, **numbers)
            facts = {"model": case.model, "size": list(case.size), "batch": case.batch}
            found.append({"name": program_name(program, case), "program": program, **facts, **told})
    facts = {name: getattr(chip, name) for name in ("memory", "bandwidth", "products")}
    return {"topology": topology, "chip": facts, "chips": chips, "programs": found}


def _compile(program, case, topology, chip):
    task = {
        "topology": topology,
        "options": dict(chip.options),
        "program": program,
        "case": dataclasses.asdict(case),
    }
    what = f"the process that compiles {program_name(program, case)}"
    told = run_apart("compiler", task, environment=_ENVIRONMENT, what=what)
    if "chips" not in told:
        raise UserError(f"--topology={topology}: libtpu refuses it: {told['refused']}")
    return told


def program_name(program: str, case: Case) -> str:
    """Short, for people: a case's name with its program in place of its strategy."""
    return case.name if program == "fuse" else case.name.replace(" ttd ", f" {program} ")


def markdown(result: dict) -> str:
    """What `plan_programs` found, with the precision, for people."""
    memory, passes = result["chip"]["memory"], PASSES[result["precision"]]
    rows = [_row(one, memory) for one in result["programs"]]
    told = "one bfloat16 pass each" if passes == 1 else f"{passes} bfloat16 passes each"
    lines = [
        f"# {result['topology']}, {result['chips']} chips, precision {result['precision']}",
        "",
        *padded_table(_HEAD, rows),
        "",
        _NOTES.format(passes=told, memory=memory / 2**30).rstrip(),
    ]
    lines += [f"{one['name']}: {one['refused']}" for one in result["programs"] if "refused" in one]
    return "\n".join(lines) + "\n"


_HEAD = (
    "program",
    "compile, s",
    "temporaries, MiB",
    "GB accessed",
    "GFLOP",
    "roofline, ms",
    "bound by",
    "scenes a chip",
    "scenes/hour",
)


def _row(one, memory):
    if "refused" in one:
        return [one["name"], *["-"] * (len(_HEAD) - 3), "0", "-"]
    taken = one["memory"]["temporaries"]
    bound = max("memory", "products", key=lambda name: one[f"seconds_of_{name}"])
    return [
        one["name"],
        f"{one['compile_seconds']:.0f}",
        f"{taken / 2**20:.0f} ({taken / memory:.1%})",
        f"{one['bytes_accessed'] / 1e9:.2f}",
        f"{one['operations'] / 1e9:.1f}",
        f"{1e3 * one['seconds']:.1f}",
        bound,
        f"{one['scenes_held']}",
        f"{one['scenes_per_hour']:,.0f}",
    ]
