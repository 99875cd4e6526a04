"""Eight weeks of incidents; of what only single results tell the last four, nothing made up before them."""

import math

import pytest
from sqlalchemy import Engine

from reports.key_figures import KeyFigure
from reports.weekly import build_report
from tests.past import Payload, empty_database, record, session, week

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


def test_flake_events_are_known_for_the_four_weeks_whose_results_are_looked_at() -> None:
    """The last point is now and the one before it last week; older ones are unknown, not zero."""
    found = figures(weeks_of(6))

    for name, weekly in (("retry_passes", [4, 3, 2, 1]), ("flake_events", [8, 6, 4, 2])):
        one = found[name]
        assert list(one.weeks[4:]) == weekly
        assert all(math.isnan(value) for value in one.weeks[:4])
        assert (one.now, one.before) == (weekly[-1], weekly[-2])
    assert found["flake_rate"].weeks[-1] == pytest.approx(2 / 56)
    assert list(found["results"].weeks[4:]) == [56.0] * 4


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

    assert [str(value) for value in figures(late)["flake_events"].weeks[-3:]] == ["nan", "4", "2"]
