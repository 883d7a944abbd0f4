"""`ttd-jax fuse`: what it writes."""

import json

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ttd_jax
from tests.commands.conftest import draw
from ttd_jax.fusing.programs import FOLDER
from ttd_jax.pictures.images import quantize, read_picture


def names(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_one_scene_gives_a_picture_a_summary_and_timings(command_line, fuse, pair, tmp_path):
    out = tmp_path / "out"
    result = command_line(*fuse(out, *pair))
    assert result.returncode == 0, result.stderr
    assert result.stderr == f"{out / 'vis.png'}: 1 scene fused, 0 reused\n"
    assert names(out) == [".ttd-jax", "summary.json", "timings.json", "vis.png"]
    (scene,) = json.loads((out / "summary.json").read_text())
    assert scene["scene"] == "vis"
    assert scene["color"] == "luma"
    assert scene["settings"]["strategy"] == "ttd"
    assert scene["settings"]["dominability"]["loss"] == "fused"
    assert len(scene["settings"]["weights_sha256"]) == 64
    assert [source["name"] for source in scene["sources"]] == ["vis", "ir"]
    assert sum(source["dominates"] for source in scene["sources"]) == pytest.approx(1, abs=1e-5)
    means = [source["mean_dominability"] for source in scene["sources"]]
    assert sum(means) == pytest.approx(1, abs=1e-5)
    assert json.loads((out / "timings.json").read_text())["fused"] == 1


def test_a_picture_fused_with_itself_is_remarked(command_line, fuse, pair, tmp_path):
    result = command_line(*fuse(tmp_path / "out", pair[0], pair[0]))
    assert result.returncode == 0, result.stderr
    assert "remark: vis: sources are the same picture" in result.stderr


def test_everything_that_can_be_saved_is_what_the_functions_give(
    command_line, fuse, pair, random_weights, tmp_path
):
    out = tmp_path / "out"
    save = "--save=fused,dominability,components,losses"
    result = command_line(*fuse(out, "--color=rgb", save, *pair))
    assert result.returncode == 0, result.stderr
    assert names(out) == [
        ".ttd-jax",
        "components/vis_1_vis.png",
        "components/vis_2_ir.png",
        "dominability/vis_1_vis.png",
        "dominability/vis_2_ir.png",
        "dominability/vis_overlay.png",
        "losses/vis_1_vis.tiff",
        "losses/vis_2_ir.tiff",
        "summary.json",
        "timings.json",
        "vis.png",
    ]
    model = ttd_jax.load(random_weights)
    pictures = [read_picture(path).as_float() for path in pair]
    sources = jnp.stack([jnp.broadcast_to(p, (24, 32, 3)) for p in pictures])
    fusion = jax.jit(ttd_jax.dynamic_fuse)(model, sources)

    def off_by_one(path, expected):  # one level: the float may fall on either side of a rounding
        got = read_picture(out / path)
        assert got.pixels.dtype == expected.dtype
        np.testing.assert_allclose(got.pixels.astype(int), expected.astype(int), atol=1)

    off_by_one("vis.png", quantize(fusion.image, np.uint8))
    for m, label in enumerate(["1_vis", "2_ir"]):
        rd = quantize(fusion.dominability[m], np.uint16)[..., None]
        off_by_one(f"dominability/vis_{label}.png", rd)
        off_by_one(f"components/vis_{label}.png", quantize(fusion.components[m], np.uint8))
        losses = cv2.imread(str(out / f"losses/vis_{label}.tiff"), cv2.IMREAD_UNCHANGED)
        assert losses.dtype == np.float32
        np.testing.assert_allclose(losses, fusion.losses[m], atol=1e-5)
    overlay = read_picture(out / "dominability/vis_overlay.png")
    assert overlay.colored
    assert overlay.size[1] >= 480


def test_color_comes_out_by_default_and_keeps_its_chroma(command_line, fuse, pair, tmp_path):
    assert command_line(*fuse(tmp_path / "out", *pair)).returncode == 0
    fused = read_picture(tmp_path / "out" / "vis.png")
    assert fused.colored
    assert command_line(*fuse(tmp_path / "gray", "--color=gray", *pair)).returncode == 0
    assert not read_picture(tmp_path / "gray" / "vis.png").colored


def test_depth_and_alpha_are_those_of_the_first_source(command_line, fuse, tmp_path):
    first = draw(tmp_path / "a" / "1.png", channels=4, dtype=np.uint16)
    second = draw(tmp_path / "b" / "1.png", seed=1)
    result = command_line(*fuse(tmp_path / "out", "--format=tiff", first, second))
    assert result.returncode == 0, result.stderr
    fused = read_picture(tmp_path / "out" / "1.tiff")
    assert fused.pixels.dtype == np.uint16
    np.testing.assert_array_equal(fused.alpha, read_picture(first).alpha)
    result = command_line(*fuse(tmp_path / "swapped", second, first))
    assert result.returncode == 0, result.stderr
    fused = read_picture(tmp_path / "swapped" / "1.png")
    assert fused.pixels.dtype == np.uint8
    assert fused.alpha is None


@pytest.mark.parametrize(("sizes", "programs"), [("bucket", 1), ("exact", 2)])
def test_folders_of_mixed_shapes_and_triples(command_line, fuse, tmp_path, sizes, programs):
    how = f"--sizes={sizes}"
    sizes = {"a": (24, 32), "b": (17, 23), "c": (24, 32), "d": (17, 23)}
    for folder in ("x", "y", "z"):
        for i, (stem, size) in enumerate(sizes.items()):
            draw(tmp_path / folder / f"{stem}.png", size, seed=10 * ord(folder) + i)
    folders = [tmp_path / f for f in ("x", "y", "z")]
    result = command_line(*fuse(tmp_path / "out", "--json", how, *folders))
    assert result.returncode == 0, result.stderr
    scenes = json.loads(result.stdout)["scenes"]
    assert [s["scene"] for s in scenes] == list("abcd")
    assert [len(s["sources"]) for s in scenes] == [3] * 4
    for stem, size in sizes.items():
        assert read_picture(tmp_path / "out" / f"{stem}.png").size == size
    compiled = [
        b["compile_seconds"] > 0
        for b in json.loads((tmp_path / "out" / "timings.json").read_text())["batches"]
    ]
    assert compiled == [True] * programs
    alone = command_line(*fuse(tmp_path / "alone", *(folder / "b.png" for folder in folders)))
    assert alone.returncode == 0, alone.stderr
    whole = read_picture(tmp_path / "alone" / "b.png").pixels
    np.testing.assert_allclose(read_picture(tmp_path / "out" / "b.png").pixels, whole, atol=1)


def test_a_batch_gives_what_single_scenes_give(command_line, fuse, tmp_path):
    for i in range(3):
        draw(tmp_path / "v" / f"{i}.png", (21, 27), seed=i)
        draw(tmp_path / "i" / f"{i}.png", (21, 27), seed=10 + i)
    folders = tmp_path / "v", tmp_path / "i"
    for size in (1, 3):
        result = command_line(*fuse(tmp_path / f"out{size}", f"--batch_size={size}", *folders))
        assert result.returncode == 0, result.stderr
    for i in range(3):
        one, many = (read_picture(tmp_path / f"out{n}" / f"{i}.png").pixels for n in (1, 3))
        np.testing.assert_allclose(one.astype(int), many.astype(int), atol=1)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (1, 9)])
