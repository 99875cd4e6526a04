"""A span in whose middle the history begins is a part of itself; one that begins as its cadence has it is whole."""

import json

import pytest

from reports.figure_section import time_before
from reports.report import Report
from reports.weekly import build_report, summary
from tests.past import Payload, empty_database, record, session, week

WEEK = 168


def report_of(hours: range) -> Report:
    """Sessions at these hours after the Monday on which the window begins; the window ends 168 hours after it."""
    payloads: list[Payload] = [session(hour, {"eu": "pass"}) for hour in hours]
    engine = empty_database()
    record(engine, payloads)
    return build_report(engine, week())


def begins(moment: object) -> str:
    return f"{moment:%d %H:%M}" if moment else "whole"


@pytest.mark.parametrize(
    ("hours", "before"),
    [
        (range(-WEEK, WEEK), "whole"),
        (range(-WEEK + 1, WEEK), "whole"),  # an hour of a week does not show
        (range(-WEEK + 15, WEEK), "09 15:00"),
        (range(-WEEK + 24, WEEK), "10 00:00"),
        (range(-WEEK + 9, WEEK, 24), "whole"),  # daily at nine
        (range(-WEEK + 33, WEEK, 24), "10 09:00"),
        (range(-WEEK + 57, WEEK, WEEK), "whole"),  # weekly, on Wednesdays
        (range(-2 * WEEK + 15, WEEK), "whole"),
    ],
)
def test_what_begins_later_than_its_cadence_explains_is_a_part(hours: range, before: str) -> None:
    """By the hour at which other days begin, and the days that usually lie between two with a session."""
    report = report_of(hours)

    assert begins(report.before_from) == before
    assert report.window_from is None


def test_a_history_of_the_window_alone_is_measured_by_its_own_days() -> None:
    """Hourly from Monday afternoon on; a single day tells no usual beginning."""
    assert begins(report_of(range(15, WEEK)).window_from) == "16 15:00"
    assert report_of(range(15, 24)).window_from is None


def test_a_part_of_a_week_is_no_point_of_a_line_and_the_time_before_is_marked() -> None:
    """In summary.csv, in --json and in the words of the page alike."""
    report = report_of(range(-WEEK + 15, WEEK))

    rated = report.summary.set_index("figure").loc[["sessions_rated"]]
    assert rated[["week_7", "week_8"]].fillna(-1).to_numpy().tolist() == [[-1, 168]]
    assert rated[["before", "before_from"]].to_numpy().tolist() == [[153, "2026-11-09T15:00"]]
    assert time_before(report) == "week before (from Mon 9 Nov 15:00 on)"
    assert json.loads(json.dumps(summary(report)))["compared_with"]["recorded_from"] == "2026-11-09T15:00"
