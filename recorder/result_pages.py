"""Pages through a check's results at Checkly, at the pace of the budget, for whoever puts runs together out of them."""

from collections.abc import Iterator
from datetime import datetime
from itertools import count
from typing import Final
from uuid import UUID

from recorder.check_results import CheckResultPage
from recorder.checkly import ChecklyClient
from recorder.errors import ChecklyError, NotSent, TryLater
from recorder.wiring import Parts

PAUSE_S: Final = 2.0
"""How long is waited after the first failure, twice as long after the second, ...; a wish of Checkly's goes before."""


def fetch_pages(
    parts: Parts, client: ChecklyClient, check_id: UUID, *, start: datetime, end: datetime, tries: int = 1
) -> Iterator[CheckResultPage]:
    """The pages of [start, end), until the last one, a cursor that comes again, or a stop.

    A page that fails for now (429, 5xx, no answer, no connection) is asked for `tries` times. Raises what the client
    raises.
    """
    cursor: str | None = None
    seen: set[str | None] = set()
    while cursor not in seen:
        seen.add(cursor)
        page = _fetch_page(parts, client, check_id, start=start, end=end, cursor=cursor, tries=tries)
        if page is None:
            return
        yield page
        cursor = page.next_id
        if cursor is None:
            return


def _fetch_page(
    parts: Parts,
    client: ChecklyClient,
    check_id: UUID,
    *,
    start: datetime,
    end: datetime,
    cursor: str | None,
    tries: int,
) -> CheckResultPage | None:
    """One page; None when the process stops before it is there."""
    for tried in count(1):
        if not _may_ask(parts):
            return None
        try:
            return client.fetch_check_result_page(check_id, start=start, end=end, cursor=cursor)
        except ChecklyError as error:
            parts.budget.heed(error)
            parts.results_budget.heed(error)
            if tried == tries or not isinstance(error, TryLater | NotSent):
                raise
            parts.stop.wait(tried * PAUSE_S if error.retry_after_s is None else error.retry_after_s)
    return None


def _may_ask(parts: Parts) -> bool:
    """Wait for a turn in both budgets; False when the process stops."""
    return parts.results_budget.take_for_read(parts.stop) and parts.budget.take_for_read(parts.stop)
