"""Pure: lays the measures out as the tables of a report, one row per thing that has a name, in a fixed order.

The column names and their order are an interface: people script against the CSV files. A table may carry further
columns behind the ones that its file shows.
"""

from typing import Final

import pandas as pd

from reports.elapsed import daily_medians, elapsed
from reports.flakiness import flakiness
from reports.frames import MISSING, PAIR, History
from reports.intervals import ratio
from reports.pass_rate import check_rates, count_results, count_sessions, location_rates, with_rates

_CHECK: Final = ("check_id", "check_name")
_RESULTS: Final = ("n", "passed", "degraded", "failed", "void", "missing")
_PASS_RATE: Final = ("pass_rate", "pass_rate_low", "pass_rate_high")
_FLAKE_RATE: Final = ("flake_events", "flake_rate", "flake_rate_low", "flake_rate_high")
_ADJUSTED: Final = ("n_adjusted", "pass_rate_adjusted")

COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "checks": (
        *(*_CHECK, "check_type", "sessions", "rated", "passed", "degraded", "failed", "timed_out", "cancelled"),
        *("unfinished", "left_out", *_PASS_RATE, "degraded_rate", "first_try_pass_rate", "first_try_pass_rate_low"),
        *("first_try_pass_rate_high", "incidents", "split_sessions", "missing", "retry_pass", "flake_events"),
        *_ADJUSTED,
    ),
    "check_location": (
        *(*_CHECK, "run_location", *_RESULTS, *_PASS_RATE, "first_try_pass_rate", "retry_pass", "retry_pass_rate"),
        *("flips", "flip_rate", *_FLAKE_RATE, "incidents", *_ADJUSTED),
    ),
    "locations": (
        *("run_location", "checks", *_RESULTS, "mean_pass_rate", "pooled_pass_rate", "retry_pass", "retry_pass_rate"),
        *("flake_events", "mean_flake_rate", "pooled_flake_rate"),
    ),
    "daily": (
        *(*_CHECK, "run_location", "day", *_RESULTS, *_PASS_RATE, "degraded_rate", "first_try_pass_rate"),
        *("retry_pass", "retry_pass_rate"),
    ),
    "elapsed": (*_CHECK, "run_locations", "n", "excluded", "median_ms", "p95_ms"),
    "sessions": (
        *("check_session_id", *_CHECK, "origin", "schedule", "status", "outcome", "started_at", "stopped_at"),
        *("time_elapsed_ms", "run_locations", "missing_locations", "has_attempts", "run_source", "link"),
    ),
    "exclusions": (
        *("exclusion_id", "starts_at", "ends_at", *_CHECK, "run_location", "reason", "created_at", "created_by"),
        *("sessions", "results"),
    ),
}
"""The columns of each CSV file."""


def check_location_table(history: History) -> pd.DataFrame:
    """One row per (check, run location) that a session of the rates should have run at; keeps PAIR as columns."""
    counts = with_rates(count_results(history.results, PAIR))
    measured = counts.join(flakiness(history.results, history.previous, counts)).reset_index()
    return _named(measured, history)


def checks_table(history: History, pairs: pd.DataFrame) -> pd.DataFrame:
    """One row per check with a session in the window, however it ended; `pairs` is the check_location table."""
    rates = check_rates(history.sessions, history.results)
    sums = pairs.groupby("check_pk")[["missing", "retry_pass", "flake_events"]].sum()
    return _named(rates.join(sums.reindex(rates.index, fill_value=0)).reset_index(), history)


def locations_table(pairs: pd.DataFrame) -> pd.DataFrame:
    """One row per run location; the mean rates weigh every check alike, the pooled ones every result."""
    rates = location_rates(pairs)
    flakes = pairs.groupby("run_location")
    return rates.assign(
        retry_pass_rate=ratio(rates["retry_pass"], rates["n"]),
        flake_events=flakes["flake_events"].sum(),
        mean_flake_rate=flakes["flake_rate"].mean(),
        pooled_flake_rate=ratio(flakes["flake_events"].sum(), rates["n"]),
    ).reset_index()


def daily_table(history: History) -> pd.DataFrame:
    """One row per (check, run location, local day) on which something ran or should have."""
    return _named(with_rates(count_results(history.results, [*PAIR, "day"])).reset_index(), history)


def elapsed_table(history: History) -> pd.DataFrame:
    """One row per timeElapsed series; `days` holds the medians of its local days, NaN where nothing ran."""
    medians = daily_medians(history.sessions).reindex(columns=pd.to_datetime(list(history.window.days)))
    series = elapsed(history.sessions)
    rows = medians.reindex(series.index).to_numpy().tolist()
    return _named(series.assign(days=pd.Series(rows, index=series.index, dtype=object)).reset_index(), history)


def sessions_table(history: History) -> pd.DataFrame:
    """Every session of the window; `missing_locations` is known for those in the rates only."""
    absent = history.results["outcome"].eq(MISSING).groupby(history.results["position"]).sum()
    sessions = history.sessions.merge(history.checks, left_on="check_pk", right_index=True)
    ids = sessions["check_session_id"].map(str).astype(object)
    return sessions.assign(
        check_session_id=ids,
        run_locations=sessions["location_set_pk"].map(_set_names(history)),
        missing_locations=sessions["position"].map(absent).fillna(0).where(sessions["in_rates"]),
        link=(sessions["link"] + "/check-sessions/" + ids).where(sessions["link"].notna(), None),
    ).sort_values("position", ignore_index=True)


def check_days_table(history: History) -> pd.DataFrame:
    """`rated` and `fail` sessions per check (index check_id) and local day."""
    counts = count_sessions(history.sessions, ["check_pk", "day"]).reset_index()
    named = counts.assign(check_id=counts["check_pk"].map(history.checks["check_id"]))
    return named.assign(fail=named["failed"] + named["timed_out"]).set_index(["check_id", "day"])[["rated", "fail"]]


def _named(frame: pd.DataFrame, history: History) -> pd.DataFrame:
    """The frame with the names of its keys, sorted by check name, check id, run location(s), day."""
    named = frame.merge(history.checks, left_on="check_pk", right_index=True)
    order = ["_name", "check_id"]
    if "run_location_pk" in named:
        named = named.assign(run_location=named["run_location_pk"].map(history.run_locations))
        order.append("run_location")
    if "location_set_pk" in named:
        named = named.assign(run_locations=named["location_set_pk"].map(_set_names(history)))
        order.append("run_locations")
    if "day" in named:
        order.append("day")
    named = named.assign(_name=named["check_name"].fillna(""))
    return named.sort_values(order, ignore_index=True).drop(columns="_name")


def _set_names(history: History) -> "pd.Series[str]":
    """A set of run locations as one cell: names in order, joined by "|"; a "|" inside a private name is doubled."""
    return history.location_sets.map(lambda names: "|".join(name.replace("|", "||") for name in names)).astype(object)
