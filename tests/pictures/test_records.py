"""What a run that was stopped at any moment still knows."""

import contextlib
import errno
import json

import pytest

from ttd_jax.errors import UserError
from ttd_jax.pictures.records import UNFINISHED, Records, check_covered, check_settings
from ttd_jax.places import place


def record(image, *sha256, **fields):
    return {"dataset": "x", "image": image, "sha256": list(sha256), **fields}


def started(out, settings, **options):
    records = Records(out, **options)
    records.find(settings)
    records.open(settings)
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
        Records(tmp_path).find(settings, resume=False)
    (tmp_path / "records" / "settings.json").write_text("{")
    with pytest.raises(UserError, match=r"settings\.json: unreadable"):
        Records(tmp_path).find(settings)


def test_of_many_settings_that_differ_some_are_named(tmp_path):
    with pytest.raises(UserError) as error:
        check_settings(tmp_path, {"levels": [1] * 99}, {"levels": [2] * 99})
    assert "another levels[0]" in str(error.value)
    assert str(error.value).count("levels") == 5


def test_a_record_whose_file_was_removed_is_not_finished(tmp_path):
    records = started(tmp_path, {}, folder=UNFINISHED)
    records.append(record("a"), [("deep/a.png", b"x")])
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
    for count in range(2):
        records = Records(tmp_path, folder=UNFINISHED)
        records.open({})
        for _ in range(count):
            records.append(record("a"))
        with contextlib.suppress(KeyboardInterrupt), records.leaving_no_trace():
            raise KeyboardInterrupt
        assert (tmp_path / UNFINISHED).exists() == bool(count)
    assert len(records.finished()) == 1


def test_settings_without_a_result_bind_nobody(tmp_path):
    started(tmp_path, {"x": 1})
    assert Records(tmp_path).find({"x": 2}, resume=False) == {}


def test_records_without_their_settings_are_of_no_use(tmp_path):
    started(tmp_path, {"x": 1}).append(record("a"))
    (tmp_path / "records" / "settings.json").unlink()
    with pytest.raises(UserError, match=r"settings\.json: is missing: remove .*records and run"):
        Records(tmp_path).find({"x": 1})


def test_a_record_knows_whether_its_files_are_what_was_written(tmp_path):
    records = started(tmp_path, {}, folder=UNFINISHED)
    one = records.append(record("a"), [("deep/a.png", b"123")])
    two = records.append(record("b"), [("b.png", b"123")])
    (tmp_path / "deep" / "a.png").write_bytes(b"12")
    assert list(records.intact([one, two])) == [False, True]
    assert len(records.finished()) == 2


def test_what_fails_in_the_middle_of_a_scene_leaves_none_of_its_files(tmp_path):
    records = started(tmp_path, {}, folder=UNFINISHED)

    def files():
        yield "a.png", b"x"
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(UserError, match="full"):
        records.append(record("a"), files())
    assert not (tmp_path / "a.png").exists()
    assert records.finished() == {}


DAMAGED = [b"null", b"3", b"[1]", b"[{}]", b"{", b"\xff", b"[" * 10**5, b'[{"dataset": 1}]', b"\0"]


@pytest.mark.parametrize("content", DAMAGED)
def test_damaged_files_are_named_with_the_mend(tmp_path, content):
    records = started(tmp_path, {}, folder=UNFINISHED)
    (tmp_path / "summary.json").write_bytes(content)
    with pytest.raises(UserError, match=r"summary\.json: (unreadable|damaged): remove"):
        records.find({})
    (tmp_path / "summary.json").unlink()
    records.append(record("a"))
    settings = tmp_path / UNFINISHED / "settings.json"
    settings.write_bytes(b"[1]" if content == b"null" else content)
    with pytest.raises(UserError, match=r"settings\.json: (unreadable|damaged): remove"):
        records.find({})
    settings.write_text("{}")
    (lines,) = (tmp_path / UNFINISHED).glob("*.jsonl")
    whole = lines.read_bytes()
    for line in (content, b"", b" "):
        lines.write_bytes(whole + line + b"\n" + whole)
        with pytest.raises(UserError, match=r"process-00000\.jsonl: line 2 is damaged: remove"):
            records.find({})
    lines.write_bytes(whole)
    (tmp_path / UNFINISHED / "mine.jsonl").write_bytes(content + b"\n")  # nobody's business
    assert len(records.find({})) == 1


def test_names_that_are_no_utf8_come_back(tmp_path):
    name = b"\xbf\xbc".decode("utf-8", "surrogateescape")
    records = started(tmp_path, {}, folder=UNFINISHED)
    one = records.append(record(name))
    assert list(records.finished()) == [("x", name)]
    records.close({}, [one], {})
    assert b"\\udcbf\\udcbc" in (tmp_path / "summary.json").read_bytes()
    assert list(Records(tmp_path, folder=UNFINISHED).find({})) == [("x", name)]


def test_tables_of_the_whole_are_not_replaced_by_tables_of_a_part(tmp_path):
    check_covered(tmp_path, "methods", ["a", "b"], {"a", "b", "c"}, "name them")
    with pytest.raises(UserError, match=r"results of other methods \(b\): name them, or choose"):
        check_covered(tmp_path, "methods", ["a", "b", "b"], {"a"}, "name them")


def test_in_a_store_records_are_objects_and_a_kill_between_the_last_ones_harms_nothing():
    out = place("memory://box/out")
    records = started(out, {"x": 1}, folder=UNFINISHED)
    one = records.append(record("a"), [("a.png", b"1")])
    two = records.append(record("b"), [("b.png", b"2")])
    records.extend([record("c"), record("d")])
    assert len(list((out / UNFINISHED).glob("process-00000-*.jsonl"))) == 3
    again = started(out, {"x": 1}, folder=UNFINISHED)
    assert [image for _, image in again.finished()] == ["a", "b", "c", "d"]
    assert list(again.intact([one, two])) == [True, True]
    (out / "b.png").unlink()
    assert [image for _, image in again.finished()] == ["a", "c", "d"]
    lines = {file: file.read_bytes() for file in (out / UNFINISHED).glob("process-*")}
    again.close({"x": 1}, again.finished().values(), {})
    assert sorted(file.name for file in out.files()) == ["a.png", "summary.json", "timings.json"]
    for file, data in lines.items():  # of which a killed process has removed no more than settings
        file.write_bytes(data)
    assert len(Records(out, folder=UNFINISHED).find({"x": 1})) == 3
    (out / "summary.json").unlink()
    with pytest.raises(UserError, match=r"settings\.json: is missing"):
        Records(out, folder=UNFINISHED).find({"x": 1})
    out.rmtree()
