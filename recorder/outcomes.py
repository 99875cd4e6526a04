"""Pure: what a session's status and a result's flags mean for the rates (statistics: units and outcomes)."""

from enum import StrEnum
from typing import Final

RUNNING_STATUSES: Final = frozenset({"STARTED", "PROGRESS", "PROGRESS_FAILED", "PROGRESS_DEGRADED"})
FINAL_STATUSES: Final = frozenset({"PASSED", "FAILED", "DEGRADED", "TIMED_OUT", "CANCELLED"})

RECONCILED: Final = "RECONCILED"
BACKFILLED: Final = "BACKFILLED"
STAND_INS: Final = frozenset({RECONCILED, BACKFILLED})
"""The statuses of sessions that were put together from results: Checkly never told us theirs."""


class Outcome(StrEnum):
    """What a finished session or a FINAL result counts as."""

    PASS = "PASS"  # noqa: S105 - no password
    DEGRADED = "DEGRADED"
    FAIL = "FAIL"
    VOID = "VOID"


_SESSION_OUTCOMES: Final = {
    "PASSED": Outcome.PASS,
    "DEGRADED": Outcome.DEGRADED,
    "FAILED": Outcome.FAIL,
    "TIMED_OUT": Outcome.FAIL,
    "CANCELLED": Outcome.VOID,
}


def is_final(status: str) -> bool:
    """Whether a session of this status has ended. An unknown status has not: asking once more is harmless."""
    return status in FINAL_STATUSES


def session_outcome(status: str) -> Outcome | None:
    """What the session counts as; None while it runs or when the status is unknown."""
    return _SESSION_OUTCOMES.get(status)


def result_outcome(
    *,
    session_status: str,
    has_errors: bool | None,
    has_failures: bool | None,
    is_degraded: bool | None,
    aborted: bool | None,
    is_cancelled: bool | None,
) -> Outcome:
    """What one result counts as, the first that fits: VOID, FAIL, DEGRADED, PASS. An absent flag is false."""
    if session_status == "CANCELLED" or aborted or is_cancelled:
        return Outcome.VOID
    if has_errors or has_failures:
        return Outcome.FAIL
    return Outcome.DEGRADED if is_degraded else Outcome.PASS
