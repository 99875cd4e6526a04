"""Clocks that daemons share, and the watch over a wall clock that is set."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from recorder import db
from recorder.clock import monotonic, utc_now
from recorder.clocks import ClockWatch, DatabaseClock
from tests.recording import HandClock


@pytest.mark.parametrize(("step_s", "seen"), [(1.9, False), (2.5, True), (-2.5, True), (-3600, True), (0, False)])
def test_a_step_of_more_than_two_seconds_is_seen_once(step_s: float, *, seen: bool) -> None:
    clock, at = HandClock(), [0.0]
    watch = ClockWatch(clock.now, lambda: at[0])
    watch.step_s()

    at[0] += 10
    clock.advance(seconds=10 + step_s)
    first, second = watch.step_s(), watch.step_s()

    assert bool(first) is seen
    assert second == 0.0
    if seen:
        assert first == pytest.approx(step_s)


def test_the_database_s_clock_is_carried_on_between_two_readings(new_postgresql: str) -> None:
    engine: Engine = db.open_engine(new_postgresql)
    asleep = [0.0]
    clock = DatabaseClock(engine, monotonic=lambda: monotonic() + asleep[0])
    before = clock()

    asleep[0] = 3600.0
    later = clock()
    clock.sync()
    corrected = clock()

    assert later - before >= timedelta(hours=1)
    assert abs(corrected - utc_now()) < timedelta(minutes=1)
    engine.dispose()


def test_a_reading_in_which_the_process_was_stopped_is_taken_again(new_postgresql: str) -> None:
    """Half of the time that it stood still would be the clock's error until the next reading."""
    engine: Engine = db.open_engine(new_postgresql)
    stops = [0.0, 60.0]

    def stopped_between_the_first_two_looks() -> float:
        asleep = stops.pop(0) if len(stops) > 1 else stops[0]
        return monotonic() + asleep

    clock = DatabaseClock(engine, monotonic=stopped_between_the_first_two_looks)

    assert abs(clock() - utc_now()) < timedelta(seconds=5)
    engine.dispose()
