"""Every write of what could not be read or stored. Takes a `Session`, never commits.

Nothing that Checkly sent is thrown away: a person, or a later version, may read it yet.
"""

import zlib
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from recorder.dimensions import table_of
from recorder.models import Payload
from recorder.payloads import Malformed

SESSION: Final = "malformed"
"""The kind of an answer, or a piece of one, that is about sessions."""
_WHY_LIMIT: Final = 400
_AT_ONCE: Final = 500


def record_malformed(
    db: Session, pieces: Iterable[Malformed], *, now: datetime, kind: str = SESSION, fire_pk: int | None = None
) -> None:
    """Keep the pieces, each with the reason."""
    rows = [
        {
            "kind": kind,
            "fire_pk": fire_pk,
            "received_at": now,
            "why": piece.why[:_WHY_LIMIT],
            "body": zlib.compress(piece.raw),
        }
        for piece in pieces
    ]
    if rows:
        db.execute(table_of(Payload).insert(), rows)


def keep_once(db: Session, pieces: Iterable[Malformed], *, now: datetime, kind: str = SESSION) -> None:
    """The same, but each piece once, however often it comes."""
    new = {zlib.compress(piece.raw): piece for piece in pieces}
    for start in range(0, len(new), _AT_ONCE):
        bodies = list(new)[start : start + _AT_ONCE]
        kept = set(db.scalars(select(Payload.body).where(Payload.kind == kind, Payload.body.in_(bodies))))
        record_malformed(db, [new[body] for body in bodies if body not in kept], now=now, kind=kind)
