"""What is expected of a check is what its recorded history says, in these locations, on both databases."""

import json
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from recorder.db import transact
from recorder.dimensions import table_of
from recorder.foreground import follow
from recorder.inspecting import query
from recorder.learning import SEARCHED_RUNS, ChangedCheck, load_expectations_of
from recorder.materialising import Follow
from recorder.models import CheckSession
from recorder.open_sessions import claim_open_sessions
from recorder.pacing import LONGEST_RUN_S, PRIORS, REMEMBERED_RUNS, UNKNOWN, Expectation, NewRegime, expect
from recorder.targets import Target
from recorder.tracking import Fetched, write_answers
from tests.factories import CHECK_ID, LOCATIONS, NOW, open_session, record, running, session, snapshot, some_id
from tests.recording import Harness, harness


def run(number: int, elapsed_ms: float | None, **changes: Any) -> dict[str, Any]:
    """The numbered session of the check, a minute after the one before."""
    began = (NOW - timedelta(days=1) + timedelta(minutes=number)).isoformat()
    return session(f"run {number}", startedAt=began, timeElapsed=elapsed_ms, **changes)


def learned(engine: Engine, locations: tuple[str, ...] = LOCATIONS) -> Expectation | None:
    key = (UUID(CHECK_ID), locations)
    return transact(engine, lambda db: load_expectations_of(db, [key])).get(key)


def test_the_newest_runs_of_the_check_are_what_is_learned(engine: Engine) -> None:
    record(engine, *(run(number, 1000 * number) for number in range(100, 200)))

    assert learned(engine) == expect("API", [1000 * number for number in range(199, 199 - REMEMBERED_RUNS, -1)])


def test_runs_of_which_no_duration_is_known_hide_none_of_the_others(engine: Engine) -> None:
    """A backfill may put hundreds of them between two that were triggered."""
    record(engine, *(run(number, 4000) for number in range(10)))

    record(engine, *(run(number, None) for number in range(10, 10 + 2 * SEARCHED_RUNS)))

    assert learned(engine) == Expectation(4.0, 4.0, 4.0)


def test_what_an_import_adds_from_long_ago_changes_nothing(engine: Engine) -> None:
    record(engine, *(run(number, 4000) for number in range(REMEMBERED_RUNS)))
    before = learned(engine)

    record(engine, *(run(number, 90_000) for number in range(-50, 0)))

    assert learned(engine) == before


def test_other_locations_are_another_matter(engine: Engine) -> None:
    record(engine, *(run(number, 4000) for number in range(10)))
    record(engine, *(run(number, 60_000, runLocations=["far-away"]) for number in range(10, 20)))

    assert learned(engine) == Expectation(4.0, 4.0, 4.0)
    assert learned(engine, ("far-away",)) == Expectation(60.0, 60.0, 60.0)


def test_cancelled_running_and_timeless_sessions_teach_nothing(engine: Engine) -> None:
    record(engine, *(run(number, 4000) for number in range(10)))
    record(engine, run(11, 1, status="CANCELLED"), run(12, None), run(13, 1, status="PROGRESS"))

    assert learned(engine) == Expectation(4.0, 4.0, 4.0)


def test_a_check_that_never_ended_starts_from_its_type(engine: Engine) -> None:
    record(engine, run(1, None, checkType="BROWSER"))

    assert learned(engine) == PRIORS["BROWSER"]
    assert learned(engine, ("never seen",)) is None


def test_a_check_in_new_locations_starts_from_what_it_took_elsewhere(engine: Engine) -> None:
    """Until three runs there tell more."""
    record(engine, *(run(number, 4000) for number in range(10)))
    new = [run(number, 60_000, runLocations=["new"]) for number in range(10, 13)]

    record(engine, *new[:2])
    few = learned(engine, ("new",))
    record(engine, new[2])

    assert few == expect("API", [60_000, 60_000, *[4000] * 10])
    assert learned(engine, ("new",)) == expect("API", [60_000] * 3)


