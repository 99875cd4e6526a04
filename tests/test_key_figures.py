"""The figures of the first screen: of exactly the window, and unknown where nothing is known."""

import math

from reports.weekly import build_report
from reports.windows import Window, range_window
from tests.past import Payload, empty_database, record, session


def figures(payloads: list[Payload], window: Window) -> dict[str, tuple[float, float]]:
    """(now, before) of each."""
    engine = empty_database()
    record(engine, payloads)
    return {one.name: (one.now, one.before) for one in build_report(engine, window).key_figures}


def test_first_tries_are_those_of_a_window_that_begins_and_ends_inside_a_day() -> None:
    """Not those of whole days: before noon every session needed a second try."""
    sessions = [session(hour, {"eu": "pass"}, retried=["eu"] if hour % 24 < 12 else []) for hour in range(48)]

    found = figures(sessions, range_window("2026-11-17T12:00", "2026-11-18", timezone="UTC"))

    assert found["first_try_pass_rate"] == (1.0, 0.5)
    assert found["session_pass_rate"] == (1.0, 1.0)


def test_a_window_without_a_session_has_no_figure_at_all() -> None:
    """Nor have missing results been counted to none."""
    found = figures([session(-400, {"eu": "pass"})], range_window("2026-11-16", "2026-11-23", timezone="UTC"))

    assert all(math.isnan(value) for pair in found.values() for value in pair)


def test_results_that_are_all_missing_are_counted() -> None:
    """They were expected."""
    found = figures([session(1, {"eu": None})], range_window("2026-11-16", "2026-11-23", timezone="UTC"))

    assert found["missing_results"][0] == 1
    assert math.isnan(found["results"][0])
