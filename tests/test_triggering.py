"""The ledger's promise: at most one request for each due instant, and a row that says what became of it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event

from recorder import db
from recorder.materialising import ENOUGH
from recorder.simulator.faults import Fault, FaultKind
from tests.factories import NOW, rows
from tests.recording import Harness, harness, schedule

HOUR = timedelta(hours=1)


@pytest.fixture
def recorder(engine: Engine, tmp_path: Path) -> Iterator[Harness]:
    with harness(engine, tmp_path) as made:
        yield made


def test_a_due_instant_becomes_one_trigger_with_its_sessions(recorder: Harness) -> None:
    recorder.clock.advance(minutes=10)

    assert recorder.triggering.work()

    assert recorder.fires() == ["triggered"]
    assert recorder.triggers_received() == 1
    assert recorder.session_ids() == recorder.session_ids_seen_by_the_witness() != set()
    assert rows(recorder.engine, "SELECT DISTINCT origin FROM check_sessions") == [("schedule",)]


def test_nothing_is_sent_before_the_first_instant(recorder: Harness) -> None:
    """A new schedule starts now: what was due before it was known is nobody's."""
    recorder.clock.advance(minutes=9, seconds=59)

    assert not recorder.triggering.work()

    assert recorder.fires() == []
    assert recorder.triggers_received() == 0


def test_an_instant_is_not_sent_again_by_a_second_look(recorder: Harness) -> None:
    recorder.clock.advance(minutes=10)
    recorder.triggering.work()

    recorder.triggering.work()
    recorder.restart().triggering.work()

    assert recorder.fires() == ["triggered"]
    assert recorder.triggers_received() == 1


def test_a_target_that_matches_nothing_is_no_match(engine: Engine, tmp_path: Path) -> None:
    with harness(engine, tmp_path, schedule(tags=(("no-such-tag",),))) as recorder:
        recorder.clock.advance(minutes=10)

        recorder.triggering.work()

        assert recorder.fires() == ["no_match"]


@pytest.mark.parametrize(
    ("fault", "outcome", "acted_on"),
    [
        (Fault(kind=FaultKind.RESET_BEFORE), "ambiguous: conn_reset", 0),
        (Fault(kind=FaultKind.RESET_AFTER), "ambiguous: conn_reset", 1),
        (Fault(kind=FaultKind.TRUNCATE), "ambiguous: bad_body", 1),
        (Fault(kind=FaultKind.TRUNCATE, has_length=False), "ambiguous: bad_body", 1),
        (Fault(kind=FaultKind.GARBAGE), "ambiguous: bad_body", 1),
        (Fault(kind=FaultKind.STATUS, status=500), "ambiguous: http_5xx", 0),
        (Fault(kind=FaultKind.STATUS_AFTER, status=502, html=True), "ambiguous: http_5xx", 1),
        (Fault(kind=FaultKind.STATUS, status=400), "rejected: 400", 0),
        (Fault(kind=FaultKind.STATUS, status=401), "rejected: 401", 0),
        (Fault(kind=FaultKind.STATUS, status=402), "rejected: 402", 0),
        (Fault(kind=FaultKind.STATUS, status=403), "rejected: 403", 0),
        (Fault(kind=FaultKind.STATUS, status=302), "rejected: redirect", 0),
    ],
    ids=lambda value: f"{value.kind}-{value.status}" if isinstance(value, Fault) else None,
)
def test_a_trigger_that_went_wrong_is_written_down_and_never_sent_again(
    recorder: Harness, fault: Fault, outcome: str, acted_on: int
) -> None:
    """Whether it was acted on cannot be known from here: the simulator's witness knows."""
    recorder.checkly.inject(fault)
    recorder.clock.advance(minutes=10)

    recorder.triggering.work()
    recorder.clock.advance(minutes=1)
    recorder.triggering.work()

    assert recorder.fires() == [outcome]
    assert recorder.triggers_received() == 1
    assert recorder.triggers_acted_on() == acted_on


def test_an_unreadable_answer_is_kept_raw(recorder: Harness) -> None:
    """Its bytes may be the only trace of the sessions that it started."""
    recorder.checkly.inject(Fault(kind=FaultKind.GARBAGE))
    recorder.clock.advance(minutes=10)

    recorder.triggering.work()

    assert rows(recorder.engine, "SELECT kind, why, fire_pk IS NOT NULL FROM payloads") == [
        ("trigger", "bad_body", True)
    ]


def test_one_malformed_session_is_kept_apart_and_the_others_are_followed(recorder: Harness) -> None:
    recorder.checkly.inject(Fault(kind=FaultKind.MALFORMED_SESSION))
    recorder.clock.advance(minutes=10)

    recorder.triggering.work()

    started = len(recorder.session_ids_seen_by_the_witness())
    assert recorder.fires() == ["triggered"]
    assert recorder.sessions() == started - 1
    assert rows(recorder.engine, "SELECT COUNT(*) FROM payloads WHERE kind = 'malformed'") == [(1,)]


