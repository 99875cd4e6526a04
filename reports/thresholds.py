"""Every threshold of the reports: the limits at which a figure becomes a word, with the defaults that were measured.

The configuration's table `[thresholds]` sets them; the report and its manifest print them.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Counts are whole numbers, shares lie between 0 and 1."""

    min_runs: int = 20
    """Below this many rated runs nothing is ranked, no adjective is given and the page shows no p95."""
    isolated_sessions: int = 2
    """A run of failures of at most this many sessions that recovered is isolated, a longer one sustained."""
    gap_intervals: int = 3
    """A silence longer than this many usual intervals and than `gap_hours` cuts a sequence."""
    gap_hours: int = 24
    gap_min_intervals: int = 4
    """Fewer intervals of a pair tell no usual one, and nothing is cut."""
    broken_in_a_row: int = 3
    """Broken: this many of the newest results failed in a row ..."""
    broken_failures: int = 6
    """... or this many of the newest `broken_results`."""
    broken_results: int = 10
    flaky_events: int = 2
    """Flaky: at least this many flake events and at least `flaky_rate`."""
    flaky_rate: float = 0.01
    fleet_share: float = 0.80
    """A firing of which this share of the checks failed is a fleet event."""
    location_share: float = 0.50
    """A run location at which this share of a firing's checks failed is a location event."""
    event_checks: int = 4
    """Neither is called an event with fewer checks."""
    location_onsets: int = 3
    """The location test is made from this many unshared onsets on."""
    location_days: int = 28
    """It looks at this many local days up to the window's end; no more than the 56 that are read (`WEEKS_DAYS`)."""
    round_robin_moves: int = 2
    """A check that runs at one location at a time is round-robin when it moved this often."""
    false_discovery_rate: float = 0.05
    """The share of wrong ones that is accepted among all differences announced (Benjamini-Hochberg)."""
    ranking_pairs: int = 30
    """With fewer pairs the ranking has no common distribution to learn from and falls back to Wilson's lower bound."""
    ranking_quantile: float = 0.05
    """The ranking goes by this quantile of what is known of a pair's flake rate."""
    level_change: float = 0.10
    """A smaller change of timeElapsed is not announced, however certain it is."""
    level_day_sessions: int = 3
    """A day with fewer measured sessions has no level."""
    level_week_days: int = 5
    """A week with fewer day levels has no level."""
    level_base_weeks: int = 4
    """A change is told from at least so many weeks with a level, of the seven before."""
    drift_weeks: int = 8
    """A drift is a line through so many weekly levels, none of them missing."""
    pooled_checks: int = 10
    """With fewer checks each one's own variance is used, without learning from the others."""
    censored_share: float = 0.05
    """A trend is marked as censored when the share of sessions left out of it moved by more than this."""
    coverage_loss: float = 0.01
    """The first sentence names what was not recorded or cannot be rated from this share on."""
    part_hours: int = 1
    """A history that begins more than this after the usual hour of a span's first day holds a part of the span."""


DEFAULTS: Final = Thresholds()
