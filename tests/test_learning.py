"""What is expected of a check is what its recorded history says, in these locations, on both databases."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, select

from recorder.db import transact
from recorder.dimensions import table_of
from recorder.learning import SEARCHED_RUNS, load_expectations_of
from recorder.materialising import Follow
from recorder.models import CheckSession
from recorder.open_sessions import claim_open_sessions
from recorder.pacing import LONGEST_RUN_S, PRIORS, REMEMBERED_RUNS, UNKNOWN, Expectation, expect
from recorder.targets import Target
from tests.factories import CHECK_ID, LOCATIONS, NOW, open_session, record, running, session, some_id
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
