"""What a report is: the tables of one window, measured once and then only laid out."""

from dataclasses import dataclass

import pandas as pd

from reports.coverage import Coverage
from reports.windows import Window


@dataclass(frozen=True, slots=True)
class Report:
    """The first seven frames are the CSV files (`tables.COLUMNS`), named rows in their final order.

    `check_days` (index check_id, day): rated and failed sessions, for the strips on the page. `about`: which checks it
    is about, empty for all.
    """

    window: Window
    checks: pd.DataFrame
    check_location: pd.DataFrame
    locations: pd.DataFrame
    daily: pd.DataFrame
    elapsed: pd.DataFrame
    sessions: pd.DataFrame
    exclusions: pd.DataFrame
    check_days: pd.DataFrame
    coverage: Coverage
    about: str = ""

    @property
    def adjusted_pass_rate(self) -> float | None:
        """The session pass rate over all checks without what is excluded; None when nothing is left to rate."""
        n = int(self.checks["n_adjusted"].sum())
        return int(self.checks["ok_adjusted"].sum()) / n if n else None
