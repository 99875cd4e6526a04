"""Turns Checkly's JSON into frozen dataclasses: the narrow waist that every session and result passes through.

Tolerant of what is unknown (fields, enum values, absent optionals, nulls), strict about what nothing can be recorded
without: the ids, the status and the start. What was odd but survivable is named in `surprises`, so that it is counted.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
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
from recorder.outcomes import FINAL_STATUSES, RUNNING_STATUSES, is_final

NAME_LIMIT: Final = 1000
"""Characters kept of a name or a link; the raw payload keeps the rest."""
SURPRISE_LIMIT: Final = 50
"""Odd things named per session; a payload of a hundred thousand unknown fields must not fill the database."""

CHECK_TYPES: Final = frozenset(
    "AGENTIC API BROWSER HEARTBEAT ICMP MULTI_STEP TCP PLAYWRIGHT URL DNS SSL GRPC TRACEROUTE".split()
)
RUN_SOURCES: Final = frozenset(
    (
        "TRIGGER_API SCHEDULER SCHEDULE_NOW CLI_DEPLOY DEPLOYMENT DEPLOYMENT_CACHE_WARMER EDITOR GROUP_RUN_ALL "
        "LEGACY_TRIGGER TEST_NO_RECORD TEST_RECORD TRIGGER_NO_RECORD TRIGGER_RECORD SLACK_RERUN"
    ).split()
)
RESULT_TYPES: Final = frozenset({"FINAL", "ATTEMPT", "ALL"})
_SESSION_FIELDS: Final = frozenset(
    (
        "checkSessionId checkSessionLink checkId checkType name status startedAt stoppedAt timeElapsed runLocations "
        "runSource results"
    ).split()
)
_RESULT_FIELDS: Final = frozenset(
    (
        "checkResultId checkResultLink checkId checkType name runLocation resultType hasErrors hasFailures isDegraded "
        "aborted isCancelled responseTime startedAt stoppedAt"
    ).split()
)
_STATUSES: Final = FINAL_STATUSES | RUNNING_STATUSES
_NULLABLE: Final = frozenset({"stoppedAt", "runSource", "resultType", "responseTime"})
"""Fields that the contract lets be null; a result's startedAt may be, too."""
_NEVER_NULL_IN_SESSION: Final = _SESSION_FIELDS - _NULLABLE
_NEVER_NULL_IN_RESULT: Final = _RESULT_FIELDS - _NULLABLE - {"startedAt"}


@dataclass(frozen=True, slots=True)
class ResultSnapshot:
    """One result inside a session. Times in UTC, `response_time_ms` in milliseconds; None = Checkly did not say."""

    check_result_id: UUID
    run_location: str
    result_type: str | None
    has_errors: bool | None
    has_failures: bool | None
    is_degraded: bool | None
    aborted: bool | None
    is_cancelled: bool | None
    response_time_ms: float | None
    started_at: datetime | None
    stopped_at: datetime | None


@dataclass(frozen=True)
class SessionSnapshot:
    """One session as Checkly showed it at one moment.

    `time_elapsed_ms` is milliseconds, with a fraction if Checkly gives one; `raw` is the payload as compact JSON;
    `surprises` are short words for what the contract does not know ("status=NEW", "field session.foo");
    `malformed_results` counts results left out.
    """

    check_session_id: UUID
    check_id: UUID
    check_type: str
    name: str | None
    status: str
    started_at: datetime
    stopped_at: datetime | None
    time_elapsed_ms: float | None
    run_locations: tuple[str, ...]
    run_source: str | None
    link: str | None
    results: tuple[ResultSnapshot, ...]
    raw: bytes
    surprises: tuple[str, ...]
    malformed_results: int

    @cached_property
    def deflated(self) -> bytes:
        """The payload as it is stored. Whoever fetched it asks first, so that the one thread that writes need not."""
        return zlib.compress(self.raw)

    @property
    def is_final(self) -> bool:
        """Whether Checkly says that the session has ended."""
        return is_final(self.status)

    @property
    def lacks_finals(self) -> bool:
        """Whether this snapshot has fewer FINALs than run locations: a round-robin check may have retried elsewhere."""
        return [result.result_type for result in self.results].count("FINAL") < len(self.run_locations)

    @property
    def missing_locations(self) -> frozenset[str]:
        """Run locations that have no FINAL result in this snapshot; none is missing when it lacks no FINALs."""
        if not self.lacks_finals:
            return frozenset()
        finals = {result.run_location for result in self.results if result.result_type == "FINAL"}
        return frozenset(self.run_locations) - finals


@dataclass(frozen=True, slots=True)
class Malformed:
    """A piece of an answer that could not be read: why, and the bytes of it."""

    why: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class TriggerAnswer:
    """What Checkly said to a trigger: the sessions it started, the pieces that could not be read, the raw body.

    No sessions and no malformed pieces mean that nothing matched (a 404, or a 201 with an empty list).
    """

    sessions: tuple[SessionSnapshot, ...]
    malformed: tuple[Malformed, ...]
    http_status: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class StillRunning:
    """408 on a completion: ask again, after `retry_after_s` seconds if the server wishes so."""

    retry_after_s: float | None = None


