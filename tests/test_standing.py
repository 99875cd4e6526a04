"""How things stand without any change: the sentence that says the week hides neither failures nor losses."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from recorder.models import Fire, Schedule
from reports.change_section import change_section
from reports.figure_section import figure_section
from reports.headline import headline
from reports.report import Report
from reports.weekly import build_report
from tests.past import MONDAY, Payload, empty_database, hourly, record, session, week

LAST_WEEK = -168
SILENCE = "; nothing was recorded after Mon 16 Nov"


def report_of(payloads: list[Payload], fires: dict[str, int] | None = None) -> Report:
    """The report on a week of these sessions and of so many due instants by what became of them."""
    engine = empty_database()
    record(engine, payloads)
    with engine.begin() as connection:
        connection.execute(insert(Schedule).values(pk=1, name="prod", definition="", cursor=MONDAY, created_at=MONDAY))
        for number, state in enumerate([state for state, count in (fires or {}).items() for _ in range(count)]):
            connection.execute(insert(Fire).values(fire(number, state)))
    return build_report(engine, week())


def fire(number: int, state: str) -> dict[str, Any]:
    due = MONDAY + timedelta(minutes=number)
    keys = {"schedule_pk": 1, "origin": "schedule", "state": state}
    return {**keys, "scheduled_for": due, "not_before": due, "attempt": 0, "gap_count": None}


def sentence(report: Report) -> str:
    return headline(report)[0].replace("\u2068", "").replace("\u2069", "")


def test_a_week_in_which_everything_fails_as_before_is_no_quiet_week() -> None:
    """Nothing changed, and nothing is well: neither the sentence nor the section without a change says otherwise."""
    report = report_of([*hourly(["fail"] * 168, start=LAST_WEEK), *hourly(["fail"] * 168)])

    assert report.changes.empty
    assert sentence(report) == "Every session failed: 168 of 168 sessions failed, of 1 check; Checkout is still broken."
    assert change_section(report).nothing.startswith("No change to announce: no check turned broken")
    assert "168 of 168 sessions failed" in change_section(report).nothing


def test_checks_that_stay_broken_are_counted_in_the_sentence() -> None:
    """Beside the one that turned broken this week."""
    names = ("Cart", "Login")
    broken = [one for name in names for one in hourly(["fail"] * 40, start=LAST_WEEK, check=name)]
    still = [one for name in names for one in hourly(["fail"] * 40, check=name)]
    turned = [*hourly(["pass"] * 40, start=LAST_WEEK, check="Pay"), *hourly(["pass"] * 30 + ["fail"] * 5, check="Pay")]

    assert sentence(report_of([*broken, *still, *turned])) == (
        "3 of 3 checks failed at least once: 85 of 115 sessions failed; Pay turned broken; 2 checks are still broken."
    )


def test_a_check_that_ran_too_seldom_to_be_called_broken_and_never_passed_is_named() -> None:
    """Seven of seven failed: no state says so, the sentence does."""
    daily = [
        session(24 * day + 3, {"eu": end}, check=name)
        for day in range(-7, 7)
        for name, end in (("Backup", "fail"), ("Cart", "pass"))
    ]

    assert sentence(report_of(daily)) == (
        "1 of 2 checks failed at least once: 7 of 14 sessions failed; Backup failed every time."
    )


@pytest.mark.parametrize(
    ("fires", "said"),
    [
        ({"triggered": 24}, ""),
        ({"triggered": 200, "missed": 1}, ""),
        ({"triggered": 99, "missed": 1}, "; only 99 of 100 due instants were triggered (1 missed)"),
        (
            {"triggered": 5, "missed": 3, "no_match": 2, "ambiguous": 1},
            "; only 5 of 11 due instants were triggered (2 no match, 1 ambiguous, 3 missed)",
        ),
    ],
)
def test_due_instants_that_came_to_nothing_are_said_beside_what_passed(fires: dict[str, int], said: str) -> None:
    """From one in a hundred on: that each recorded session passed is half of the truth."""
    assert sentence(report_of([*hourly(["pass"] * 24)], fires)) == (
        f"No session failed: 1 check ran 24 sessions that can be rated, and each of them passed{said}{SILENCE}."
    )


def test_a_week_of_due_instants_without_a_session_says_how_many_there_were() -> None:
    assert sentence(report_of([], {"missed": 168})) == (
        "No session was recorded in this window, so there is nothing to rate: "
        "only 0 of 168 due instants were triggered (168 missed)."
    )


def test_results_that_are_missing_and_sessions_that_cannot_be_rated_are_said() -> None:
    """A location that never answers lowers no pass rate."""
    half = [session(hour, {"eu": "pass", "us": None}) for hour in range(10)]
    cancelled = [session(hour, {"eu": "void"}, status="CANCELLED") for hour in range(10, 12)]

    assert sentence(report_of([*half, *cancelled])) == (
        "No session failed: 1 check ran 10 sessions that can be rated, and each of them passed; "
        "2 of 12 sessions cannot be rated (2 cancelled); 10 of 22 expected results are missing"
        f"{SILENCE}."
    )


def test_a_history_that_begins_inside_the_window_says_when() -> None:
    """Half a week is not a week."""
    assert sentence(report_of(hourly(["pass"] * 24, start=60))).endswith(
        "; nothing was recorded before Wed 18 Nov and after Thu 19 Nov."
    )


def test_a_week_in_whose_middle_the_history_begins_is_no_point_of_a_line() -> None:
    """It would read as a drop; a week that is there from its first hour is told."""
    since_wednesday = [session(hour, {"eu": "pass"}) for hour in range(-3 * 168 + 50, 168)]
    since_monday = [session(hour, {"eu": "pass"}) for hour in range(-3 * 168, 168)]

    weeks = {one.name: one.weeks for one in report_of(since_wednesday).key_figures}["sessions_rated"]
    whole = {one.name: one.weeks for one in report_of(since_monday).key_figures}["sessions_rated"]

    assert [str(value) for value in weeks] == ["nan"] * 5 + ["168.0"] * 3
    assert [str(value) for value in whole] == ["nan"] * 4 + ["168.0"] * 4


def test_half_a_week_before_is_called_what_it_is() -> None:
    """Its counts stand beside those of a whole week."""
    report = report_of([session(hour, {"eu": "pass"}) for hour in range(-60, 168)])

    assert figure_section(report).cards[2].before == "week before (from Fri 13 Nov on): 0"


def test_a_silence_at_the_end_of_the_window_is_said_unless_it_is_usual() -> None:
    """A recorder that stopped on Wednesday leaves no failure behind; one that rests at weekends rests every week."""
    stopped = [session(hour, {"eu": "pass"}) for hour in range(-168, 60)]
    weekdays = [session(24 * day + 9, {"eu": "pass"}) for day in (*range(-7, -2), *range(5))]

    assert sentence(report_of(stopped)).endswith("; nothing was recorded after Wed 18 Nov.")
    assert sentence(report_of(weekdays)).endswith(" and each of them passed.")
