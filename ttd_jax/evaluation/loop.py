"""Evaluates one model on data sets, on all local devices, process by process."""

import concurrent.futures
import dataclasses
import itertools
import time
from collections.abc import Mapping, Sequence

import jax
import numpy as np
from tqdm import tqdm

from ttd_jax.core.dominability import DominabilitySettings
from ttd_jax.evaluation.program import device_program
from ttd_jax.evaluation.records import Records
from ttd_jax.evaluation.units import load_inputs, plan_units, stack
from ttd_jax.fusing.options import resolve_color
from ttd_jax.networks import Model

# Decoded batches that wait for a device, and threads that decode.
_AHEAD = 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What to evaluate.

    Attributes:
      model: the network.
      strategies: name -> RD settings, None for the static fusion.
      color: how color is treated, one of `ttd_jax.fusing.options.COLORS`.
      protocol: of the metrics.
      names: of the metrics.
      batch_size: scenes a device takes at once; 0 chooses by size.
    """

    model: Model
    strategies: Mapping[str, DominabilitySettings | None]
    color: str
    protocol: str
    names: tuple[str, ...]
    batch_size: int = 0


def evaluate_dataset(
    job: Evaluation,
    dataset: str,
    examples,
    records: Records,
    *,
    process: int = 0,
    processes: int = 1,
    add=None,
    devices: Sequence | None = None,
) -> dict:
    """Scores this process's share of a data set and appends a record for each image.

    Units of scenes are dealt to the processes in turn; every unit computes the same bits wherever
    it runs. Decoding, the devices and writing overlap.

    Args:
      job: what to evaluate.
      dataset: its name, for the records.
      examples: a sequence of `Example`.
      records: where to append; finished images are skipped.
      process: this process's index.
      processes: how many there are.
      add: sums an integer array over the processes; without it every process decodes every
        example to learn its shape.
      devices: local devices to use; all by default.

    Returns:
      `{'scored', 'reused', 'seconds', 'means'}`; means over what was scored now,
      summed on the devices: strategy -> metric -> mean.
    """
    start = time.perf_counter()
    devices = jax.local_devices() if devices is None else devices
    gray = job.color == "network"
    share = (process, processes, add) if add else None
    units = plan_units(examples, gray=gray, batch_size=job.batch_size, share=share)
    units = units[process::processes]
    finished = records.finished()
    done = {image for known, image in finished if known == dataset}
    todo = [(unit, [i for i in unit.indices if examples[i].name not in done]) for unit in units]
    reused = sum(len(unit.indices) - len(missing) for unit, missing in todo)
    groups = list(_same_shape([t for t in todo if t[1]], len(devices)))
    program = device_program(
        devices,
        strategies=dict(job.strategies),
        resolve_mode=lambda colored: resolve_color(job.color, colored),
        how=job.model.spec.quantize if gray else "round",
        protocol=job.protocol,
        names=job.names,
    )
    total, count = 0.0, 0.0
    scored = sum(len(missing) for _, missing in todo)
    with (
        concurrent.futures.ThreadPoolExecutor(_AHEAD) as pool,
        tqdm(total=scored, desc=dataset, unit="scene", delay=1, disable=None) as bar,
    ):

        def load(group):
            scenes = [
                {unit.indices.index(i): load_inputs(examples[i], gray=gray) for i in missing}
                for unit, missing in group
            ]
            return scenes, stack([unit for unit, _ in group], scenes, len(devices))

        waiting = (pool.submit(load, group) for group in groups)
        loaded = list(itertools.islice(waiting, _AHEAD))
        running = None
        for group in [*groups, None]:
            if group is not None:
                scenes, arrays = loaded.pop(0).result()
                loaded += itertools.islice(waiting, 1)
                dispatched = group, scenes, program(job.model, *arrays)  # returns at once
            if running is not None:
                sums = _collect(job, dataset, examples, records, *running)
                total, count = total + sums[0], count + sums[1]
                bar.update(sum(len(missing) for _, missing in running[0]))
            running = dispatched if group is not None else None
    means = total / max(count, 1.0) * np.ones((len(job.strategies), len(job.names)))
    return {
        "scored": scored,
        "reused": reused,
        "seconds": time.perf_counter() - start,
        "means": {
            strategy: dict(zip(job.names, map(float, row), strict=True))
            for strategy, row in zip(job.strategies, means, strict=True)
        },
    }


def _same_shape(todo, size):
    """Groups of up to `size` units of one shape, in order."""
    for _, same in itertools.groupby(todo, key=lambda t: (t[0].shape, t[0].capacity)):
        same = list(same)
        for begin in range(0, len(same), size):
            yield same[begin : begin + size]


def _collect(job, dataset, examples, records, group, scenes, results):
    """Waits for a group's scores, writes its records; the devices' sums in float64."""
    scores, total, count = (np.asarray(array) for array in results)
    for device, (unit, missing) in enumerate(group):
        for index in missing:
            slot = unit.indices.index(index)
            table = scores[device, slot]
            records.append(
                {
                    "dataset": dataset,
                    "image": examples[index].name,
                    "sha256": list(scenes[device][slot].sha256),
                    "scores": {
                        strategy: dict(zip(job.names, map(float, row), strict=True))
                        for strategy, row in zip(job.strategies, table, strict=True)
                    },
                }
            )
    return total.sum(axis=0, dtype=np.float64), count.sum(dtype=np.float64)
