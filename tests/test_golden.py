"""The worked cases of `tests/golden`, from payloads through the database to the figures of a report."""

import math
from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import Engine

from reports.csv_files import ratio_text
from reports.flakiness import PARTITION
from reports.intervals import wilson
from reports.report import Report
from reports.weekly import build_report
from reports.windows import range_window
from tests.past import empty_database, golden, record, session, week

CASES = [
    "02-single",
    "03-outage-all-locations",
    "04-isolated-flake",
    "05-degraded",
    "06-cancelled-aborted",
    "08-dst-week-berlin",
    "10-timezone-week",
    "11-ties",
]


def report_of(
    case: dict[str, Any], engine: Engine | None = None, *, timezone: str | None = None, backwards: bool = False
) -> Report:
    engine = engine or empty_database()
    record(engine, reversed(case["arrival"]) if backwards else case["arrival"])
    asked = case["report"]
    return build_report(engine, range_window(asked["start"], asked["end"], timezone=timezone or asked["tz"]))


def known(value: float) -> float | None:
    """As the cases say it: 6 places, null for what is unknown."""
    return None if math.isnan(value) else round(float(value), 6)


def figures_of_the_check(report: Report) -> dict[str, Any]:
    (check,) = report.checks.to_dict(orient="records")
    (series,) = report.elapsed.to_dict(orient="records")
    return {
        "window_utc": [f"{at:%Y-%m-%dT%H:%M:%S}.000Z" for at in (report.window.start, report.window.end)],
        "window_hours": report.window.hours,
        "session_status_counts": report.sessions["status"].value_counts().to_dict(),
        "sessions_rated": check["rated"],
        "session_pass_rate": known(check["pass_rate"]),
        "session_pass_rate_wilson95": [known(check["pass_rate_low"]), known(check["pass_rate_high"])],
        "elapsed": {
            "n": series["n"],
            "excluded": series["excluded"],
            "median": known(series["median_ms"]),
            "p95": known(series["p95_ms"]),
        },
    }


def figures_of_a_location(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        "n": row["n"],
        "pass": row["passed"],
        "degraded": row["degraded"],
        "fail": row["failed"],
        "void": row["void"],
        "missing": row["missing"],
        "pass_rate": known(row["pass_rate"]),
        "pass_rate_wilson95": [known(row["pass_rate_low"]), known(row["pass_rate_high"])],
        "degraded_rate": known(row["degraded_rate"]),
        "retry_pass": row["retry_pass"],
        "retry_pass_rate": known(row["retry_pass_rate"]),
        "flips": row["flips"],
        "transitions": row["transitions"],
        "flip_rate": known(row["flip_rate"]),
        "failure_partition": {cell: row[cell] for cell in PARTITION if row[cell]},
        "flaky": row["flake_events"],
        "flake_rate": known(row["flake_rate"]),
        "flake_rate_wilson95": [known(row["flake_rate_low"]), known(row["flake_rate_high"])],
        "cond_test": {
            "discordant": row["onsets"],
            "observed": row["onsets_here"],
            "expected": known(row["onsets_expected"]),
            "p_greater": known(row["onsets_p_value"]),
        },
    }


def assert_figures(report: Report, expected: dict[str, Any]) -> None:
    check = figures_of_the_check(report)
    assert check == {name: expected[name] for name in check}
    found = {row["run_location"]: row for row in report.check_location.to_dict(orient="records")}
    assert set(found) == set(expected["locations"])
    for location, figures in expected["locations"].items():
        measured = figures_of_a_location(found[location])
        assert measured == {name: figures[name] for name in measured}, location


@pytest.mark.parametrize("name", CASES)
def test_every_figure_of_a_worked_case_is_reproduced(name: str, engine: Engine) -> None:
    """Parser, writer, SQL and measures together, on each kind of database."""
    case = golden(name)

    report = report_of(case, engine)

    assert_figures(report, case["expected"])


@pytest.mark.parametrize("name", CASES)
def test_the_order_of_arrival_changes_no_figure(name: str) -> None:
    """The order of every statistic is (started_at, check_session_id)."""
    case = golden(name)

    report = report_of(case, backwards=True)

    assert_figures(report, case["expected"])


def test_the_same_sessions_fall_into_another_week_in_another_zone() -> None:
    """A week is cut at the midnights of its zone."""
    case = golden("10-timezone-week")

    report = report_of(case, timezone="UTC")

    assert_figures(report, case["also_utc"])


@pytest.mark.parametrize("case", golden("15-statistics")["wilson"], ids=lambda case: f"{case['x']}-of-{case['n']}")
def test_wilson_intervals_of_the_worked_cases(case: dict[str, Any]) -> None:
    """As they are written to a file; nothing tried gives nothing known."""
    low, high = wilson([case["x"]], [case["n"]])

    expected = ["", ""] if case["ci95"] is None else [ratio_text(end) for end in case["ci95"]]
    assert [ratio_text(low[0]), ratio_text(high[0])] == expected


def test_quantiles_are_of_type_7() -> None:
    """Linear between the two nearest ranks, as pandas and percentile_cont do."""
    case = golden("15-statistics")["quantile_type7"]
    engine = empty_database()
    record(engine, [session(hour, {"eu": "pass"}, elapsed=value) for hour, value in enumerate(case["x"])])

    report = build_report(engine, week())

    assert report.elapsed["p95_ms"].tolist() == [pytest.approx(case["value"])]
