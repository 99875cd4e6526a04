"""Trends of timeElapsed: levels, what is announced, drift, changed locations, what was left out."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from reports.elapsed_section import elapsed_section
from reports.frames import LEVEL_DAYS, SERIES
from reports.history import load_history
from reports.levels import WEEKS, drifts, inverse_trigamma, level_changes, weekly_levels
from reports.report import Report
from reports.thresholds import Thresholds
from reports.trends import FEW_SESSIONS, MOVED, trends
from reports.weekly import build_report
from reports.windows import range_window
from tests.past import Payload, empty_database, record, session, week

LAST_DAY = date(2026, 11, 22)
NOISE = [0.01, -0.02, 0.02, -0.01, 0.0, 0.01, -0.01, 0.02, -0.02]


def daily(medians: list[float], *, n: int = 24, check: int = 1) -> pd.DataFrame:
    """Daily levels of one check that end on LAST_DAY."""
    days = pd.date_range(end=pd.Timestamp(LAST_DAY), periods=len(medians))
    frame = pd.DataFrame({"day": days, "median_ms": medians, "n": n, "check_pk": check, "location_set_pk": 1})
    return frame.assign(rated=n, failed=0, first_try=n)


def weekly(*series: list[float]) -> pd.DataFrame:
    index = pd.MultiIndex.from_product([range(1, len(series) + 1), [1]], names=SERIES)
    return pd.DataFrame(np.array(series), index=index)


def test_a_weeks_level_is_the_mean_of_the_logs_of_its_days() -> None:
    """So one slow day moves it by a seventh of its log."""
    levels = weekly_levels(daily([1000.0] * 13 + [2000.0]), LAST_DAY)

    assert levels.loc[(1, 1), WEEKS - 1] == pytest.approx(np.log(1000) + np.log(2) / 7)
    assert levels.loc[(1, 1), WEEKS - 2] == pytest.approx(np.log(1000))
    assert levels.iloc[0].notna().sum() == 2


@pytest.mark.parametrize(("n", "days", "known"), [(3, 7, True), (2, 7, False), (3, 5, True), (3, 4, False)])
def test_a_level_takes_three_sessions_a_day_and_five_days(n: int, days: int, known: bool) -> None:  # noqa: FBT001
    """Once a day there is none."""
    levels = weekly_levels(daily([1000.0] * days, n=n), LAST_DAY)

    assert (not levels.empty) == known


def test_a_change_below_ten_percent_is_never_announced() -> None:
    """However certain it is; the one above is."""
    small, large = ([*NOISE[:8], change] for change in (0.09, 0.11))

    found = level_changes(weekly([x / 100 for x in small[:8]] + [0.09], [x / 100 for x in large[:8]] + [0.11]))

    assert found["q_value"].lt(0.001).all()
    assert found["announced"].tolist() == [False, True]


def test_three_weeks_are_too_few_to_compare_with() -> None:
    """Four are enough."""
    unknown = float("nan")
    base = [unknown, unknown, unknown, unknown, 0.01, -0.01, 0.02, 0.0, 0.5]
    short = [*[unknown] * 5, *base[5:]]

    found = level_changes(weekly(base, short))

    assert found["weeks"].tolist() == [4, 3]
    assert found["p_value"].isna().tolist() == [False, True]
    assert found["announced"].tolist() == [True, False]


def test_checks_without_any_variation_do_not_divide_by_nothing() -> None:
    """The variance has a floor."""
    found = level_changes(weekly(*[[7.0] * 9 for _ in range(12)]))

    assert found["p_value"].tolist() == pytest.approx([1.0] * 12)


def test_a_steady_slope_is_a_drift_and_one_step_in_noise_is_none() -> None:
    """3 % a week over eight weeks, against the slope's own uncertainty."""
    slope = [0.03 * n + x / 4 for n, x in enumerate(NOISE)]

    found = drifts(weekly(slope, NOISE))

    assert found["effect"].tolist() == [pytest.approx(0.03, abs=0.002), pytest.approx(0.0, abs=0.003)]
    assert found["announced"].tolist() == [True, False]


