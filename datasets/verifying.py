"""Proves that a prepared benchmark is complete and readable."""

import pathlib

from ttd_jax_datasets.base import FusionBuilder, FusionConfig

from ttd_jax.align.alignment import Alignment
from ttd_jax.errors import UserError
from ttd_jax.pictures.aligning import line_up
from ttd_jax.pictures.decode import decode_example
from ttd_jax.pictures.prepared import prepared_examples
from ttd_jax.report.progress import progress


def verify(
    cls: type[FusionBuilder], config: FusionConfig, data_dir: pathlib.Path
) -> tuple[dict[str, int], list[str]]:
    """Reads and decodes every example, then compares the counts with the official ones.

    Args:
      cls: a `FusionBuilder`.
      config: one of its configs.
      data_dir: where prepared benchmarks are.

    Returns:
      Split -> number of examples; and what is said of sources that do not line up.

    Raises:
      UserError: not prepared, incomplete, or damaged.
    """
    name = f"{cls.name}/{config.name}"
    builder = cls.at(data_dir, config)
    if not builder.is_prepared():
        raise UserError(
            f"{data_dir}: {name} is not prepared here: "
            f"`ttd-jax datasets prepare {name} --manual_dir=... --data_dir={data_dir}`"
        )
    remarks = []
    counts = {split: info.num_examples for split, info in builder.info.splits.items()}
    for split in counts:
        examples = prepared_examples(name, split, data_dir=data_dir)
        with progress(range(len(examples)), f"verifying {split}") as numbers:
            for number in numbers:
                remarks += _check(examples, number)
    # Last: what is there may be damaged as well.
    shortfalls = builder.shortfalls(counts)
    if shortfalls:
        raise UserError(
            f"{builder.data_path}: {name}: {' and '.join(shortfalls)}: "
            "complete the files and prepare it again with --overwrite"
        )
    return counts, remarks


def _check(examples, number):
    """What is remarkable of how an example's sources line up."""
    example = examples[number]
    where = f"{examples.path}: {examples.split} example {example.name}"
    if example.name != examples.names[number]:
        raise UserError(
            f"{where} stands where {examples.names[number]} should: "
            "prepare the benchmark again with --overwrite"
        )
    try:
        pictures = decode_example(example)
    except UserError as error:
        raise UserError(
            f"{where}: {error}: prepare the benchmark again with --overwrite"
        ) from error
    found = line_up(example.name, example.titles, pictures, Alignment("check"))
    return found.remarks.values()
