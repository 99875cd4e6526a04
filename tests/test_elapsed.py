"""timeElapsed: the sample, the series and their quantiles."""

import math
from typing import Any

import pytest

from reports.report import Report
from reports.weekly import build_report
from tests.past import Payload, empty_database, record, session, week


def report_of(payloads: list[Payload]) -> Report:
    engine = empty_database()
    record(engine, payloads)
    return build_report(engine, week())


def series(report: Report) -> list[dict[str, Any]]:
    columns = ["run_locations", "n", "excluded", "median_ms", "p95_ms"]
    return [{str(name): value for name, value in row.items()} for row in report.elapsed[columns].to_dict("records")]


def test_failed_and_retried_sessions_are_excluded_and_counted() -> None:
    """A failure says nothing about speed; a degraded session does."""
    payloads = [
        session(1, {"eu": "pass"}, elapsed=100),
        session(2, {"eu": "degraded"}, status="DEGRADED", elapsed=300),
        session(3, {"eu": "pass"}, retried=["eu"], elapsed=9000),
        session(4, {"eu": "fail"}, elapsed=9000),
        session(5, {"eu": "pass"}, elapsed=None),
        session(6, {"eu": "pass"}, status="CANCELLED", elapsed=9000),
    ]

    (only,) = series(report_of(payloads))

    assert (only["n"], only["excluded"], only["median_ms"]) == (2, 3, 200.0)
    assert only["p95_ms"] == pytest.approx(290)


def test_a_changed_set_of_run_locations_starts_a_new_series() -> None:
    """The slowest location sets the time, so the two cannot be compared."""
    payloads = [session(1, {"eu": "pass"}, elapsed=100), session(2, {"us": "pass", "eu": "pass"}, elapsed=900)]

    rows = series(report_of(payloads))

    assert [(row["run_locations"], row["median_ms"]) for row in rows] == [("eu", 100.0), ("eu|us", 900.0)]


def test_days_are_local_and_an_empty_day_is_unknown() -> None:
    """No median is made up for a day without a session."""
    report = report_of([session(1, {"eu": "pass"}, elapsed=100), session(50, {"eu": "pass"}, elapsed=500)])

    (days,) = report.elapsed["days"]
    assert [None if math.isnan(day) else day for day in days] == [100.0, None, 500.0, None, None, None, None]
