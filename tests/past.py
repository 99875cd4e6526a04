"""A recorded past for the reports: payloads as Checkly sends them, through the real parser and writer."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from recorder.db import open_engine
from recorder.models import Base, CheckSession
from recorder.payloads import parse_session
from recorder.store import Recording, record_sessions
from reports.windows import Window, range_window

MONDAY = datetime(2026, 11, 16, tzinfo=UTC)
FLAGS: dict[str, dict[str, bool]] = {
    "pass": {},
    "fail": {"hasFailures": True},
    "error": {"hasErrors": True},
    "degraded": {"isDegraded": True},
    "void": {"aborted": True},
}

Payload = dict[str, Any]


def golden(name: str) -> dict[str, Any]:
    """A worked case of `tests/golden`."""
    case: dict[str, Any] = json.loads((Path(__file__).parent / "golden" / f"{name}.json").read_text(encoding="utf-8"))
    return case


def week(timezone: str = "UTC") -> Window:
    """The week that begins on MONDAY."""
    return range_window("2026-11-16", "2026-11-23", timezone=timezone)


def session(
    hour: float,
    ends: Mapping[str, str | None],
    *,
    check: str = "Checkout",
    status: str | None = None,
    retried: Iterable[str] = (),
    elapsed: float | None = 1000,
    name: str | None = "",
    link: str | None = None,
    check_type: str = "API",
) -> Payload:
    """A finished session `hour` hours after MONDAY; `ends` says how each run location ended (None: no FINAL).

    `check` makes the check's id and, without `name`, its name. `retried` locations have an ATTEMPT before their FINAL.
    """
    started = MONDAY + timedelta(hours=hour)
    key = f"{check}/{hour}"
    session_id = str(uuid5(NAMESPACE_URL, key))
    finals = [(place, "FINAL", end) for place, end in ends.items() if end is not None]
    tries = [(place, "ATTEMPT", "fail") for place in retried]
    failed = any(end in {"fail", "error"} for end in ends.values())
    return {
        "checkSessionId": session_id,
        "checkSessionLink": link or f"https://app.checklyhq.com/checks/{check_id(check)}/check-sessions/{session_id}",
        "checkId": str(check_id(check)),
        "checkType": check_type,
        "name": check if name == "" else name,
        "status": status or ("FAILED" if failed else "PASSED"),
        "startedAt": started.isoformat(),
        "stoppedAt": started.isoformat(),
        "timeElapsed": elapsed,
        "runLocations": list(ends),
        "runSource": "TRIGGER_API",
        "results": [
            {
                "checkResultId": str(uuid5(NAMESPACE_URL, f"{key}/{place}/{kind}")),
                "runLocation": place,
                "resultType": kind,
                **FLAGS[end],
            }
            for place, kind, end in [*tries, *finals]
        ],
    }


def hourly(outcomes: Sequence[str], *, place: str = "eu", start: float = 0, check: str = "Checkout") -> list[Payload]:
    """One session per hour at a single location."""
    return [session(start + n, {place: outcome}, check=check) for n, outcome in enumerate(outcomes)]


def check_id(check: str) -> UUID:
    return uuid5(NAMESPACE_URL, f"check/{check}")


def empty_database(folder: Path | None = None) -> Engine:
    """In `folder`, or in memory for the thread that asks."""
    engine = open_engine(f"sqlite:///{folder / 'history.db'}" if folder else "sqlite://")
    Base.metadata.create_all(engine)
    return engine


def record(engine: Engine, payloads: Iterable[Payload], *, origin: str = "import", closes: bool = True) -> None:
    """Through the parser and the writer, in the order given."""
    recordings = [Recording(parse_session(payload), origin=origin, closes=closes) for payload in payloads]
    with Session(engine) as db:
        record_sessions(db, recordings, now=MONDAY)
        db.commit()


def exclude(engine: Engine, payload: Payload) -> None:
    """Mark one session as left out of the rates."""
    with engine.begin() as connection:
        chosen = CheckSession.check_session_id == UUID(payload["checkSessionId"])
        connection.execute(update(CheckSession).where(chosen).values(excluded=True))
