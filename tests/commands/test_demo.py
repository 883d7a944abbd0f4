"""`ttd-jax demo` with the shipped weights and pictures that come with its packages."""

import pytest

from ttd_jax.commands import demo, demo_video
from ttd_jax.pictures.images import read_picture
from ttd_jax.pictures.public import public_picture


def _check_sheet(path):
    sheet = read_picture(path)
    assert sheet.colored
    assert sheet.size[1] > 1500  # two sources, two fusions, one map


@pytest.fixture
def small_pictures(monkeypatch):
    """The demo's pictures, so small that it is their one shape that takes the time."""
    monkeypatch.setattr(demo, "public_picture", lambda name: public_picture(name)[:120, :160])


def test_without_any_other_file_the_demo_ends_with_pictures_and_a_page(
    command_line, small_pictures, tmp_path
):
    result = command_line("demo", f"--out={tmp_path / 'out'}")
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    for name, picture in (("multi-focus", "astronaut"), ("multi-exposure", "coffee")):
        _check_sheet(tmp_path / "out" / f"{name}.png")
        folder = tmp_path / "out" / name / "ttd"
        assert read_picture(folder / f"{picture}.png").colored
        assert (folder / "dominability" / f"{picture}_overlay.png").is_file()
    page = (tmp_path / "out" / "evaluation" / "report.html").read_text()
    assert "multi-focus" in page
    assert "research should use" in result.stdout


def test_a_clip_is_fused_both_ways_and_shown_in_one_video(command_line, tmp_path, monkeypatch):
    av = pytest.importorskip("av")
    for name, value in (("_SIZE", (48, 64)), ("_COUNT", 4), ("_CUT", 3), ("_METRICS", ("SD",))):
        monkeypatch.setattr(demo_video, name, value)
    words = "demo", "--video", f"--out={tmp_path}"
    result = command_line(*words)
    assert result.returncode == 0, result.stderr
    page = (tmp_path / "video" / "video.html").read_text()
    for text in ("frame by frame</span><span>steady", "Flicker ↓", "Flicker_of_RD ↓", "SD ↑"):
        assert text in page
    for file in ("fused.mp4", "dominability.mp4"):
        assert file in page
        with av.open(str(tmp_path / "video" / file)) as video:
            assert [(f.width, f.height) for f in video.decode(video=0)] == [(128, 48)] * 4
    assert command_line(*words).returncode == 0  # and finds all of it made


def test_other_weights_must_be_there(refused, tmp_path):
    refused("demo", f"--out={tmp_path / 'x'}", "--weights=nowhere", named=["nowhere"])
    assert not (tmp_path / "x").exists()
