"""Backfills one check, as the command does for each, with a budget that is no part of the test."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from sqlalchemy import Engine

from recorder import wiring
from recorder.backfilling import Backfilled, backfill_check
from recorder.budget import RequestBudget
from recorder.clock import monotonic, utc_now
from recorder.config import load_settings
from recorder.wiring import Parts
from tests.recording import RESULTS_PER_MINUTE

BACKFILLED: Final = "SELECT COUNT(*) FROM session_history WHERE origin = 'backfill'"


def parts_for(engine: Engine, base_url: str, account_id: str, folder: Path) -> Parts:
    environ = {"CHECKLY_API_KEY": "demo-key", "CHECKLY_ACCOUNT_ID": account_id, "CHECKLY_API_URL": base_url}
    parts = wiring.build(load_settings(None, environ=environ, cwd=folder), engine, now=utc_now)
    return replace(parts, results_budget=RequestBudget(RESULTS_PER_MINUTE, monotonic=monotonic))


def fill(
    parts: Parts, check_id: UUID, *, start: datetime | None = None, end: datetime | None = None, tries: int = 2
) -> tuple[Backfilled, list[str]]:
    """Backfill the last two days, or what is named; and what was said."""
    said: list[str] = []
    now = parts.now()
    done = backfill_check(
        parts,
        check_id,
        start=start or now - timedelta(days=2),
        end=end or now,
        on_trouble=said.append,
        tries=tries,
    )
    return done, said