@pytest.mark.parametrize("x", [0.01, 0.5, 3.0, 1000.0])
def test_the_trigamma_function_is_inverted(x: float) -> None:
    """To what was put in."""
    from scipy.special import polygamma  # noqa: PLC0415  the oracle of this test alone

    assert inverse_trigamma(float(polygamma(1, x))) == pytest.approx(x, rel=1e-6)


def recorded(payloads: list[Payload]) -> pd.DataFrame:
    engine = empty_database()
    record(engine, payloads)
    return trends(load_history(engine, week()), Thresholds(level_day_sessions=1))


def days(first: int, last: int, *, check: str = "Cart", place: str = "eu", elapsed: float = 1000) -> list[Payload]:
    """One session a day, counted from the window's Monday."""
    return [
        session(24.0 * day + 1, {place: "pass"}, check=check, elapsed=elapsed * (1 + day % 3 / 100))
        for day in range(first, last)
    ]


def test_a_slower_check_is_found_in_the_recorded_history(became_slower: list[Payload]) -> None:
    """From the payloads to the verdict: eight weeks of a second, then 1.4."""
    (row,) = recorded(became_slower).to_dict(orient="records")

    assert (row["verdict"], row["weeks"]) == ("slower", 7)
    assert row["change_rate"] == pytest.approx(0.4, abs=0.01)
    assert row["change_low"] < row["change_rate"] < row["change_high"]
    assert len(row["weekly_ms"]) == 8


@pytest.fixture
def became_slower() -> list[Payload]:
    return [*days(-LEVEL_DAYS + 7, 0), *days(0, 7, elapsed=1400)]


def test_a_changed_set_of_run_locations_is_announced_as_such() -> None:
    """It is neither slower nor faster: it cannot be compared."""
    found = recorded([*days(-28, 0), *days(0, 7, place="us", elapsed=5000)]).sort_values("moved")

    assert found["verdict"].tolist() == ["not enough sessions", "run locations changed"]
    assert found["moved"].tolist() == [False, True]


def test_a_trend_is_marked_when_more_is_left_out_of_it() -> None:
    """Failures rose from none to two of nine: the sample is another one."""
    failed = [session(24.0 * day + 2, {"eu": "fail"}, check="Cart") for day in (1, 2)]

    (row,) = recorded([*days(-28, 7), *failed]).to_dict(orient="records")

    assert (row["excluded_rate"], row["excluded_before_rate"]) == (pytest.approx(2 / 9), 0)
    assert row["censored"]


def test_locations_that_changed_early_in_a_month_are_announced_with_the_instant() -> None:
    """Seventeen days before its end, which is not in the last week."""
    report = month([*days(-28, 6), *days(6, 23, place="us", elapsed=5000)])

    (row,) = report.changes.to_dict(orient="records")
    assert (row["kind"], row["run_locations"], f"{row['since_at']:%d %H:%M}") == (MOVED, "us", "22 01:00")
    assert report.elapsed.set_index("run_locations")["verdict"].to_dict() == {"eu": FEW_SESSIONS, "us": MOVED}


def test_a_set_of_locations_that_was_there_before_the_window_did_not_change() -> None:
    """Nor one that it ran on from its very first session."""
    assert month([*days(-28, -3), *days(-3, 23, place="us")]).changes.empty
    assert "run locations changed" not in set(month(days(3, 23)).changes["kind"])


def test_a_month_says_which_seven_days_its_changes_are_about() -> None:
    """A week need not."""
    engine = empty_database()
    record(engine, days(-28, 7))

    assert elapsed_section(month(days(-28, 23))).compared == "Wed 2 Dec"
    assert not elapsed_section(build_report(engine, week())).compared


def month(payloads: list[Payload]) -> Report:
    """The report on the 23 days from MONDAY on."""
    engine = empty_database()
    record(engine, payloads)
    return build_report(
        engine, range_window("2026-11-16", "2026-12-09", timezone="UTC"), Thresholds(level_day_sessions=1)
    )
