"""How a server's wish to be left alone is read, and its clock."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from recorder.access import ChecklyAccess
from recorder.checkly import ChecklyClient
from recorder.retry_after import http_date, retry_after_s
from tests.asking import KEY, complete
from tests.sockets import ScriptedServer, http_answer, saying

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("0", 0.0),
        ("7", 7.0),
        ("1.5", 1.5),
        ("-5", 0.0),
        ("86400", 3600.0),
        ("1e400", 3600.0),
        ("Fri, 20 Nov 2026 12:00:30 GMT", 30.0),
        ("Fri, 20 Nov 2026 14:00:30 +0200", 30.0),
        ("Fri, 20 Nov 2026 12:00:30 -0000", 30.0),
        ("Fri, 20 Nov 2026 11:00:00 GMT", 0.0),
        ("Fri, 20 Nov 2076 12:00:00 GMT", 3600.0),
        ("Fri, 99 Nov 2026 12:00:30 GMT", None),
    ],
)
def test_a_wish_to_wait_is_read_as_seconds_or_as_a_date_and_kept_within_an_hour(
    header: str | None, seconds: float | None
) -> None:
    """Nothing that a server says makes the recorder sleep for a day."""
    assert retry_after_s(header, NOW) == seconds


@pytest.mark.parametrize(
    ("header", "date"),
    [
        (None, None),
        ("", None),
        ("yesterday", None),
        ("Fri, 20 Nov 2026 12:00:00 GMT", NOW),
        ("Fri, 20 Nov 2026 12:00:00 -0000", NOW),
        ("Friday, 20-Nov-26 12:00:00 GMT", NOW),
        ("Fri Nov 20 12:00:00 2026", NOW),
        ("Fri, 99 Nov 2026 12:00:00 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 -2300", None),
    ],
)
def test_a_date_is_read_in_each_form_that_http_knows(header: str | None, date: datetime | None) -> None:
    """Whatever a proxy writes there, nothing breaks."""
    assert http_date(header) == date


def test_what_each_answer_says_the_time_is_is_handed_on_as_it_arrives() -> None:
    """Whoever compares clocks need not send anything; an answer without a clock says nothing."""
    heard: list[datetime] = []
    answers = saying(http_answer(408), http_answer(408, b"", "Date: Fri, 20 Nov 2026 12:00:00 GMT"))
    with ScriptedServer(answers) as server:
        access = ChecklyAccess(api_key=KEY, account_id=UUID(int=1), base_url=server.url)
        with ChecklyClient(access, on_date=heard.append) as checkly:
            complete(checkly)
            assert heard == []
            complete(checkly)

    assert heard == [NOW]
