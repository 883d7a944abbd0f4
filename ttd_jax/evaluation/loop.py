"""Evaluates one model on data sets, on all local devices, process by process."""

import concurrent.futures
import dataclasses
import itertools
from collections.abc import Mapping

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ttd_jax import metrics
from ttd_jax.core.color import resolve_color
from ttd_jax.core.dominability import DominabilitySettings
from ttd_jax.errors import explain_exhausted
from ttd_jax.evaluation.program import device_program
from ttd_jax.files import jsonable
from ttd_jax.networks import Model, takes_extents
from ttd_jax.parts import check_finite, choose_count, held_bytes, plan_program
from ttd_jax.pictures.ahead import ahead
from ttd_jax.pictures.batches import fill_up, plan_batches, stack, stack_masks, unfinished
from ttd_jax.pictures.checking import Scenes
from ttd_jax.pictures.records import Records
from ttd_jax.processes import usable_cpus
from ttd_jax.report.progress import progress


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What to evaluate.

    Attributes:
      model: the network.
      strategies: name -> RD settings, None for the static fusion.
      color: how color is treated, one of `ttd_jax.core.color.COLORS`.
      protocol: of the metrics.
      names: of the metrics.
      batch_size: scenes a device takes at once; 0 chooses by size, or by its own memory.
      sizes: 'bucket': pictures of several sizes share programs, where the network and all metrics
        and loss maps can; 'exact': they do not.
    """

    model: Model
    strategies: Mapping[str, DominabilitySettings | None]
    color: str
    protocol: str
    names: tuple[str, ...]
    batch_size: int = 0
    sizes: str = "bucket"

    @property
    def exact(self) -> bool:
        """Whether arrays have the sizes of their pictures."""
        return self.sizes == "exact" or not takes_extents(
            self.model, self.strategies.values(), self.names
        )


def evaluate_dataset(
    job: Evaluation,
    dataset: str,
    scenes: Scenes,
    records: Records,
    *,
    process: int = 0,
    processes: int = 1,
    memory: int | None = None,
) -> dict[str, int]:
    """Scores this process's share of a data set and appends a record for each image.

    Batches of scenes are given to the processes in turn; every batch computes the same bits
    wherever it runs, but for roundings that depend on the number of devices where sizes are data.
    Decoding, copying to the devices, their work and writing overlap; no scene of another process's
    share is decoded.

    Args:
      job: what to evaluate.
      dataset: its name, for the records.
      scenes: checked; networks are given grays where the job's color is 'network'.
      records: where to append; finished images are skipped.
      process: this process's index.
      processes: how many there are.
      memory: bytes that a batch may take on a device, the same in every process: it has as many
        scenes as fit. None for about a megapixel.

    Returns:
      `{'scored', 'reused'}`: how many scenes.

    Raises:
      UserError: a fused picture is no number somewhere, or memory runs out.
    """
    devices = jax.local_devices()
    known = records.finished()
    finished = {i for i, key in enumerate(scenes.keys) if (dataset, *key) in known}
    program = device_program(
        devices,
        strategies=dict(job.strategies),
        resolve_mode=lambda colored: resolve_color(job.color, colored),
        how=job.model.spec.quantize if scenes.gray else "round",
        protocol=job.protocol,
        names=job.names,
    )

    mesh = Mesh(devices, ("devices",))
    model = jax.device_put(job.model, NamedSharding(mesh, PartitionSpec()))
    each = NamedSharding(mesh, PartitionSpec("devices"))

    def fit(batch):
        def planned(count):
            shapes = _shapes(batch, job.protocol, (len(devices), count), each)
            return plan_program(lambda: program.lower(model, shapes).compile())[1]

        weights = held_bytes(job.model)
        return choose_count(batch.capacity, planned, memory=memory, fixed=weights)

    def load(group):
        given = [
            {
                slot: decoders.submit(_inputs, scenes, i, batch, job.protocol)
                for slot, i in slots.items()
            }
            for batch, slots in group
        ]
        arrays = {}
        for device, (batch, _) in enumerate(group):
            inputs = {slot: decoded.result() for slot, decoded in given[device].items()}
            pictures, planes, masks = stack(batch.capacity, inputs)
            arrays[device] = pictures, planes, batch.extents, masks
        return jax.device_put(stack(len(devices), arrays), each)

    fits = memory is not None and len(finished) < len(scenes)
    running, less = None, "pass a smaller --config.batch_size, such as 1, or smaller pictures"
    with (
        explain_exhausted(dataset, less),
        concurrent.futures.ThreadPoolExecutor(usable_cpus()) as decoders,
        progress(description=dataset) as bar,
    ):
        every = plan_batches(scenes, job.batch_size, exact=job.exact, fit=fit if fits else None)
        batches = every[process::processes]
        todo = unfinished(batches, finished)
        scored = sum(len(slots) for _, slots in todo)
        bar.total = scored
        groups = ahead(load, _same_shape(todo, len(devices)))
        for group, arrays in itertools.chain(groups, [(None, None)]):
            dispatched = group and (group, program(model, arrays))  # returns at once
            if running is not None:
                records.extend(_records(job, dataset, scenes, *running))
                bar.update(sum(len(slots) for _, slots in running[0]))
            running = dispatched
    return {"scored": scored, "reused": sum(len(b.indices) for b in batches) - scored}


def _shapes(batch, protocol, lead, sharding):
    """Of what a program is given of batches with these leading axes."""

    def shaped(*shape, dtype=np.float32):
        return jax.ShapeDtypeStruct((*lead, *shape), dtype, sharding=sharding)

    pictures = tuple(shaped(*shape) for shape in batch.shapes)
    extents = shaped(2, dtype=np.int32) if batch.frame.shared else None
    masks = shaped(*batch.mask_shape, dtype=np.bool_) if batch.masked else None
    channels = (3,) if any(batch.colored) and metrics.PROTOCOLS[protocol].colors else ()
    return pictures, shaped(len(pictures), *channels, *batch.size), extents, masks


def _same_shape(todo, size):
    """Groups of up to `size` batches of one shape, in order."""
    for _, same in itertools.groupby(todo, key=_program):
        same = list(same)
        for begin in range(0, len(same), size):
            yield same[begin : begin + size]


def _program(batch_and_slots):
    """What the programs of batches that can be computed together have in common."""
    batch, _ = batch_and_slots
    return batch.frame, batch.colored, batch.capacity, batch.masked


def _inputs(scenes, index, batch, protocol):
    """Pictures f32[H, W, 1 or 3], the sources' planes for the metrics and masks, as a batch's."""
    size = batch.size
    _, pictures = scenes.load(index)
    stored = [picture.as_bytes() for picture in pictures]
    planes = metrics.source_planes(stored, protocol=protocol, gray=scenes.gray)
    given = (picture.as_float() for picture in scenes.given(pictures))
    filled = tuple(fill_up(picture, size) for picture in given)
    masks = stack_masks(pictures, size) if batch.masked else None
    return filled, fill_up(planes, size, axis=planes.ndim - 2), masks


def _records(job, dataset, scenes, group, results):
    """Waits for a group's scores; a record for each of its scenes."""
    scores, sums = map(np.asarray, results)
    for device, (_, slots) in enumerate(group):
        for slot, index in slots.items():
            for (strategy, settings), of_picture in zip(
                job.strategies.items(), sums[device, slot], strict=True
            ):
                scene = f"{dataset}: {scenes.examples.names[index]}, {strategy}"
                check_finite(job.model, settings, of_picture, scene=scene)
            rows = zip(job.strategies, jsonable(scores[device, slot].tolist()), strict=True)
            yield {
                "dataset": dataset,
                "image": scenes.examples.names[index],
                "sha256": list(scenes[index].sha256),
                "scores": {s: dict(zip(job.names, row, strict=True)) for s, row in rows},
            }
