"""SQL of what people decided about the history: the exclusions that reach into a span."""

import pandas as pd
from sqlalchemy import Connection, select

from recorder.models import Exclusion
from reports.windows import Window


def load_exclusions(connection: Connection, span: Window) -> pd.DataFrame:
    """The exclusions that hold and overlap the span, the oldest first.

    Columns: exclusion_id, starts_at, ends_at, check_pk and run_location_pk (NaN: all), reason, created_at, created_by.
    """
    query = (
        select(
            Exclusion.pk.label("exclusion_id"),
            Exclusion.starts_at,
            Exclusion.ends_at,
            Exclusion.check_pk,
            Exclusion.run_location_pk,
            Exclusion.reason,
            Exclusion.created_at,
            Exclusion.created_by,
        )
        .where(Exclusion.removed_at.is_(None), Exclusion.starts_at < span.end, Exclusion.ends_at > span.start)
        .order_by(Exclusion.starts_at, Exclusion.pk)
    )
    answer = connection.execute(query)
    rows = pd.DataFrame([dict(row) for row in answer.mappings()], columns=list(answer.keys()), dtype="object")
    kinds = {"exclusion_id": "int64", "check_pk": "float64", "run_location_pk": "float64"}
    return rows.astype(kinds | dict.fromkeys(("starts_at", "ends_at", "created_at"), "datetime64[ms, UTC]"))
