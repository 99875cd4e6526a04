"""Windows with little or nothing in them, and folders that cannot be written: a clear page, or one clear line."""

from html.parser import HTMLParser
from pathlib import Path

import pytest

from recorder.errors import UsageError
from reports.render import render_page
from reports.weekly import build_report, write_report
from reports.windows import Window, range_window
from tests.past import Payload, empty_database, hourly, record, session, week


class Text(HTMLParser):
    """What a reader sees of a page, tag by tag."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.feed(page.partition("<body>")[2])
        self.text = " ".join(" ".join(self.words).split()).replace("\u2068", "").replace("\u2069", "")

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def page_of(payloads: list[Payload], window: Window | None = None) -> str:
    engine = empty_database()
    record(engine, payloads)
    return Text(render_page(build_report(engine, window or week()), files=["checks.csv"])).text


@pytest.mark.parametrize(
    ("start", "end"), [("2026-11-16", "2026-11-19T12:00"), ("2026-11-16T06:00", "2026-11-16T07:00")]
)
def test_half_a_week_and_an_hour_have_a_page(start: str, end: str) -> None:
    """Compared with as many days before; a week's level is no week's when it is not whole."""
    page = page_of(hourly(["pass", "fail"] * 60), range_window(start, end, timezone="UTC"))

    assert "of 1 check failed at least once" in page or "No session failed" in page
    assert "95 %" in page


def test_a_window_before_the_first_record_has_nothing_to_rate() -> None:
    """What came later does not leak into it."""
    page = page_of(hourly(["fail"] * 30), range_window("2020-01-01", "2020-01-08", timezone="Europe/Berlin"))

    assert "No session was recorded in this window, so there is nothing to rate." in page
    assert "Last data none in this window" in page
    assert "Checkout" not in page


def test_a_week_after_the_last_record_does_not_say_that_checks_are_gone() -> None:
    """Nothing was recorded: whether they ran nobody knows."""
    page = page_of(hourly(["pass"] * 30, start=-168))

    assert "No session was recorded in this window" in page
    assert "none now" not in page


def test_one_location_only_is_compared_with_nothing() -> None:
    """Its failures have no siblings to share them."""
    page = page_of(hourly((["pass"] * 9 + ["fail"]) * 6))

    assert "No check ran at several locations at once, so there is nothing to compare." in page
    assert "the only location" in page


def test_a_session_that_cannot_be_rated_leaves_no_rate() -> None:
    """Cancelled, and nothing else: no 0 %, no 100 %."""
    page = page_of([session(1, {"eu": "pass"}, status="CANCELLED")])

    assert "1 session was recorded, but none can be rated: 1 cancelled." in page
    assert "1 check has sessions in this window but none that can be rated." in page
    assert "100 %" not in page.replace("never rounded up to 100 %", "")


@pytest.mark.parametrize("name", ["file/report", "file"])
def test_a_folder_that_cannot_be_written_is_one_sentence(name: str, tmp_path: Path) -> None:
    """It says which folder, and why."""
    (tmp_path / "file").write_text("in the way", encoding="utf-8")

    with pytest.raises(UsageError, match=rf"^cannot write the report to [^\n]*{name}: [^\n]+$"):
        write_report(build_report(empty_database(), week()), tmp_path / name)
