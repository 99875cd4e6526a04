"""The sequences of results that every measure goes by, and the windows cut out of them."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from reports.frames import INSTANT, OUTCOMES, PAIR, last_before, pairs_of, sequences, within, within_ordered
from reports.windows import Window
from tests.framing import results
from tests.past import MONDAY, week


@pytest.mark.parametrize("pairs", [3, 70_000])
def test_a_sequence_is_sorted_by_pair_and_then_by_time(pairs: int) -> None:
    """Also when there are more pairs than are sorted by counting."""
    number = np.arange(2 * pairs)
    key = number * 7919 % pairs
    found = pd.DataFrame(
        {
            "check_pk": key // 6 + 1,
            "run_location_pk": key % 6 + 1,
            "position": number,
            "fire_pk": 0,
            "started_at": pd.Series(pd.to_datetime(number, unit="s", utc=True)).astype(INSTANT),
            "outcome": pd.Categorical(np.where(number % 5 == 0, "FAIL", "PASS"), dtype=OUTCOMES),
            "attempts": 0,
        }
    )

    sequence = sequences(found)

    expected = found.sort_values([*PAIR, "position"], ignore_index=True)
    assert sequence["position"].tolist() == expected["position"].tolist()
    assert sequence["fail"].tolist() == expected["outcome"].eq("FAIL").tolist()
    assert pairs_of(found).equals(pd.MultiIndex.from_frame(expected[list(PAIR)].drop_duplicates()))


def test_a_window_of_an_ordered_frame_is_half_open() -> None:
    """Found by halving or by a look at each row: the same rows."""
    found = results({1: "." * 200, 2: "F" * 200})
    hours = [MONDAY + timedelta(hours=hour) for hour in (10, 11, 13)]
    windows = [week(), *(Window(hours[0], end, week().zone, "hours") for end in hours)]

    for window in windows:
        assert within_ordered(found, window).equals(within(found, window))
    assert [len(within_ordered(found, window)) for window in windows] == [336, 0, 2, 6]


def test_the_last_result_before_an_instant_is_told_pair_by_pair() -> None:
    """A void one tells nothing, and a pair that had none is absent."""
    sequence = sequences(results({1: ".F.", 2: "Fv.", 3: "  F"}))

    before = last_before(sequence, MONDAY + timedelta(hours=2))

    assert before["failed"].to_dict() == {(1, 1): True, (1, 2): True}
