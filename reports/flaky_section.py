"""Pure: the page's rows about flakiness: run locations ranked, the flakiest pairs, the heat map, what failures were."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from reports import charts, wording
from reports.flakiness import DURATIONS, SCOPES
from reports.headline import flakiest_first
from reports.names import Name, check_name, isolated, place_name
from reports.report import Report

HEAT_ROWS: Final = 40
HEAT_COLUMNS: Final = 30
PAIR_ROWS: Final = 10
LOCATION_ROWS: Final = 40
WORSE_ROWS: Final = 12
_COLUMN_LENGTH: Final = 36
_HEAT: Final = ("check_id", "check_name", "run_location", "n", "flake_events", "flake_rate")


@dataclass(frozen=True, slots=True)
class LocationRow:
    """One run location; `rank` is empty below the number of runs that carries one.

    `adjusted`, here and of a pair: the figure before it without exclusions, empty if the same.
    """

    rank: str
    name: str
    checks: int
    mean_pass_rate: str
    adjusted: str
    failed: str
    mean_flake_rate: str
    flakes: str
    missing: int


@dataclass(frozen=True, slots=True)
class PairRow:
    """One (check, run location) with flake events, in words."""

    name: Name
    location: str
    rate: str
    adjusted: str
    made_of: str
    flips: str


@dataclass(frozen=True, slots=True)
class WorseRow:
    """A check that fails more often at one location than at its others, and what shows it."""

    name: Name
    shown_by: str


@dataclass(frozen=True, slots=True)
class HeatCell:
    """One cell of the heat map: text, the fraction behind it, and its shade (-1 = nothing to shade)."""

    text: str
    fraction: str
    level: int


@dataclass(frozen=True, slots=True)
class FlakySection:
    """`heat` has one row per check with a flake event, one cell per entry of `heat_locations`.

    `worse`: what the location test found among the `tested` pairs; `compared` is false when no check ran at several
    locations at once.
    """

    locations: Sequence[LocationRow]
    hidden_locations: int
    pairs: Sequence[PairRow]
    pairs_with_events: int
    heat_locations: Sequence[str]
    heat: Sequence[tuple[str, Sequence[HeatCell]]]
    hidden_heat: int
    calm_checks: int
    worse: Sequence[WorseRow]
    hidden_worse: int
    tested: int
    compared: bool
    failures: Sequence[tuple[str, Sequence[int]]]
    failed: int
    outages: int


def flaky_section(report: Report) -> FlakySection:
    """What the page says about flakiness by run location."""
    pairs = report.check_location
    flaky_checks = pairs.loc[pairs["flake_events"].gt(0), "check_id"].nunique()
    columns, heat = _heat_map(report)
    cells = {scope: [int(pairs[f"{scope}_{duration}"].sum()) for duration in DURATIONS] for scope in SCOPES}
    return FlakySection(
        locations=_locations(report),
        hidden_locations=max(0, len(report.locations) - LOCATION_ROWS),
        pairs=[_pair(row) for row in flakiest_first(pairs).head(PAIR_ROWS).itertuples()],
        pairs_with_events=int(pairs["flake_events"].gt(0).sum()),
        heat_locations=columns,
        heat=heat,
        hidden_heat=flaky_checks - len(heat),
        calm_checks=pairs["check_id"].nunique() - flaky_checks,
        worse=_worse(report),
        hidden_worse=max(0, int(pairs["worse"].sum()) - WORSE_ROWS),
        tested=int(pairs["onsets_q_value"].notna().sum()),
        compared=bool(report.checks["shared_sessions"].gt(0).any()),
        failures=list(cells.items()),
        failed=int(pairs["failed"].sum()),
        outages=sum(cells["wide"]),
    )


def _locations(report: Report) -> list[LocationRow]:
    """The most flaky first; those with too few runs follow without a rank."""
    least = report.thresholds.min_runs
    order = report.locations.assign(_few=report.locations["n"].lt(least)).sort_values(
        ["_few", "mean_flake_rate", "flake_events", "run_location"], ascending=[True, False, False, True]
    )
    return [_location(rank, row, least) for rank, row in enumerate(order.head(LOCATION_ROWS).itertuples(), start=1)]


def _location(rank: int, row: Any, min_runs: int) -> LocationRow:
    enough = row.n >= min_runs and row.compared_checks > 0
    mean = wording.percent(row.mean_pass_rate) if enough else _not_compared(row, min_runs)
    return LocationRow(
        rank=str(rank) if enough else "",
        name=place_name(row.run_location),
        checks=row.checks,
        mean_pass_rate=mean,
        adjusted=wording.other(_mean_adjusted(row, min_runs), mean) if enough else "",
        failed=f"{row.failed:,} of {row.n:,}",
        mean_flake_rate=wording.percent(row.mean_flake_rate) if enough else "",
        flakes=f"{row.flake_events:,} of {row.n:,}",
        missing=row.missing,
    )


def _mean_adjusted(row: Any, min_runs: int) -> str:
    if row.n_adjusted < min_runs:
        return wording.not_enough(row.n_adjusted)
    return wording.UNKNOWN if math.isnan(row.mean_pass_rate_adjusted) else wording.percent(row.mean_pass_rate_adjusted)


def _not_compared(row: Any, min_runs: int) -> str:
    return wording.not_enough(row.n) if row.n < min_runs else "round-robin checks only"


def _worse(report: Report) -> list[WorseRow]:
    found = report.check_location[report.check_location["worse"]].sort_values("onsets_q_value", kind="stable")
    return [_worse_row(row) for row in found.head(WORSE_ROWS).itertuples()]


def _worse_row(row: Any) -> WorseRow:
    place = isolated(place_name(row.run_location))
    shown_by = wording.unshared(int(row.onsets_here), int(row.onsets), row.onsets_expected, place)
    return WorseRow(check_name(row.check_name, row.check_id, row.link), shown_by)


def _pair(row: Any) -> PairRow:
    isolated = row.flake_events - row.retry_pass
    same = row.flake_rate_adjusted == row.flake_rate
    parts = [
        text
        for count, text in (
            (row.retry_pass, f"{row.retry_pass:,} passed after a retry"),
            (isolated, f"{wording.plural(isolated, 'isolated failure')}"),
        )
        if count
    ]
    return PairRow(
        name=check_name(row.check_name, row.check_id, row.link),
        location=place_name(row.run_location),
        rate=wording.rate(row.flake_events, row.n, row.flake_rate_low, row.flake_rate_high),
        adjusted="" if same else wording.fraction(row.flake_events_adjusted, row.n_adjusted),
        made_of=wording.listing(parts) + ("" if row.retries_seen else "; retries not seen"),
        flips=f"{row.flips:,} of {row.transitions:,}" if row.transitions else "unknown",
    )


def _heat_map(report: Report) -> tuple[list[str], list[tuple[str, list[HeatCell]]]]:
    """Flake rates of checks that have any and ran often enough somewhere, the most certain first; columns by name."""
    pairs = report.check_location
    least = report.thresholds.min_runs
    worst = pairs.assign(_low=pairs["flake_floor_rate"].where(pairs["n"].ge(least), 0.0)).groupby("check_id")
    by_check = worst.agg(
        low=("_low", "max"), events=("flake_events", "sum"), name=("check_name", "first"), runs=("n", "max")
    )
    flaky = (
        by_check[by_check["events"].gt(0) & by_check["runs"].ge(least)]
        .assign(name=lambda frame: frame["name"].fillna(""))
        .reset_index()
    )
    chosen = flaky.sort_values(["low", "events", "name", "check_id"], ascending=[False, False, True, True])
    ids = chosen["check_id"].head(HEAT_ROWS).tolist()
    rows = pairs.loc[pairs["check_id"].isin(ids), list(_HEAT)]
    events = rows.groupby("run_location")["flake_events"].sum()
    columns = sorted(events.sort_values(ascending=False, kind="stable").head(HEAT_COLUMNS).index)
    found: dict[tuple[Any, Any], Any] = {(row.check_id, row.run_location): row for row in rows.itertuples()}
    names = {str(check): check_name(row.check_name, str(check)).text for (check, _), row in found.items()}
    heat = [(names[check], [_cell(found.get((check, column)), least) for column in columns]) for check in ids]
    return [place_name(column, longest=_COLUMN_LENGTH) for column in columns], heat


def _cell(row: Any, min_runs: int) -> HeatCell:
    if row is None:
        return HeatCell("–", "", -1)  # noqa: RUF001  the typographic dash
    if row.n < min_runs:
        return HeatCell(f"n={row.n}", "too few", -1)
    if row.flake_events == 0:
        return HeatCell("0", f"of {row.n:,}", 0)
    return HeatCell(
        wording.percent(row.flake_rate), f"{row.flake_events:,}/{row.n:,}", charts.heat_level(row.flake_rate)
    )
