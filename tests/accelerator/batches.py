"""Whether `fuse` and `evaluate` take as many scenes at once as fit in a device's memory.

    python -m tests.accelerator.batches [--fraction=0.06] [--model=ifcnn_sum] [--size=480x640]

`--fraction` of a GPU's memory is what JAX may take. Prints a line of JSON for either job, and ends
with status 1 if a peak is above the limit, or if results are not those of one scene at a time.
"""

import argparse
import functools
import json
import os
import pathlib
import sys
import tempfile
import types

SCENES = 10
TOLERANCE = 1e-3


def main(argv=None) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="tests.accelerator.batches")
    parser.add_argument("--fraction", help="of the memory of a GPU; default: JAX's own")
    parser.add_argument("--memory", type=int, help="bytes of a batch; default: half of the limit")
    parser.add_argument("--model", default="ifcnn_sum", help="a network")
    parser.add_argument("--size", default="480x640", help="of the scenes")
    parser.add_argument("--metrics", default="", help="of evaluate; default: all")
    values = parser.parse_args(argv)
    if values.fraction:  # JAX reads it when it first finds its devices
        os.environ["XLA_PYTHON_CLIENT_MEM_FRACTION"] = values.fraction
    import jax

    from tests.random_models import random_model
    from ttd_jax.parts import batch_memory

    device = jax.local_devices()[0]
    memory = values.memory or batch_memory(device)
    if memory is None:
        print("the device tells of no memory of its own: pass --memory")
        return 2
    model, names = random_model(values.model), tuple(filter(None, values.metrics.split(",")))
    scenes = _scenes(model.spec, tuple(map(int, values.size.split("x"))))
    status = 0
    for name, job in (("fuse", _fuse), ("evaluate", functools.partial(_evaluate, names=names))):
        chosen, difference = job(model, scenes, memory)
        told = device.memory_stats() or {}
        limit, peak = (told.get(name) for name in ("bytes_limit", "peak_bytes_in_use"))
        found = {"job": name, "scenes": chosen, "differs_by": difference}
        print(json.dumps({**found, "allowed": memory, "limit": limit, "peak": peak}), flush=True)
        if not difference < TOLERANCE or (limit is not None and peak > limit):
            status = 1
    return status


def _scenes(spec, size):
    """Scenes that are decoded already."""
    import numpy as np

    from ttd_jax.pictures.checking import Checked, Scenes
    from ttd_jax.pictures.images import Picture, Reading

    names = [f"{index}" for index in range(SCENES)]
    sources = spec.source_count or 2
    draw = np.random.default_rng(0)
    pictures = draw.integers(0, 256, (SCENES, sources, *size, 1), np.uint8)
    kept = {
        index: (name, [Picture(pixels) for pixels in pictures[index]])
        for index, name in enumerate(names)
    }
    checked = tuple(Checked(size, (False,) * sources, (name,) * sources) for name in names)
    return Scenes(types.SimpleNamespace(names=names), True, Reading(luma=True), checked, kept)


def _fuse(model, scenes, memory):
    import numpy as np

    from ttd_jax.fusing.compute import BatchFuser
    from ttd_jax.pictures.batches import plan_batches

    options = {"color": "auto", "save": ("fused",), "memory": memory}
    fuser, found = BatchFuser(model, model.settings, **options), []
    chosen = plan_batches(scenes, fit=fuser.fit)
    for batches in (chosen, plan_batches(scenes, 1)):
        loaded = ({s: scenes.load(i) for s, i in enumerate(b.indices)} for b in batches)
        results = [fuser(*each) for each in zip(batches, loaded, strict=True)]
        found.append(np.stack([one["fused"] for batch in results for _, one in batch]))
    return chosen[0].capacity, float(np.abs(found[0] - found[1]).max())


def _evaluate(model, scenes, memory, names):
    import numpy as np

    from ttd_jax import metrics
    from ttd_jax.evaluation import loop
    from ttd_jax.pictures.records import Records

    options = {
        "model": model,
        "strategies": {"static": None, "ttd": model.settings},
        "color": "network",
        "protocol": "paper",
        "names": metrics.choose(names),
    }
    plans, found, plan_batches = [], [], loop.plan_batches

    def spy(*given, **named):
        plans.append(plan_batches(*given, **named))
        return plans[-1]

    loop.plan_batches = spy
    for batch_size in (0, 1):
        job = loop.Evaluation(**options, batch_size=batch_size)
        with tempfile.TemporaryDirectory() as folder:
            records = Records(pathlib.Path(folder))
            records.open({})
            loop.evaluate_dataset(job, "x", scenes, records, memory=memory)
            kept = sorted(records.finished().items())
        scores = [[[*s.values()] for s in record["scores"].values()] for _, record in kept]
        found.append(np.array(scores, float))
    largest = np.maximum(1, np.abs(found[1]))
    loop.plan_batches = plan_batches
    return plans[0][0].capacity, float(np.nanmax(np.abs(found[0] - found[1]) / largest))


if __name__ == "__main__":
    sys.exit(main())
