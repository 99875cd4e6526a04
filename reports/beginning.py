"""Pure: where the history begins, and which spans it therefore holds a part of: their counts are no drop."""

from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from reports.frames import History
from reports.thresholds import DEFAULTS, Thresholds
from reports.windows import Window


def part_from(firsts: "pd.Series[Any]", span: Window, thresholds: Thresholds = DEFAULTS) -> datetime | None:
    """The local moment (naive) at which a history begins inside of the span; None when it holds the whole of it.

    `firsts`: `first_moments` of the history.

    It does when the history begins before the span, or as early in it as what runs seldom would: fewer days after its
    beginning than usually lie between days with a session, and at the hour at which other days begin, or no more than
    `part_hours` later: so much less of a span does not show.
    """
    opening = pd.Timestamp(span.days[0])
    if firsts.empty or not opening <= firsts.index[0] <= pd.Timestamp(span.days[-1]):
        return None
    begins: datetime = firsts.iloc[0].to_pydatetime()
    usual = firsts.index.to_series().diff().iloc[1:].median()
    if firsts.index[0] - opening >= (timedelta(days=1) if pd.isna(usual) else usual):
        return begins
    clock = (firsts - firsts.index).iloc[1:].median()
    if pd.isna(clock):
        return None
    expected = max((firsts.index[0] + clock).to_pydatetime(), span.start_local.replace(tzinfo=None))
    return begins if begins > expected + timedelta(hours=thresholds.part_hours) else None


def first_moments(history: History) -> "pd.Series[Any]":
    """The local moment (naive) of the first session of each local day (the index) that has one, as far as is known."""
    earliest = history.levels.groupby("day")["first_at"].min()
    very_first = history.recent_sessions.iloc[:1].set_index("day")["started_at"]
    firsts = pd.concat([earliest, very_first]).groupby(level=0).min()
    moments: pd.Series[Any] = firsts.dt.tz_convert(history.window.zone).dt.tz_localize(None)
    return moments
