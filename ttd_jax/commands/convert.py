"""Turn a PyTorch checkpoint (.pth) into weights for this package.

    ttd-jax convert --model=ifcnn_sum --checkpoint=IFCNN-SUM.pth --out=weights/ifcnn_sum

The checkpoint is read without running anything in it, every tensor's name and shape is checked
both ways, and the result is an orbax directory with a manifest that proves it.
"""

import pathlib

from absl import flags

from ttd_jax.commands import common
from ttd_jax.files import dumps
from ttd_jax.networks import NetworkSpec, lookup
from ttd_jax.weights import store
from ttd_jax.weights.convert import convert_checkpoint


def define_flags(values):
    """The flags of this command."""
    common.define_model(values, NetworkSpec)
    flags.DEFINE_string("checkpoint", None, "the .pth file", flag_values=values)
    flags.DEFINE_string("out", None, "the directory to make", flag_values=values)
    flags.DEFINE_bool("overwrite", False, "replace weights at --out", flag_values=values)
    common.define_json(values)


def run(values, arguments):
    """Converts and says what was made."""
    common.reject_arguments(arguments)
    common.require(values, "model", "checkpoint", "out")
    spec = lookup(values.model, NetworkSpec)
    model, source, remarks = convert_checkpoint(spec, pathlib.Path(values.checkpoint))
    manifest = store.save(values.out, model, source=source, overwrite=values.overwrite)
    if values.json:
        print(dumps({**manifest, "out": values.out, "remarks": remarks}), end="")
        return
    print(f"{values.out}: {spec.name}, {manifest['parameters']:,} numbers")
    print(f"license of the weights: {source['license']}")
    print(f"sha256 {manifest['sha256']}")
    for remark in remarks:
        print(f"note: {remark}")
