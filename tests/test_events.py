"""Fleet and location events: failures that many checks shared."""

import pandas as pd
import pytest

from reports.events import find_events, merge_events
from reports.flakiness import classify_failures
from reports.frames import last_before, sequences
from reports.thresholds import Thresholds
from tests.framing import NO_EVENTS, hours, results, sessions
from tests.past import MONDAY

QUIET = {1: "......", 2: "......"}
DOWN = {1: "..FF..", 2: "..FF.."}
LOCAL = {1: "..FF..", 2: "......"}


def events(*checks: dict[int, str], fired: bool = True) -> list[tuple[str, int, int, int, int]]:
    """(kind, location, checks, failed, firing) of each."""
    found = results(*checks, fired=fired)
    table = find_events(sessions(found), found)
    columns = ["kind", "run_location_pk", "checks", "failed", "fire_pk"]
    return [tuple(row) for row in table[columns].itertuples(index=False)]


def test_a_firing_of_which_most_checks_failed_is_a_fleet_event() -> None:
    """80 % of five are four; then no location is blamed."""
    assert events(DOWN, DOWN, DOWN, DOWN, QUIET) == [("fleet", 0, 5, 4, 3), ("fleet", 0, 5, 4, 4)]


def test_a_location_at_which_half_of_the_checks_failed_is_a_location_event() -> None:
    """Only from four checks on."""
    assert events(LOCAL, LOCAL, QUIET, QUIET) == [("location", 1, 4, 2, 3), ("location", 1, 4, 2, 4)]
    assert events(LOCAL, LOCAL, QUIET) == []


def test_the_outage_of_one_location_names_it_although_it_fails_every_session() -> None:
    """Checkly fails a session for one bad location: all but one check failed, at the same place."""
    at_one = {1: "..F...", 2: "......", 3: "......"}

    assert events(at_one, at_one, at_one, at_one, {1: "......"}) == [("fleet", 0, 5, 4, 3), ("location", 1, 5, 4, 3)]


def test_an_outage_of_every_location_blames_none() -> None:
    """The fleet event says it; of two out of three locations both are named."""
    everywhere, at_two = {1: "F", 2: "F", 3: "F"}, {1: "F", 2: "F", 3: "."}

    assert events(*[everywhere] * 4) == [("fleet", 0, 4, 4, 1)]
    assert [row[:2] for row in events(*[at_two] * 4)] == [("fleet", 0), ("location", 1), ("location", 2)]


def test_sessions_without_a_firing_belong_to_no_event() -> None:
    """Imported ones may have nothing to do with each other."""
    assert events(DOWN, DOWN, DOWN, DOWN, DOWN, fired=False) == []


def test_failures_of_an_event_are_no_flakes_but_stay_in_their_cell() -> None:
    """They were isolated and narrow, and many checks had them at once."""
    found = results(LOCAL, LOCAL, LOCAL, QUIET, fired=True)
    sequence = sequences(found)
    previous = last_before(sequence, MONDAY)

    with_events = classify_failures(sequence, previous, find_events(sessions(found), found))
    without = classify_failures(sequence, previous, NO_EVENTS)

    assert with_events["scope"].tolist() == without["scope"].tolist() == ["narrow"] * 6
    assert (with_events["flake"].sum(), without["flake"].sum()) == (0, 6)


def test_an_event_that_lasts_several_firings_is_one_event() -> None:
    """With its worst firing's numbers, and both ends."""
    found = results(DOWN, DOWN, DOWN, {1: "..F.F.", 2: "..F.F."}, fired=True)
    table = find_events(sessions(found), found, Thresholds(fleet_share=0.7))
    firings = pd.DataFrame({"schedule": "prod", "place": range(6)}, index=pd.Index(range(1, 7), name="fire_pk"))

    (row,) = merge_events(table, firings).to_dict(orient="records")

    assert (row["kind"], row["firings"], row["failed"], row["checks"]) == ("fleet", 2, 4, 4)
    assert hours([row["first_at"], row["last_at"]]) == [2, 3]


@pytest.mark.parametrize("gap", [3, 5])
def test_firings_that_do_not_follow_each_other_are_two_events(gap: int) -> None:
    """What lay between was fine."""
    line = "F" + "." * gap + "F."
    found = results(*[{1: line, 2: line}] * 4, fired=True)
    table = find_events(sessions(found), found)
    firings = pd.DataFrame({"schedule": "prod", "place": range(20)}, index=pd.Index(range(1, 21), name="fire_pk"))

    assert merge_events(table, firings)["firings"].tolist() == [1, 1]