def test_runs_in_other_locations_push_none_out(engine: Engine) -> None:
    """A check that moves about, a run in each of twenty places by turns, is known in each of them."""
    places = [f"place-{number}" for number in range(20)]
    record(
        engine, *(run(n, 3000 + 10_000 * (n % 20), runLocations=[places[n % 20]]) for n in range(20 * REMEMBERED_RUNS))
    )

    for number, place in enumerate(places):
        assert learned(engine, (place,)) == expect("API", [3000 + 10_000 * number] * REMEMBERED_RUNS)


def test_a_claimed_session_knows_what_is_expected_of_it(engine: Engine) -> None:
    record(engine, *(run(number, 4000) for number in range(10)))
    open_session(engine)

    [claimed] = transact(engine, lambda db: claim_open_sessions(db, now=NOW, limit=10))

    assert claimed.expectation == Expectation(4.0, 4.0, 4.0)
    assert (claimed.recorded_at, claimed.wait_s(NOW + timedelta(seconds=2))) == (NOW, 7)


def test_whoever_is_expected_first_is_claimed_first(engine: Engine) -> None:
    for name, seconds in (("slow", 60), ("quick", 3), ("middling", 20)):
        expected_at = NOW + timedelta(seconds=seconds)
        record(engine, running(name), origin="manual", next_poll_at=NOW, expected_at=expected_at)

    claims = [transact(engine, lambda db: claim_open_sessions(db, now=NOW, limit=1)) for _ in range(3)]

    assert [str(one.check_session_id) for [one] in claims] == [some_id(name) for name in ("quick", "middling", "slow")]


def test_a_triggered_session_is_first_asked_for_when_few_of_its_kind_are_over(engine: Engine, tmp_path: Path) -> None:
    """Learned from what a recorder has written, by its successor."""
    with harness(engine, tmp_path) as recorder:
        first = trigger(recorder)
        with engine.begin() as connection:
            connection.exec_driver_sql("UPDATE check_sessions SET outcome = 'PASS', time_elapsed_ms = 40000")
        again = trigger(recorder.restart())

    sessions = table_of(CheckSession)
    times = select(sessions.c.next_poll_at, sessions.c.expected_at).where(sessions.c.check_session_id.in_(again))
    found = transact(engine, lambda db: db.execute(times).all())
    assert len(found) == len(first) == len(again)
    assert set(found) == {(NOW + timedelta(seconds=30), NOW + timedelta(seconds=40))}


def trigger(recorder: Harness) -> tuple[UUID, ...]:
    hour = Follow(timedelta(hours=1))
    return recorder.triggering.trigger_now(
        Target((("critical",),)), follow=hour, schedule=None, origin="manual"
    ).sessions


@pytest.mark.parametrize("check_type", ["BROWSER", "PLAYWRIGHT", "API", "NEW"])
def test_a_check_never_seen_is_expected_to_do_as_its_type(check_type: str) -> None:
    assert expect(check_type) == PRIORS.get(check_type, UNKNOWN)


def test_few_runs_are_taken_with_caution() -> None:
    assert expect("API", [4000, 8000]).early_s == 3.0


def test_durations_beyond_reason_delay_no_question_for_days() -> None:
    assert expect("API", [10**15, -5]) == Expectation(0.0, LONGEST_RUN_S / 2, LONGEST_RUN_S)


def end_one(engine: Engine, number: int, elapsed_ms: float, **changes: Any) -> list[ChangedCheck]:
    """Follow one more session of the check to its end; what that has made certain."""
    name = f"run {number}"
    open_session(engine, name, startedAt=run(number, 0)["startedAt"])
    return end_together(engine, run(number, elapsed_ms, **changes))


def end_together(engine: Engine, *ends: dict[str, Any]) -> list[ChangedCheck]:
    """Let one batch hold the ends of all sessions that are open."""
    answers = {one.check_session_id: one for one in map(snapshot, ends)}

    def work(db: Session) -> list[ChangedCheck]:
        claimed = claim_open_sessions(db, now=NOW, limit=10)
        batch = [Fetched(one, answers[one.check_session_id], NOW, held_s=1.0) for one in claimed]
        return list(write_answers(db, batch).changed)

    return transact(engine, work)