def test_a_rate_limited_trigger_is_sent_again_when_the_server_says(recorder: Harness) -> None:
    recorder.checkly.inject(Fault(kind=FaultKind.STATUS, status=429, retry_after="0"))
    recorder.clock.advance(minutes=10)

    recorder.triggering.work()
    recorder.clock.advance(seconds=6)
    recorder.triggering.work()

    assert recorder.fires() == ["triggered"]
    assert rows(recorder.engine, "SELECT attempt, reason FROM fires") == [(2, None)]
    assert recorder.triggers_acted_on() == 1


def test_a_trigger_that_could_not_connect_is_tried_again_and_missed_after_its_grace(
    engine: Engine, tmp_path: Path
) -> None:
    with harness(engine, tmp_path) as recorder:
        gone = recorder
    gone.clock.advance(minutes=10)

    gone.triggering.work()
    first = gone.fires()
    gone.clock.advance(minutes=6)
    gone.triggering.work()

    assert first == ["due: network"]
    assert gone.fires() == ["missed: network"]


@pytest.mark.parametrize("misfire", ["skip", "run_once"])
def test_a_wish_to_wait_beyond_the_grace_is_a_miss_at_once(engine: Engine, tmp_path: Path, misfire: str) -> None:
    """An hour's Retry-After would otherwise run a check an hour late, and be due all the while."""
    with harness(engine, tmp_path, schedule(more=f'misfire = "{misfire}"')) as recorder:
        limited = Fault(kind=FaultKind.STATUS, route="trigger", status=429, retry_after="3600", count=None)
        recorder.checkly.inject(limited)
        recorder.clock.advance(minutes=10)

        recorder.triggering.work()

        assert recorder.fires() == ["missed: rate_limited"]
        assert recorder.triggers_received() == 1


@pytest.mark.parametrize("retry_after", ["0", "1", None])
def test_tries_are_apart_and_end_with_the_grace(engine: Engine, tmp_path: Path, retry_after: str | None) -> None:
    """Each is refused at once: a server that says "now" is not asked a hundred times a minute."""
    with harness(engine, tmp_path, schedule(more='misfire_grace = "30s"')) as recorder:
        limited = Fault(kind=FaultKind.STATUS, route="trigger", status=429, retry_after=retry_after, count=None)
        recorder.checkly.inject(limited)
        recorder.clock.advance(minutes=10)
        for _ in range(45):
            recorder.triggering.work()
            recorder.clock.pass_by(1)

        assert recorder.fires() == ["missed: rate_limited"]
        assert 2 <= recorder.triggers_received() <= 7


def test_a_fire_that_runs_late_after_an_absence_has_its_grace_from_its_first_try(
    engine: Engine, tmp_path: Path
) -> None:
    """A machine that has just started may have no network for its first seconds."""
    with harness(engine, tmp_path) as recorder:
        recorder.clock.advance(hours=3, minutes=8)
        recorder.checkly.inject(Fault(kind=FaultKind.STATUS, route="trigger", status=429, count=1))
        late = recorder.restart()
        late.triggering.work()
        first = late.fires()[-1]
        late.clock.pass_by(6)
        late.triggering.work()

        assert (first, late.fires()[-1]) == ("due: rate_limited", "triggered")


def test_a_machine_that_slept_between_intent_and_request_sends_nothing(recorder: Harness) -> None:
    recorder.clock.advance(minutes=10)
    recorder.clock.slept_s = 6.0

    recorder.triggering.work()

    assert recorder.fires() == ["missed: stalled"]
    assert recorder.triggers_received() == 0


def test_an_overlapping_instant_is_skipped_while_sessions_are_followed(recorder: Harness) -> None:
    recorder.clock.advance(minutes=10)
    recorder.triggering.work()
    recorder.clock.advance(minutes=10)

    recorder.triggering.work()

    assert recorder.fires() == ["triggered", "skipped: overlap"]


def test_overlap_is_allowed_when_asked_for(engine: Engine, tmp_path: Path) -> None:
    with harness(engine, tmp_path, schedule(more='overlap = "allow"')) as recorder:
        for _ in range(2):
            recorder.clock.advance(minutes=10)
            recorder.triggering.work()

        assert recorder.fires() == ["triggered", "triggered"]


@pytest.mark.parametrize(
    ("misfire", "expected"),
    [
        ("run_once", [*["skipped: coalesced"] * 5, "triggered"]),
        ("skip", ["missed: daemon_down"] * 6),
    ],
)
def test_after_an_absence_each_instant_has_a_row_and_at_most_one_runs(
    engine: Engine, tmp_path: Path, misfire: str, expected: list[str]
) -> None:
    with harness(engine, tmp_path, schedule(more=f'misfire = "{misfire}"')) as recorder:
        recorder.clock.advance(hours=1, minutes=8)

        recorder.restart().triggering.work()

        assert recorder.fires() == expected


