"""Eight weeks of what only single results tell, and of incidents; nothing made up before the history begins."""

import math
from datetime import timedelta
from random import Random

import pytest
from sqlalchemy import Engine

from reports.key_figures import KeyFigure
from reports.weekly import build_report
from reports.windows import range_window
from tests.past import MONDAY, Payload, empty_database, record, session, week

WEEK = 168


def figures(payloads: list[Payload], engine: Engine | None = None) -> dict[str, KeyFigure]:
    engine = engine or empty_database()
    record(engine, payloads)
    return {one.name: one for one in build_report(engine, week()).key_figures}


def weeks_of(count: int) -> list[Payload]:
    """Each week a session every six hours; week n from the end has n failures apart and n retries."""
    return [
        session(
            6 * step - back * WEEK,
            {"eu": "fail" if step in range(2, 2 + 3 * (back + 1), 3) else "pass", "us": "pass"},
            retried=["us"] if step <= back else [],
        )
        for back in range(count - 1, -1, -1)
        for step in range(28)
    ]


def test_what_single_results_tell_is_known_for_all_eight_weeks() -> None:
    """The last point is now and the one before it last week; before the history begins they are unknown, not zero."""
    found = figures(weeks_of(6))

    for name, weekly in (("retry_passes", [6, 5, 4, 3, 2, 1]), ("flake_events", [12, 10, 8, 6, 4, 2])):
        one = found[name]
        assert list(one.weeks[2:]) == weekly
        assert all(math.isnan(value) for value in one.weeks[:2])
        assert (one.now, one.before) == (weekly[-1], weekly[-2])
    assert found["flake_rate"].weeks[-1] == pytest.approx(2 / 56)
    assert list(found["results"].weeks[2:]) == [56.0] * 6


def test_each_of_the_eight_weeks_says_what_a_report_of_that_week_says(engine: Engine) -> None:
    """Broken and flaky pairs, runs of failures across the weeks, missing results and a wider time before included."""
    letters = Random(4)  # noqa: S311  no secret
    payloads = [
        session(
            3 * step - 7 * WEEK,
            {
                "eu": "fail" if step % 56 in (55, 0, 1) or letters.random() < 0.1 else "pass",
                "us": letters.choice(("pass", "pass", "fail", None)) if step < 230 else "fail",
                "ap": "pass",
            },
            retried=["ap"] if letters.random() < 0.05 else [],
        )
        for step in range(8 * 56)
    ]
    record(engine, payloads)
    mondays = {back: (MONDAY - timedelta(weeks=back)).date() for back in range(7)}
    windows = {
        back: range_window(monday.isoformat(), (monday + timedelta(days=7)).isoformat(), timezone="UTC")
        for back, monday in mondays.items()
    }
    figures_of = {back: build_report(engine, window).key_figures for back, window in windows.items()}

    for place, one in enumerate(figures_of[0]):
        alone = [figures_of[back][place].now for back in range(6, -1, -1)]
        assert list(one.weeks[1:]) == pytest.approx(alone), one.name


def test_incidents_are_known_for_all_eight_weeks() -> None:
    """Before the history begins there is nothing to know; a week without a failure has none."""
    found = figures(weeks_of(6))["incidents"]
    calm = figures([one for one in weeks_of(8) if one["status"] == "PASSED"])["incidents"]

    assert [str(value) for value in found.weeks] == ["nan", "nan", "6.0", "5.0", "4.0", "3.0", "2.0", "1.0"]
    assert (found.now, found.before) == (1, 2)
    assert list(calm.weeks) == [0] * 8


def test_an_incident_across_midnight_of_a_monday_belongs_to_both_weeks(engine: Engine) -> None:
    """Each week is counted as a window of its own; two checks that fail one after the other are two incidents."""
    across = [session(hour, {"eu": "fail" if -2 <= hour < 2 else "pass"}) for hour in range(-WEEK, WEEK)]
    other = [session(hour + 0.5, {"eu": "fail" if hour == 1 else "pass"}, check="Login") for hour in range(WEEK)]

    found = figures(across + other, engine)["incidents"]

    assert list(found.weeks[6:]) == [1, 2]
    assert (found.before, found.now) == (1, 2)


def test_a_week_in_whose_middle_the_history_begins_tells_none_of_them() -> None:
    """As for the figures of sessions."""
    late = [one for one in weeks_of(3) if one["startedAt"] >= "2026-11-04"]

    assert [str(value) for value in figures(late)["flake_events"].weeks[-3:]] == ["nan", "4.0", "2.0"]