@pytest.mark.parametrize(("before_s", "after_s"), [(3, 31.2), (31.2, 3)])
def test_a_lasting_change_of_durations_is_told_with_the_third_run_and_once(
    engine: Engine, before_s: float, after_s: float
) -> None:
    record(engine, *(run(number, 1000 * before_s) for number in range(20)))

    told = [end_one(engine, number, 1000 * after_s) for number in range(20, 26)]

    change = ChangedCheck("Checkout (API)", NewRegime(after_s, before_s, 20))
    assert told == [[], [], [change], [], [], []]


def test_a_change_that_several_runs_of_one_batch_make_certain_is_told(engine: Engine) -> None:
    """After an outage a whole backlog is written in one transaction."""
    record(engine, *(run(number, 3000) for number in range(20)))
    for number in range(20, 25):
        open_session(engine, f"run {number}", startedAt=run(number, 0)["startedAt"])

    told = end_together(engine, *(run(number, 30_000) for number in range(20, 25)))

    assert [one.regime for one in told] == [NewRegime(30.0, 3.0, 19)]


def test_runs_that_were_asked_for_before_the_change_was_certain_tell_it_no_second_time(engine: Engine) -> None:
    """Five at once, each expected to take what the check used to take, end one after the other."""
    record(engine, *(run(number, 3000) for number in range(15)))
    for number in range(20, 25):
        open_session(engine, f"run {number}", startedAt=run(number, 0)["startedAt"])
    claimed = transact(engine, lambda db: claim_open_sessions(db, now=NOW, limit=10))

    told = []
    for number, one in enumerate(sorted(claimed, key=lambda held: held.pk), start=20):
        batch = [Fetched(one, snapshot(run(number, 30_000)), NOW, held_s=1.0)]
        told.append(transact(engine, partial(write_answers, batch=batch)).changed)

    assert [len(changes) for changes in told] == [0, 0, 1, 0, 0]


@pytest.mark.parametrize("after_ms", [[30_000, 30_000, 3000, 30_000], [7000] * 4, [3000] * 4])
def test_single_slow_runs_and_small_changes_are_not_told(engine: Engine, after_ms: list[float]) -> None:
    record(engine, *(run(number, 3000) for number in range(20)))

    assert [end_one(engine, 20 + number, ms) for number, ms in enumerate(after_ms)] == [[]] * 4


def test_a_cancelled_run_tells_no_change_again(engine: Engine) -> None:
    """It teaches nothing, so the third run is still the newest that does."""
    record(engine, *(run(number, 3000) for number in range(20)), *(run(number, 30_000) for number in range(20, 23)))

    assert end_one(engine, 23, 1, status="CANCELLED") == []


def test_the_daemon_names_a_check_whose_durations_have_changed(engine: Engine, tmp_path: Path) -> None:
    """What is learned follows by itself; that a check takes a tenth of that was said by nobody."""
    with harness(engine, tmp_path) as recorder, capture_logs() as said:
        started, check_id, name, kind, places, took_ms = run_all_once(recorder)
        like_it = {"checkId": check_id, "name": name, "checkType": kind, "runLocations": json.loads(places)}
        for number, elapsed_ms in enumerate([10 * took_ms] * 5 + [took_ms]):
            began = (started - timedelta(minutes=10 - number)).isoformat()
            record(engine, session(f"past {number}", [], **like_it, startedAt=began, timeElapsed=elapsed_ms))
        run_all_once(recorder)

    [line] = [line for line in said if line["event"] == "a check takes another time than it used to"]
    assert (line["check"], line["log_level"], line["median_of"]) == (f"{name} ({kind})", "info", 5)
    assert line["used_to_take_s"] == pytest.approx(took_ms / 100, abs=0.1)


def run_all_once(recorder: Harness) -> Any:
    """Trigger and follow to the end; start, check id, name, type, locations, duration in ms of one of the sessions."""
    started = trigger(recorder)
    recorder.clock.advance(minutes=30)
    follow(recorder.parts, scope=started)
    history = "SELECT started_at, check_id, check_name, check_type, run_locations, time_elapsed_ms FROM session_history"
    [one] = query(recorder.engine, f"{history} WHERE time_elapsed_ms > 0 ORDER BY check_id, started_at DESC LIMIT 1")[1]
    return one


def test_the_first_runs_of_a_check_are_no_change(engine: Engine) -> None:
    """Nothing but its type's prior was known."""
    assert [end_one(engine, number, 90_000) for number in range(5)] == [[]] * 5
