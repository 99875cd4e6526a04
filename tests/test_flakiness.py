"""Flakiness: scopes, durations, flips and what counts as a flake."""

from typing import Any

import pytest
from sqlalchemy import Engine

from reports.flakiness import PARTITION
from reports.weekly import build_report
from tests.past import Payload, empty_database, hourly, record, session, week


def pair(payloads: list[Payload], location: str = "eu", *, engine: Engine | None = None) -> dict[str, Any]:
    """The row of one location after these sessions."""
    engine = engine or empty_database()
    record(engine, payloads)
    rows = build_report(engine, week()).check_location
    (row,) = rows[rows["run_location"].eq(location)].to_dict(orient="records")
    return {str(name): value for name, value in row.items()}


def cells(row: dict[str, Any]) -> dict[str, int]:
    return {cell: row[cell] for cell in PARTITION if row[cell]}


@pytest.mark.parametrize(
    ("others", "scope"),
    [
        ({}, "single"),
        ({"us": "void"}, "single"),
        ({"us": "pass"}, "narrow"),
        ({"us": "fail", "ap": "pass", "sa": "pass"}, "narrow"),
        ({"us": "fail", "ap": "pass"}, "wide"),
        ({"us": "fail"}, "wide"),
    ],
)
def test_the_scope_of_a_failure_is_told_by_the_other_locations(others: dict[str, str | None], scope: str) -> None:
    """Wide takes two failures and more than half of the results that are not void."""
    row = pair([session(1, {"eu": "fail", **others}), session(2, {"eu": "pass", **dict.fromkeys(others, "pass")})])

    assert cells(row) == {f"{scope}_isolated": 1}
    assert row["flake_events"] == (scope != "wide")


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        (["pass", "fail", "pass"], {"single_isolated": 1}),
        (["pass", "fail", "fail", "pass"], {"single_isolated": 2}),
        (["pass", "fail", "fail", "fail", "pass"], {"single_sustained": 3}),
        (["pass", "fail", "fail"], {"single_open": 2}),
        (["pass", "fail", "fail", "fail"], {"single_sustained": 3}),
        (["fail", "void", "fail", "void", "fail", "pass"], {"single_sustained": 3}),
        (["fail", "degraded", "fail", "fail", "pass"], {"single_isolated": 3}),
    ],
)
def test_the_duration_of_a_failure_is_that_of_its_run(outcomes: list[str], expected: dict[str, int]) -> None:
    """More than two in a row are sustained; a void result does not break the row, a degraded one is ok."""
    assert cells(pair(hourly(outcomes))) == expected


def test_one_failure_before_the_window_makes_a_run_at_its_start_longer(engine: Engine) -> None:
    """The one before is not counted itself."""
    row = pair(hourly(["pass", "fail", "fail", "fail", "pass"], start=-2), engine=engine)

    assert (cells(row), row["n"]) == ({"single_sustained": 2}, 3)


def test_a_pass_right_before_the_window_ends_the_run_before_it() -> None:
    """Only the last rated result decides; a void one between is none."""
    row = pair(hourly(["fail", "pass", "void", "fail", "fail", "pass"], start=-3))

    assert cells(row) == {"single_isolated": 2}


def test_a_void_result_right_before_the_window_decides_nothing() -> None:
    """The failure before it does."""
    row = pair(hourly(["fail", "void", "fail", "fail", "pass"], start=-2))

    assert cells(row) == {"single_sustained": 2}


def test_sessions_that_start_together_are_ordered_by_their_id() -> None:
    """fail, fail, pass, pass: in the other order it would flip three times."""
    fail, pass_ = session(1, {"eu": "fail"}), session(1, {"eu": "pass"})
    fail["checkSessionId"], pass_["checkSessionId"] = f"1{fail['checkSessionId'][1:]}", f"2{fail['checkSessionId'][1:]}"
    pass_["results"][0]["checkResultId"] = fail["checkSessionId"]

    row = pair([session(0, {"eu": "fail"}), pass_, fail, session(2, {"eu": "pass"})])

    assert (row["flips"], row["incidents"]) == (1, 1)


def test_a_run_ends_with_its_location() -> None:
    """What failed last in one place and first in the next is no common run."""
    payloads = [
        session(hour, {"ap": "fail" if hour else "pass", "eu": "pass" if hour else "fail"}) for hour in range(3)
    ]

    assert cells(pair(payloads, "ap")) == {"narrow_open": 2}
    assert cells(pair(payloads, "eu")) == {"narrow_isolated": 1}


def test_another_location_before_the_window_decides_nothing() -> None:
    """A run belongs to one check at one location."""
    row = pair([*hourly(["fail"], place="us", start=-1), *hourly(["fail", "fail", "pass"])])

    assert cells(row) == {"single_isolated": 2}


def test_a_retry_pass_is_a_flake_event_where_it_passed() -> None:
    """At the other location nothing happened."""
    payloads = [session(1, {"eu": "pass", "us": "pass"}, retried=["eu"])]

    assert pair(payloads)["flake_events"] == 1


def test_an_attempt_elsewhere_belongs_to_the_only_final_result() -> None:
    """A round-robin check may retry in another location."""
    row = pair([session(1, {"eu": "pass"}, retried=["us"])])

    assert (row["retry_pass"], row["flake_events"]) == (1, 1)


def test_a_long_gap_makes_no_neighbours() -> None:
    """Five hourly results, two days of nothing, then a failure: the flip between is unknown."""
    row = pair([*hourly(["pass"] * 5), *hourly(["fail", "fail"], start=60)])

    assert (row["flips"], row["transitions"], row["flip_rate"]) == (0, 5, 0.0)


def test_a_usual_interval_is_no_gap_however_long() -> None:
    """A check that runs every 30 hours has neighbours."""
    row = pair([session(hour, {"eu": "pass"}) for hour in range(0, 150, 30)])

    assert row["transitions"] == 4


def test_incidents_are_maximal_runs_of_failures() -> None:
    """A void result does not split one."""
    assert pair(hourly(["fail", "void", "fail", "pass", "fail"]))["incidents"] == 2
