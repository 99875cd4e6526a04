"""The seeded past: ordered, repeatable, and every scenario visible where it was put."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise
from statistics import median

import pytest

from recorder.simulator.history import past_sessions
from recorder.simulator.world import default_world
from tests.contract import ANSWERS, problems
from tests.simulator_caller import NOON, Payload

WORLD = default_world(seed=1)
EIGHT_WEEKS_AGO = NOON - timedelta(weeks=8)
LAST_WEEK = datetime.fromisoformat("2026-11-09T00:00:00+00:00")  # noon is a Wednesday


@cache
def eight_weeks() -> tuple[Payload, ...]:
    """Generate the past once for all tests that only read it."""
    return tuple(past_sessions(WORLD, start=EIGHT_WEEKS_AGO, end=NOON))


def past_of(name: str) -> list[Payload]:
    return [session for session in eight_weeks() if session["name"] == name]


def started_at(payload: Payload) -> datetime:
    return datetime.fromisoformat(payload["startedAt"])


def first_tries(sessions: list[Payload], location: str) -> tuple[int, int]:
    """Count sessions with a failed first try at the location, and all of them."""
    results = [[one for one in session["results"] if one["runLocation"] == location] for session in sessions]
    failed = [ones for ones in results if any(one["hasFailures"] or one["hasErrors"] for one in ones)]
    return len(failed), len(results)


def median_elapsed(name: str, begins: datetime, days: int = 7) -> float:
    """Compute the median timeElapsed of the days from `begins` on, in milliseconds."""
    return median(
        float(s["timeElapsed"]) for s in past_of(name) if timedelta(0) <= started_at(s) - begins < timedelta(days=days)
    )


def test_the_past_is_the_same_for_the_same_seed_and_window() -> None:
    """And another one for another seed or window."""
    yesterday = NOON - timedelta(days=1)
    first = list(past_sessions(WORLD, start=yesterday, end=NOON))

    assert list(past_sessions(WORLD, start=yesterday, end=NOON)) == first
    assert list(past_sessions(default_world(seed=2), start=yesterday, end=NOON)) != first
    other_window = past_sessions(WORLD, start=yesterday, end=NOON - timedelta(hours=1))
    assert {one["checkSessionId"] for one in first}.isdisjoint(one["checkSessionId"] for one in other_window)


def test_the_past_is_ordered_and_lies_in_its_half_open_window() -> None:
    """Nothing starts at the end or after it."""
    starts = [session["startedAt"] for session in eight_weeks()]

    assert starts == sorted(starts)
    assert started_at(eight_weeks()[0]) >= EIGHT_WEEKS_AGO
    assert started_at(eight_weeks()[-1]) < NOON


def test_a_window_that_cuts_a_cadence_holds_only_what_started_inside() -> None:
    """No run of the hour that had begun before the window."""
    start, end = NOON - timedelta(hours=3, minutes=55), NOON - timedelta(minutes=25)
    sessions = list(past_sessions(WORLD, start=start, end=end))

    assert all(start <= started_at(session) < end for session in sessions)
    assert {session["name"] for session in sessions} == {check.name for check in WORLD.eligible()}


def test_eight_weeks_hold_every_eligible_check_on_its_own_cadence() -> None:
    """About sixteen thousand sessions, none of them of a check that cannot run."""
    counts = Counter(session["name"] for session in eight_weeks())

    minutes = 8 * 7 * 24 * 60
    assert counts == {check.name: minutes // check.frequency_minutes for check in WORLD.eligible()}
    assert 10_000 <= counts.total() <= 17_000


def test_a_cadence_may_be_given_for_all_checks() -> None:
    """Six hours at 45 minutes are eight sessions of each check."""
    sessions = past_sessions(
        WORLD, start=NOON - timedelta(hours=6), end=NOON, cadence=timedelta(minutes=45), run_source="SCHEDULER"
    )

    counts = Counter((session["name"], session["runSource"]) for session in sessions)
    assert set(counts.values()) == {8}
    assert {source for _, source in counts} == {"SCHEDULER"}


def test_every_past_session_is_a_documented_completion_payload() -> None:
    """With ids that are never used twice and times that add up."""
    ids = Counter(session["checkSessionId"] for session in eight_weeks())
    ids.update(one["checkResultId"] for session in eight_weeks() for one in session["results"])

    assert set(ids.values()) == {1}
    for session in eight_weeks()[::40]:
        assert problems(session, ANSWERS["v2"]["completion"]) == []
        elapsed = datetime.fromisoformat(session["stoppedAt"]) - started_at(session)
        assert elapsed == timedelta(milliseconds=session["timeElapsed"])


def test_the_flaky_location_passes_on_retry_and_fails_alone_now_and_then() -> None:
    """About one first try in eight fails there; the check's other locations are quiet."""
    sessions = past_of("Checkout flow")
    failed, n = first_tries(sessions, "ap-southeast-2")
    failed_finals = [s for s in sessions if s["status"] == "FAILED"]

    assert 0.08 < failed / n < 0.16
    assert all(first_tries(sessions, quiet)[0] / n < 0.02 for quiet in ("us-east-1", "us-west-2", "eu-west-1"))
    assert len(failed_finals) >= 10
    gaps = [started_at(late) - started_at(early) for early, late in pairwise(failed_finals)]
    assert sum(gap <= timedelta(hours=3) for gap in gaps) < len(failed_finals) / 2


