"""A fuse run from scenes to finished folder."""

import dataclasses
import math
import os
import pathlib
import time
from collections.abc import Callable, Mapping

import jax

from ttd_jax.align import MODELS, Shift
from ttd_jax.errors import UserError, explain_exhausted, some
from ttd_jax.folders import alone
from ttd_jax.fusing.compute import BatchFuser, day_probability
from ttd_jax.fusing.options import MAPS, FuseOptions, check_network
from ttd_jax.fusing.outputs import output_files, output_names, output_type
from ttd_jax.networks import Model, takes_extents
from ttd_jax.networks.illumination import Classifier
from ttd_jax.parts import batch_memory, default_memory, format_size
from ttd_jax.pictures import transforms
from ttd_jax.pictures.ahead import ahead
from ttd_jax.pictures.batches import Batch, plan_batches, unfinished
from ttd_jax.pictures.checking import Checked, Scenes, check
from ttd_jax.pictures.examples import FolderExamples
from ttd_jax.pictures.records import UNFINISHED, Records, versions_of
from ttd_jax.places import resolved
from ttd_jax.report.progress import progress

# Pictures are decoded ahead only if that takes this share of the memory at most.
_AHEAD = 1 / 16
_LONGEST = 255  # of a file's name, in bytes, on nearly all systems
_SHIFT = {"y": float, "x": float, "clarity": float, "agreement": float}
_LIKE = {
    "scene": str,
    "size": [int],
    "masked": bool,
    "registration": (transforms.REGISTRATION, type(None)),
    "files": {str: str},
    "sources": [
        {"file": str, "sha256": str, "colored": bool, "shift": (_SHIFT, type(None))},
    ],
}


@dataclasses.dataclass(frozen=True)
class FuseJob:
    """A checked run, ready to start.

    Attributes:
      out: the output folder.
      options: the user's choices.
      scenes: all of them, finished ones included.
      exact: whether arrays have the sizes of their pictures.
      records: of `out`.
      settings: what all that is in `out` was made with.
      resume: whether to go on with what is there.
      found: records of `out`, those of other scenes included.
      finished: index -> record of scenes that need no work.
      memory: bytes that fusing may take.
    """

    out: pathlib.Path
    options: FuseOptions
    scenes: Scenes
    exact: bool
    records: Records
    settings: Mapping
    resume: bool
    found: Mapping[tuple, dict]
    finished: Mapping[int, dict]
    memory: int

    def batches(self, fit: Callable[[Batch], int] | None = None) -> list[Batch]:
        """All scenes in batches; `fit` as `plan_batches` takes it."""
        return plan_batches(self.scenes, self.options.batch_size, exact=self.exact, fit=fit)


def plan_job(
    scenes: FolderExamples,
    model: Model,
    options: FuseOptions,
    out: pathlib.Path,
    *,
    resume: bool = False,
    max_memory: int | None = None,
) -> FuseJob:
    """Checks sources and output names; writes nothing.

    Args:
      scenes: what to fuse.
      model: the network.
      options: the user's choices.
      out: the output folder.
      resume: go on with scenes that are in it; others that are in it stay in any case.
      max_memory: bytes that the run may take; what does not fit is fused in strips. Half of what
        is free by default.

    Raises:
      UserError: see `check`; a source would be overwritten, or another scene's result; there are
        results of these scenes and no `resume`, or results of other settings.
    """
    spec, roles = model.spec, scenes.roles
    check_network(spec, len(roles), options.color)
    records = Records(out, like=_LIKE, folder=UNFINISHED, key=_key)
    code = versions_of(model, strategies=[model.strategy(options.strategy)])
    settings = {**options.as_record(), "versions": code}
    found = records.find(settings)
    sources = {resolved(path): path for scene in scenes for path in scene.sources}
    owners = {name: record["scene"] for record in found.values() for name in record["files"]}
    for scene in scenes:
        for name in output_names(scene.name, roles, options):
            if len(os.fsencode(name.name)) > _LONGEST:
                raise UserError(
                    f"{scene.titles[0]}: the name of its result {name.name[:20]}... would be "
                    f"longer than {_LONGEST} bytes: rename the sources"
                )
            source = sources.get(resolved(out / name))
            if source is not None:
                raise UserError(
                    f"{source}: would be overwritten by the result: choose another --out"
                )
            owner = owners.setdefault(str(name), scene.name)
            if owner != scene.name:
                raise UserError(
                    f"{scene.titles[0]}: its {name} would be that of the scene {owner}, too: "
                    "rename the sources"
                )
    if out.exists() and not out.is_dir():
        raise UserError(f"{out}: is a file: choose a folder as --out")
    file = out / transforms.TRANSFORMS
    if options.reading.align.model in MODELS and not found and file.exists():
        raise UserError(f"{file}: is of another run: move it, or choose another --out")
    memory = default_memory() if max_memory is None else max_memory
    checked = check(
        scenes,
        gray=options.gray,
        reading=options.reading,
        known={key: _checked(record) for key, record in found.items()},
        least=spec.min_size,
        max_memory=memory,
        also=lambda pictures: output_type(pictures, options),
    )
    strategies = [model.strategy(options.strategy)]
    exact = options.sizes == "exact" or not takes_extents(model, strategies)
    return FuseJob(
        out=out,
        options=options,
        scenes=checked,
        exact=exact,
        records=records,
        settings=settings,
        resume=resume,
        found=found,
        finished=_finished(out, checked, records, found, resume),
        memory=memory,
    )


