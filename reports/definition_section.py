"""Pure: every threshold of a report in words, as it was set."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Final

from reports.thresholds import DEFAULTS, Thresholds

_MEANINGS: Final[Mapping[str, str]] = {
    "min_runs": "runs below which nothing is ranked or called anything",
    "isolated_sessions": "failed sessions in a row, at most, for a failure to be isolated",
    "gap_intervals": "usual intervals that a silence must exceed to cut a sequence",
    "gap_hours": "hours that it must exceed as well",
    "gap_min_intervals": "intervals, at least, of a pair whose usual one is known",
    "broken_in_a_row": "newest results failed in a row: broken",
    "broken_failures": "failures among the newest results: broken",
    "broken_results": "newest results looked at for that",
    "flaky_events": "flake events, at least, of a flaky pair",
    "flaky_rate": "flake rate, at least, of a flaky pair",
    "fleet_share": "checks of one firing that failed: fleet event",
    "location_share": "checks of one firing that failed at one location: location event",
    "event_checks": "checks, at least, of a firing that can be an event",
    "location_onsets": "unshared failures from which on a location is compared with its siblings",
    "location_days": "days up to the window's end over which a location is compared with its siblings",
    "round_robin_moves": "moves, at least, of a round-robin check from one location to another",
    "false_discovery_rate": "share of chance findings accepted among all that are announced",
    "ranking_pairs": "pairs from which on the ranking learns from all pairs",
    "ranking_quantile": "chance that a flake rate is below the one it is ranked by (2.5 % if only its own runs count)",
    "level_change": "change of timeElapsed from which on it is announced",
    "level_day_sessions": "measured sessions, at least, of a day with a level",
    "level_week_days": "such days, at least, of a week with a level",
    "level_base_weeks": "weeks with a level, at least, of the seven before that a change is told from",
    "drift_weeks": "weeks, each with a level, through which a drift is a line",
    "pooled_checks": "checks from which on each one's variation is judged with that of all",
    "censored_share": "points by which the share of sessions left out may move before a trend is marked",
    "coverage_loss": "share of due instants, sessions or results from which on the first sentence names their loss",
    "part_hours": "hours by which a history may begin later than its days usually do, its first span still being whole",
}


def threshold_rows(thresholds: Thresholds) -> list[tuple[str, str, str]]:
    """Key of the configuration, value, meaning; a value that is not the default says so."""
    defaults = asdict(DEFAULTS)
    rows = []
    for key, value in asdict(thresholds).items():
        say: Callable[[float], str] = _share if isinstance(defaults[key], float) else str
        note = "" if value == defaults[key] else f" (default: {say(defaults[key])})"
        rows.append((key, say(value), f"{_MEANINGS[key]}{note}"))
    return rows


def _share(value: float) -> str:
    return f"{value * 100:g} %"
