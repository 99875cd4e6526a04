"""Synthetic histories with a known truth, as the frames that the measures take."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from recorder.outcomes import Outcome
from reports.frames import LEVEL_DAYS, OUTCOMES

LOCATIONS = 6
RECENT_DAYS = 28
OUTAGE_SESSIONS = 6
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Shape:
    """timeElapsed to simulate: in the last week a `share` of the checks is slower by `change` (0.2 = 20 %).

    `noise` multiplies the spread of sessions and of day effects.
    """

    checks: int
    per_day: int = 24
    share: float = 0.0
    change: float = 0.0
    noise: float = 1.0


@dataclass(frozen=True, slots=True)
class Outages:
    """Failures to simulate beside independent ones.

    `local` and `everywhere`: outages in the four weeks, of one location for all checks, or of all locations for all
    checks. `pairs`: outages of a single (check, location), expected number per pair. Each lasts six sessions.
    `bad_share`: share of the pairs that fail 5 % of the time where the others fail 0.5 %.
    """

    local: int = 0
    everywhere: int = 0
    pairs: float = 0.0
    bad_share: float = 0.0


def daily_levels(shape: Shape, *, last_day: date, seed: int) -> tuple[pd.DataFrame, Flags]:
    """`History.levels` of LEVEL_DAYS days, and which checks truly changed.

    log timeElapsed = level of the check + its weekday pattern (sd 0.05) + its day effect (AR(1) with 0.5, sd 0.02 to
    0.05) + a Student t with 3 degrees (scale 0.1 to 0.4: the p95 lies 1.3 to 2.6 times above the median).
    """
    rng = np.random.default_rng(seed)
    checks, days = shape.checks, LEVEL_DAYS
    level = rng.normal(np.log(1500), 0.8, (checks, 1))
    weekday = rng.normal(0, 0.05, (checks, 7))[:, np.arange(days) % 7]
    effect = _autocorrelated(rng, checks, days, spread=shape.noise * rng.uniform(0.02, 0.05, (checks, 1)))
    changed = np.zeros(checks, dtype=bool)
    changed[rng.choice(checks, round(checks * shape.share), replace=False)] = True
    step = np.zeros((checks, days))
    step[changed, -7:] = np.log1p(shape.change)
    centre = level + weekday + effect + step
    scale = shape.noise * rng.uniform(0.1, 0.4, (checks, 1))
    medians = np.empty((checks, days))
    for day in range(days):
        noise = rng.standard_t(3, (checks, shape.per_day)) * scale
        medians[:, day] = np.median(np.round(np.exp(centre[:, [day]] + noise)), axis=1)
    keys = np.repeat(np.arange(1, checks + 1), days)
    dates = pd.to_datetime([last_day - timedelta(days=days - 1 - day) for day in range(days)])
    counts = np.full(checks * days, shape.per_day)
    frame = pd.DataFrame(
        {
            "check_pk": keys,
            "location_set_pk": 1,
            "day": np.tile(dates.to_numpy(), checks),
            "rated": counts,
            "failed": 0,
            "first_try": counts,
            "n": counts,
            "median_ms": medians.ravel(),
        }
    )
    return frame, changed


def _autocorrelated(rng: np.random.Generator, checks: int, days: int, *, spread: Floats, rho: float = 0.5) -> Floats:
    """A stationary AR(1) process of standard deviation `spread` per check."""
    shocks = rng.normal(0, 1, (checks, days)) * spread * np.sqrt(1 - rho**2)
    effect = np.empty((checks, days))
    effect[:, 0] = rng.normal(0, 1, checks) * spread[:, 0]
    for day in range(1, days):
        effect[:, day] = rho * effect[:, day - 1] + shocks[:, day]
    return effect


def recent_results(
    checks: int, outages: Outages, *, per_day: int, start: date, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame, list[tuple[int, int]]]:
    """`History.recent_sessions` and `recent` of 28 days of one schedule, and the pairs that are truly worse.

    Every check fails on its own at a rate of its own (lognormal around 0.5 %), alike at all its locations; a fifth of
    the failures only shows as a retry.
    """
    rng = np.random.default_rng(10_000 + seed)
    firings = RECENT_DAYS * per_day
    rate = np.clip(np.exp(rng.normal(np.log(0.005), 1.0, (checks, 1))), 0, 0.2)
    rates = np.repeat(rate, LOCATIONS, axis=1)
    bad = rng.choice(checks * LOCATIONS, round(outages.bad_share * checks * LOCATIONS), replace=False)
    rates.ravel()[bad] = 0.05
    hit = rng.random((firings, checks, LOCATIONS)) < rates
    retried = hit & (rng.random(hit.shape) < 0.2)
    down = _outages(rng, outages, firings, checks)
    fail = (hit & ~retried) | down
    sessions, results = _frames(fail, retried & ~down, start, per_day)
    return sessions, results, [(int(one) // LOCATIONS + 1, int(one) % LOCATIONS + 1) for one in bad]


def _outages(rng: np.random.Generator, outages: Outages, firings: int, checks: int) -> Flags:
    """Where what is down at each firing: 90 % of the checks see an outage that all share."""
    down = np.zeros((firings, checks, LOCATIONS), dtype=bool)
    latest = firings - OUTAGE_SESSIONS
    for begin in rng.integers(0, latest, outages.local):
        down[begin : begin + OUTAGE_SESSIONS, rng.random(checks) < 0.9, rng.integers(LOCATIONS)] = True
    for begin in rng.integers(0, latest, outages.everywhere):
        down[begin : begin + OUTAGE_SESSIONS, rng.random(checks) < 0.9] = True
    for pair in np.flatnonzero(rng.random(checks * LOCATIONS) < outages.pairs):
        begin = rng.integers(0, latest)
        down[begin : begin + OUTAGE_SESSIONS, pair // LOCATIONS, pair % LOCATIONS] = True
    return down


def _frames(fail: Flags, retried: Flags, start: date, per_day: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    firings, checks, locations = fail.shape
    position = np.arange(firings * checks)
    minutes = np.repeat(np.arange(firings) * (24 * 60 // per_day), checks)
    started = pd.Series(pd.Timestamp(start, tz="UTC") + pd.to_timedelta(minutes, unit="min"))
    sessions = pd.DataFrame(
        {
            "check_pk": np.tile(np.arange(1, checks + 1), firings),
            "fire_pk": np.repeat(np.arange(1, firings + 1), checks),
            "started_at": started,
            "rated": True,
            "fail": fail.any(axis=2).ravel(),
            "position": position,
        }
    )
    row = np.repeat(position, locations)
    codes = np.where(fail.ravel(), list(OUTCOMES.categories).index(Outcome.FAIL), 0)
    results = pd.DataFrame(
        {
            "check_pk": sessions["check_pk"].to_numpy()[row],
            "run_location_pk": np.tile(np.arange(1, locations + 1), len(position)),
            "fire_pk": sessions["fire_pk"].to_numpy()[row],
            "position": row,
            "started_at": started.take(row.tolist()).reset_index(drop=True),
            "outcome": pd.Categorical.from_codes(codes, dtype=OUTCOMES),
            "attempts": retried.ravel().astype("int64"),
        }
    )
    return sessions, results
