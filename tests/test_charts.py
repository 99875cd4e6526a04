"""The small pictures of the page."""

import pytest

from reports.charts import heat_level, spark_path, square

NOTHING = float("nan")


def test_a_day_without_a_run_is_not_drawn_as_success() -> None:
    """A dot of its own class, where a day without a failure shows its 0."""
    assert (square(0, 0).text, square(0, 0).css) == ("·", "n")
    assert (square(24, 0).text, square(24, 0).css) == ("0", "")


def test_a_square_says_how_many_failed() -> None:
    """Half or more is another class."""
    assert [square(24, failed).css for failed in (1, 11, 12, 24)] == ["a", "a", "b", "b"]


def test_a_line_starts_at_zero_and_breaks_where_nothing_is_known() -> None:
    """A lone value is a dot."""
    assert spark_path([100, 50, NOTHING, 100, NOTHING]) == "M0 0h0l12 10M36 0h0"


def test_nothing_known_and_all_zero_can_be_drawn() -> None:
    """No division by the largest value when that is zero."""
    assert spark_path([NOTHING, NOTHING]) == ""
    assert spark_path([0.0, 0.0]) == "M0 20h0l12 0"


@pytest.mark.parametrize(("share", "level"), [(0, 0), (0.001, 1), (0.01, 2), (0.05, 3), (0.1, 4), (1, 4)])
def test_shades_follow_their_legend(share: float, level: int) -> None:
    """none, below 1 %, below 5 %, below 10 %, from 10 %."""
    assert heat_level(share) == level