def test_what_passed_before_the_start_and_after_it_has_reasons_of_its_own(engine: Engine, tmp_path: Path) -> None:
    with harness(engine, tmp_path, schedule(more='misfire = "skip"')) as recorder:
        recorder.clock.advance(minutes=25)
        successor = recorder.restart()
        recorder.clock.advance(minutes=32)

        successor.triggering.work()

        assert recorder.fires() == ["missed: daemon_down"] * 2 + ["missed: stalled"] * 3


def test_many_long_absences_are_not_one_long_transaction(engine: Engine, tmp_path: Path) -> None:
    """While it lasts nobody else writes on SQLite: what a schedule alone makes is enough for one."""
    with harness(engine, tmp_path, schedule("one", every="1s") + schedule("two", every="1s")) as recorder:
        recorder.clock.advance(seconds=ENOUGH)
        writes: list[str] = []
        event.listen(engine, "commit", lambda _: writes.append("commit"))

        recorder.triggering.materialise()

        assert rows(engine, "SELECT COUNT(*) FROM fires") == [(2 * ENOUGH,)]
        assert len(writes) == 2


def test_a_very_long_absence_is_one_gap_row(engine: Engine, tmp_path: Path) -> None:
    with harness(engine, tmp_path, schedule(every="1s")) as recorder:
        recorder.clock.advance(hours=10)

        recorder.triggering.work()

        gap, newest = rows(engine, "SELECT state, reason, gap_count FROM fires ORDER BY scheduled_for")
        assert (tuple(gap), tuple(newest)) == (("skipped", "coalesced", 35_999), ("triggered", None, None))


def test_a_paused_schedule_says_so_for_each_instant(engine: Engine, tmp_path: Path) -> None:
    with harness(engine, tmp_path, schedule(more="paused = true")) as recorder:
        recorder.clock.advance(minutes=20)

        recorder.triggering.work()

        assert recorder.fires() == ["skipped: paused"] * 2
        assert recorder.triggers_received() == 0


def test_jitter_delays_the_request_and_not_the_instant(engine: Engine, tmp_path: Path) -> None:
    with harness(engine, tmp_path, schedule(more='jitter = "5m"')) as recorder:
        recorder.clock.advance(minutes=10)
        recorder.triggering.work()
        early = recorder.fires()
        recorder.clock.advance(minutes=5)
        recorder.triggering.work()

        assert early == ["due"]
        assert recorder.fires() == ["triggered"]
        assert str(rows(engine, "SELECT scheduled_for FROM fires")[0][0]).startswith("2026-11-18 12:10:00")


def test_jitter_is_no_lateness_after_an_absence_either(engine: Engine, tmp_path: Path) -> None:
    configuration = schedule(every="1h", more='jitter = "59m"\nmisfire = "skip"\nmisfire_grace = "1m"')
    with harness(engine, tmp_path, configuration) as recorder:
        recorder.clock.advance(hours=1, minutes=2)

        recorder.restart().triggering.work()

        assert recorder.fires() == ["due"]


def test_what_is_due_for_a_removed_schedule_is_skipped(engine: Engine, tmp_path: Path) -> None:
    with harness(engine, tmp_path) as recorder:
        recorder.clock.advance(minutes=10)
        recorder.triggering.materialise()

        recorder.parts.triggering().enrol({}, {})

        assert recorder.fires() == ["skipped: config_removed"]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.integers(min_value=1, max_value=5_000), min_size=1, max_size=8))
def test_every_instant_between_first_cursor_and_now_has_exactly_one_row(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int]
) -> None:
    """Whenever the daemon looked, and however long it was away."""
    folder = tmp_path_factory.mktemp("ledger")
    engine = db.open_engine(f"sqlite:///{folder / 'history.db'}")
    db.upgrade(engine)
    with harness(engine, folder, schedule(every="7m", tags=(("no-such-tag",),))) as recorder:
        process = recorder
        for seconds in steps:
            recorder.clock.advance(seconds=seconds)
            process = process.restart()
            process.triggering.work()

    instants = [str(at) for (at,) in rows(engine, "SELECT scheduled_for FROM fires ORDER BY scheduled_for")]
    epoch, width = int(NOW.timestamp()), 7 * 60
    due = range((epoch // width + 1) * width, int(recorder.clock.at.timestamp()) + 1, width)
    assert [int(_epoch(at)) for at in instants] == list(due)
    assert not rows(engine, "SELECT 1 FROM fires WHERE state IN ('due', 'intent')")
    engine.dispose()


def _epoch(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
