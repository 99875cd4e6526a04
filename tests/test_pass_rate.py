"""Pass rates: what counts, what does not, and that the counts add up."""

import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from reports.flakiness import PARTITION
from reports.report import Report
from reports.weekly import build_report
from tests.past import Payload, check_id, empty_database, exclude, hourly, record, session, week


def report_of(payloads: list[Payload], *, engine: Engine | None = None, **how: Any) -> Report:
    engine = engine or empty_database()
    record(engine, payloads, **how)
    return build_report(engine, week())


def pair(report: Report, location: str = "eu") -> dict[str, Any]:
    (row,) = report.check_location[report.check_location["run_location"].eq(location)].to_dict(orient="records")
    return {str(name): value for name, value in row.items()}


def check(report: Report) -> dict[str, Any]:
    (row,) = report.checks.to_dict(orient="records")
    return {str(name): value for name, value in row.items()}


def test_a_location_without_a_final_result_is_missing_and_neither_passed_nor_failed() -> None:
    """It has a row of its own, in which no rate is known."""
    report = report_of([session(1, {"eu": "pass", "us": None})])

    row = pair(report, "us")
    assert (row["n"], row["missing"]) == (0, 1)
    assert math.isnan(row["pass_rate"])
    assert report.coverage.missing_results == 1


def test_a_cancelled_session_is_counted_apart_and_its_absent_results_are_missing() -> None:
    """Every run location of a finished session is exactly one of passed, degraded, failed, void and missing."""
    report = report_of([session(1, {"eu": "pass", "us": None}, status="CANCELLED")])

    assert (check(report)["rated"], check(report)["cancelled"]) == (0, 1)
    assert (pair(report, "eu")["void"], pair(report, "us")["missing"]) == (1, 1)


def test_an_unfinished_session_is_counted_but_its_results_are_not() -> None:
    """Partial results say nothing about the end."""
    report = report_of([session(1, {"eu": "fail", "us": None}, status="PROGRESS_FAILED")], closes=False)

    assert (check(report)["sessions"], check(report)["unfinished"], check(report)["rated"]) == (1, 1, 0)
    assert report.check_location.empty


def test_excluded_and_reconciled_sessions_stay_out_of_the_rates() -> None:
    """They are listed and counted as left out."""
    engine = empty_database()
    failed, found, good = hourly(["fail", "fail", "pass"])
    record(engine, [failed, good])
    record(engine, [found], origin="reconciled")
    exclude(engine, failed)

    report = build_report(engine, week())

    assert (check(report)["left_out"], check(report)["rated"], check(report)["pass_rate"]) == (2, 1, 1.0)
    assert pair(report)["n"] == 1
    assert len(report.sessions) == 3


def test_a_timed_out_session_counts_as_failed() -> None:
    """At the level of sessions, whatever its results say."""
    report = report_of([session(1, {"eu": "pass"}, status="TIMED_OUT"), session(2, {"eu": "pass"})])

    assert (check(report)["timed_out"], check(report)["pass_rate"], check(report)["incidents"]) == (1, 0.5, 1)


def test_a_pass_after_a_retry_is_no_first_try_pass() -> None:
    """The attempt never counts in n."""
    report = report_of([session(1, {"eu": "pass"}, retried=["eu"]), session(2, {"eu": "pass"})])

    row = pair(report)
    assert (row["n"], row["pass_rate"], row["first_try_pass_rate"], row["retry_pass"]) == (2, 1.0, 0.5, 1)
    assert check(report)["first_try_pass_rate"] == 0.5


def test_the_last_of_two_final_results_of_a_location_wins(engine: Engine) -> None:
    """By the time it stopped; the earlier answer is no second result."""
    payload = session(1, {"eu": "fail"})
    (early,) = payload["results"]
    late = early | {"checkResultId": str(check_id("late")), "hasFailures": False}
    early["stoppedAt"], late["stoppedAt"] = "2026-11-16T01:00:02Z", "2026-11-16T01:00:09Z"
    payload["results"] = [late, early]

    report = report_of([payload], engine=engine)

    assert (pair(report)["n"], pair(report)["passed"], pair(report)["failed"]) == (1, 1, 0)


def test_a_location_is_judged_by_the_mean_of_its_checks() -> None:
    """Nine runs of a broken check beside one of a healthy one: pooled 10 %, mean 50 %."""
    report = report_of([*hourly(["fail"] * 9, check="Broken"), *hourly(["pass"], check="Healthy")])

    (row,) = report.locations.to_dict(orient="records")
    assert (row["checks"], row["mean_pass_rate"], row["pooled_pass_rate"]) == (2, 0.5, 0.1)
    assert (row["pooled_first_try_pass_rate"], row["pooled_degraded_rate"]) == (0.1, 0.0)


def test_a_location_s_degraded_rate_is_told_both_ways() -> None:
    """Three of four runs of one check and none of another's two."""
    report = report_of([*hourly(["degraded"] * 3 + ["pass"], check="Slow"), *hourly(["pass"] * 2, check="Quick")])

    (row,) = report.locations.to_dict(orient="records")
    assert (row["mean_degraded_rate"], row["pooled_degraded_rate"]) == (0.375, 0.5)


def test_a_session_with_failed_and_ok_locations_is_split() -> None:
    """One that failed everywhere is not."""
    report = report_of([session(1, {"eu": "fail", "us": "pass"}), session(2, {"eu": "fail", "us": "error"})])

    assert (check(report)["split_sessions"], check(report)["incidents"]) == (1, 1)


ENDS = st.sampled_from(["pass", "fail", "error", "degraded", "void", None])


@settings(max_examples=15, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(["eu", "us", "ap"]), ENDS, min_size=1), min_size=1, max_size=12))
def test_counts_add_up_for_every_history(runs: list[dict[str, str | None]]) -> None:
    """Every slot is one outcome, the partition is the failures, days are the week."""
    payloads = [session(hour * 5, ends) for hour, ends in enumerate(runs)]

    report = report_of(payloads)

    rows = report.check_location
    slots = rows[["passed", "degraded", "failed", "void", "missing"]].to_numpy().sum()
    assert slots == sum(len(ends) for ends in runs)
    assert rows["n"].eq(rows["passed"] + rows["degraded"] + rows["failed"]).all()
    assert rows[list(PARTITION)].sum(axis=1).eq(rows["failed"]).all()
    assert rows["flips"].le(rows["transitions"]).all()
    columns = ["n", "passed", "degraded", "failed", "void", "missing", "retry_pass"]
    by_day = report.daily.groupby("run_location")[columns].sum()
    assert by_day.equals(rows.set_index("run_location")[columns].sort_index())
    assert report.locations.set_index("run_location")[columns].equals(by_day)
