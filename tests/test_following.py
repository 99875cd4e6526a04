"""What one answer about an open session means: pure, so every case is one line."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from recorder.errors import BadAnswer, ChecklyError, NoSuchThing, NotSent, Refused, TryLater
from recorder.following import judge
from recorder.open_sessions import OpenSession
from recorder.pacing import FORGOTTEN_AFTER, LATE_FOR, LATE_POLL, SETTLING, Expectation, expect
from recorder.payloads import StillRunning
from recorder.store import Postponement, Recording
from tests.factories import NOW, result, running, session, snapshot, some_id

OPEN = OpenSession(
    pk=7,
    check_session_id=snapshot(session()).check_session_id,
    origin="schedule",
    deadline_at=NOW + timedelta(hours=1),
    settling_since=None,
    missing_since=None,
    abandoned_at=None,
)
ONE_MISSING = snapshot(session(results=[result("one", "eu-central-1")]))


def recorded(verdict: Recording | Postponement) -> Recording:
    assert isinstance(verdict, Recording)
    return verdict


def postponed(verdict: Recording | Postponement) -> Postponement:
    assert isinstance(verdict, Postponement)
    return verdict


def test_a_final_answer_with_every_location_closes_the_session() -> None:
    verdict = recorded(judge(OPEN, snapshot(session()), now=NOW))

    assert (verdict.closes, verdict.next_poll_at, verdict.origin) == (True, None, "schedule")


def test_a_final_answer_that_lacks_a_location_waits_for_it() -> None:
    verdict = recorded(judge(OPEN, ONE_MISSING, now=NOW))

    assert not verdict.closes
    assert verdict.next_poll_at is not None
    assert verdict.next_poll_at - NOW < timedelta(seconds=10)


def test_a_location_that_never_reports_is_given_up_after_a_minute() -> None:
    settling = replace(OPEN, settling_since=NOW - SETTLING)

    assert recorded(judge(settling, ONE_MISSING, now=NOW)).closes


def test_a_cancelled_session_waits_for_nobody() -> None:
    assert recorded(judge(OPEN, snapshot(session(results=[], status="CANCELLED")), now=NOW)).closes


def test_a_retry_that_moved_leaves_no_location_missing() -> None:
    """A round-robin check ran in one location and ended in another: one FINAL for one location."""
    moved = snapshot(session(results=[result("one", "us-east-1")], runLocations=["eu-central-1"]))

    assert recorded(judge(OPEN, moved, now=NOW)).closes


def test_an_unknown_status_is_not_final() -> None:
    verdict = recorded(judge(OPEN, snapshot(running(status="THINKING")), now=NOW))

    assert not verdict.closes
    assert verdict.next_poll_at is not None


@pytest.mark.parametrize(("age_s", "pause_s"), [(1, 1), (100, 10), (3000, 30)])
def test_a_session_in_an_unknown_status_is_asked_for_the_less_the_older_it_is(age_s: float, pause_s: float) -> None:
    """Once a second until its deadline would be 3,600 requests for a status that a later version may know."""
    old = replace(OPEN, recorded_at=NOW - timedelta(seconds=age_s))

    verdict = recorded(judge(old, snapshot(running(status="THINKING")), now=NOW))

    assert verdict.next_poll_at == NOW + timedelta(seconds=pause_s)


@pytest.mark.parametrize(
    ("answer", "at_least", "at_most"),
    [
        (StillRunning(), 0, 0),
        (StillRunning(retry_after_s=7), 7, 7),
        (TryLater("", reason="rate_limited", retry_after_s=20), 20, 20),
        (TryLater("", reason="rate_limited", retry_after_s=0), 10, 10),
        (TryLater("", reason="http_5xx", retry_after_s=0), 10, 10),
        (TryLater("", reason="http_5xx", retry_after_s=600), 600, 600),
        (TryLater("", reason="http_5xx"), 5, 30),
        (NotSent("", reason="network"), 5, 30),
        (BadAnswer("", reason="bad_body"), 10, 60),
        (Refused("", reason="401"), 30, 900),
    ],
)
def test_no_news_postpones_the_next_question(
    answer: StillRunning | ChecklyError, at_least: float, at_most: float
) -> None:
    verdict = postponed(judge(OPEN, answer, now=NOW))

    assert verdict.next_poll_at is not None
    assert at_least <= (verdict.next_poll_at - NOW).total_seconds() <= at_most
    assert verdict.abandoned_at is None


@pytest.mark.parametrize(
    "answer",
    [
        StillRunning(retry_after_s=3600),
        TryLater("", reason="http_5xx", retry_after_s=3600),
        TryLater("", reason="rate_limited", retry_after_s=3600),
        Refused("", reason="401"),
        snapshot(running(status="THINKING")),
    ],
)
def test_whatever_wish_an_answer_carries_the_next_question_comes_at_the_deadline(answer: Any) -> None:
    """A session that is not asked for by then would stay open an hour past its time."""
    soon = replace(OPEN, recorded_at=NOW - timedelta(hours=1), deadline_at=NOW + timedelta(seconds=8))

    assert judge(soon, answer, now=NOW).next_poll_at == soon.deadline_at


@pytest.mark.parametrize("answer", [StillRunning(), TryLater("", reason="http_5xx"), snapshot(running())])
def test_past_its_deadline_a_running_session_is_abandoned_and_asked_hourly(answer: Any) -> None:
    late = replace(OPEN, deadline_at=NOW)

    verdict = postponed(judge(late, answer, now=NOW))

    assert (verdict.abandoned_at, verdict.abandoned_reason) == (NOW, "timeout")
    assert verdict.next_poll_at == NOW + LATE_POLL


def test_a_final_answer_past_the_deadline_is_accepted() -> None:
    late = replace(OPEN, deadline_at=NOW, abandoned_at=NOW - timedelta(hours=3))

    assert recorded(judge(late, snapshot(session()), now=NOW)).closes


def test_a_late_final_answer_that_lacks_a_location_settles_as_any_other() -> None:
    late = replace(OPEN, deadline_at=NOW, abandoned_at=NOW - LATE_FOR)

    verdict = recorded(judge(late, ONE_MISSING, now=NOW))

    assert verdict.next_poll_at is not None
    assert verdict.next_poll_at - NOW < timedelta(seconds=10)


@pytest.mark.parametrize(
    ("since", "next_poll"), [(timedelta(hours=1), NOW + LATE_POLL), (LATE_FOR, None)], ids=["hourly", "given up"]
)
def test_an_abandoned_session_is_asked_for_a_day(since: timedelta, next_poll: datetime | None) -> None:
    abandoned = replace(OPEN, deadline_at=NOW - since, abandoned_at=NOW - since)

    assert postponed(judge(abandoned, StillRunning(), now=NOW)).next_poll_at == next_poll


def test_a_session_that_checkly_does_not_know_is_asked_for_two_minutes_and_then_gone() -> None:
    first = postponed(judge(OPEN, NoSuchThing("", reason="not_found"), now=NOW))
    still = replace(OPEN, missing_since=NOW - FORGOTTEN_AFTER)
    last = postponed(judge(still, NoSuchThing("", reason="not_found"), now=NOW))

    assert (first.missing_since, first.abandoned_at) == (NOW, None)
    assert first.next_poll_at is not None
    assert (last.abandoned_reason, last.next_poll_at) == ("gone", None)


def test_an_answer_ends_an_unbroken_row_of_404s() -> None:
    """Otherwise two short outages, hours apart, would add up to a session that is gone."""
    missing = replace(OPEN, missing_since=NOW - timedelta(hours=1))

    assert postponed(judge(missing, StillRunning(), now=NOW)).missing_since is None


@pytest.mark.parametrize(
    ("left", "expected"), [(timedelta(hours=1), 30), (timedelta(seconds=12), 12), (timedelta(seconds=-5), 1)]
)
def test_the_long_poll_ends_with_the_deadline(left: timedelta, expected: int) -> None:
    assert replace(OPEN, deadline_at=NOW + left).wait_s(NOW) == expected


def test_a_short_check_is_not_waited_for_as_long_as_a_long_one() -> None:
    """Twice the longest run, and then, when it has outlived all others, as long as Checkly allows."""
    quick = replace(OPEN, recorded_at=NOW, expectation=expect("API", [4000] * 10))

    assert [quick.wait_s(NOW + timedelta(seconds=age)) for age in (0, 4, 9)] == [9, 5, 30]


@pytest.mark.parametrize(("age_s", "pause_s"), [(5, 1), (100, 10), (1000, 29.9)])
def test_a_server_that_holds_no_answer_is_asked_the_less_the_older_the_session_is(age_s: float, pause_s: float) -> None:
    old = replace(OPEN, recorded_at=NOW - timedelta(seconds=age_s))

    verdict = postponed(judge(old, StillRunning(), now=NOW, held_s=0.1))

    assert verdict.next_poll_at == NOW + timedelta(seconds=pause_s)


def test_a_session_that_runs_on_is_expected_at_its_next_milestone() -> None:
    """The middle of its check's runs, the longest of them, and then as long again as it has run."""
    known = replace(OPEN, recorded_at=NOW, expectation=Expectation(2.0, 4.0, 8.0))
    ages = [timedelta(seconds=age) for age in (3, 5, 20)]

    verdicts = [postponed(judge(known, StillRunning(), now=NOW + age)) for age in ages]

    assert [verdict.expected_at for verdict in verdicts] == [NOW + timedelta(seconds=at) for at in (4, 8, 40)]


