"""The file of transforms that were found, to be looked at and used again."""

import dataclasses
import hashlib
from collections.abc import Mapping

import numpy as np

from ttd_jax import fields
from ttd_jax.align.alignment import ALIGNS, Alignment
from ttd_jax.align.transform import MODELS, Registration, Transform, as_matrix, checked_matrix
from ttd_jax.align.warp import CROPS
from ttd_jax.errors import UserError, naming
from ttd_jax.files import dumps, read_json
from ttd_jax.pictures.images import read_bytes
from ttd_jax.places import place

TRANSFORMS = "transforms.json"
_SOURCE = {
    "size": [int],
    "matrix": [[float]],
    "model": str,
    "before": float | None,
    "after": float | None,
    "remark": str | None,
}
# Fields of a config that say how sources are brought to line up.
ALIGN_FIELDS = {
    "align": fields.one_of(ALIGNS),
    "align_to": fields.whole(),
    "crop": fields.one_of(CROPS),
    "fov": fields.several(fields.number(least=0, most=180), "angles in degrees"),
    "transforms": fields.text,
}
# What a record of a registration is like, see `ttd_jax.files.fits`.
REGISTRATION = {"to": int, "sources": [_SOURCE]}


def as_record(registration: Registration) -> dict:
    """JSON-able."""
    return {
        "to": registration.to,
        "sources": [
            {"size": list(size), **dataclasses.asdict(transform)}
            for size, transform in zip(registration.sizes, registration.transforms, strict=True)
        ],
    }


def of_record(record: Mapping) -> Registration:
    """A registration of what `as_record` made of it.

    Raises:
      ValueError: it is none.
    """
    sources = record["sources"]
    if not 0 <= record["to"] < len(sources):
        raise ValueError(f"there is no source {record['to']}")
    for source in sources:
        if source["model"] not in ("none", *MODELS):
            raise ValueError(f"a model is one of {', '.join(MODELS)}, or none")
        if len(source["size"]) != 2 or min(source["size"]) < 1:
            raise ValueError("a size is height and width")
    size = sources[record["to"]]["size"]
    matrices = [checked_matrix(source["matrix"], size) for source in sources]
    if not np.array_equal(matrices[record["to"]], np.eye(3)):
        raise ValueError("the matrix of the reference is the identity")
    return Registration(
        to=record["to"],
        sizes=tuple(tuple(source["size"]) for source in sources),
        transforms=tuple(
            Transform(
                matrix=as_matrix(matrix),
                **{name: source[name] for name in ("model", "before", "after", "remark")},
            )
            for matrix, source in zip(matrices, sources, strict=True)
        ),
    )


def file_text(records: Mapping[str, Mapping]) -> str:
    """The content of the file of scenes, by their names; see `as_record`."""
    return dumps({"scenes": dict(sorted(records.items()))})


def with_transforms(alignment: Alignment, crop: str, transforms: str | None) -> Alignment:
    """An alignment with its crop, and with the transforms of a file; see `file_text`.

    Args:
      alignment: how scenes are aligned else.
      crop: see `Alignment`.
      transforms: the file; None or empty for none.

    Raises:
      UserError: it cannot be read, or is none; or the alignment finds transforms itself.
    """
    alignment = dataclasses.replace(alignment, crop=crop)
    if not transforms:
        if crop == "common" and not alignment.moves:
            raise UserError(
                "crop=common cuts what was warped: pass --align=MODEL or --transforms as well"
            )
        return alignment
    path = place(transforms)
    mend = f"pass a {TRANSFORMS} that `ttd-jax fuse --align=...` wrote"
    data = read_bytes(path)
    content = read_json(path, {"scenes": {str: REGISTRATION}}, mend=mend)
    if not content["scenes"]:
        raise UserError(f"{path}: has no scenes: {mend}")
    known = {}
    for name, record in content["scenes"].items():
        with naming(f"{path}: {name}"):
            known[name] = of_record(record)
    sha256 = hashlib.sha256(data).hexdigest()
    return dataclasses.replace(alignment, known=known, known_sha256=sha256)


def alignment_of(config: Mapping) -> Alignment:
    """How sources are brought to line up, by the fields of a config.

    Args:
      config: with `ALIGN_FIELDS`, checked.

    Raises:
      UserError: one says what cannot be.
    """
    alignment = Alignment(config["align"], config["align_to"], fov=tuple(config["fov"]))
    return with_transforms(alignment, config["crop"], config["transforms"])
