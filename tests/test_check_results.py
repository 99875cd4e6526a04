"""Reading the entries of the check-results endpoints."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from recorder.check_results import parse_check_result, parse_check_result_page
from recorder.errors import MalformedPayload
from tests import documented


def page(*entries: Any, next_id: Any = None) -> bytes:
    return json.dumps({"length": len(entries), "entries": entries, "nextId": next_id}).encode()


def test_an_entry_of_the_published_contract_is_read_whole() -> None:
    """Ids, location, flags, times in UTC, milliseconds; nothing in it is a surprise."""
    entry = parse_check_result(documented.CHECK_RESULT)

    assert entry.check_result_id == UUID(documented.CHECK_RESULT_ID)
    assert entry.check_id == UUID(documented.CHECK_ID)
    assert (entry.run_location, entry.result_type) == ("us-east-1", "FINAL")
    assert (entry.has_failures, entry.has_errors, entry.is_degraded, entry.is_cancelled) == (False, False, None, False)
    assert entry.response_time_ms == 188
    assert entry.started_at == datetime(2025, 8, 28, 18, 23, 41, 262000, tzinfo=UTC)
    assert entry.stopped_at == datetime(2025, 8, 28, 18, 23, 41, 450000, tzinfo=UTC)
    assert entry.sequence_id == UUID("5a8b1d7e-0c3f-4b6a-9d2e-1f4c7b8a9e60")
    assert json.loads(entry.raw) == documented.CHECK_RESULT
    assert entry.surprises == ()


def test_what_the_contract_does_not_know_is_kept_and_named() -> None:
    """Enums and fields grow."""
    entry = parse_check_result({**documented.CHECK_RESULT, "resultType": "RETRY", "mood": "good", "hasErrors": "no"})

    assert entry.result_type == "RETRY"
    assert entry.has_errors is None
    assert entry.surprises == ("field check_result.mood", "resultType=RETRY", "hasErrors is text")


@pytest.mark.parametrize("missing", ["id", "checkId", "runLocation"])
def test_an_entry_without_what_it_is_joined_by_is_malformed(missing: str) -> None:
    """Nothing can be recorded without the ids and the location."""
    with pytest.raises(MalformedPayload, match=missing):
        parse_check_result({key: value for key, value in documented.CHECK_RESULT.items() if key != missing})


def test_one_malformed_entry_does_not_hide_the_others_of_its_page() -> None:
    """It is kept, raw, with the reason."""
    result = parse_check_result_page(page(documented.CHECK_RESULT, {"id": 5}, None, next_id="next"))

    assert [str(entry.check_result_id) for entry in result.entries] == [documented.CHECK_RESULT_ID]
    assert [piece.raw for piece in result.malformed] == [b'{"id":5}', b"null"]
    assert result.next_id == "next"


@pytest.mark.parametrize("cursor", [None, "", 7])
def test_a_page_without_a_usable_cursor_is_the_last(cursor: object) -> None:
    """Null is the documented end."""
    assert parse_check_result_page(page(next_id=cursor)).next_id is None


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{}", b'{"entries":null}', b'{"entries":[NaN]}'])
def test_a_page_without_a_list_of_entries_is_malformed(body: bytes) -> None:
    """An empty history must not be read out of an answer that says nothing."""
    with pytest.raises(MalformedPayload):
        parse_check_result_page(body)
