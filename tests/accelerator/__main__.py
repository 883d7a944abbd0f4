"""Checks the accelerator of this machine: parity with its CPU, speed, memory, compilation.

    python -m tests.accelerator --out=DIR

Needs no network and no installed package: it is run from a checkout's root. Writes accelerator.json
and accelerator.md, prints the latter, and ends with status 1 if something does not hold.
"""

import argparse
import faulthandler
import os
import pathlib
import sys
import tempfile


def main() -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="tests.accelerator", description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for the results")
    parser.add_argument("--limit", type=float, default=360, help="no check begins after seconds")
    parser.add_argument("--guard", type=float, default=45, help="seconds for one torch.compile")
    parser.add_argument("--repeats", type=int, default=20, help="rounds of the timings")
    parser.add_argument("--threads", type=int, default=8, help="that compile side by side")
    parser.add_argument("--platform", help="of JAX, such as cuda or cpu; default: any but cpu")
    parser.add_argument("--model", help="networks, separated by commas; default: all")
    parser.add_argument("--only", choices=("parity", "speed"), help="half of it; default: both")
    parser.add_argument("--tiny", action="store_true", help="small pictures; on any platform")
    values = parser.parse_args()
    _prepare(values.platform)
    from ttd_jax.errors import UserError

    try:
        return _check(values)
    except UserError as error:  # no such device, no such network
        print(f"tests.accelerator: {error}", file=sys.stderr)
        return 2


def _check(values):
    import jax

    from tests.accelerator.run import Options, check_accelerator
    from ttd_jax.errors import UserError
    from ttd_jax.networks import lookup, networks
    from ttd_jax.processes import find_devices

    if find_devices()[0].platform == "cpu" and not (values.tiny or values.platform == "cpu"):
        if values.platform:
            raise UserError(f"--platform={values.platform}: JAX finds no such device")
        print("no accelerator found: JAX sees CPUs only; --platform=cpu checks these")
        return 0
    faulthandler.dump_traceback_later(values.limit + 90, exit=True)  # should anything hang
    # One network of each module: what differs in weights alone is computed alike.
    modules = {lookup(name).build: name for name in reversed(networks())}
    names = tuple(values.model.split(",")) if values.model else tuple(reversed(modules.values()))
    for name in names:
        lookup(name)  # or a line that tells which there are
    values.out.mkdir(parents=True, exist_ok=True)
    # Programs that nobody waits for any more may still be written when time is up.
    with tempfile.TemporaryDirectory(prefix="ttd_jax-xla-", ignore_cleanup_errors=True) as cache:
        jax.config.update("jax_compilation_cache_dir", cache)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        options = Options(
            models=names,
            limit=values.limit,
            guard=values.guard,
            repeats=values.repeats,
            threads=values.threads,
            cache=cache,
            only=values.only,
            tiny=values.tiny,
        )
        record = check_accelerator(options, values.out)
    print((values.out / "accelerator.md").read_text(encoding="utf-8"))
    return 1 if record["broken"] else 0


def _prepare(platform):
    """What JAX reads when it is imported."""
    # Memory is taken as it is needed: torch needs some, too, and peaks are to be told.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    chosen = platform or os.environ.get("JAX_PLATFORMS")
    if chosen:  # the CPU is what is compared with
        names = dict.fromkeys([*chosen.split(","), "cpu"])
        os.environ["JAX_PLATFORMS"] = ",".join(names)


if __name__ == "__main__":
    sys.exit(main())
