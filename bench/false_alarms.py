"""Simulate histories whose truth is known, run the measures of the reports on them, and count true and false flags.

    python -m bench.false_alarms                       # five seeds of each scenario, some minutes on one core
    python -m bench.false_alarms --seeds 1 --checks 200

500 checks with heavy tails, weekday seasonality and autocorrelated day effects; timeElapsed over nine weeks, results of
28 days at six run locations. Prints a line for each scenario and seed, then the means; exit code 1 when a mean misses
its target: nothing changed at most 1 false change of 500; +20 % at 24 runs a day at least 90 % found and at most 4
false; the location test with outages at most 2 false flags of 3,000 pairs.
"""

import argparse
import sys
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from time import perf_counter

import numpy as np
import pandas as pd

from bench.synthetic import Outages, Shape, daily_levels, recent_results
from reports.events import find_events
from reports.frames import pairs_of, sequences
from reports.levels import drifts, level_changes, weekly_levels
from reports.location_test import compare_locations

LAST_DAY = date(2026, 11, 22)


@dataclass(frozen=True, slots=True)
class Flags:
    """What one run found: `true` of `changed`, and `false` of the others."""

    true: int
    changed: int
    false: int
    others: int

    def __str__(self) -> str:
        found = f"{self.true} of {self.changed} found, " if self.changed else ""
        return f"{found}{self.false} false of {self.others:,}"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A history to simulate, and what its mean must reach: `least` is a share of those changed, `most` false flags."""

    name: str
    shape: Shape
    least: float | None = None
    most: float | None = None


def scenarios(checks: int) -> list[Scenario]:
    """Those of the power table, in its order."""
    return [
        Scenario("timeElapsed, nothing changed, 24 a day", Shape(checks), most=1),
        Scenario("timeElapsed, nothing changed, 96 a day", Shape(checks, per_day=96), most=1),
        Scenario(
            "timeElapsed, 10 % of checks +20 %, 24 a day", Shape(checks, share=0.1, change=0.2), least=0.9, most=4
        ),
        Scenario("timeElapsed, 10 % of checks -20 %, 24 a day", Shape(checks, share=0.1, change=-0.2), most=4),
        Scenario(
            "timeElapsed, 10 % of checks +40 %, 24 a day", Shape(checks, share=0.1, change=0.4), least=0.9, most=4
        ),
        Scenario(
            "timeElapsed, 10 % of checks +20 %, 24 a day, 1.6 x noise", Shape(checks, share=0.1, change=0.2, noise=1.6)
        ),
        Scenario("timeElapsed, 10 % of checks +20 %, 6 a day", Shape(checks, per_day=6, share=0.1, change=0.2)),
        Scenario("timeElapsed, 10 % of checks +20 %, 1 a day", Shape(checks, per_day=1, share=0.1, change=0.2)),
    ]


def main() -> int:
    """Run what the command line asks for; 0 when every target is reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--checks", type=int, default=500)
    options = parser.parse_args()
    began = perf_counter()
    found: dict[str, list[Flags]] = defaultdict(list)
    targets: dict[str, tuple[float | None, float | None]] = {}
    for seed in range(1, options.seeds + 1):
        for scenario in scenarios(options.checks):
            flags, drift = judge_levels(scenario.shape, seed)
            found[scenario.name].append(flags)
            targets[scenario.name] = (scenario.least, scenario.most)
            found[f"{scenario.name}: drift"].append(drift)
        for name, outages, per_day in (
            ("locations, independent failures", Outages(), 24),
            ("locations, with local outages", Outages(local=6), 24),
            ("locations, with global outages", Outages(everywhere=6), 24),
            ("locations, outages of single pairs", Outages(pairs=1.0), 24),
            ("locations, one bad location for 1 % of pairs", Outages(local=6, bad_share=0.01), 24),
        ):
            found[name].append(judge_locations(options.checks, outages, per_day, seed))
            targets[name] = (None, 2)
        print(f"seed {seed}, {perf_counter() - began:.0f} s", flush=True)
        for name, flags_of_seeds in found.items():
            print(f"  {name}: {flags_of_seeds[-1]}", flush=True)
    return 1 if report(found, targets) else 0


def judge_levels(shape: Shape, seed: int) -> tuple[Flags, Flags]:
    """Simulate, measure and count announced changes of the level, and announced drifts, which are all false here."""
    levels, changed = daily_levels(shape, last_day=LAST_DAY, seed=seed)
    weeks = weekly_levels(levels, LAST_DAY)
    is_changed = pd.Series(changed, index=pd.RangeIndex(1, len(changed) + 1))
    flagged = level_changes(weeks)["announced"].droplevel("location_set_pk").reindex(is_changed.index, fill_value=False)
    table = level_changes(weeks)
    drifting = (drifts(weeks)["announced"] & ~table["announced"]).droplevel("location_set_pk")
    drifting = drifting.reindex(is_changed.index, fill_value=False)
    return _flags(flagged, is_changed), _flags(drifting & ~is_changed, is_changed & False)


def judge_locations(checks: int, outages: Outages, per_day: int, seed: int) -> Flags:
    """Simulate 28 days of results at six run locations and count pairs called worse than their siblings."""
    sessions, results, bad = recent_results(
        checks, outages, per_day=per_day, start=LAST_DAY - timedelta(days=27), seed=seed
    )
    table = compare_locations(pairs_of(results), sequences(results), find_events(sessions, results))
    return _flags(table["worse"], pd.Series(table.index.isin(bad), index=table.index))


def _flags(flagged: "pd.Series[bool]", true: "pd.Series[bool]") -> Flags:
    return Flags(int((flagged & true).sum()), int(true.sum()), int((flagged & ~true).sum()), int((~true).sum()))


def report(found: dict[str, list[Flags]], targets: dict[str, tuple[float | None, float | None]]) -> int:
    """Print the means as the table of docs/statistics.md; how many of them miss their target."""
    missed = 0
    print("\n| simulated | found | false flags (mean; most) | of |\n|---|---|---|---|")
    for name, flags in found.items():
        true, false = np.mean([one.true for one in flags]), np.mean([one.false for one in flags])
        changed, others = np.mean([one.changed for one in flags]), np.mean([one.others for one in flags])
        least, most = targets.get(name, (None, None))
        wrong = (least is not None and true < least * changed) or (most is not None and false > most)
        missed += int(wrong)
        shown = f"{true:.1f} of {changed:.0f}" if changed else "-"
        worst = max(one.false for one in flags)
        print(f"| {name} | {shown} | {false:.1f}; {worst}{' MISSED' if wrong else ''} | {others:,.0f} |")
    return missed


if __name__ == "__main__":
    sys.exit(main())
