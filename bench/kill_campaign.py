"""Kill daemons a thousand times, on SQLite and on PostgreSQL, and check that the ledger keeps its promise.

    python -m bench.kill_campaign --kills 1000                   # half on each database, some twenty minutes
    python -m bench.kill_campaign --kills 500 --database sqlite --seed 7

Prints a line of figures for each round of fifty, every violation, and in the end how often which point killed, what the
network did and what befell PostgreSQL; exit code 1 when there is any violation.
"""

import argparse
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

from tests.kill.campaign import Campaign
from tests.kill.postgresql import PostgresqlServer, own_postgresql
from tests.kill.stage import migrated_sqlite, stage
from tests.kill.zygote import Zygote, zygote

ROUND = 50
DATABASES = ("sqlite", "postgresql")


def main() -> int:
    """Run what the command line asks for; 0 when the promise was kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=DATABASES, action="append", help="only this one, by default both")
    options = parser.parse_args()
    began, violations = perf_counter(), 0
    kills, weather, troubles = Counter[str](), Counter[str](), Counter[str]()
    databases = options.database or list(DATABASES)
    for number in range(-(-options.kills // ROUND)):
        database = databases[number % len(databases)]
        with database_for(database) as (folder, url, server), zygote() as parent:
            campaign, found = play_round(folder, url, server, parent, seed=options.seed + number)
        violations += found
        kills, weather, troubles = kills + campaign.kills, weather + campaign.injected, troubles + campaign.troubles
        print(f"round {number + 1} on {database}: {kills.total()} kills, {violations} violations so far", flush=True)
    for title, counted in (("kills", kills), ("weather", weather), ("troubles", troubles)):
        print(f"{title}: " + ", ".join(f"{name} {times}" for name, times in sorted(counted.items())))
    print(f"{kills.total()} kills, {violations} violations, {perf_counter() - began:.0f} s")
    return 1 if violations else 0


def play_round(
    folder: Path, url: str, server: PostgresqlServer | None, parent: Zygote, *, seed: int
) -> tuple[Campaign, int]:
    """One round with a database, a witness and a seed of its own; what happened, and how many violations."""
    with stage(folder, url, parent, seed=seed, copies=2 if server else 1) as scene:
        campaign = Campaign(scene, width=3 if server else 1, server=server)
        campaign.run(ROUND)
        campaign.drain()
        violations = campaign.judge()
        print(f"seed {seed}: {campaign.summary()}", *violations, sep="\n  ", flush=True)
        return campaign, len(violations)


@contextmanager
def database_for(kind: str) -> Iterator[tuple[Path, str, PostgresqlServer | None]]:
    """A folder, and a migrated database of this kind; the server that it lies on, if there is one."""
    with tempfile.TemporaryDirectory(prefix="recorder-campaign-") as name:
        folder = Path(name)
        if kind == "sqlite":
            yield folder, migrated_sqlite(folder), None
        else:
            with own_postgresql() as server:
                yield folder, server.url, server


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="recorder-runtime-") as runtime:
        os.environ["XDG_RUNTIME_DIR"] = runtime
        code = main()
    sys.exit(code)
