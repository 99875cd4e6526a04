"""Clocks that daemons share, and the watch over a wall clock that is set."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine
from structlog.testing import capture_logs

from recorder import db
from recorder.clock import monotonic, utc_now
from recorder.clocks import ChecklyClock, ClockWatch, DatabaseClock
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


def lines_after(*ahead_s: float) -> list[tuple[str, str, int | None]]:
    """What is said when each answer in turn says so many seconds more than our clock: level, sentence, seconds."""
    clock = HandClock()
    checkly = ChecklyClock(clock.now)
    with capture_logs() as said:
        for seconds in ahead_s:
            checkly.heard(clock.now() + timedelta(seconds=seconds))
    return [(line["log_level"], line["event"], line.get("seconds")) for line in said]


@pytest.mark.parametrize(("ahead_s", "where"), [(600.4, "ahead of"), (-599.6, "behind")])
def test_a_checkly_minutes_away_is_said_once_with_the_direction(ahead_s: float, where: str) -> None:
    assert lines_after(*[ahead_s] * 50) == [("warning", f"Checkly's clock is {where} ours", 600)]


def test_clocks_that_are_less_than_a_minute_apart_are_no_news() -> None:
    """`Date` has whole seconds, and some servers write it when the question comes, up to thirty seconds before."""
    assert lines_after(*[59.0] * 10, *[-31.0] * 10) == []


def test_another_minute_and_the_end_are_said_and_what_wavers_in_between_is_not() -> None:
    said = lines_after(*[100.0] * 5, *[150.0] * 5, *[161.0] * 5, *[59.0, 61.0] * 5, *[1.0] * 5)

    assert [(level, seconds) for level, _, seconds in said] == [("warning", 100), ("warning", 161), ("info", None)]


def test_a_difference_that_wavers_around_the_limit_is_said_once() -> None:
    assert len(lines_after(*[61.0] * 3, *[59.0] * 3, *[61.0] * 3, *[31.0] * 3, *[61.0] * 3)) == 1


def test_an_old_answer_is_no_wrong_clock() -> None:
    """Out of a proxy's store, or from a machine that slept before it read it."""
    assert lines_after(*[0.0, -5000.0, -5000.0] * 5) == []


def test_a_clock_that_jumps_to_the_other_side_is_said_anew() -> None:
    said = lines_after(*[300.0] * 3, *[-300.0] * 3)

    assert [(event, seconds) for _, event, seconds in said] == [
        ("Checkly's clock is ahead of ours", 300),
        ("Checkly's clock is behind ours", 300),
    ]