def _finished(out, scenes, records, found, resume):
    """Index -> record of scenes whose files are whole; refuses to replace a result."""
    by_name = {record["scene"]: record for record in found.values()}
    there = [key[0] for key in scenes.keys if key[0] in by_name]
    if there and not resume:
        raise UserError(
            f"{out}: holds results of {some(there)} already: pass --resume, or choose another --out"
        )
    known = {}
    for index, key in enumerate(scenes.keys):
        other = by_name.get(key[0])
        if key in found:
            known[index] = found[key]
        elif other and _paths(other) != [*map(resolved, scenes.examples[index].sources)]:
            raise UserError(
                f"{out}: holds the result {key[0]} of other sources "
                f"({_paths(other)[0]}): choose another --out"
            )
    whole = records.intact(known.values())
    return {i: record for (i, record), same in zip(known.items(), whole, strict=True) if same}


def _paths(record):
    """The files that a result is of, however they were called; old records know no `path`."""
    return [resolved(source.get("path", source["file"])) for source in record["sources"]]


def check_memory(job: FuseJob, model: Model) -> None:
    """Refuses what `run_job` would find too large for the memory.

    It compiles what `run_job` then finds compiled.

    Args:
      job: from `plan_job`.
      model: the network.

    Raises:
      UserError: memory has no room for any strip of a scene.
    """
    fuser = _fuser(job, model)
    for batch, slots in _unfinished(job, fuser):
        _, pictures = job.scenes.load(next(iter(slots.values())))
        fuser.check(batch, job.options.given(pictures))


def _unfinished(job, fuser):
    """What there is to do, in batches of as many scenes as fit on a device with its own memory."""
    fits = batch_memory(jax.devices()[0]) is not None and len(job.finished) < len(job.scenes)
    return unfinished(job.batches(fuser.fit if fits else None), job.finished)


def _fuser(job, model):
    return BatchFuser(
        model,
        model.strategy(job.options.strategy),
        color=job.options.color,
        save=[name for name in job.options.save if name in MAPS],
        memory=job.memory,
    )


def run_job(job: FuseJob, model: Model, classifier: Classifier | None = None) -> dict:
    """Fuses what is not finished and writes it.

    Args:
      job: from `plan_job`.
      model: the network.
      classifier: tells day from night on each first source; the record then has `day_probability`.

    Returns:
      `{'fused': count, 'reused': count, 'scenes': records}`.

    Raises:
      UserError: the output cannot be written, memory has no room for any strip of a scene, or it
        runs out.
      KeyboardInterrupt: what is finished stays, for a run with `resume`.
    """
    start = time.perf_counter()
    with alone(job.out, "fuse"), job.records.leaving_no_trace():
        found = job.records.find(job.settings)
        if found != job.found:  # another run was here meanwhile
            finished = _finished(job.out, job.scenes, job.records, found, job.resume)
            job = dataclasses.replace(job, found=found, finished=finished)
        job.records.open(job.settings)
        less = f"--batch_size=1 or --max_memory={format_size(job.memory // 2)}"
        with explain_exhausted("fusing", f"pass {less}, or smaller pictures"):
            fused, batch_times = _fuse_batches(job, _fuser(job, model), classifier)
        counts = {"fused": len(fused), "reused": len(job.finished)}
        own = {record["scene"]: record for record in (fused | job.finished).values()}
        # Scenes of earlier runs stay: their pictures are there.
        every = {record["scene"]: record for record in job.found.values()} | own
        ordered = sorted(every.values(), key=lambda record: record["scene"])
        summary = job.records.close(
            job.settings,
            ordered,
            {"seconds": time.perf_counter() - start, **counts, "batches": batch_times},
            _transforms(job, ordered),
        )
    return {**counts, "scenes": [record for record in summary if record["scene"] in own]}


