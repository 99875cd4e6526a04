"""How figures are said."""

import pytest

from reports import wording


def test_a_rate_is_said_with_its_fraction_and_interval() -> None:
    """As the statistics prescribe it."""
    assert wording.pass_rate(657, 664, 0.978_4, 0.994_9) == "98.94 % (657/664), 95 %: 97.8-99.5"


def test_no_failure_is_said_as_what_it_shows() -> None:
    """0 of 168 leaves up to 2.2 % possible."""
    assert wording.pass_rate(168, 168, 1 - 0.022355, 1.0) == "0 of 168 failed (95 %: at most 2.2 %)"


def test_the_ends_of_an_interval_are_0_and_100_only_when_they_are() -> None:
    """An upper end of 99.97 is not everything."""
    assert wording.rate(1, 2, 0.0002, 0.9997) == "50.00 % (1/2), 95 %: 0.02-99.97"
    assert wording.rate(0, 3, 0.0, 0.5615) == "0 % (0/3), 95 %: 0-56.1"


def test_nothing_rated_is_no_rate() -> None:
    """Neither 0 % nor 100 %."""
    assert wording.pass_rate(0, 0, float("nan"), float("nan")) == "nothing rated"


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.0, "0 %"),
        (1.0, "100 %"),
        (0.29, "29.00 %"),
        (0.98949, "98.94 %"),
        (0.99999, "99.99 %"),
        (1 - 1e-13, "99.99 %"),
        (0.00001, "0.001 %"),
        (1e-12, "0.000001 %"),
    ],
)
def test_a_share_is_cut_and_never_becomes_all_or_nothing(share: float, words: str) -> None:
    """It gets as many places as that needs."""
    assert wording.percent(share) == words


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (0, "0 ms"),
        (999.4, "999 ms"),
        (999.6, "1.00 s"),
        (1234, "1.23 s"),
        (59_997, "1 min 00 s"),
        (161_400, "2 min 41 s"),
    ],
)
def test_a_duration_is_said_in_its_own_unit(milliseconds: float, words: str) -> None:
    """No 60.00 s and no 1000 ms."""
    assert wording.duration(milliseconds) == words


def test_lists_and_plurals() -> None:
    """One check, two checks, and an and before the last."""
    assert wording.plural(1, "check") == "1 check"
    assert wording.plural(1200, "check") == "1,200 checks"
    assert wording.listing(["a", "b", "c"]) == "a, b and c"
