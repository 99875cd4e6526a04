"""Is a location worse than its siblings: what counts as an onset, and how certain it is."""

import itertools
import math
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from reports.events import find_events
from reports.frames import last_before, pairs_of, sequences
from reports.location_test import adjusted, compare_locations, upper_tails
from reports.weekly import build_report
from tests.framing import NO_EVENTS, results, sessions
from tests.past import MONDAY, empty_database, record, session, week


def compared(found: pd.DataFrame, events: pd.DataFrame = NO_EVENTS) -> pd.DataFrame:
    return compare_locations(pairs_of(found), sequences(found), events)


def onsets(*lines: str) -> list[tuple[int, int]]:
    """(unshared onsets, those here) of each location of one check."""
    found = compared(results(dict(enumerate(lines, start=1))))
    return list(zip(found["onsets"].tolist(), found["onsets_here"].tolist(), strict=True))


def test_an_outage_of_one_location_counts_once_when_it_begins() -> None:
    """While it lasts the location is not at risk."""
    assert onsets(".FFFF..", ".......", ".......") == [(1, 1), (1, 0), (1, 0)]


@pytest.mark.parametrize(("before", "counted"), [("F", (0, 0)), ("r", (0, 0)), (".", (1, 1)), ("v", (1, 1))])
def test_an_outage_that_began_before_the_days_that_are_looked_at_has_no_onset_in_them(
    before: str, counted: tuple[int, int]
) -> None:
    """The location that failed is known of its last result before them."""
    found = results({1: before + "FFF..", 2: "......", 3: "......"})
    edge = MONDAY + timedelta(hours=1)
    sequence = sequences(found)
    inside = sequence[sequence["started_at"].ge(edge)].reset_index(drop=True)

    table = compare_locations(pairs_of(found), inside, NO_EVENTS, previous=last_before(sequence, edge))

    first = table.iloc[0]
    assert (first["onsets"], first["onsets_here"]) == counted


def test_the_report_knows_what_failed_before_its_four_weeks() -> None:
    """Down since a day before they begin: one location had no onset in them."""
    engine = empty_database()
    places = ("eu", "us", "ap")
    record(
        engine,
        [
            session(hour, dict.fromkeys(places, "pass") | ({"eu": "fail"} if hour < -500 else {}))
            for hour in range(-22 * 24, 168, 6)
        ],
    )

    assert build_report(engine, week()).check_location["onsets"].tolist() == [0, 0, 0]


def test_what_all_locations_share_says_nothing_about_one() -> None:
    """0 < k < m is wanted."""
    assert onsets(".FF.", ".FF.") == [(0, 0), (0, 0)]


def test_a_failed_try_counts_as_a_failure_of_the_first_try() -> None:
    """Whatever became of it."""
    assert onsets("..r..", ".....") == [(1, 1), (1, 0)]


def test_a_void_or_missing_result_is_not_at_risk_and_breaks_nothing() -> None:
    """The failure before it still is the one before."""
    assert onsets(".Fv-F.", "......") == [(1, 1), (1, 0)]


def test_a_location_that_is_worse_is_told_with_its_numbers() -> None:
    """Six of six unshared failures among three locations: 2 expected, (1/3)^6."""
    found = compared(results({1: ".F" * 6 + ".", 2: "." * 13, 3: "." * 13}))

    first = found.iloc[0]
    assert (first["onsets"], first["onsets_here"], first["onsets_expected"]) == (6, 6, pytest.approx(2))
    assert first["onsets_p_value"] == pytest.approx(3**-6)
    assert found["worse"].tolist() == [True, False, False]


def test_two_onsets_are_too_few_to_compare() -> None:
    """The chance is known, no pair is tested."""
    found = compared(results({n: ".F.F." if n == 1 else "....." for n in range(1, 30)}))

    assert found["onsets_p_value"].iloc[0] == pytest.approx(29**-2)
    assert found["onsets_q_value"].isna().all()
    assert not found["worse"].any()


def test_failures_that_many_checks_shared_at_a_location_are_left_out() -> None:
    """The location had an event; no check is to blame."""
    checks = [{1: ".F.F.F.F.", 2: ".........", 3: "........."} for _ in range(5)]
    found = results(*checks, fired=True)

    table = compared(found, find_events(sessions(found), found))

    assert table["onsets"].eq(0).all()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.01, 0.99), min_size=1, max_size=9), st.data())
def test_the_tail_is_that_of_counting_every_outcome(chances: list[float], data: st.DataObject) -> None:
    """2^n outcomes, each with its chance."""
    hits = data.draw(st.integers(0, len(chances)))

    (tail,) = upper_tails([np.array(chances)], [hits])

    every = itertools.product([0, 1], repeat=len(chances))
    outcomes = (
        math.prod(p if hit else 1 - p for p, hit in zip(chances, one, strict=True)) for one in every if sum(one) >= hits
    )
    assert tail == pytest.approx(sum(outcomes), rel=1e-9)


def test_a_tiny_tail_keeps_its_digits() -> None:
    """1 minus nearly everything would be 0."""
    assert upper_tails([np.full(40, 0.1)], [40]) == pytest.approx([1e-40], rel=1e-9)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_adjusted_p_values_agree_with_statsmodels(p_values: list[float]) -> None:
    """An oracle of its own make."""
    expected = multipletests(p_values, method="fdr_bh")[1]

    assert adjusted(p_values) == pytest.approx(expected, abs=1e-12)
