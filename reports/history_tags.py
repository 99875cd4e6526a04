"""What the triggers asked for whose sessions a report holds: all that the history knows of the tags of checks."""

import json
from typing import Any

import pandas as pd
from sqlalchemy import Connection, func, select

from recorder.models import CheckSession, Fire
from recorder.tags import Groups
from reports.history_rows import started_in
from reports.selection import Selection
from reports.windows import Window


def load_match_tags(connection: Connection, span: Window, selection: Selection) -> "pd.Series[Any]":
    """By fire_pk, the tags that each firing with a session in the span chose checks by; empty when by anything else.

    Many firings send the same request, and one may name hundreds of checks: each is read once, by its digest, and none
    for a selection that does not go by tags.
    """
    if not selection.match_tags:
        return pd.Series(dtype=object)
    used = select(CheckSession.fire_pk).where(started_in(CheckSession, span), CheckSession.fire_pk.is_not(None))
    first = select(func.min(Fire.pk)).where(Fire.pk.in_(used)).group_by(Fire.request_sha256)
    requests = select(Fire.request_sha256, Fire.request_body).where(Fire.pk.in_(first))
    asked = {digest: _groups_of(body) for digest, body in connection.execute(requests)}
    firings = select(Fire.pk, Fire.request_sha256).where(Fire.pk.in_(used))
    return pd.Series({pk: asked[digest] for pk, digest in connection.execute(firings)}, dtype=object)


def _groups_of(body: str | None) -> Groups:
    """How tags and ids that are sent together combine is not documented, so tags beside ids say nothing for certain."""
    target = json.loads(body or "{}").get("target", {})
    return () if "checkId" in target else target.get("matchTags", ())
