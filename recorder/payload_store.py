"""Every write of a session's raw payload and of the surprises in it. Takes a connection, never commits."""

import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache

from sqlalchemy import Connection, select

from recorder.bulk import BulkMerge, Columns, insert_new
from recorder.dimensions import table_of, upserting_for
from recorder.models import ContractSurprise, Payload
from recorder.payloads import SessionSnapshot

Answers = Mapping[int, SessionSnapshot]
"""Answers by the keys of their sessions."""


def add_payloads(connection: Connection, answers: Answers, *, now: datetime) -> None:
    """Keep the raw answers of sessions that are new. Raises IntegrityError when there is one of such a session."""
    insert_new(connection, table_of(Payload), _columns(answers, now), order_by="session_pk")


def keep_payloads(connection: Connection, answers: Answers, *, now: datetime) -> None:
    """Keep these raw answers as the newest of their sessions."""
    _merge(connection.dialect.name).run(connection, _columns(answers, now))


def _columns(answers: Answers, now: datetime) -> Columns:
    return {
        "kind": ["session"] * len(answers),
        "session_pk": list(answers),
        "received_at": [now] * len(answers),
        "body": [snapshot.deflated for snapshot in answers.values()],
    }


@cache
def _merge(dialect: str) -> BulkMerge:
    table = table_of(Payload)
    insert = upserting_for(dialect, table)
    statement = insert.on_conflict_do_update(
        index_elements=[table.c.session_pk],
        set_={"received_at": insert.excluded.received_at, "body": insert.excluded.body},
        where=table.c.body != insert.excluded.body,
    )
    return BulkMerge(statement, frozenset({"kind", "session_pk", "received_at", "body"}), "session_pk")


def kept_already(connection: Connection, answers: Answers) -> frozenset[int]:
    """The sessions whose newest raw answer is this very one."""
    if not answers:
        return frozenset()
    payloads = table_of(Payload)
    kept = select(payloads.c.session_pk, payloads.c.body).where(payloads.c.session_pk.in_(answers))
    return frozenset(pk for pk, body in connection.execute(kept) if zlib.decompress(body) == answers[pk].raw)


def count_surprises(connection: Connection, surprises: Iterable[str], *, now: datetime) -> None:
    """Count what Checkly sent that the contract does not know, each time it was seen."""
    counted = Counter(what[:400] for what in surprises)
    if not counted:
        return
    table = table_of(ContractSurprise)
    insert = upserting_for(connection.dialect.name, table)
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=[table.c.what],
            set_={"times": table.c.times + insert.excluded.times, "last_seen_at": insert.excluded.last_seen_at},
        ),
        [{"what": what, "times": counted[what], "first_seen_at": now, "last_seen_at": now} for what in sorted(counted)],
    )
