"""Turn a PyTorch checkpoint (.pth, .pkl, .model, .safetensors) into weights for this package.

    ttd-jax convert --model=ifcnn_sum --checkpoint=IFCNN-SUM.pth --out=weights/ifcnn_sum

The checkpoint is read without running anything in it, every tensor's name and shape is checked
both ways, and the result is an orbax directory with a manifest that proves it. Where a model's
tensors are in several files, --checkpoint is their folder.
"""

import pathlib

from absl.flags import FlagValues

from ttd_jax.commands import common
from ttd_jax.folders import alone
from ttd_jax.networks import NetworkSpec, lookup
from ttd_jax.places import place
from ttd_jax.weights import store
from ttd_jax.weights.convert import convert_checkpoint


def define_flags(values: FlagValues) -> None:
    """The flags of this command."""
    flag = common.Flags(values)
    flag.model(NetworkSpec)
    flag.path("checkpoint", "the file, or the folder of several")
    flag.place("out", "the directory to make")
    flag.boolean("overwrite", "replace weights at --out")
    flag.json()


def run(values: FlagValues, arguments: list[str]) -> None:
    """Converts and says what was made."""
    common.only_flags(values, arguments, "model", "checkpoint", "out")
    spec = lookup(values.model, NetworkSpec)
    model, source, remarks = convert_checkpoint(spec, pathlib.Path(values.checkpoint))
    with alone(place(values.out).absolute().parent, wait=True):
        manifest = store.save(values.out, model, source=source, overwrite=values.overwrite)
    common.tell(
        values,
        {**manifest, "out": values.out, "remarks": remarks},
        f"{values.out}: {spec.name}, {manifest['parameters']:,} numbers",
        f"license of the weights: {source['license']}",
        f"sha256 {manifest['sha256']}",
        *(f"note: {remark}" for remark in remarks),
    )
