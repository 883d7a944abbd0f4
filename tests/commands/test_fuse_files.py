"""`ttd-jax fuse` and `score` with files of many kinds: ranges, pages, bands, what files carry."""

import json
import struct
import zlib

import cv2
import numpy as np
import pytest
import tifffile

from tests.commands.conftest import draw
from ttd_jax.pictures.carried import Carried
from ttd_jax.pictures.images import encode_picture, read_picture

SIZE = (24, 32)


def smooth(seed):
    """f32[24, 32] in [0, 1]."""
    noise = np.random.default_rng(seed).random(SIZE, np.float32)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 1, cv2.NORM_MINMAX)


def thermal(path, seed=3):
    """A float32 TIFF of degrees; returns them."""
    celsius = 18 + 20 * smooth(seed)
    tifffile.imwrite(path, celsius, photometric="minisblack", metadata=None)
    return celsius


@pytest.mark.parametrize("extra", [[], ["--max_memory=340MiB"]])
def test_degrees_are_fused_with_contrast_and_come_back(command_line, fuse, tmp_path, extra):
    celsius = thermal(tmp_path / "t.tif")
    visible = draw(tmp_path / "v.png", channels=3)
    out = tmp_path / "out"
    words = fuse(out, "--save=fused,components", tmp_path / "t.tif", visible, *extra)
    result = command_line(*words)
    assert result.returncode == 2
    assert "--range=" in result.stderr
    assert not out.exists()
    result = command_line(*words, "--range=data,type", "--output_range=source")
    assert result.returncode == 2
    assert "--format=tiff" in result.stderr
    words = (*words, "--range=data,type", "--format=tiff")
    result = command_line(*words, "--output_range=source", "--color=gray")
    assert result.returncode == 0, result.stderr
    fused = tifffile.imread(out / "t.tiff")
    assert fused.dtype == np.float32
    assert celsius.min() - 1e-3 <= fused.min() < fused.max() <= celsius.max() + 1e-3
    assert fused.std() > 0.1  # random weights
    folders = [tmp_path / name for name in ("f", "c", "g")]
    for folder, path in zip(folders, (out / "t.tiff", tmp_path / "t.tif", visible), strict=True):
        folder.mkdir(exist_ok=True)
        (folder / f"t{path.suffix}").write_bytes(path.read_bytes())
    words_of_score = [f"--fused={folders[0]}", f"--sources={folders[1]},{folders[2]}"]
    for ranges, status in (("18,38,18,38,type", 0), ("18,38,type", 2)):
        score = ["score", *words_of_score, f"--range={ranges}", "--metrics=EN"]
        result = command_line(*score, f"--out={tmp_path / ranges}", "--protocol=vifb")
        assert result.returncode == status, result.stderr
    (scene,) = json.loads((out / "summary.json").read_text())
    low, high = scene["sources"][0]["range"]
    assert (low, high) == (pytest.approx(celsius.min()), pytest.approx(celsius.max()))
    assert scene["sources"][1]["range"] is None
    # The same as floats in [0, 1], in the first source's depth.
    result = command_line(*fuse(tmp_path / "unit", *words[4:]), "--color=gray")
    assert result.returncode == 0, result.stderr
    unit = tifffile.imread(tmp_path / "unit" / "t.tiff")
    np.testing.assert_allclose(low + unit * (high - low), fused, atol=1e-4)


def test_counts_that_use_little_of_16_bits_are_remarked_and_mapped(command_line, fuse, tmp_path):
    counts = (7300 + 900 * smooth(4)).astype(np.uint16)
    cv2.imwrite(str(tmp_path / "t.png"), counts)
    visible = draw(tmp_path / "v.png")
    result = command_line(*fuse(tmp_path / "a", visible, tmp_path / "t.png"))
    assert result.returncode == 0
    assert result.stderr.count("remark: ") == 1
    assert f"from {counts.min()} to {counts.max()}" in result.stderr
    words = [f"--range=type,{counts.min()},{counts.max()}", visible, tmp_path / "t.png"]
    result = command_line(*fuse(tmp_path / "b", *words))
    assert result.returncode == 0
    assert "remark" not in result.stderr
    flat, mapped = (read_picture(tmp_path / f / "v.png").pixels for f in "ab")
    assert flat.dtype == mapped.dtype == np.uint8
    assert mapped.std() > flat.std()
    words = ["--output_range=source", *words]
    result = command_line(*fuse(tmp_path / "c", *words))
    assert result.returncode == 0, result.stderr
    back = read_picture(tmp_path / "c" / "v.png").pixels
    assert back.dtype == np.uint16
    assert counts.min() <= back.min() < back.max() <= counts.max()