def test_the_session_of_the_cases_is_the_factory_s() -> None:
    assert str(OPEN.check_session_id) == some_id("one")


def test_a_cancelled_session_is_asked_for_soon_and_then_less_and_less() -> None:
    """Its CANCELLED is there within seconds; a cancellation that was put off by a 429 is asked for again each time."""
    late = replace(OPEN, deadline_at=NOW, cancel_on_timeout=True)
    abandoned = replace(late, abandoned_at=NOW)

    first = postponed(judge(late, TryLater("", reason="rate_limited", retry_after_s=1), now=NOW))
    later = [postponed(judge(abandoned, StillRunning(), now=NOW + timedelta(seconds=s))) for s in (40, 7200)]

    assert (first.abandoned_reason, first.next_poll_at) == ("timeout", NOW + timedelta(seconds=10))
    assert later[0].next_poll_at == NOW + timedelta(seconds=80)
    assert later[1].next_poll_at == NOW + timedelta(hours=3)
    assert abandoned.is_to_be_cancelled(NOW)
    assert not OPEN.is_to_be_cancelled(NOW + timedelta(hours=2))


@pytest.mark.parametrize("answer", [NoSuchThing("gone", reason="not_found"), TryLater("503", reason="http_5xx")])
def test_what_was_seen_to_end_is_over_after_a_minute_whatever_is_answered(answer: ChecklyError) -> None:
    """With what there is; before that minute is over it is asked for again soon."""
    settling = replace(OPEN, settling_since=NOW)

    early = postponed(judge(settling, answer, now=NOW + SETTLING / 2))
    late = postponed(judge(settling, answer, now=NOW + SETTLING))

    assert early.final_at is None
    assert early.next_poll_at is not None
    assert (late.final_at, late.next_poll_at, late.abandoned_at) == (NOW + SETTLING, None, None)


def test_an_error_that_shows_nothing_breaks_no_row_of_404s() -> None:
    missing = replace(OPEN, missing_since=NOW)

    between = postponed(judge(missing, TryLater("503", reason="http_5xx"), now=NOW + timedelta(minutes=1)))

    assert between.missing_since == NOW
