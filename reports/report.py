"""What a report is: the tables of one window, measured once and then only laid out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import pandas as pd

from reports.coverage import Coverage
from reports.key_figures import KeyFigure
from reports.thresholds import Thresholds
from reports.windows import Window


@dataclass(frozen=True, slots=True)
class Report:
    """The frames that `columns.COLUMNS` names are the CSV files, named rows in their final order.

    What they carry beside the columns of the file: `check_location` state_before, n_before, failed_before,
    flake_events_before and link; `elapsed` days (daily medians), weekly_ms (eight weekly levels, oldest first) and
    moved; `changes` position. `before` is the span that they are compared with. `check_days` (index check_id, day):
    rated and failed sessions, for the strips. `session_strips`: sessions x locations of the flakiest checks.
    `failures_by_hour` (index weekday, hour): rated and failed sessions. `events`: fleet and location events.
    `window_from`, `before_from`: the local moment at which the history begins inside of that span, None when it holds
    the whole of it (`beginning.part_from`). `silent_after`: the last local day with a session when a longer silence
    follows it than is usual. `about`: which checks it is about, empty for all.
    """

    window: Window
    before: Window
    thresholds: Thresholds
    key_figures: Sequence[KeyFigure]
    checks: pd.DataFrame
    check_location: pd.DataFrame
    locations: pd.DataFrame
    daily: pd.DataFrame
    elapsed: pd.DataFrame
    sessions: pd.DataFrame
    summary: pd.DataFrame
    changes: pd.DataFrame
    incidents: pd.DataFrame
    events: pd.DataFrame
    coverage_rows: pd.DataFrame
    exclusions: pd.DataFrame
    check_days: pd.DataFrame
    session_strips: pd.DataFrame
    failures_by_hour: pd.DataFrame
    coverage: Coverage
    window_from: datetime | None
    before_from: datetime | None
    silent_after: date | None
    about: str = ""

    @property
    def is_adjusted(self) -> bool:
        """Whether an exclusion covers any rated session of the window."""
        return bool(self.checks["n_adjusted"].ne(self.checks["rated"]).any())

    @property
    def adjusted_pass_rate(self) -> float | None:
        """The session pass rate over all checks without what is excluded; None when nothing is left to rate."""
        n = int(self.checks["n_adjusted"].sum())
        return int(self.checks["ok_adjusted"].sum()) / n if n else None

    def table(self, name: str) -> pd.DataFrame:
        """The frame behind a CSV file, by the file's name without its ending."""
        frame: pd.DataFrame = self.coverage_rows if name == "coverage" else getattr(self, name)
        return frame

    @property
    def few_runs(self) -> pd.DataFrame:
        """The pairs that ran too seldom to be ranked or called anything."""
        return self.check_location[self.check_location["n"].lt(self.thresholds.min_runs)]
