"""Use cases for triggers whose answer was lost: look for evidence at Checkly, and let a person decide.

Nothing here sends a trigger. What is found is stored with the origin `reconciled`, out of all rates; the fire stays
ambiguous, with the evidence beside it, until somebody resolves it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import NAMESPACE_OID, uuid5

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from recorder import ambiguous
from recorder.ambiguous import AmbiguousFire, KnownCheck, Rival
from recorder.check_results import CheckResultEntry
from recorder.clock import Clock, utc_now
from recorder.db import transact
from recorder.errors import ChecklyError, UsageError
from recorder.evidence import WINDOW_AFTER, Evidence, is_in_window, judge_check, may_be_another_s, results_of
from recorder.outcomes import BACKFILLED, RECONCILED
from recorder.result_pages import fetch_pages
from recorder.stand_in_store import drop_stand_ins
from recorder.stand_ins import session_from
from recorder.store import Recording, record_sessions
from recorder.wiring import Parts

_ORDER: Final = (Evidence.NONE, Evidence.WEAK, Evidence.STRONG)


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one ambiguous fire; `note` says what kept the search from being complete, if anything."""

    fire_pk: int
    schedule: str | None
    intent_at: datetime
    evidence: Evidence
    results: int
    note: str | None = None


@dataclass(frozen=True, slots=True)
class _Weighed:
    """What the results of one check say; `may_be_followed`: others may belong to sessions that are still followed."""

    evidence: Evidence
    results: int
    may_be_followed: bool


def reconcile(parts: Parts, *, fire_pk: int | None = None) -> list[Finding]:
    """Look for evidence of every unresolved ambiguous fire, or of one.

    Raises UsageError when the named fire is not ambiguous, and what the client raises when Checkly cannot be asked.
    """
    fires = transact(parts.engine, lambda db: ambiguous.load_ambiguous(db, fire_pk=fire_pk))
    if fire_pk is not None and not fires:
        raise UsageError(f"fire {fire_pk} is not ambiguous: recorder status counts those that are")
    return [_reconcile_one(parts, fire) for fire in fires]


def resolve(engine: Engine, fire_pk: int, *, ran: bool, who: str, now: Clock = utc_now) -> None:
    """Write a person's decision about an ambiguous fire. Raises UsageError when it is not ambiguous any more."""
    if not transact(engine, lambda db: ambiguous.resolve(db, fire_pk, ran=ran, who=who, now=now())):
        raise UsageError(f"fire {fire_pk} is not ambiguous: there is nothing to resolve")


def _reconcile_one(parts: Parts, fire: AmbiguousFire) -> Finding:
    now = parts.now()
    fetched: list[tuple[KnownCheck, list[CheckResultEntry]]] = []
    notes = [] if fire.checks else ["no check is known for its target: look at Checkly"]
    for check in fire.checks:
        try:
            fetched.append((check, _fetch(parts, fire, check)))
        except ChecklyError as error:
            notes.append(str(error))
    weighed = transact(parts.engine, lambda db: _weigh_and_write(db, fire, fetched, now))
    if any(one.may_be_followed for one in weighed):
        notes.append("sessions of its checks are still followed: reconcile again when they are over")
    if now < fire.intent_at + WINDOW_AFTER:
        notes.append(f"the search is complete at {fire.intent_at + WINDOW_AFTER:%H:%M:%S} UTC, reconcile again then")
    best = max((one.evidence for one in weighed), key=_ORDER.index, default=Evidence.NONE)
    results = sum(one.results for one in weighed)
    return Finding(fire.pk, fire.schedule, fire.intent_at, best, results, "; ".join(notes) or None)


def _weigh_and_write(
    db: Session, fire: AmbiguousFire, fetched: Sequence[tuple[KnownCheck, list[CheckResultEntry]]], now: datetime
) -> list[_Weighed]:
    """Judge what was fetched and store it; in one transaction, so that no result is taken by two fires."""
    rivals = ambiguous.load_rivals(db, fire, within=2 * WINDOW_AFTER)
    weighed: list[_Weighed] = []
    for check, entries in fetched:
        mine, one = _weigh(db, fire, check, entries, [rival for rival in rivals if rival.may_run(check.check_id)])
        if mine:
            drop_stand_ins(db, [one.check_result_id for one in mine], statuses={BACKFILLED})
            record_sessions(db, [_recording(fire, check, mine)], now=now)
        weighed.append(one)
    best = max((one.evidence for one in weighed), key=_ORDER.index, default=Evidence.NONE)
    ambiguous.note_evidence(db, fire.pk, best, now=now)
    return weighed


def _weigh(
    db: Session, fire: AmbiguousFire, check: KnownCheck, entries: Sequence[CheckResultEntry], rivals: Sequence[Rival]
) -> tuple[list[CheckResultEntry], _Weighed]:
    """Which results of one check speak for the fire, and how clearly."""
    known = ambiguous.known_results(db, [one.check_result_id for one in entries], fire_pk=fire.pk)
    unknown = [one for one in entries if one.check_result_id not in known]
    followed = ambiguous.load_followed(db, check.check_id)
    mine = results_of(fire, unknown, rivals=rivals, followed=followed)
    evidence = judge_check(mine, intent_at=fire.intent_at, locations=check.locations, neighbours=_starts(entries, mine))
    if evidence is Evidence.STRONG and may_be_another_s(mine, rivals):
        evidence = Evidence.WEAK
    near = any(is_in_window(one.started_at, fire.intent_at - WINDOW_AFTER) for one in followed)
    may_be_followed = near or any(is_in_window(one.started_at, fire.intent_at) for one in followed)
    return mine, _Weighed(evidence, len(mine), may_be_followed)


def _fetch(parts: Parts, fire: AmbiguousFire, check: KnownCheck) -> list[CheckResultEntry]:
    """The check's results for half an hour on both sides: the window, and enough before it to hear a rhythm."""
    start, end = fire.intent_at - WINDOW_AFTER, fire.intent_at + WINDOW_AFTER
    with parts.new_client() as client:
        pages = fetch_pages(parts, client, check.check_id, start=start, end=end)
        return [entry for page in pages for entry in page.entries]


def _starts(entries: Iterable[CheckResultEntry], unknown: Sequence[CheckResultEntry]) -> dict[str, list[datetime]]:
    candidates = {one.check_result_id for one in unknown}
    starts: dict[str, list[datetime]] = {}
    for one in entries:
        if one.result_type == "FINAL" and one.started_at is not None and one.check_result_id not in candidates:
            starts.setdefault(one.run_location, []).append(one.started_at)
    return starts


def _recording(fire: AmbiguousFire, check: KnownCheck, entries: Sequence[CheckResultEntry]) -> Recording:
    """A stand-in session that holds the results found; its id is made from the fire and the check, so it is stable."""
    snapshot = session_from(
        entries,
        check_session_id=uuid5(NAMESPACE_OID, f"fire {fire.pk} check {check.check_id}"),
        check_type=check.check_type,
        status=RECONCILED,
        started_at=fire.intent_at,
    )
    return Recording(snapshot, "reconciled", closes=True, fire_pk=fire.pk)
