"""What lies before the time that is looked at: since when something has failed, and which checks ran at all."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import pandas as pd
from sqlalchemy import Connection, Select, exists, select

from recorder.models import Check, CheckResult, CheckSession
from recorder.outcomes import Outcome
from reports.frames import INSTANT, PAIR, RATED, Rows, begins_group, since
from reports.history_rows import in_rates
from reports.windows import Window

LONGEST: Final = timedelta(days=365)
"""Failures are followed back this far: bounded, so that no report reads the whole past of what never worked."""
_CHUNK: Final = 500
_COLUMNS: Final = ("first_failed_at", "last_good_at")


def load_check_beginnings(connection: Connection, ordered: pd.DataFrame, start: datetime) -> pd.DataFrame:
    """Of the checks whose first rated session from `start` on failed: that incident's first_failed_at and last_good_at.

    `ordered`: `frames.check_by_check` of rated sessions that begin before `start`. Index check_pk; NaT: longer ago than
    LONGEST before them; last_good_at is also NaT when there never was one.
    """
    return _beginnings(connection, ordered, ("check_pk",), start)


def load_pair_beginnings(connection: Connection, sequence: pd.DataFrame, start: datetime) -> pd.DataFrame:
    """The same of each PAIR (the index), whose results `sequence` (`frames.sequences`) holds."""
    return _beginnings(connection, sequence, PAIR, start)


def load_known_checks(connection: Connection, sessions: pd.DataFrame, window: Window) -> frozenset[int]:
    """The checks with a session before the window: those of `sessions`, which begin earlier, and of the window's all.

    The database is asked for the few that ran in the window and not in the weeks before it.
    """
    earlier = ~since(sessions, window.start)
    known = {*sessions.loc[earlier, "check_pk"].unique().tolist()}
    candidates = sorted({*sessions.loc[~earlier, "check_pk"].unique().tolist()} - known)
    ran = exists().where(CheckSession.check_pk == Check.pk, CheckSession.started_at < window.start)
    for start in range(0, len(candidates), _CHUNK):
        chunk = candidates[start : start + _CHUNK]
        known |= {*connection.scalars(select(Check.pk).where(Check.pk.in_(chunk), ran))}
    return frozenset(known)


def _beginnings(connection: Connection, ordered: pd.DataFrame, by: Sequence[str], start: datetime) -> pd.DataFrame:
    """Most begin inside of what is loaded; the database is asked for those alone that fill it from its first row."""
    rows, begins, first = _failed_at(ordered, by, start)
    keys = ordered[list(by)].to_numpy()[rows]
    instants = ordered["started_at"].array
    found = [
        _asked(connection, [int(one) for one in key], instants[begin])
        if begin == group
        else (instants[begin], instants[begin - 1])
        for key, begin, group in zip(keys, begins, first, strict=True)
    ]
    table = pd.DataFrame(found, columns=list(_COLUMNS)).apply(pd.to_datetime, utc=True).astype(INSTANT)
    names = {name: keys[:, place] for place, name in enumerate(by)}
    named: pd.DataFrame = table.assign(**names).set_index(list(by))
    return named


def _failed_at(ordered: pd.DataFrame, by: Sequence[str], start: datetime) -> tuple[Rows, Rows, Rows]:
    """The first row of each group from `start` on, where it failed; where its run of failures, and its group, begin."""
    new, fail = begins_group(ordered, by), ordered["fail"].to_numpy(dtype=bool)
    inside = since(ordered, start)
    rows = np.flatnonzero(inside & fail & (new | ~np.append([False], inside[:-1])))
    groups = np.flatnonzero(new)
    first = groups[np.searchsorted(groups, rows, side="right") - 1]
    good = np.append(-1, np.flatnonzero(~fail))
    begins = np.maximum(good[np.searchsorted(good, rows) - 1] + 1, first)
    return rows, begins, first


def _asked(connection: Connection, key: Sequence[int], first_at: pd.Timestamp) -> tuple[Any, Any]:
    """First failure and last good one of a run that reaches back to `first_at` at least."""
    before, floor = first_at.to_pydatetime(), first_at.to_pydatetime() - LONGEST
    rows, outcome = _rows(key)
    rows = rows.where(outcome.in_(RATED), CheckSession.started_at < before)
    newest_first = rows.order_by(CheckSession.started_at.desc()).limit(1)
    good = connection.scalar(newest_first.where(outcome != Outcome.FAIL, CheckSession.started_at >= floor))
    if good is None and connection.scalar(newest_first.where(CheckSession.started_at < floor)) is not None:
        return pd.NaT, pd.NaT
    failed = rows.where(outcome == Outcome.FAIL, CheckSession.started_at >= (good or floor))
    return connection.scalar(failed.order_by(CheckSession.started_at).limit(1)) or before, good


def _rows(key: Sequence[int]) -> tuple[Select[Any], Any]:
    """The starts of a check's sessions, or of those with a FINAL of a pair, and the column that says how they ended."""
    sessions = select(CheckSession.started_at).where(CheckSession.check_pk == key[0], in_rates(CheckSession))
    if len(key) == 1:
        return sessions, CheckSession.outcome
    finals = sessions.join(CheckResult, CheckResult.session_pk == CheckSession.pk)
    here = finals.where(CheckResult.run_location_pk == key[1], CheckResult.result_type == "FINAL")
    return here, CheckResult.outcome
