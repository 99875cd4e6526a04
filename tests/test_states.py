"""States of a pair: broken, flaky, healthy, not enough runs; and since when."""

import pandas as pd
import pytest

from reports.flakiness import classify_failures, with_flakes
from reports.frames import PAIR, last_before, sequences
from reports.pass_rate import count_results
from reports.states import pair_states
from tests.framing import NO_EVENTS, hours, results
from tests.past import MONDAY, week


def state(line: str) -> tuple[str, float | None]:
    """The state of one pair with this history, and the hour since which it is in it."""
    found = results({1: line})
    counts = count_results(found, PAIR)
    sequence = sequences(found)
    failures = classify_failures(sequence, last_before(sequence, MONDAY), NO_EVENTS)
    flaky = with_flakes(counts, failures)
    retried = found[found["attempts"].gt(0)]
    flakes = pd.concat([failures.loc[failures["flake"]], retried])[[*PAIR, "started_at"]]
    table = pair_states(sequence, flaky, flakes, week())
    return table["state"].iloc[0], hours(table["state_since_at"])[0]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("." * 19, ("not enough runs", None)),
        ("F" * 19, ("not enough runs", None)),
        ("." * 20, ("healthy", None)),
        ("." * 17 + "FFF", ("broken", 17)),
        ("." * 17 + "FFvFv", ("broken", 17)),
        ("." * 18 + "FF", ("healthy", None)),
        ("." * 10 + "F.F.FF.F.F", ("broken", 19)),
        ("." * 10 + "F.F.FF.F..", ("flaky", 10)),
        ("." * 5 + "F" + "." * 14, ("healthy", 6)),
        ("." * 5 + "F" + "..r" + "." * 14, ("flaky", 5)),
        ("." * 30 + "rr" + "." * 300, ("healthy", None)),
        ("FFF" + "." * 20, ("healthy", 3)),
    ],
)
def test_the_state_of_a_pair_and_since_when(line: str, expected: tuple[str, float | None]) -> None:
    """Broken by the newest results, flaky by at least 2 events and 1 %, healthy since the last failure."""
    assert state(line) == expected
