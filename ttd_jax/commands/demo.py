"""Fuse a few scenes, statically and with TTD: pictures, RD maps and a page.

    ttd-jax demo --out=demo
    ttd-jax demo --out=demo --video

Makes multi-focus and multi-exposure pairs from openly licensed pictures that scikit-image and
scikit-learn carry; `ttd-jax fuse` and `ttd-jax evaluate` take your own. The weights are those that
come with this package, or with --weights any converted ones of IFCNN-SUM; research should use the
authors' (`ttd-jax weights fetch ifcnn_sum`). Writes a contact sheet for each set, the fused
pictures and RD maps in a folder for each, and report.html.

--video makes a clip instead, whose camera pans over a picture, fuses it frame by frame and
steadily, and writes video.html, where both play side by side, with how much they flicker.
"""

import dataclasses
import pathlib

import numpy as np
from absl.flags import FlagValues

from ttd_jax.commands import common
from ttd_jax.commands.demo_video import make_video
from ttd_jax.errors import explain_os_errors
from ttd_jax.files import write_whole
from ttd_jax.folders import alone
from ttd_jax.fusing.options import FuseOptions
from ttd_jax.fusing.run import plan_job, run_job
from ttd_jax.pictures import synthetic
from ttd_jax.pictures.examples import Example, FolderExamples
from ttd_jax.pictures.images import encode_picture, quantize, read_picture
from ttd_jax.pictures.public import public_picture
from ttd_jax.report.sheet import contact_sheet
from ttd_jax.weights import store

_MODEL = "ifcnn_sum"
# set -> roles, pictures, and how a pair is made of one. The shipped weights have not seen them.
_SETS = {
    "multi-focus": (
        ("near", "far"),
        ("astronaut", "flower"),
        lambda picture: synthetic.multi_focus_pair(picture, seed=3),
    ),
    "multi-exposure": (
        ("under", "over"),
        ("coffee", "chelsea"),
        synthetic.multi_exposure_pair,
    ),
}


def define_flags(values: FlagValues) -> None:
    """The flags of this command."""
    flag = common.Flags(values)
    flag.path("out", "folder for the results", "demo")
    shipped = f"{store.SHIPPED.name}/{_MODEL}"
    flag.boolean("video", "make a clip, and a page with its fused videos")
    flag.path("weights", f"weights of {_MODEL}; default: those of this package", shipped)


def run(values: FlagValues, arguments: list[str]) -> None:
    """Makes pairs, fuses them, and draws the sheets and the page."""
    common.only_flags(values, arguments)
    out = pathlib.Path(values.out)
    common.prepare_to_compute()
    model = store.load(values.weights, name=_MODEL)
    manifest = store.read_manifest(values.weights)
    with alone(out, "demo"):
        if values.video:
            make_video(out / "video", model, manifest)
        else:
            _make(out, model, manifest, values.weights)
    common.show(f"weights: {manifest['source'].get('note') or values.weights}")


def _make(out, model, manifest, weights):
    sets = _write_pairs(out / "sources")
    for name, scenes in sets.items():
        results = {
            strategy: _fuse(out / name / strategy, scenes, model, manifest, strategy)
            for strategy in ("static", "ttd")
        }
        rows = [_sheet_row(scene, results) for scene in scenes]
        with explain_os_errors(out):
            write_whole(out / f"{name}.png", encode_picture(contact_sheet(rows), ".png"))
        common.show(f"{out / name}.png: {', '.join(scenes.roles)}, fused statically and with TTD")
    common.show(f"{_page(out, sets, weights)}: scores, and a slider between static and TTD")


def _fuse(out, scenes, model, manifest, strategy):
    settings = model.strategy(strategy)
    options = FuseOptions(
        model=model.spec.name,
        weights_sha256=manifest["sha256"],
        strategy=strategy,
        dominability=settings and dataclasses.asdict(settings),
        save=("fused", "dominability"),
    )
    run_job(plan_job(scenes, model, options, out, resume=True), model)
    return out


def _page(out, sets, weights):
    """report.html of everything that was fused, as `ttd-jax evaluate` makes it."""
    from ttd_jax_configs.evaluate import get_config

    from ttd_jax.evaluation.evaluate import evaluate

    config = get_config(f"{_MODEL},{'+'.join(sets)}")
    config.weights_dir = str(pathlib.Path(weights).parent)
    config.color = "auto"
    config.metrics = ("EN", "SD", "AG", "SF", "SSIM", "Qabf")
    config.sources = tuple(
        tuple(str(path.parent) for path in scenes[0].sources) for scenes in sets.values()
    )
    with explain_os_errors(out):
        evaluate(config, out / "evaluation", resume=True)
    return out / "evaluation" / "report.html"


def _sheet_row(scene, results):
    file = f"{scene.name}.png"
    pictures = [*zip(scene.roles, scene.sources, strict=True)]
    pictures.append(("static fusion", results["static"] / file))
    pictures.append(("TTD fusion", results["ttd"] / file))
    overlay = results["ttd"] / "dominability" / f"{scene.name}_overlay.png"
    pictures.append(("relative dominability", overlay))
    return [(caption, read_picture(path).pixels) for caption, path in pictures]


def _write_pairs(folder):
    """Set -> scenes, whose pictures are written below a folder."""
    sets = {}
    for name, (roles, names, make) in _SETS.items():
        scenes = []
        for stem in names:
            paths = tuple(folder / name / role / f"{stem}.png" for role in roles)
            for path, picture in zip(paths, make(public_picture(stem)), strict=True):
                with explain_os_errors(folder):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    write_whole(path, encode_picture(quantize(picture, np.uint8), ".png"))
            scenes.append(Example(stem, roles, paths))
        sets[name] = FolderExamples(scenes)
    return sets