@pytest.mark.parametrize(
    ("name", "begins", "hours"),
    [
        ("Payments API", LAST_WEEK + timedelta(days=2, hours=9), 3.5),
        ("Cart API", LAST_WEEK - timedelta(days=26) + timedelta(hours=9), 5),
    ],
)
def test_an_outage_fails_every_location_of_its_check_for_hours(name: str, begins: datetime, hours: float) -> None:
    """One in the last full week and one some weeks before; outside of them the check is healthy."""
    inside = [s for s in past_of(name) if begins <= started_at(s) < begins + timedelta(hours=hours)]
    outside = [s for s in past_of(name) if s not in inside]

    assert len(inside) >= 5
    assert {s["status"] for s in inside} == {"FAILED"}
    finals = [one for s in inside for one in s["results"] if one["resultType"] == "FINAL"]
    assert all(one["hasFailures"] or one["hasErrors"] for one in finals)
    assert sum(s["status"] == "FAILED" for s in outside) <= 5


def test_the_degraded_day_is_a_thursday_of_the_last_full_week() -> None:
    """Most sessions of that day are degraded and slower, hardly one of any other day is."""
    day = LAST_WEEK + timedelta(days=3)
    sessions = past_of("Product catalogue API")
    on_day = [s for s in sessions if day <= started_at(s) < day + timedelta(days=1)]
    others = [s for s in sessions if s not in on_day]

    assert sum(s["status"] == "DEGRADED" for s in on_day) / len(on_day) > 0.9
    assert sum(s["status"] == "DEGRADED" for s in others) / len(others) < 0.02
    assert median(s["timeElapsed"] for s in on_day) > 1.3 * median(s["timeElapsed"] for s in others)


def test_the_step_raises_time_elapsed_by_a_third_with_the_last_full_week() -> None:
    """And it stays up to the end."""
    before = median_elapsed("Search results", LAST_WEEK - timedelta(days=7))

    assert 1.28 < median_elapsed("Search results", LAST_WEEK) / before < 1.42
    assert 1.28 < median_elapsed("Search results", LAST_WEEK + timedelta(days=7), days=2) / before < 1.42


def test_the_drift_rises_week_by_week_without_a_step() -> None:
    """A quarter more over eight weeks, never more than a few per cent in one of them."""
    weeks = [median_elapsed("Login journey", EIGHT_WEEKS_AGO + timedelta(weeks=week)) for week in range(8)]

    assert 1.15 < weeks[-1] / weeks[0] < 1.35
    assert all(late / early < 1.09 for early, late in pairwise(weeks))


def test_the_controls_neither_drift_nor_step() -> None:
    """A check without a scenario looks the same in every week."""
    for name in ("Storefront homepage", "Name resolution"):
        before = median_elapsed(name, LAST_WEEK - timedelta(days=7))
        assert 0.95 < median_elapsed(name, LAST_WEEK) / before < 1.05


def test_exactly_one_run_of_the_past_was_cancelled() -> None:
    """The Playwright suite, on the Tuesday of the last full week."""
    cancelled = [session for session in eight_weeks() if session["status"] == "CANCELLED"]

    assert [session["name"] for session in cancelled] == ["End-to-end suite"]
    assert started_at(cancelled[0]).date() == (LAST_WEEK + timedelta(days=1)).date()
    assert all(one["isCancelled"] and one["aborted"] for one in cancelled[0]["results"])
