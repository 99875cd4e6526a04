"""How durations are read and written."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.durations import LONGEST, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("500ms", 500),
        ("3s", 3_000),
        ("5m", 300_000),
        ("1h", 3_600_000),
        ("7d", 604_800_000),
        ("0s", 0),
        ("0090m", 5_400_000),
    ],
)
def test_a_duration_is_a_whole_number_and_a_unit(text: str, milliseconds: int) -> None:
    """The forms of the documentation, and what they are worth."""
    assert parse_duration(text) == timedelta(milliseconds=milliseconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "m",
        "-5m",
        "+5m",
        "1.5h",
        "1h30m",
        "5 m",
        " 5m",
        "5m\n",
        "5M",
        "5min",
        "5w",
        "\u0665m",
        "1e3s",
        "9" * 5000 + "s",
    ],
)
def test_anything_else_is_refused_with_the_forms_that_are_known(text: str) -> None:
    """Nothing is guessed: a bare number could mean seconds or minutes."""
    with pytest.raises(ValueError, match="write a whole number and a unit, as in 500ms, 3s, 5m, 1h, 7d"):
        parse_duration(text)


def test_more_than_ten_years_is_refused_before_it_overflows() -> None:
    """The longest duration itself is allowed."""
    assert parse_duration("3660d") == LONGEST
    with pytest.raises(ValueError, match="longer than ten years: write at most 3660d"):
        parse_duration("999999999999999d")


@given(st.integers(0, LONGEST // timedelta(milliseconds=1)))
def test_a_duration_reads_back_as_it_was_written(milliseconds: int) -> None:
    """For every whole number of milliseconds up to ten years."""
    duration = timedelta(milliseconds=milliseconds)

    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.25, "250ms"), (90, "90s"), (120, "2m"), (7_200, "2h"), (86_400, "1d"), (90_000, "25h")],
)
def test_a_duration_is_written_in_the_largest_unit_that_fits(seconds: float, text: str) -> None:
    """So that one length has one text, which the schedules' definitions are compared by."""
    assert format_duration(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize("duration", [timedelta(microseconds=1), timedelta(seconds=-1)])
def test_what_no_text_could_say_is_not_written(duration: timedelta) -> None:
    """Less than a millisecond, or less than nothing."""
    with pytest.raises(ValueError, match="cannot be written"):
        format_duration(duration)
