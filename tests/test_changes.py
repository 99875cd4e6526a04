"""What changed: from the recorded history to the rows of changes.csv."""

from typing import Any

import pytest

from reports.report import Report
from reports.weekly import build_report
from tests.past import Payload, check_id, empty_database, hourly, record, session, week

LAST_WEEK = -168


def report_of(*parts: list[Payload]) -> Report:
    engine = empty_database()
    record(engine, [payload for part in parts for payload in part])
    return build_report(engine, week())


def changes(*parts: list[Payload]) -> list[dict[str, Any]]:
    rows = report_of(*parts).changes.to_dict(orient="records")
    return [{str(name): value for name, value in row.items()} for row in rows]


def kinds(*parts: list[Payload]) -> list[tuple[str, str]]:
    return [(row["kind"], row["check_name"]) for row in changes(*parts)]


def test_a_check_that_broke_is_told_with_since_and_size() -> None:
    """And the link leads to its newest failed session."""
    (row,) = changes(hourly(["pass"] * 60, start=LAST_WEEK), hourly(["pass"] * 30 + ["fail"] * 10))

    assert (row["kind"], row["measure"], row["run_locations"]) == ("broken", "fail_rate", "eu")
    assert f"{row['since_at']:%d %H:%M}" == "17 06:00"
    assert (row["before"], row["now"], row["change"]) == (0, 0.25, 0.25)
    assert 0 < row["change_low"] < 0.25 < row["change_high"] < 1
    newest = session(39, {"eu": "fail"})["checkSessionId"]
    assert row["link"].endswith(f"/checks/{check_id('Checkout')}/check-sessions/{newest}")


def test_a_check_that_is_broken_in_all_its_locations_is_one_row() -> None:
    """Its locations stand in one cell."""
    before = [session(LAST_WEEK + hour, dict.fromkeys(("eu", "us"), "pass")) for hour in range(30)]
    now = [session(hour, dict.fromkeys(("eu", "us"), "pass" if hour < 25 else "fail")) for hour in range(30)]

    (row,) = changes(before, now)

    assert (row["kind"], row["run_locations"]) == ("broken", "eu|us")


def test_a_check_that_was_broken_and_is_not_recovered() -> None:
    """Since the first good session after its last failure."""
    (row,) = changes(hourly(["pass"] * 30 + ["fail"] * 5, start=LAST_WEEK), hourly(["fail"] * 2 + ["pass"] * 40))

    assert (row["kind"], f"{row['since_at']:%d %H:%M}") == ("recovered", "16 02:00")
    assert row["change"] == pytest.approx(2 / 42 - 5 / 35)


def test_what_was_broken_and_still_is_did_not_change() -> None:
    """Nor what was fine and still is."""
    assert not kinds(hourly(["fail"] * 30, start=LAST_WEEK), hourly(["fail"] * 30))
    assert not kinds(hourly(["pass"] * 30, start=LAST_WEEK), hourly(["pass"] * 30))


def test_crossing_the_flaky_threshold_by_chance_is_no_change() -> None:
    """One flake last week, two this week: flaky now, and nothing to announce."""
    before = hourly(["pass"] * 50 + ["fail"] + ["pass"] * 50, start=LAST_WEEK)
    now = hourly((["pass"] * 30 + ["fail"]) * 2 + ["pass"] * 30)
    report = report_of(before, now)

    assert report.check_location[["state_before", "state"]].to_numpy().tolist() == [["healthy", "flaky"]]
    assert report.changes.empty


def test_a_pair_that_became_flaky_beyond_chance_is_announced_with_its_figures() -> None:
    """And recovered when it stops to be, the other way round."""
    flaky, fine = ["pass", "pass", "pass", "fail"] * 25 + ["pass"], ["pass"] * 101

    (row,) = changes(hourly(fine, start=LAST_WEEK), hourly(flaky))
    (back,) = changes(hourly(flaky, start=LAST_WEEK), hourly(fine))

    assert (row["kind"], row["measure"], row["before"]) == ("flaky", "flake_rate", 0)
    assert row["now"] == row["change"] == pytest.approx(25 / 101)
    assert (back["kind"], back["change"]) == ("recovered", pytest.approx(-25 / 101))


def test_new_and_gone_checks_are_told() -> None:
    """New, because others were recorded before."""
    before = hourly(["pass"] * 3, start=LAST_WEEK, check="Old")

    assert kinds(before, hourly(["pass"] * 3, check="Fresh")) == [("new", "Fresh"), ("gone", "Old")]


def test_the_first_week_of_all_has_no_new_checks() -> None:
    """There is nothing that it could be compared with."""
    assert not kinds(hourly(["pass"] * 3))


def test_a_check_that_ran_long_ago_is_not_new() -> None:
    """Quarterly ones have been seen, though not in the weeks that are looked at."""
    quarterly = [session(24 * day, {"eu": "pass"}, check="Quarterly") for day in (-90, 3)]
    others = hourly(["pass"] * 3, start=LAST_WEEK, check="Old") + hourly(["pass"] * 3, check="Old")

    assert not kinds(quarterly, others)


def test_no_check_is_gone_from_a_window_in_which_nothing_was_recorded() -> None:
    """Not the checks stopped, the recorder did."""
    assert not kinds(hourly(["pass"] * 3, start=LAST_WEEK))


def test_no_check_is_gone_that_runs_on_days_of_which_nothing_was_recorded() -> None:
    """The recorder stopped on Wednesday: what runs on Fridays could not be seen, what runs on Mondays could."""
    daily = [session(24 * day, {"eu": "pass"}, check="Daily") for day in range(-7, 3)]
    weekly = [session(24 * day, {"eu": "pass"}, check=name) for name, day in (("Monday", -7), ("Friday", -3))]

    assert kinds(daily, weekly) == [("gone", "Monday")]


def test_a_check_that_turned_slower_is_told_with_times_and_interval() -> None:
    """Six weeks of a second, a week of one and a half, four sessions a day."""
    payloads = [
        session(6.0 * n + 1, {"eu": "pass"}, elapsed=(1000 if n < 0 else 1500) * (1 + n % 5 / 50))
        for n in range(-4 * 42, 4 * 7)
    ]

    (row,) = changes(payloads)

    assert (row["kind"], row["measure"]) == ("slower", "time_elapsed")
    assert row["before"] == pytest.approx(1040, rel=0.02)
    assert row["change"] == pytest.approx(0.5, abs=0.03)
    assert row["change_low"] > 0.4
