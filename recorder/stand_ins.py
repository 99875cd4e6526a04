"""Pure: finds out which check results are one run, and makes of a run a session that stands in for the real one.

A check result carries no session id. What holds a run together is its `checkRunId`, and the `sequenceId` that a FINAL
shares with the attempts before it; either may be missing. A stand-in's status is none of Checkly's words.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from recorder.check_results import CheckResultEntry
from recorder.payloads import SURPRISE_LIMIT, ResultSnapshot, SessionSnapshot


@dataclass(frozen=True, slots=True)
class Run:
    """Results of one check that belong together, in the order of their starts; `key` names them, ever the same."""

    key: str
    entries: tuple[CheckResultEntry, ...]

    @property
    def started_at(self) -> datetime | None:
        """The first start; None when no result says when it started."""
        return next((one.started_at for one in self.entries if one.started_at is not None), None)

    @property
    def has_final(self) -> bool:
        """Whether there is anything but attempts."""
        return any(one.result_type != "ATTEMPT" for one in self.entries)


def runs_of(entries: Iterable[CheckResultEntry]) -> list[Run]:
    """The runs that results of one check belong to, each result in one; whatever order they come in.

    Results that name neither a run nor a sequence are joined by place: attempts belong to the next FINAL there.
    """
    unique = {one.check_result_id: one for one in entries}
    ordered = sorted(unique.values(), key=_by_start)
    named = _named_runs(ordered)
    sequences: dict[str, str] = {}
    for one in ordered:
        run = _run_key(one, named)
        if run is not None and one.sequence_id is not None:
            sequences[f"sequence {one.sequence_id}"] = run
    grouped: dict[str, list[CheckResultEntry]] = {}
    alone: list[CheckResultEntry] = []
    for one in ordered:
        key = _run_key(one, named)
        if key is None and one.sequence_id is not None:
            own = f"sequence {one.sequence_id}"
            key = sequences.get(own, own)
        if key is None:
            alone.append(one)
        else:
            grouped.setdefault(key, []).append(one)
    return [*(Run(key, tuple(some)) for key, some in grouped.items()), *_runs_by_place(alone)]


def session_from(
    entries: Sequence[CheckResultEntry],
    *,
    check_session_id: UUID,
    check_type: str,
    status: str,
    started_at: datetime,
    name: str | None = None,
) -> SessionSnapshot:
    """A session that holds these results of one check (at least one); `started_at` where none of them says it."""
    starts = [one.started_at for one in entries if one.started_at is not None]
    stops = [one.stopped_at for one in entries if one.stopped_at is not None]
    return SessionSnapshot(
        check_session_id=check_session_id,
        check_id=entries[0].check_id,
        check_type=check_type,
        name=name,
        status=status,
        started_at=min(starts, default=started_at),
        stopped_at=max(stops, default=None),
        time_elapsed_ms=None,
        run_locations=tuple(sorted({one.run_location for one in entries})),
        run_source=None,
        link=None,
        results=tuple(_result(one) for one in entries),
        raw=json.dumps([json.loads(one.raw) for one in entries if one.raw]).encode(),
        surprises=tuple(dict.fromkeys(what for one in entries for what in one.surprises))[:SURPRISE_LIMIT],
        malformed_results=0,
    )


def _by_start(entry: CheckResultEntry) -> tuple[bool, float, UUID]:
    start = entry.started_at
    return start is None, 0.0 if start is None else start.timestamp(), entry.check_result_id


def _named_runs(entries: Iterable[CheckResultEntry]) -> frozenset[str]:
    """The `checkRunId`s that name one run: a run has one FINAL at each location, so what names two there names none."""
    finals = Counter((one.check_run_id, one.run_location) for one in entries if one.result_type == "FINAL")
    shared = {run for (run, _), times in finals.items() if times > 1}
    return frozenset(one.check_run_id for one in entries if one.check_run_id is not None) - shared


def _run_key(entry: CheckResultEntry, named: frozenset[str]) -> str | None:
    return f"run {entry.check_run_id}" if entry.check_run_id in named else None


def _runs_by_place(entries: Sequence[CheckResultEntry]) -> Iterator[Run]:
    """One run for each FINAL with the attempts since the last one at its location; attempts left over are one, too."""
    waiting: dict[str, list[CheckResultEntry]] = {}
    for one in entries:
        waiting.setdefault(one.run_location, []).append(one)
        if one.result_type != "ATTEMPT":
            yield Run(f"result {one.check_result_id}", tuple(waiting.pop(one.run_location)))
    for some in waiting.values():
        yield Run(f"result {some[0].check_result_id}", tuple(some))


def _result(entry: CheckResultEntry) -> ResultSnapshot:
    return ResultSnapshot(
        check_result_id=entry.check_result_id,
        run_location=entry.run_location,
        result_type=entry.result_type,
        has_errors=entry.has_errors,
        has_failures=entry.has_failures,
        is_degraded=entry.is_degraded,
        aborted=None,
        is_cancelled=entry.is_cancelled,
        response_time_ms=entry.response_time_ms,
        started_at=entry.started_at,
        stopped_at=entry.stopped_at,
    )
