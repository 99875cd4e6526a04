"""What a clock that was wrong means for the time after it was set right: nothing runs twice, nobody is silent."""

from datetime import timedelta
from pathlib import Path

from sqlalchemy import Engine
from structlog.testing import capture_logs

from recorder import roster
from recorder.db import transact
from recorder.ledger import orphaned_intents
from recorder.setback import take_back
from tests.factories import NOW, open_session, rows
from tests.recording import HandClock, harness, intent, schedule, start_beside


def test_a_ledger_ahead_of_the_clock_is_said_and_goes_on_without_repeating(engine: Engine, tmp_path: Path) -> None:
    """A clock ran an hour ahead for a while: what was sent then is not sent again, the others are due in their time."""
    with harness(engine, tmp_path, schedule(more='overlap = "allow"')) as recorder:
        recorder.clock.advance(hours=1)
        recorder.triggering.work()
        recorder.clock.advance(hours=-1)
        ahead = recorder.fires()

        with capture_logs() as said:
            corrected = recorder.restart()
        seen = []
        for _ in range(6):
            corrected.clock.advance(minutes=10)
            corrected.triggering.work()
            seen.append(corrected.triggers_received())

        assert [line["event"].split(":")[0] for line in said] == ["the ledger was ahead of the clock"]
        assert ahead == [*["skipped: coalesced"] * 5, "triggered"]
        assert corrected.fires() == ["triggered"] * 6
        assert seen == [2, 3, 4, 5, 6, 6], "one while the clock was wrong, the last instant's"


def test_a_running_recorder_whose_clock_is_set_right_is_not_silent_until_then(engine: Engine, tmp_path: Path) -> None:
    with harness(engine, tmp_path, schedule(more='overlap = "allow"')) as recorder:
        recorder.clock.advance(days=30)
        recorder.triggering.work()
        recorder.clock.advance(days=-30)

        recorder.triggering.go_back_to_the_clock()
        recorder.clock.advance(minutes=10)
        recorder.triggering.work()

        assert recorder.fires()[0] == "triggered"
        assert recorder.triggers_received() == 2


def test_a_gap_of_a_clock_that_ran_ahead_ends_where_the_clock_is(engine: Engine, tmp_path: Path) -> None:
    """A year of seconds is one row; the first hour of it has really passed, and what comes after gets its own rows."""
    with harness(engine, tmp_path, schedule(every="1s", more='misfire = "skip"\noverlap = "allow"')) as recorder:
        recorder.clock.advance(days=365)
        recorder.triggering.materialise()
        recorder.clock.advance(days=-365, hours=1)

        corrected = recorder.restart()
        corrected.clock.advance(seconds=3)
        corrected.triggering.materialise()
        found = rows(
            engine, "SELECT state, gap_count FROM fires WHERE scheduled_for < '2027-11-01' ORDER BY scheduled_for"
        )

        assert found == [("missed", 3_600), *[("due", None)] * 3]


def test_a_long_absence_after_a_clock_that_ran_ahead_leaves_no_instant_without_a_row(
    engine: Engine, tmp_path: Path
) -> None:
    """Rows of the wrong time stand in the middle of the gap and at its beginning: it is cut around them."""
    with harness(engine, tmp_path, schedule(every="1s", more='misfire = "skip"')) as recorder:
        recorder.clock.advance(seconds=2)
        recorder.triggering.materialise()
        recorder.clock.advance(hours=2)
        recorder.triggering.materialise()
        recorder.clock.advance(hours=-2)

        corrected = recorder.restart()
        corrected.clock.advance(hours=9)
        corrected.triggering.materialise()
        spans = rows(engine, "SELECT MIN(scheduled_for), COUNT(*), SUM(COALESCE(gap_count, 1)) FROM fires")
        gaps = rows(engine, "SELECT gap_count FROM fires WHERE gap_count IS NOT NULL ORDER BY scheduled_for")

        assert [tuple(span)[2] for span in spans] == [2 + 9 * 3600]
        assert gaps == [(7 * 3600 - 301,)], "all but those that are in time"


