"""Turns the entries of Checkly's check-results endpoints into frozen dataclasses.

Such an entry is the same run that a session holds as a result (join by `check_result_id`), under other field names and
without its session's id.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from recorder.errors import MalformedPayload
from recorder.json_fields import (
    WORD_LIMIT,
    compact_json,
    kind_of,
    load_json,
    read_flag,
    read_milliseconds,
    read_text,
    read_time,
    read_uuid,
    read_word,
    storable_key,
)
from recorder.payloads import NAME_LIMIT, RESULT_TYPES, SURPRISE_LIMIT, Malformed

_FIELDS: Final = frozenset(
    (
        "id name checkId hasFailures hasErrors isDegraded isCancelled overMaxResponseTime runLocation startedAt "
        "stoppedAt created_at createdAt responseTime apiCheckResult browserCheckResult multiStepCheckResult "
        "agenticCheckResult playwrightCheckResult tracerouteCheckResult grpcCheckResult sslCheckResult checkRunId "
        "attempts resultType sequenceId traceId errorGroupIds"
    ).split()
)
_MOST: Final = 2**63


@dataclass(frozen=True, slots=True)
class CheckResultEntry:
    """One run of one check at one location. Times in UTC, `response_time_ms` in ms; None = Checkly did not say.

    `raw` is the entry as compact JSON; `surprises` are short words for what the contract does not know.
    """

    check_result_id: UUID
    check_id: UUID
    run_location: str
    result_type: str | None
    has_failures: bool | None
    has_errors: bool | None
    is_degraded: bool | None
    is_cancelled: bool | None
    response_time_ms: float | None
    started_at: datetime | None
    stopped_at: datetime | None
    sequence_id: UUID | None
    check_run_id: str | None
    name: str | None
    """The check's name."""
    raw: bytes
    surprises: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CheckResultPage:
    """One page of a list: what could be read, what could not, and the cursor of the next page (None = the end)."""

    entries: tuple[CheckResultEntry, ...]
    malformed: tuple[Malformed, ...]
    next_id: str | None


def parse_check_result_page(body: bytes) -> CheckResultPage:
    """The answer of `GET /v2/check-results/{checkId}`. Raises MalformedPayload when it holds no list of entries."""
    document = load_json(body)
    listed = document.get("entries") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise MalformedPayload("the answer holds no list of entries")
    good: list[CheckResultEntry] = []
    bad: list[Malformed] = []
    for entry in listed:
        try:
            good.append(parse_check_result(entry))
        except MalformedPayload as error:
            bad.append(Malformed(str(error), compact_json(entry)))
    next_id = document.get("nextId")
    return CheckResultPage(tuple(good), tuple(bad), next_id if isinstance(next_id, str) and next_id else None)


def parse_check_result(entry: object) -> CheckResultEntry:
    """One entry. Raises MalformedPayload when it has no ids or no location."""
    if not isinstance(entry, dict):
        raise MalformedPayload(f"a check result is an object, this is {kind_of(entry)}")
    odd: list[str] = [f"field check_result.{storable_key(key)}" for key in entry if key not in _FIELDS]
    location = read_text(entry.get("runLocation"), WORD_LIMIT, "runLocation", odd)
    if location is None:
        raise MalformedPayload("a check result has no runLocation")
    return CheckResultEntry(
        check_result_id=read_uuid(entry, "id"),
        check_id=read_uuid(entry, "checkId"),
        run_location=location,
        result_type=read_word(entry.get("resultType"), RESULT_TYPES, "resultType", odd),
        has_failures=read_flag(entry.get("hasFailures"), "hasFailures", odd),
        has_errors=read_flag(entry.get("hasErrors"), "hasErrors", odd),
        is_degraded=read_flag(entry.get("isDegraded"), "isDegraded", odd),
        is_cancelled=read_flag(entry.get("isCancelled"), "isCancelled", odd),
        response_time_ms=read_milliseconds(entry.get("responseTime"), "responseTime", odd),
        started_at=read_time(entry.get("startedAt"), "startedAt", odd),
        stopped_at=read_time(entry.get("stoppedAt"), "stoppedAt", odd),
        sequence_id=read_uuid(entry, "sequenceId") if entry.get("sequenceId") is not None else None,
        check_run_id=_run_id(entry.get("checkRunId"), odd),
        name=read_text(entry.get("name"), NAME_LIMIT, "check_result.name", odd),
        raw=compact_json(entry),
        surprises=tuple(dict.fromkeys(odd))[:SURPRISE_LIMIT],
    )


def _run_id(value: object, odd: list[str]) -> str | None:
    """A number in Checkly's examples; as text it may become anything else. 0 and nothing name no run."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if 0 < value < _MOST else None
    return read_text(value, WORD_LIMIT, "checkRunId", odd) or None
