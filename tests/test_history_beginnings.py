"""Failures that began before the time that is looked at: their true date, or that it is too long ago."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine

from reports.check_section import check_section
from reports.incident_section import incident_section
from reports.report import Report
from reports.weekly import build_report
from tests.framing import hours
from tests.past import Payload, empty_database, record, session, week


def daily(letters: str, *, place: str = "eu") -> list[Payload]:
    """Four sessions a day at two places up to the end of the week; at `place` a letter per day: . passed, F failed."""
    first = 7 - len(letters)
    ends = {".": "pass", "F": "fail"}
    return [
        session(24 * (first + number) + hour, {place: ends[letter], "us": "pass"})
        for number, letter in enumerate(letters)
        for hour in (0, 6, 12, 18)
    ]


def report_of(payloads: list[Payload], engine: Engine | None = None) -> Report:
    database = engine or empty_database()
    record(database, payloads)
    return build_report(database, week())


def days(instant: Any) -> float | None:
    """Days after the beginning of the week."""
    (hour,) = hours([instant])
    return None if hour is None else hour / 24


@pytest.mark.parametrize(
    ("letters", "last_good", "first_failed"),
    [
        ("." * 20 + "F" * 5, 1.75, 2),
        ("." * 20 + "F" * 28, -21.25, -21),
        ("." * 20 + "F" * 40, -33.25, -33),
        ("." * 20 + "F" * 100, -93.25, -93),
        ("F" * 100, None, -93),
        ("F" * 10, None, -3),
    ],
)
def test_what_is_broken_and_its_incident_are_dated_when_they_began(
    letters: str, last_good: float | None, first_failed: float, engine: Engine
) -> None:
    """Within four weeks, within the eight that are loaded, or long before; on each kind of database."""
    report = report_of(daily(letters), engine)

    (incident,) = report.incidents.to_dict(orient="records")
    assert (days(incident["last_good_at"]), days(incident["first_failed_at"])) == (last_good, first_failed)
    assert [days(at) for at in report.checks["state_since_at"]] == [first_failed]
    assert days(report.check_location["state_since_at"].iloc[0]) == first_failed


def test_what_failed_for_more_than_a_year_has_no_date_and_says_so() -> None:
    """A date that was made up would be worse than none."""
    long_ago = [session(24 * day, {"eu": "pass" if day < -500 else "fail"}) for day in range(-510, -50, 7)]
    report = report_of([*long_ago, *daily("F" * 57)])

    assert report.checks["state_since_at"].isna().all()
    (incident,) = incident_section(report).rows
    assert (incident.first_failed, incident.lasted) == ("more than a year before", "more than a year")
    assert check_section(report).failing[0].since == "for more than a year"


def test_a_date_of_another_year_is_said_with_its_year() -> None:
    """Else last December reads as this one."""
    long_ago = [session(24 * day, {"eu": "pass" if day < -330 else "fail"}) for day in range(-340, -50)]
    report = report_of([*long_ago, *daily("F" * 57)])

    assert report.checks["state_since_at"].tolist() == [datetime(2025, 12, 21, tzinfo=UTC)]
    assert check_section(report).failing[0].since == "since Sun 21 Dec 2025 00:00"
