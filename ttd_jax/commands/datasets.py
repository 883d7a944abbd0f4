"""List, prepare and verify benchmarks of image fusion.

    ttd-jax datasets list [NAME]                   # with NAME: how to get its files
    ttd-jax datasets prepare NAME[/CONFIG] --manual_dir=FOLDER
    ttd-jax datasets verify NAME[/CONFIG]

No benchmark's license lets its pictures be passed on: download them yourself, then `prepare` writes
them, byte for byte, to --data_dir, where every other command finds them. `verify` ends with status
0 only if all official examples are there and every picture can be decoded; it notes sources that
are shifted against the first.
"""

import pathlib

from absl.flags import FlagValues

from ttd_jax.commands import common
from ttd_jax.errors import UserError
from ttd_jax.report.columns import aligned


def define_flags(values: FlagValues) -> None:
    """The flags of this command."""
    flag = common.Flags(values)
    flag.path("manual_dir", "folder with the files as upstream has them")
    flag.data_dir()
    flag.boolean("overwrite", "replace what is prepared")
    flag.json()


def run(values: FlagValues, arguments: list[str]) -> None:
    """Runs the action that the first argument names."""
    common.dispatch("datasets", _ACTIONS, values, arguments)


def _list(values, name=None):
    from ttd_jax_datasets import NAMES, builder_class

    classes = map(builder_class, [name] if name else NAMES)
    rows = [_row(values, cls, config) for cls in classes for config in cls.BUILDER_CONFIGS]
    table = [("benchmark", "roles", "official examples", "prepared", "terms")]
    for row in rows:
        splits = _counts(row["splits"])
        table.append((row["name"], ", ".join(row["roles"]), splits, _prepared(row), row["terms"]))
    how = f"\n{rows[0]['instructions']}\n\ncite:\n{rows[0]['citation']}"
    common.tell(values, rows, *aligned(table), *([how] if name else []))


def _root(values):
    return common.data_dir(values).absolute()


def _row(values, cls, config):
    builder = cls.at(_root(values), config)
    prepared = {}
    if builder.is_prepared():
        prepared = {split: info.num_examples for split, info in builder.info.splits.items()}
    return {
        "name": builder.full_name,
        "description": config.description,
        "task": config.task,
        "roles": config.roles,
        "splits": dict(config.splits),
        "classes": config.labels.classes if config.labels else (),
        "prepared": prepared,
        "path": str(builder.data_path) if prepared else None,
        "terms": cls.TERMS,
        "homepage": cls.HOMEPAGE,
        "instructions": cls.MANUAL_DOWNLOAD_INSTRUCTIONS.strip(),
        "citation": cls.get_metadata().citation.strip(),
    }


def _prepared(row):
    if not row["prepared"]:
        return "no"
    if row["prepared"] == row["splits"]:
        return "yes"
    return f"in part: {_counts(row['prepared'])}"


def _counts(splits):
    return ", ".join(f"{split} {number}" for split, number in splits.items())


def _prepare(values, name):
    from ttd_jax_datasets import find_config
    from ttd_jax_datasets.preparing import prepare

    cls, config = find_config(name)
    if values.manual_dir is None:
        raise UserError(f"--manual_dir is missing: {cls.MANUAL_DOWNLOAD_INSTRUCTIONS}")
    if common.data_dir(values).parts[0] == "~":
        raise UserError("this user has no home folder: pass --data_dir, or set TFDS_DATA_DIR")
    manual_dir = pathlib.Path(values.manual_dir).absolute()
    builder, made = prepare(cls, config, manual_dir, _root(values), overwrite=values.overwrite)
    row = _row(values, cls, config)
    remarks = builder.shortfalls(row["prepared"])
    if not made:
        remarks.insert(0, "was prepared before and is left as it was (--overwrite replaces it)")
    common.tell(
        values,
        {**row, "made": made, "remarks": remarks},
        f"{row['path']}: {row['name']}: {_counts(row['prepared'])} examples",
        *(f"note: {remark}" for remark in remarks),
        f"terms: {row['terms']}",
    )


def _verify(values, name):
    from ttd_jax_datasets import find_config
    from ttd_jax_datasets.verifying import verify

    cls, config = find_config(name)
    counts, remarks = verify(cls, config, _root(values))
    row = _row(values, cls, config)
    common.tell(
        values,
        {"name": row["name"], "path": row["path"], "examples": counts, "remarks": remarks},
        f"{row['path']}: {row['name']}: all {_counts(counts)} examples are there and decode",
        *(f"note: {remark}" for remark in remarks),
    )


_ACTIONS = {
    "list [NAME]": _list,
    "prepare NAME[/CONFIG] --manual_dir=FOLDER": _prepare,
    "verify NAME[/CONFIG]": _verify,
}
