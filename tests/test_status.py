"""`recorder status`: what is recorded, what is open, and what a person should know."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine
from structlog.testing import capture_logs

from recorder.db import transact
from recorder.foreground import follow
from recorder.open_sessions import abandon_overdue, claim_open_sessions, postpone
from recorder.pacing import OVERDUE_AFTER
from recorder.store import Postponement
from recorder.surveying import status
from recorder.targets import Target
from tests.commands import command
from tests.factories import NOW, open_session, record, session
from tests.recording import Harness, harness

STARTED = datetime(2026, 11, 18, 11, 0, tzinfo=UTC)


def test_status_counts_what_is_there_and_what_is_open(engine: Engine) -> None:
    """One final session, one that is followed, one imported without an end."""
    record(engine, session("one"))
    open_session(engine, "two", startedAt="2026-11-18T11:30:00.000Z")
    record(engine, session("three", [], status="NEW_STATUS"))

    found = status(engine, now=NOW)

    assert found["sessions"] == {
        "recorded": 3,
        "final": 1,
        "followed": 1,
        "last_started_at": STARTED + timedelta(minutes=30),
        "results": 2,
    }
    assert [(one["what"], one["times"]) for one in found["contract_surprises"]] == [("status=NEW_STATUS", 1)]
    assert (found["fires"], found["schedules"], found["unreadable"], found["abandoned"]) == ([], [], [], [])
    assert found["health"] == {"state": "ok", "since": None, "why": None, "notes": []}


def test_status_of_an_empty_history_is_all_zero(engine: Engine) -> None:
    sessions = status(engine, now=NOW)["sessions"]

    assert sessions.pop("last_started_at") is None
    assert set(sessions.values()) == {0}


def test_status_tells_sessions_that_are_given_up_apart_by_reason_and_counts_none_as_followed(engine: Engine) -> None:
    """One is asked for hourly still, one was forgotten by Checkly; one ended after all, and is no concern any more."""
    for name in ("late", "ended after all"):
        open_session(engine, name)
    transact(engine, lambda work: abandon_overdue(work, now=NOW + timedelta(hours=1) + OVERDUE_AFTER))
    record(engine, session("ended after all"))
    forgotten = open_session(engine, "forgotten")
    [held] = transact(engine, lambda work: claim_open_sessions(work, now=NOW, limit=10, scope=[forgotten]))
    gone = Postponement(held.pk, None, abandoned_at=NOW, abandoned_reason="gone")
    transact(engine, lambda work: postpone(work, [gone]))

    found = status(engine, now=NOW + timedelta(hours=24, seconds=1))

    assert found["abandoned"] == [
        {"reason": "gone", "sessions": 1, "last_24_hours": 0},
        {"reason": "timeout", "sessions": 1, "last_24_hours": 1},
    ]
    assert (found["sessions"]["recorded"], found["sessions"]["final"], found["sessions"]["followed"]) == (3, 1, 0)
    assert found["health"]["state"] == "ok"
    assert found["health"]["notes"] == ["sessions given up in the last 24 hours: 1 timeout"]


@pytest.mark.parametrize(("minutes", "where"), [(-10, "ahead of"), (10, "behind")])
def test_a_checkly_minutes_away_is_in_the_log_and_in_the_status(
    engine: Engine, tmp_path: Path, minutes: int, where: str
) -> None:
    """Our clock is what is moved: the one cannot be told from the other."""
    with harness(engine, tmp_path) as recorder, capture_logs() as said:
        recorder.clock.follow_life()
        recorder.clock.advance(minutes=minutes)
        started = trigger(recorder)
        recorder.clock.advance(seconds=20)
        follow(recorder.parts, scope=started)

    [line] = [line for line in said if line["event"].startswith("Checkly's clock")]
    assert (line["event"], line["log_level"]) == (f"Checkly's clock is {where} ours", "warning")
    assert line["seconds"] == pytest.approx(600, abs=25)
    found = status(engine, now=NOW)["checkly_clock"]
    assert found["ahead_s"] == pytest.approx(-60 * minutes, abs=5)
    assert found["seen_at"] > recorder.clock.now() - timedelta(seconds=60)
    assert re.fullmatch(rf"(59\d|60\d) s {where} ours", clock_on_screen(engine, tmp_path))


def test_clocks_that_agree_are_so_in_the_status(engine: Engine, tmp_path: Path) -> None:
    with harness(engine, tmp_path) as recorder:
        recorder.clock.follow_life()
        trigger(recorder)

    assert status(engine, now=NOW)["checkly_clock"]["ahead_s"] == pytest.approx(0, abs=1)
    assert clock_on_screen(engine, tmp_path) == "agrees with ours"


def test_before_the_first_trigger_nothing_is_known_of_checkly_s_clock(engine: Engine) -> None:
    record(engine, session())

    assert status(engine, now=NOW)["checkly_clock"] == {"ahead_s": None, "seen_at": None}


def clock_on_screen(engine: Engine, folder: Path) -> str:
    """What `recorder status` prints of Checkly's clock."""
    address = engine.url.render_as_string(hide_password=False)
    return dict(command("status", "-d", address, folder=folder).table)["Checkly's clock"]


def trigger(recorder: Harness) -> Sequence[UUID]:
    """Start sessions now; their ids."""
    target = Target((("critical",),))
    return recorder.triggering.trigger_now(target, follow=recorder.follow, schedule=None, origin="manual").sessions