def test_a_clock_that_was_years_behind_leaves_no_rows_of_a_time_before_the_schedule(
    engine: Engine, tmp_path: Path
) -> None:
    """A machine without a battery starts in 1970, until somebody tells it the time."""
    with harness(engine, tmp_path, schedule(more='misfire = "skip"')) as recorder:
        recorder.clock.advance(minutes=10)
        recorder.triggering.work()
        years = timedelta(days=20_000)
        recorder.clock.at -= years
        behind = recorder.restart()
        behind.clock.at += years + timedelta(minutes=10)

        behind.triggering.materialise()

        assert [str(at)[:16] for (at,) in rows(engine, "SELECT scheduled_for FROM fires ORDER BY 1")] == [
            "2026-11-18 12:10",
            "2026-11-18 12:20",
        ]


def test_what_is_missed_after_the_clock_was_set_right_has_reasons_of_the_new_time(
    engine: Engine, tmp_path: Path
) -> None:
    """The process was not down, and no clock jumped an hour later."""
    with harness(engine, tmp_path, schedule(more='misfire = "skip"')) as recorder:
        recorder.clock.advance(days=-1)
        recorder.triggering.go_back_to_the_clock()
        recorder.clock.advance(minutes=2)

        recorder.clock.advance(minutes=36)
        recorder.triggering.work()

        assert recorder.fires() == ["missed: stalled"] * 3


def test_a_daemon_that_notices_later_silences_no_other(engine: Engine, tmp_path: Path) -> None:
    """The database's clock goes back; each daemon reads it every few seconds, so one still has the old time."""
    with harness(engine, tmp_path, schedule(every="1m", more='overlap = "allow"')) as one:
        late = HandClock(at=one.clock.at)
        other = start_beside(one, late)
        one.clock.advance(days=-1)
        one.triggering.go_back_to_the_clock()
        late.advance(minutes=1)
        other.triggering.work()
        one.clock.advance(minutes=1)
        one.triggering.work()
        late.at = one.clock.at
        other.triggering.go_back_to_the_clock()
        before = one.triggers_received()

        for _ in range(5):
            one.clock.advance(minutes=1)
            one.triggering.work()

        assert one.triggers_received() == before + 5


def test_a_session_of_a_clock_that_ran_ahead_is_given_up_in_its_time(engine: Engine) -> None:
    """Else it would keep its schedule from running for as long as the clock was wrong."""
    month = timedelta(days=30)
    open_session(engine, now=NOW + month, timeout=month + timedelta(minutes=5))

    transact(engine, lambda db: take_back(db, now=NOW))
    once = rows(engine, "SELECT deadline_at, recorded_at FROM check_sessions")
    transact(engine, lambda db: take_back(db, now=NOW + timedelta(minutes=1)))

    assert str(once[0][0]).startswith("2026-11-18 12:05:00")
    assert rows(engine, "SELECT deadline_at, recorded_at FROM check_sessions") == once


def test_an_intent_and_a_daemon_of_a_clock_that_ran_ahead_live_no_longer_than_others(
    engine: Engine, tmp_path: Path
) -> None:
    with harness(engine, tmp_path) as recorder:
        recorder.clock.advance(days=30)
        lost = intent(recorder, at=recorder.clock.now())
        sign_in = roster.sign_in
        transact(engine, lambda db: sign_in(db, owner=lost.owner, host="here", pid=4711, now=recorder.clock.now()))

        transact(engine, lambda db: take_back(db, now=NOW))
        later = NOW + timedelta(minutes=5)
        living = transact(engine, lambda db: roster.colleagues(db, owner=recorder.parts.owner, now=later))
        orphans = transact(
            engine,
            lambda db: orphaned_intents(db, owner=recorder.parts.owner, living=(), now=later, lock_proves=False),
        )

        assert living == []
        assert [orphan.pk for orphan in orphans] == [lost.pk]