def parse_trigger_answer(body: bytes, *, http_status: int) -> TriggerAnswer:
    """The answer to a trigger: every readable session, and each unreadable one as `Malformed`.

    Raises MalformedPayload when there is no list of sessions at all.
    """
    document = load_json(body)
    sessions = document.get("sessions") if isinstance(document, dict) else None
    if not isinstance(sessions, list):
        raise MalformedPayload("the answer to a trigger holds no list of sessions")
    good: list[SessionSnapshot] = []
    bad: list[Malformed] = []
    for entry in sessions:
        try:
            good.append(parse_session(entry))
        except MalformedPayload as error:
            bad.append(Malformed(str(error), compact_json(entry)))
    return TriggerAnswer(tuple(good), tuple(bad), http_status, body)


def parse_session(entry: object) -> SessionSnapshot:
    """One session payload of v1 or v2. Raises MalformedPayload naming the indispensable field that is unreadable."""
    if not isinstance(entry, dict):
        raise MalformedPayload(f"a session is an object, this is {kind_of(entry)}")
    odd: list[str] = [f"field session.{storable_key(key)}" for key in entry if key not in _SESSION_FIELDS]
    odd.extend(_nulls(entry, _NEVER_NULL_IN_SESSION))
    results, malformed_results = _parse_results(entry.get("results"), odd)
    locations = _parse_locations(entry.get("runLocations"), odd)
    return SessionSnapshot(
        check_session_id=read_uuid(entry, "checkSessionId"),
        check_id=read_uuid(entry, "checkId"),
        check_type=read_word(entry.get("checkType"), CHECK_TYPES, "checkType", odd) or "UNKNOWN",
        name=read_text(entry.get("name"), NAME_LIMIT, "name", odd),
        status=_status(entry, odd),
        started_at=_required_time(entry, "startedAt", odd),
        stopped_at=read_time(entry.get("stoppedAt"), "stoppedAt", odd),
        time_elapsed_ms=read_milliseconds(entry.get("timeElapsed"), "timeElapsed", odd),
        run_locations=locations,
        run_source=read_word(entry.get("runSource"), RUN_SOURCES, "runSource", odd),
        link=read_text(entry.get("checkSessionLink"), NAME_LIMIT, "checkSessionLink", odd),
        results=results,
        raw=compact_json(entry),
        surprises=tuple(dict.fromkeys(odd))[:SURPRISE_LIMIT],
        malformed_results=malformed_results,
    )


def parse_result(entry: object, odd: list[str]) -> ResultSnapshot:
    """One result inside a session; oddities are appended to `odd`. Raises MalformedPayload without id or location."""
    if not isinstance(entry, dict):
        raise MalformedPayload(f"a result is an object, this is {kind_of(entry)}")
    odd.extend(f"field result.{storable_key(key)}" for key in entry if key not in _RESULT_FIELDS)
    odd.extend(_nulls(entry, _NEVER_NULL_IN_RESULT))
    location = read_text(entry.get("runLocation"), WORD_LIMIT, "runLocation", odd)
    if location is None:
        raise MalformedPayload("a result has no runLocation")
    return ResultSnapshot(
        check_result_id=read_uuid(entry, "checkResultId"),
        run_location=location,
        result_type=read_word(entry.get("resultType"), RESULT_TYPES, "resultType", odd),
        has_errors=read_flag(entry.get("hasErrors"), "hasErrors", odd),
        has_failures=read_flag(entry.get("hasFailures"), "hasFailures", odd),
        is_degraded=read_flag(entry.get("isDegraded"), "isDegraded", odd),
        aborted=read_flag(entry.get("aborted"), "aborted", odd),
        is_cancelled=read_flag(entry.get("isCancelled"), "isCancelled", odd),
        response_time_ms=read_milliseconds(entry.get("responseTime"), "responseTime", odd),
        started_at=read_time(entry.get("startedAt"), "result.startedAt", odd),
        stopped_at=read_time(entry.get("stoppedAt"), "result.stoppedAt", odd),
    )


def _nulls(entry: Mapping[str, object], fields: frozenset[str]) -> list[str]:
    """A word for each of these fields that is there and null, which the contract does not foresee."""
    return [f"{key} is null" for key, value in entry.items() if value is None and key in fields]


def _parse_results(entries: object, odd: list[str]) -> tuple[tuple[ResultSnapshot, ...], int]:
    if entries is None:
        return (), 0
    if not isinstance(entries, list):
        odd.append(f"results is {kind_of(entries)}")
        return (), 0
    good: dict[UUID, ResultSnapshot] = {}
    bad = 0
    for entry in entries:
        try:
            result = parse_result(entry, odd)
        except MalformedPayload as error:
            odd.append(f"malformed result: {error}")
            bad += 1
        else:
            good[result.check_result_id] = result
    return tuple(good.values()), bad


def _parse_locations(value: object, odd: list[str]) -> tuple[str, ...]:
    if not isinstance(value, list):
        odd.append(f"runLocations is {kind_of(value)}")
        return ()
    words = (read_text(entry, WORD_LIMIT, "runLocations", odd) for entry in value)
    return tuple(sorted({word for word in words if word is not None}))


def _status(entry: Mapping[str, object], odd: list[str]) -> str:
    status = read_word(entry.get("status"), _STATUSES, "status", odd)
    if status is None:
        raise MalformedPayload("a session has no status")
    return status


def _required_time(entry: Mapping[str, object], field: str, odd: list[str]) -> datetime:
    value = read_time(entry.get(field), field, odd)
    if value is None:
        raise MalformedPayload(f"a session has no readable {field}")
    return value
