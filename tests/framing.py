"""Frames as the history loader gives them, for the tests of measures that need no database."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from reports.frames import OUTCOMES
from tests.past import MONDAY

CODES = {
    ".": ("PASS", 0),
    "F": ("FAIL", 0),
    "r": ("PASS", 1),
    "v": ("VOID", 0),
    "d": ("DEGRADED", 0),
    "-": ("MISSING", 0),
}
NO_EVENTS = pd.DataFrame(
    {
        "fire_pk": pd.Series(dtype="int64"),
        "run_location_pk": pd.Series(dtype="int64"),
        "kind": pd.Series(dtype="object"),
    }
)


def results(*checks: Mapping[int, str], fired: bool = False) -> pd.DataFrame:
    """Hourly results: for each check (1, 2, ...) a line of letters per run location.

    . passed, F failed, r passed after a retry, d degraded, v void, - missing, blank: does not run there. With `fired`
    all checks of an hour belong to one firing.
    """
    rows = [
        _row(hour, check, location, letter, number=len(checks), fired=fired)
        for check, lines in enumerate(checks, start=1)
        for location, line in lines.items()
        for hour, letter in enumerate(line)
        if letter != " "
    ]
    frame = pd.DataFrame(rows).sort_values(["position", "run_location_pk"], ignore_index=True)
    return frame.astype({"started_at": "datetime64[ms, UTC]"}).assign(
        outcome=pd.Categorical(frame["outcome"], dtype=OUTCOMES)
    )


def _row(hour: int, check: int, location: int, letter: str, *, number: int, fired: bool) -> dict[str, Any]:
    outcome, attempts = CODES[letter]
    return {
        "position": hour * number + check,
        "check_pk": check,
        "run_location_pk": location,
        "fire_pk": hour + 1 if fired else 0,
        "started_at": MONDAY + pd.Timedelta(hours=hour),
        "outcome": outcome,
        "attempts": attempts,
    }


def sessions(found: pd.DataFrame) -> pd.DataFrame:
    """The sessions of results: failed when one of their results did."""
    rated = found[found["outcome"].isin(["PASS", "DEGRADED", "FAIL"])]
    groups = rated.assign(fail=rated["outcome"].eq("FAIL")).groupby("position")
    table = groups.agg(
        check_pk=("check_pk", "first"),
        fire_pk=("fire_pk", "first"),
        started_at=("started_at", "first"),
        fail=("fail", "any"),
    )
    return table.assign(rated=True, in_rates=True).reset_index()


def hours(instants: Iterable[Any]) -> list[float | None]:
    """Instants as hours after MONDAY; None for an unknown one."""
    return [None if pd.isna(at) else (at - MONDAY) / pd.Timedelta(hours=1) for at in instants]
