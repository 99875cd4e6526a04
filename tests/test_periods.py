"""Which span a report is about that is due at an instant."""

from datetime import UTC, datetime

import pytest

from recorder.errors import UsageError
from reports.periods import period_window


@pytest.mark.parametrize(
    ("at", "label", "hours"),
    [
        ("2026-11-01T00:00+00:00", "2026-10", 31 * 24 + 1),
        ("2026-10-31T23:00+00:00", "2026-10", 31 * 24 + 1),
        ("2026-10-31T22:59+00:00", "2026-09", 30 * 24),
        ("2026-04-15T12:00+00:00", "2026-03", 31 * 24 - 1),
        ("2026-01-31T12:00+00:00", "2025-12", 31 * 24),
        ("2024-03-31T12:00+00:00", "2024-02", 29 * 24),
    ],
)
def test_a_month_is_the_last_one_that_has_ended_in_the_zone(at: str, label: str, hours: int) -> None:
    """Midnight of Berlin is 22:00 or 23:00 UTC, and its months with a clock change have an hour more or less."""
    window = period_window("monthly", timezone="Europe/Berlin", at=datetime.fromisoformat(at))

    assert (window.label, window.hours) == (label, hours)


def test_a_week_is_the_last_one_that_has_ended_in_the_zone() -> None:
    at = datetime(2026, 11, 23, 7, tzinfo=UTC)

    assert period_window("weekly", timezone="Europe/Berlin", at=at).label == "2026-W47"


def test_an_unknown_zone_is_one_sentence() -> None:
    with pytest.raises(UsageError, match="unknown time zone 'Europe/Berln'"):
        period_window("monthly", timezone="Europe/Berln", at=datetime(2026, 11, 23, tzinfo=UTC))


def test_another_period_is_refused() -> None:
    with pytest.raises(ValueError, match="weekly, monthly"):
        period_window("daily", timezone="UTC", at=datetime(2026, 11, 23, tzinfo=UTC))
