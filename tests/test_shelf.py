"""Delivered reports in one directory: whole or not there, the newest linked, old ones removed, strangers untouched."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from recorder.errors import UsageError
from reports.report import Report
from reports.shelf import MARKER, past_reports, shelve
from reports.weekly import build_report, write_report
from reports.windows import week_window
from tests.past import MONDAY, empty_database, hourly, record

HOUR = timedelta(hours=1)


def report_of(week: int, outcomes: tuple[str, ...] = ("pass", "fail")) -> Report:
    """Week 47 has sessions, the others have none."""
    engine = empty_database()
    record(engine, hourly(outcomes))
    return build_report(engine, week_window(f"2026-W{week}", timezone="UTC", now=MONDAY))


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_report_appears_whole_with_a_link_and_a_list(tmp_path: Path) -> None:
    """And nothing else is left in the directory."""
    folder, is_new = shelve(report_of(47), tmp_path / "reports", keep=3)

    assert is_new
    assert sorted(path.name for path in (tmp_path / "reports").iterdir()) == ["2026-W47", "index.html", "latest"]
    assert (tmp_path / "reports" / "latest").readlink() == Path("2026-W47")
    files = {path.name for path in folder.iterdir()}
    assert {"index.html", "checks.csv", MARKER} <= files
    assert set(json.loads((folder / MARKER).read_text())["files"]) == files - {MARKER}
    by_hand = write_report(report_of(47), tmp_path / "by hand")
    assert [(folder / path.name).read_bytes() for path in by_hand] == [path.read_bytes() for path in by_hand]


def test_a_report_that_is_there_is_not_written_again(tmp_path: Path) -> None:
    """Whoever has read it finds the same figures tomorrow."""
    shelve(report_of(47), tmp_path, keep=3)
    before = content(tmp_path)

    folder, is_new = shelve(report_of(47, ("fail",)), tmp_path, keep=3)

    assert (folder.name, is_new) == ("2026-W47", False)
    assert content(tmp_path) == before


def test_only_the_newest_reports_are_kept(tmp_path: Path) -> None:
    """The newest by the time they are about, not by the time they were written."""
    for week in (47, 45, 46, 44):
        shelve(report_of(week), tmp_path, keep=2)

    assert [report.label for report in past_reports(tmp_path)] == ["2026-W47", "2026-W46"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2026-W46", "2026-W47", "index.html", "latest"]
    assert (tmp_path / "latest").readlink() == Path("2026-W47")


def test_nothing_that_the_recorder_did_not_write_is_ever_removed(tmp_path: Path) -> None:
    """A folder without a marker, one whose marker is of another folder, a note beside a report, a linked folder."""
    (tmp_path / "2026-W01").mkdir()
    (tmp_path / "2026-W01" / "index.html").write_text("by hand")
    shelve(report_of(40), tmp_path, keep=1)
    (tmp_path / "2026-W40" / "notes.txt").write_text("mine")
    (tmp_path / "2026-W40").rename(tmp_path / "copy of 40")
    shelve(report_of(40), tmp_path, keep=1)
    (tmp_path / "2026-W40" / "notes.txt").write_text("mine too")
    outside = tmp_path.parent / "outside"
    outside.mkdir()
    (outside / MARKER).write_text((tmp_path / "2026-W40" / MARKER).read_text().replace("W40", "W39"))
    (tmp_path / "2026-W39").symlink_to(outside)
    copied = content(tmp_path / "copy of 40")

    shelve(report_of(47), tmp_path, keep=1)

    assert content(tmp_path / "2026-W01") == {"index.html": b"by hand"}
    assert content(tmp_path / "copy of 40") == copied
    assert content(tmp_path / "2026-W40") == {"notes.txt": b"mine too"}
    assert (outside / MARKER).exists()


def test_a_marker_cannot_lead_out_of_its_folder(tmp_path: Path) -> None:
    """Whoever edits one must not have the daemon remove files elsewhere."""
    precious = tmp_path / "precious.txt"
    precious.write_text("keep")
    shelve(report_of(40), tmp_path / "shelf", keep=1)
    marker = tmp_path / "shelf" / "2026-W40" / MARKER
    told = json.loads(marker.read_text())
    marker.write_text(json.dumps({**told, "files": [*told["files"], "../../precious.txt", str(precious), "..", ""]}))

    shelve(report_of(47), tmp_path / "shelf", keep=1)

    assert precious.read_text() == "keep"
    assert not (tmp_path / "shelf" / "2026-W40").exists()


@pytest.mark.parametrize("name", ["latest", "index.html"])
def test_a_stranger_in_the_place_of_the_link_or_the_list_is_left_and_named(name: str, tmp_path: Path) -> None:
    """Before anything is written; a report that `--out` has put there is one too."""
    (tmp_path / name).write_text("<!doctype html><title>somebody's</title>")

    with pytest.raises(UsageError, match=rf"{name} is in the way: [^\n]+$"):
        shelve(report_of(47), tmp_path, keep=1)

    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert "somebody's" in (tmp_path / name).read_text()


def test_a_report_asked_for_by_hand_becomes_the_delivered_one(tmp_path: Path) -> None:
    """Its files are replaced one by one; what else lies beside them stays."""
    write_report(report_of(47, ("fail",)), tmp_path / "2026-W47")
    (tmp_path / "2026-W47" / "notes.txt").write_text("mine")

    folder, is_new = shelve(report_of(47), tmp_path, keep=1)

    assert is_new
    assert (folder / "notes.txt").read_text() == "mine"
    assert "50.00 %" in (folder / "index.html").read_text(encoding="utf-8")


def test_what_a_killed_process_left_half_written_is_cleared_away(tmp_path: Path) -> None:
    """Only folders of exactly that form."""
    for name in (".2026-W40.123.part", ".2026-10.9.part", ".mine.123.part"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.html").write_text("half")

    shelve(report_of(47), tmp_path, keep=1)

    assert sorted(path.name for path in tmp_path.glob(".*")) == [".mine.123.part"]


def test_a_directory_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    """Here a file stands where a folder of its way should be; nothing half written stays."""
    (tmp_path / "reports").write_text("in the way")

    with pytest.raises(UsageError, match=r"^cannot write the report to [^\n]+$"):
        shelve(report_of(47), tmp_path / "reports" / "weekly", keep=1)

    assert [path.name for path in tmp_path.iterdir()] == ["reports"]


def test_the_list_shows_past_reports_newest_first_and_escapes_what_is_hostile(tmp_path: Path) -> None:
    """With the sentence and the rate of each; a week without data has no rate."""
    for week in (46, 47):
        shelve(report_of(week), tmp_path, keep=5)
    marker = tmp_path / "2026-W46" / MARKER
    marker.write_text(marker.read_text().replace("No session", "<script>alert(1)</script>"))
    shelve(report_of(45), tmp_path, keep=5)

    page = (tmp_path / "index.html").read_text(encoding="utf-8")

    places = [page.index(f'href="2026-W{week}/index.html"') for week in (47, 46, 45)]
    assert places == sorted(places)
    assert "50.00 %" in page
    assert "3 reports, the newest first" in page
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert "100 %</td>" not in page