def test_tiny_pictures_work(command_line, fuse, tmp_path, size):
    pair = [draw(tmp_path / f / "t.png", size, seed=s) for s, f in enumerate("vi")]
    result = command_line(*fuse(tmp_path / "out", "--save=fused,dominability", *pair))
    assert result.returncode == 0, result.stderr
    assert read_picture(tmp_path / "out" / "t.png").size == size


def test_the_same_file_twice_splits_dominability_evenly(command_line, fuse, pair, tmp_path):
    result = command_line(*fuse(tmp_path / "out", "--json", pair[1], pair[1]))
    assert result.returncode == 0, result.stderr
    (scene,) = json.loads(result.stdout)["scenes"]
    assert [s["mean_dominability"] for s in scene["sources"]] == [0.5, 0.5]
    assert [s["dominates"] for s in scene["sources"]] == [0.5, 0.5]


def test_strategies_and_presets_differ(command_line, fuse, pair, tmp_path):
    pictures = set()
    for flag in ("strategy=static", "dominability=fused", "dominability=self"):
        assert command_line(*fuse(tmp_path / flag, f"--{flag}", *pair)).returncode == 0
        pictures.add((tmp_path / flag / "vis.png").read_bytes())
    assert len(pictures) == 3


def test_a_dry_run_writes_nothing(command_line, fuse, pair, tmp_path):
    result = command_line(*fuse(tmp_path / "out", "--dry_run", *pair))
    assert result.returncode == 0
    assert "32x24" in result.stdout
    assert "vis" in result.stdout
    plan = json.loads(command_line(*fuse(tmp_path / "out", "--dry_run", "--json", *pair)).stdout)
    assert plan["batches"][0]["scenes"] == ["vis"]
    assert not (tmp_path / "out").exists()


def test_help_shows_only_the_commands_own_flags(command_line):
    result = command_line("fuse", "--help")
    assert result.returncode == 0
    assert "--[no]resume" in result.stdout
    assert "--checkpoint" not in result.stdout
    assert "pdb" not in result.stdout
    assert "fuse" in command_line("--help").stdout


def test_compiled_programs_are_kept_between_runs(command_line, fuse, pair, tmp_path):
    cache = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / "cache")}
    first = command_line(*fuse(tmp_path / "a", *pair), process=True, env=cache)
    assert first.returncode == 0, first.stderr
    kept = names(tmp_path / "cache" / FOLDER)
    assert len(kept) == 1
    second = command_line(*fuse(tmp_path / "b", *pair), process=True, env=cache)
    assert second.returncode == 0, second.stderr
    assert names(tmp_path / "cache" / FOLDER) == kept
    assert (tmp_path / "a" / "vis.png").read_bytes() == (tmp_path / "b" / "vis.png").read_bytes()
