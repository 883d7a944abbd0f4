"""`ttd-jax score --sequence`."""

import csv
import fractions
import json
import shutil

import cv2
import numpy as np
import pytest

from ttd_jax import metrics
from ttd_jax.evaluation import sequence
from ttd_jax.metrics import temporal
from ttd_jax.pictures.clips import generate_clip
from ttd_jax.pictures.motion import measure_motion

COUNT, CUT = 6, 3


def save(path, picture):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), picture[..., ::-1] if picture.ndim == 3 else picture)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A clip with a cut, its mean, and that with noise; RD of the former."""
    folder = tmp_path_factory.mktemp("clip")
    rng = np.random.default_rng(0)
    world = cv2.GaussianBlur(rng.random((120, 160, 3), np.float32), (0, 0), 3)
    world = cv2.normalize(world, None, 0, 1, cv2.NORM_MINMAX)
    frames = generate_clip(world, count=COUNT, size=(48, 64), cuts=(CUT,), noise=(0.01, 0.01))
    for i, frame in enumerate(frames):
        save(folder / "v" / f"{i}.png", frame.visible)
        save(folder / "t" / f"{i}.png", frame.thermal)
        mean = frame.visible / 2 + frame.thermal / 2
        save(folder / "calm" / f"{i}.png", mean.astype(np.uint8))
        noisy = np.clip(mean + rng.normal(0, 9, mean.shape), 0, 255)
        save(folder / "noisy" / f"{i}.png", noisy.astype(np.uint8))
        own = 20000 + 50 * frame.thermal[..., 0].astype(np.uint16)
        for m, rd in enumerate((own, 65535 - own), start=1):
            save(folder / "calm" / "dominability" / f"{i}_{m}_{'vt'[m - 1]}.png", rd)
    return folder


def words(clip, out, *flags, fused=("noisy", "calm")):
    fused = ",".join(str(clip / f) for f in fused)
    sources = f"--sources={clip / 'v'},{clip / 't'}"
    return ["score", "--sequence", f"--fused={fused}", sources, f"--out={out}", *flags]


def read(out):
    with (out / "scores.csv").open() as file:
        return list(csv.DictReader(file))


def gray(path):
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2GRAY)


def test_frames_are_scored_as_pictures_are_and_their_steps_beside_them(
    command_line, clip, tmp_path
):
    result = command_line(*words(clip, tmp_path / "o", "--metrics=EN,SD", "--protocol=tang"))
    assert result.returncode == 0, result.stderr
    assert "without 1 cut (frame 3)" in result.stdout
    rows = read(tmp_path / "o")
    assert [row["method"] for row in rows] == ["noisy"] * COUNT + ["calm"] * COUNT
    for row in rows:
        fused = cv2.imread(str(clip / row["method"] / f"{row['frame']}.png"))[..., ::-1]
        planes = metrics.fused_planes(fused, protocol="tang")
        own = metrics.evaluate(planes, planes[None], protocol="tang", names=["EN", "SD"])
        for name, value in own.items():
            assert float(row[name]) == pytest.approx(float(value), rel=1e-5)
    for name, frames in (("Flicker", "1245"), ("BiSWE", "14"), ("MS2R", "14")):
        for method in ("noisy", "calm"):
            own = [row["frame"] for row in rows if row["method"] == method and row[name]]
            assert "".join(own) == frames, name
    calm = rows[COUNT + 1]
    motion = measure_motion(gray(clip / "v" / "0.png"), gray(clip / "v" / "1.png"))
    along = {"flow": motion.flow, "mask": motion.mask}
    lumas = [gray(clip / "calm" / f"{i}.png").astype(np.float32) for i in (0, 1)]
    assert float(calm["Flicker"]) == pytest.approx(
        float(temporal.flicker(*lumas, **along)), abs=0.2
    )
    maps = [cv2.imread(str(clip / "calm/dominability" / f"{i}_1_v.png"), -1) for i in (0, 1)]
    unit = [np.float32(one) / 65535 for one in maps]
    expected = float(temporal.flicker(*unit, **along))
    assert float(calm["Flicker_of_RD"]) == pytest.approx(expected, rel=0.02)
    assert rows[1]["Flicker_of_RD"] == ""
    content = json.loads((tmp_path / "o" / "scores.json").read_text())
    assert content["temporal"]["differences"]["calm"]["Flicker"]["improved"] == 1
    assert content["temporal"]["source"]["count"] == 4


def test_a_stopped_run_goes_on_to_the_same_tables(
    command_line, refused, clip, tmp_path, monkeypatch
):
    flags = "--metrics=EN"
    assert command_line(*words(clip, tmp_path / "whole", flags)).returncode == 0
    judge, judged = sequence.judge_steps, []

    def stopped(found):
        judged.append(found.current.index)
        if found.current.index == 2:
            raise KeyboardInterrupt
        return judge(found)

    monkeypatch.setattr(sequence, "judge_steps", stopped)
    refused(*words(clip, tmp_path / "o", flags), named=["finished scores are kept", "--resume"])
    monkeypatch.setattr(
        sequence, "judge_steps", lambda found: judged.append(found.current.index) or judge(found)
    )
    judged.clear()
    result = command_line(*words(clip, tmp_path / "o", flags, "--resume"))
    assert result.returncode == 0, result.stderr
    assert judged == [2, 3, 4, 5]
    timings = json.loads((tmp_path / "o" / "timings.json").read_text())
    assert (timings["scored"], timings["reused"]) == (8, 4)
    for name in ("scores.csv", "scores.json", "scores.md"):
        assert (tmp_path / "o" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_videos_are_matched_with_their_sources_by_time(command_line, clip, tmp_path):
    av = pytest.importorskip("av")
    for name, first in (("v", 0), ("t", 0), ("noisy", 2)):
        with av.open(str(tmp_path / f"{name}.mkv"), "w") as file:
            stream = file.add_stream("ffv1", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "bgr0"
            for i in range(first, COUNT):
                picture = cv2.imread(str(clip / name / f"{i}.png"))
                frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
                frame.pts, frame.time_base = i, fractions.Fraction(1, 25)
                file.mux(stream.encode(frame))
            file.mux(stream.encode(None))
    given = [f"--fused={tmp_path / 'noisy.mkv'}", f"--out={tmp_path / 'o'}", "--metrics=MSE"]
    sources = f"--sources={tmp_path / 'v.mkv'},{tmp_path / 't.mkv'}"
    result = command_line("score", *given, sources)
    assert result.returncode == 0, result.stderr
    rows = read(tmp_path / "o")
    assert [row["time"] for row in rows] == ["0.08", "0.12", "0.16", "0.2"]
    pictures = command_line(
        *words(clip, tmp_path / "p", "--metrics=MSE", fused=("noisy",)),
    )
    assert pictures.returncode == 0, pictures.stderr
    for row, own in zip(rows, read(tmp_path / "p")[2:], strict=True):
        assert float(row["MSE"]) == pytest.approx(float(own["MSE"]), rel=1e-5)


def test_mistakes_are_told_in_one_line(refused, clip, tmp_path):
    shutil.copytree(clip / "calm", tmp_path / "short")
    (tmp_path / "short" / "5.png").unlink()
    one = "--metrics=EN", f"--fused={tmp_path / 'short'}"
    refused(*words(clip, tmp_path / "o", *one), named=["short", "5 frames", "have 6"])
    save(tmp_path / "short" / "0.png", np.zeros((9, 9, 3), np.uint8))
    refused(*words(clip, tmp_path / "o", *one), named=["9x9"])
    refused(*words(clip, tmp_path / "o", f"--region={clip}"), named=["--region"])
    refused(*words(clip, tmp_path / "o", "--offset=soon"), named=["--offset"])
    refused(*words(clip, tmp_path / "o", fused=("none.mp4",)), named=["none.mp4", "no such file"])
    shutil.copytree(clip / "calm", tmp_path / "maps")
    one = "--metrics=EN", f"--fused={tmp_path / 'maps'}"
    damaged = tmp_path / "maps" / "dominability" / "1_2_t.png"
    save(damaged, np.zeros((9, 9), np.uint8))
    refused(*words(clip, tmp_path / "o", *one), named=[damaged, "9x9"])
    damaged.unlink()
    refused(*words(clip, tmp_path / "o", *one), named=["1_1_v.png", "2 maps"])
    stills = [word for word in words(clip, tmp_path / "o", "--rate=5") if word != "--sequence"]
    refused(*stills, named=["--rate", "sequences"])
    assert not (tmp_path / "o").exists()