@pytest.mark.parametrize("text", ["dta", "1", "2,1", "percentile:1", "percentile:5,200", "nan,1"])
def test_ranges_that_cannot_be_are_refused(command_line, fuse, pair, tmp_path, text):
    result = command_line(*fuse(tmp_path / "out", f"--range={text}", *pair))
    assert result.returncode == 2
    assert "range" in result.stderr
    assert not (tmp_path / "out").exists()


def test_pages_are_scenes_or_sources(command_line, fuse, pair, tmp_path):
    pages = np.stack([smooth(seed) * 255 for seed in range(3)]).astype(np.uint8)
    for name in ("a.tif", "b.tif"):
        tifffile.imwrite(tmp_path / name, pages, photometric="minisblack", metadata=None)
        pages = 255 - pages
    stacks = tmp_path / "a.tif", tmp_path / "b.tif"
    result = command_line(*fuse(tmp_path / "o", *stacks))
    assert result.returncode == 2
    assert "holds 3 pictures" in result.stderr
    each = tmp_path / "each"
    result = command_line(*fuse(each, "--pages=each", *stacks))
    assert result.returncode == 0, result.stderr
    assert sorted(p.name for p in each.glob("*.png")) == [f"a_page{i}.png" for i in (1, 2, 3)]
    result = command_line(*fuse(tmp_path / "2", "--pages=2", *stacks))
    assert result.returncode == 0, result.stderr
    second = (each / "a_page2.png").read_bytes()
    assert (tmp_path / "2" / "a.png").read_bytes() == second
    result = command_line(*fuse(tmp_path / "s", "--pages=sources", stacks[0]))
    assert result.returncode == 0, result.stderr
    (scene,) = json.loads((tmp_path / "s" / "summary.json").read_text())
    assert [source["name"] for source in scene["sources"]] == ["page1", "page2", "page3"]
    assert "same picture" not in result.stderr
    for folder in ("A", "B"):
        for name in ("a.tif", "a_page1.png"):
            (tmp_path / folder).mkdir(exist_ok=True)
            content = stacks[0] if name == "a.tif" else pair[1]
            (tmp_path / folder / name).write_bytes(content.read_bytes())
    result = command_line(*fuse(tmp_path / "x", "--pages=each", tmp_path / "A", tmp_path / "B"))
    assert result.returncode == 2
    assert "a_page1" in result.stderr
    for word in ("0", "last", "4"):
        result = command_line(*fuse(tmp_path / "x", f"--pages={word}", *stacks))
        assert result.returncode == 2, word
    result = command_line(*fuse(tmp_path / "x", "--pages=sources", pair[0]))
    assert result.returncode == 2
    assert "holds one picture" in result.stderr
    with tifffile.TiffWriter(tmp_path / "sizes.tif") as file:
        for rows in (24, 20):
            file.write(pages[0, :rows], photometric="minisblack", metadata=None)
    result = command_line(*fuse(tmp_path / "x", "--pages=sources", tmp_path / "sizes.tif"))
    assert result.returncode == 2
    assert "sizes.tif, page 2 is 32x20" in result.stderr


