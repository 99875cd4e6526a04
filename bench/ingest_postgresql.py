"""Write the same sessions into PostgreSQL with the recorder's writer and with COPY into the same tables, in turns.

    python -m bench.ingest_postgresql           # 5,000 sessions, batches of 500, five turns, a server of its own

The reference copies finished rows, keys and compressed payloads included, into the tables themselves with their indexes
and foreign keys, and commits as often. It knows that none of the rows is there yet; a second COPY would fail.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Engine

from bench.ingest_sqlite import report
from bench.measuring import Stopwatch, take_turns
from bench.sessions import LARGE, SMALL, StoredRows, parsed, past_payloads, stored_rows, write
from recorder import db
from recorder.payloads import SessionSnapshot

BATCH = 500


def main() -> int:
    """Print one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=5000)
    snapshots = parsed(past_payloads(parser.parse_args().sessions))
    with tempfile.TemporaryDirectory(prefix="recorder-bench-") as name:
        Path(name).chmod(0o755)
        os.environ["TMPDIR"] = name
        from tests.kill.postgresql import own_postgresql  # noqa: PLC0415 - it reads TMPDIR when it is imported

        with own_postgresql() as server:
            engine = db.open_engine(server.url)
            write(engine, snapshots, batch=BATCH)
            rows = stored_rows(engine, batch=BATCH)
            paired = take_turns(partial(write_ours, engine, snapshots), partial(copy_rows, engine, rows))
            engine.dispose()
    report(BATCH, "COPY", paired, len(snapshots))
    return 0


def empty(engine: Engine) -> None:
    """Start from nothing, with nothing of the last turn left to be written."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"TRUNCATE {', '.join(SMALL + LARGE)} CASCADE")
        connection.exec_driver_sql("CHECKPOINT")


def write_ours(engine: Engine, snapshots: Sequence[SessionSnapshot], watch: Stopwatch) -> None:
    """The recorder's writer."""
    empty(engine)
    with watch.running():
        write(engine, snapshots, batch=BATCH)


def copy_rows(engine: Engine, rows: StoredRows, watch: Stopwatch) -> None:
    """Finished rows through COPY."""
    empty(engine)
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.rollback()
        with watch.running():
            for table in SMALL:
                copy(driver, table, rows.small[table])
            for batch in rows.batches:
                for table in LARGE:
                    copy(driver, table, batch[table])
                driver.commit()


def copy(driver: psycopg.Connection[Any], table: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """One COPY of one table."""
    with driver.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as sink:
        for row in rows:
            sink.write_row(row)


if __name__ == "__main__":
    sys.exit(main())