def _transforms(job, records):
    """The file of what was found, by its name."""
    if job.options.reading.align.model not in MODELS:
        return
    found = {record["scene"]: record["registration"] for record in records}
    yield transforms.TRANSFORMS, transforms.file_text(found)


def _fuse_batches(job, fuser, classifier):
    """Index -> record of the scenes that are fused now, and the times of their batches."""

    def load(item):
        return {slot: job.scenes.load(index) for slot, index in item[1].items()}

    def fits(item):
        return 4 * sum(math.prod(shape) for shape in item[0].shapes) * len(item[0].indices) <= (
            _AHEAD * job.memory
        )

    records, times = {}, []
    total = len(job.scenes) - len(job.finished)
    with progress(description="fusing", total=total) as bar:
        for (batch, slots), loaded in ahead(load, _unfinished(job, fuser), 1, fits=fits):
            begun, compiled = time.perf_counter(), fuser.compile_seconds
            named = {
                slot: (example.name, job.options.given(own))
                for slot, (example, own) in loaded.items()
            }
            for slot, result in fuser(batch, named):
                index, (example, pictures) = slots[slot], loaded[slot]
                record = _record(job, index, example, pictures, result)
                if classifier is not None:
                    record["day_probability"] = day_probability(classifier, pictures[0])
                files = output_files(
                    example.name,
                    example.roles,
                    job.options,
                    result,
                    pictures=pictures,
                    found=job.scenes.found(index) if "alignment" in job.options.save else (),
                    registration=job.scenes[index].registration,
                    quantize_how=fuser.quantization,
                )
                records[index] = job.records.append(record, files)
                bar.update()
                del result, files, pictures  # a large scene leaves before the next one comes
            loaded.clear()
            named.clear()
            compile_seconds = fuser.compile_seconds - compiled
            times.append(
                {
                    "size": list(batch.size),
                    "scenes": len(slots),
                    "compile_seconds": compile_seconds,
                    "seconds": time.perf_counter() - begun - compile_seconds,
                }
            )
    return records, times


def _record(job, index, example, pictures, result):
    checked, options = job.scenes[index], job.options
    return {
        "scene": example.name,
        "size": list(checked.size),
        "color": options.resolve_color(checked.colored),
        "windows": result["windows"],
        "masked": checked.masked,
        "registration": checked.registration and transforms.as_record(checked.registration),
        "sources": [
            {
                "name": role,
                "file": title,
                "path": resolved(source),
                "sha256": sha256,
                "colored": colored,
                "shift": shift and dataclasses.asdict(shift),
                "range": picture.scale and [picture.scale.low, picture.scale.high],
                "dominates": round(float(dominates), 6),
                "mean_dominability": round(float(mean), 6),
            }
            for role, title, source, picture, sha256, colored, shift, dominates, mean in zip(
                example.roles,
                example.titles,
                example.sources,
                pictures,
                checked.sha256,
                checked.colored,
                [None, *checked.shifts] if checked.shifts else [None] * len(pictures),
                result["dominates"],
                result["mean_dominability"],
                strict=True,
            )
        ],
    }


def _key(record):
    return record["scene"], *(source["sha256"] for source in record["sources"])


def _checked(record):
    """What a finished scene's record tells, so that it need not be decoded again."""
    sources, registration = record["sources"], record["registration"]
    return Checked(
        size=tuple(record["size"]),
        colored=tuple(source["colored"] for source in sources),
        sha256=_key(record)[1:],
        shifts=tuple(Shift(**source["shift"]) for source in sources if source["shift"]),
        registration=registration and transforms.of_record(registration),
        masked=record["masked"],
    )
