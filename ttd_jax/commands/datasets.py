"""List, prepare and verify benchmarks of image fusion.

    ttd-jax datasets list [NAME]                   # with NAME: how to get its files
    ttd-jax datasets prepare NAME[/CONFIG] --manual_dir=FOLDER
    ttd-jax datasets verify NAME[/CONFIG]

No benchmark's license lets its pictures be passed on: download them yourself, then `prepare` writes
them, byte for byte, to --data_dir, where every other command finds them. `verify` ends with status
0 only if all official examples are there and every picture can be decoded.
"""

import pathlib

from absl import flags

from ttd_jax.commands import common
from ttd_jax.errors import UserError
from ttd_jax.files import dumps
from ttd_jax.pictures.prepared import default_data_dir, import_tfds
from ttd_jax.report.columns import aligned


def define_flags(values):
    """The flags of this command."""
    flags.DEFINE_string(
        "manual_dir", None, "folder with the files as upstream has them", flag_values=values
    )
    flags.DEFINE_string(
        "data_dir",
        None,
        "where prepared benchmarks are; default: TFDS_DATA_DIR, or ~/tensorflow_datasets",
        flag_values=values,
    )
    flags.DEFINE_bool("overwrite", False, "replace what is prepared", flag_values=values)
    common.define_json(values)


def run(values, arguments):
    """Runs the action that the first argument names."""
    usage = "datasets list | prepare NAME[/CONFIG] | verify NAME[/CONFIG]"
    action, rest = common.choose(arguments, _ACTIONS, usage)
    import_tfds()
    root = pathlib.Path(values.data_dir).expanduser() if values.data_dir else default_data_dir()
    action(values, rest, root.absolute())


def _list(values, arguments, root):
    from ttd_jax_datasets import NAMES, builder_class

    if arguments:
        cls = builder_class(common.only_argument(arguments, "datasets list [NAME]"))
        rows = [_row(cls, config, root) for config in cls.BUILDER_CONFIGS]
    else:
        rows = [
            _row(cls, c, root) for cls in map(builder_class, NAMES) for c in cls.BUILDER_CONFIGS
        ]
    if values.json:
        print(dumps(rows), end="")
        return
    table = [("benchmark", "roles", "official examples", "prepared", "terms")]
    for row in rows:
        splits = _counts(row["splits"])
        table.append((row["name"], ", ".join(row["roles"]), splits, _prepared(row), row["terms"]))
    print("\n".join(aligned(table)))
    if arguments:
        print(f"\n{rows[0]['instructions']}\n\ncite:\n{rows[0]['citation']}")


def _row(cls, config, root):
    builder = cls(data_dir=root, config=config)
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


def _prepare(values, arguments, root):
    from ttd_jax_datasets import find_config
    from ttd_jax_datasets.preparing import prepare

    usage = "datasets prepare NAME[/CONFIG] --manual_dir=FOLDER"
    cls, config = find_config(common.only_argument(arguments, usage))
    if values.manual_dir is None:
        raise UserError(f"--manual_dir is missing: {cls.MANUAL_DOWNLOAD_INSTRUCTIONS}")
    manual_dir = pathlib.Path(values.manual_dir).expanduser().absolute()
    builder, made = prepare(cls, config, manual_dir, root, overwrite=values.overwrite)
    row = _row(cls, config, root)
    remarks = builder.shortfalls(row["prepared"])
    if not made:
        remarks.insert(0, "was prepared before and is left as it was (--overwrite replaces it)")
    if values.json:
        print(dumps({**row, "made": made, "remarks": remarks}), end="")
        return
    print(f"{row['path']}: {row['name']}: {_counts(row['prepared'])} examples")
    for remark in remarks:
        print(f"note: {remark}")
    print(f"terms: {row['terms']}")


def _verify(values, arguments, root):
    from ttd_jax_datasets import find_config
    from ttd_jax_datasets.verifying import verify

    cls, config = find_config(common.only_argument(arguments, "datasets verify NAME[/CONFIG]"))
    counts = verify(cls, config, root)
    row = _row(cls, config, root)
    if values.json:
        print(dumps({"name": row["name"], "path": row["path"], "examples": counts}), end="")
        return
    print(f"{row['path']}: {row['name']}: all {_counts(counts)} examples are there and decode")


_ACTIONS = {"list": _list, "prepare": _prepare, "verify": _verify}
