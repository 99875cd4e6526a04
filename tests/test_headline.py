"""The title and the sentences that say the week."""

from reports.headline import headline, title, window_lines
from reports.report import Report
from reports.weekly import build_report
from reports.windows import range_window, week_window
from tests.past import MONDAY, Payload, empty_database, hourly, record, session, week


def said(payloads: list[Payload], *, closes: bool = True) -> str:
    engine = empty_database()
    record(engine, payloads, closes=closes)
    report: Report = build_report(engine, week())
    return " ".join(headline(report)).replace("\u2068", "").replace("\u2069", "")


def test_a_week_is_called_by_its_number_and_a_range_by_its_days() -> None:
    """A range that begins or ends inside a day needs its times."""
    assert title(week_window("2026-W47", timezone="Europe/Berlin", now=MONDAY)) == "Week 47 of 2026"
    assert title(range_window("2026-11-01", "2026-11-08", timezone="Europe/Berlin")) == "1 Nov 2026 to 7 Nov 2026"
    assert title(range_window("2026-11-01", "2026-11-02", timezone="Europe/Berlin")) == "1 Nov 2026"
    assert title(range_window("2026-11-01T12:00", "2026-11-02", timezone="UTC")) == (
        "Sun 1 Nov 2026 12:00 to Mon 2 Nov 2026 00:00"
    )


def test_the_window_is_said_in_both_clocks() -> None:
    """A week in which the clocks change says so."""
    local, utc = window_lines(week_window("2026-W43", timezone="Europe/Berlin", now=MONDAY))

    assert local == "Mon 19 Oct 2026 00:00 to Mon 26 Oct 2026 00:00 Europe/Berlin (169 hours, the clocks change in it)"
    assert utc == "Sun 18 Oct 2026 22:00 to Sun 25 Oct 2026 23:00 UTC"


def test_the_worst_check_and_the_flakiest_pair_are_named() -> None:
    """Only those that ran often enough to be ranked."""
    assert said([*hourly(["pass", "fail"] * 12, check="Login"), *hourly(["fail"], check="Rare")]) == (
        "2 of 2 checks failed at least once: 13 of 25 sessions failed; nothing was recorded after Mon 16 Nov. "
        "The lowest pass rate is that of Login, 50.00 % (12/24). "
        "The flakiest pair is Login from eu, with a flake rate of 45.83 % (11/24)."
    )


def test_a_week_without_a_failure_is_said_plainly() -> None:
    """What passed only after a retry is still named."""
    retried = [session(hour, {"eu": "pass"}, retried=["eu"] if hour == 3 else []) for hour in range(24)]

    assert said(retried) == (
        "No session failed: 1 check ran 24 sessions that can be rated, and each of them passed; "
        "nothing was recorded after Mon 16 Nov. "
        "The flakiest pair is Checkout from eu, with a flake rate of 4.16 % (1/24)."
    )


def test_sessions_that_cannot_be_rated_are_no_passes() -> None:
    """Neither is nothing at all."""
    assert said([session(1, {"eu": None}, status="PROGRESS")], closes=False) == (
        "1 session was recorded, but none can be rated: 1 unfinished."
    )
    assert said([]) == "No session was recorded in this window, so there is nothing to rate."