def test_bands_are_chosen(command_line, fuse, tmp_path):
    bands = np.stack([smooth(seed) * 255 for seed in range(5)], -1).astype(np.uint8)
    tifffile.imwrite(tmp_path / "five.tif", bands, photometric="minisblack", planarconfig="contig")
    gray = draw(tmp_path / "g.png")
    result = command_line(*fuse(tmp_path / "o", tmp_path / "five.tif", gray))
    assert result.returncode == 2
    assert "5 bands" in result.stderr
    result = command_line(*fuse(tmp_path / "o", "--bands=3,2,1", tmp_path / "five.tif", gray))
    assert result.returncode == 0, result.stderr
    rgb = np.ascontiguousarray(bands[..., [2, 1, 0]])
    (tmp_path / "five.png").write_bytes(encode_picture(rgb, ".png"))
    result = command_line(*fuse(tmp_path / "p", tmp_path / "five.png", gray))
    assert (tmp_path / "p" / "five.png").read_bytes() == (tmp_path / "o" / "five.png").read_bytes()
    for folder, name in (("f", "five.png"), ("s", "five.tif")):  # a result's are not chosen
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_bytes((tmp_path / name).read_bytes())
    sources = f"{tmp_path / 's'},{tmp_path / 's'}"
    words = ["score", f"--fused={tmp_path / 'f'}", f"--sources={sources}", "--bands=3,2,1"]
    result = command_line(
        *words, "--protocol=tang", "--metrics=MSE", f"--out={tmp_path / 'scores'}"
    )
    assert result.returncode == 0, result.stderr
    (record,) = json.loads((tmp_path / "scores" / "summary.json").read_text())
    assert record["scores"] == {"MSE": 0}
    for words in ("1,2", "0", "x", "9"):
        result = command_line(
            *fuse(tmp_path / "x", f"--bands={words}", tmp_path / "five.tif", gray)
        )
        assert result.returncode == 2, words


def test_what_the_first_file_carries_stays_unless_it_is_dropped(command_line, fuse, pair, tmp_path):
    pixels = read_picture(pair[0]).pixels
    carried = Carried(dpi=(300.0, 300.0), text={"Artist": "Ada Lovelace"})
    (tmp_path / "c.png").write_bytes(encode_picture(pixels, ".png", carried=carried))
    for out, words in {"plain": pair, "kept": (tmp_path / "c.png", pair[1])}.items():
        result = command_line(*fuse(tmp_path / out, *words))
        assert result.returncode == 0, result.stderr
    result = command_line(
        *fuse(tmp_path / "dropped", "--metadata=drop", tmp_path / "c.png", pair[1])
    )
    assert result.returncode == 0, result.stderr
    plain = (tmp_path / "plain" / "vis.png").read_bytes()
    kept = (tmp_path / "kept" / "c.png").read_bytes()
    assert kept.endswith(plain[33:])
    assert len(kept) > len(plain)
    assert (tmp_path / "dropped" / "c.png").read_bytes() == plain
    assert read_picture(tmp_path / "kept" / "c.png").carried.text == {"Artist": "Ada Lovelace"}


PERFECT = {"MSE": 0, "CC": 1, "NMI": 2, "VIF": 1, "SSIM": 1}


@pytest.mark.parametrize("kind", ["png", "gamma", "jpg", "tif"])
def test_a_picture_is_perfect_against_itself(command_line, tmp_path, kind):
    draw(tmp_path / "f" / "1.png", (48, 64), channels=3)
    path = tmp_path / "f" / "1.png"
    if kind == "gamma":
        data, chunk = path.read_bytes(), b"gAMA" + struct.pack(">I", 45455)
        chunk = struct.pack(">I", 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        path.write_bytes(data[:33] + chunk + data[33:])
    elif kind != "png":
        picture = cv2.imread(str(path))
        path.unlink()
        cv2.imwrite(str(path.with_suffix(f".{kind}")), picture)
    folder = tmp_path / "f"
    words = ["score", f"--fused={folder}", f"--sources={folder}", "--json"]
    names = f"--metrics={','.join(PERFECT)}"
    result = command_line(*words, f"--out={tmp_path / 'o'}", "--protocol=ivif_zoo", names)
    assert result.returncode == 0, result.stderr
    assert "remark" not in result.stderr
    (scores,) = json.loads(result.stdout)["methods"].values()
    for name, value in PERFECT.items():
        assert scores[name]["mean"] == pytest.approx(value, abs=2e-3), name
    result = command_line(*words, f"--out={tmp_path / 'p'}", names)
    assert "exchanged red and blue" in result.stderr


def test_files_of_equal_names_that_a_shell_spelled_out_are_remarked(command_line, fuse, tmp_path):
    words = [draw(tmp_path / f / f"{i}.png", seed=ord(f) + i) for f in "vi" for i in range(2)]
    result = command_line(*fuse(tmp_path / "o", *words))
    assert result.returncode == 0
    assert f"pass their folders: {tmp_path / 'v'} {tmp_path / 'i'}" in result.stderr
    result = command_line(*fuse(tmp_path / "p", *words[::2]))
    assert "remark" not in result.stderr
