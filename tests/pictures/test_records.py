"""What a run that was stopped at any moment still knows."""

import json

import pytest

from ttd_jax.errors import UserError
from ttd_jax.pictures.records import UNFINISHED, Records


def record(image, *sha256, **fields):
    return {"dataset": "x", "image": image, "sha256": list(sha256), **fields}


def started(out, settings, **options):
    records = Records(out, **options)
    records.start(settings, resume=True)
    return records


def test_a_torn_last_line_counts_as_not_finished_and_the_next_one_is_whole(tmp_path):
    records = started(tmp_path, {"x": 1})
    records.append(record("a", "1"))
    (lines,) = (tmp_path / "records").glob("*.jsonl")
    lines.write_text(lines.read_text() + '{"dataset": "x", "im')
    records = started(tmp_path, {"x": 1})
    records.append(record("b", "2"))
    assert list(records.finished()) == [("x", "a", "1"), ("x", "b", "2")]


def test_records_are_found_by_the_hashes_that_they_are_of(tmp_path):
    first, second = (started(tmp_path, {}, process=process) for process in range(2))
    first.append(record("a", "new", score=2))
    second.append(record("a", "old", score=1))  # a later file does not hide an earlier one
    found = first.finished()
    assert found["x", "a", "new"]["score"] == 2
    assert ("x", "a", "other") not in found


def test_other_settings_are_refused_by_their_names(tmp_path):
    settings = {"net": {"t": 50, "norm": "l2"}, "names": ["SD", "EN"], "all": [1, 2]}
    started(tmp_path, settings).append(record("a"))
    changed = {"net": {"t": 40, "norm": "l2"}, "names": ["SD", "AG"], "all": [1], "new": 1}
    with pytest.raises(UserError, match=r"another all, names\[1\], net\.t, new: choose another"):
        Records(tmp_path).find(changed)
    assert len(Records(tmp_path).find(settings)) == 1
    with pytest.raises(UserError, match="--resume"):
        Records(tmp_path).start(settings, resume=False)
    (tmp_path / "records" / "settings.json").write_text("{")
    with pytest.raises(UserError, match=r"settings\.json: unreadable"):
        Records(tmp_path).find(settings)


def test_a_record_whose_file_was_removed_is_not_finished(tmp_path):
    records = started(tmp_path, {}, folder=UNFINISHED)
    records.append(record("a", files=["deep/a.png"]), [("deep/a.png", b"x")])
    assert len(records.finished()) == 1
    (tmp_path / "deep" / "a.png").unlink()
    assert records.finished() == {}


def test_a_finished_run_leaves_its_summary_and_is_gone_on_with_from_it(tmp_path):
    records = started(tmp_path, {"x": 1}, folder=UNFINISHED)
    one = record("a", "1")
    records.append(one)
    records.close({"x": 1}, [one], {"seconds": 1.0}, [("table.md", b"|")])
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "summary.json",
        "table.md",
        "timings.json",
    ]
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary == [{**one, "settings": {"x": 1}}]
    again = Records(tmp_path, folder=UNFINISHED)
    assert again.find({"x": 1}) == {("x", "a", "1"): one}
    with pytest.raises(UserError, match="another x"):
        again.find({"x": 2})


def test_a_run_that_finished_nothing_leaves_no_trace(tmp_path):
    records = Records(tmp_path / "new", folder=UNFINISHED)
    records.open({})
    (tmp_path / "new" / "losses").mkdir()
    records.abandon()
    assert not (tmp_path / "new").exists()
    records = Records(tmp_path / "kept", folder=UNFINISHED)
    records.open({})
    records.append(record("a"))
    records.abandon()
    assert len(records.finished()) == 1
