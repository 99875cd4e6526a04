"""Open 5,000 damaged copies of a database at work, and check that each is recovered whole or refused in a sentence.

    python -m bench.torn_copies                      # 5,000 copies, some eight minutes
    python -m bench.torn_copies --copies 600 --seed 7

Prints how often each damage led to what, and every copy that was taken for whole and is not; exit code 1 for any.
"""

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path
from time import perf_counter

from tests.factories import rows
from tests.kill.copies import BAD_BACKUPS, POWER_CUTS, RECOVERED, try_copies
from tests.kill.stage import Stage, migrated_sqlite, stage
from tests.kill.zygote import Zygote, zygote
from tests.processes import wait_until

DAMAGES = POWER_CUTS | BAD_BACKUPS
ROUND = 25
"""Snapshots of one database; then a new one begins, so that copies stay small."""


def main() -> int:
    """Run what the command line asks for; 0 when nothing damaged was taken for whole."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--copies", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began = perf_counter()
    verdicts: Counter[tuple[str, str]] = Counter()
    wrong: list[str] = []
    with zygote() as parent:
        while verdicts.total() < options.copies:
            found, lines = play_round(parent, options.seed + verdicts.total())
            verdicts += found
            wrong += lines
            print(f"{verdicts.total()} copies, {len(wrong)} wrong", *lines, sep="\n  ", flush=True)
    for (damage, verdict), times in sorted(verdicts.items()):
        print(f"{damage:16} {verdict:28} {times:6}")
    # a bad backup may be recovered too: what it lacks can be the zeros of an index of nothing
    surprises = [key for key in verdicts if key[0] in POWER_CUTS and key[1] != RECOVERED]
    print(f"{verdicts.total()} copies, {len(wrong)} wrong, unexpected {surprises}, {perf_counter() - began:.0f} s")
    return 1 if wrong or surprises else 0


def play_round(parent: Zygote, seed: int) -> tuple[Counter[tuple[str, str]], list[str]]:
    """Snapshots of one database while a daemon fills it, each damaged in every way."""
    with tempfile.TemporaryDirectory(prefix="recorder-torn-") as name:
        folder = Path(name)
        url = migrated_sqlite(folder)
        with stage(folder, url, parent, seed=seed, copies=4, weather={}) as scene:
            daemon = scene.start()
            wait_until(lambda: finals(scene) >= 10, "ten final sessions")
            copies = folder / "copies"
            copies.mkdir()
            return try_copies(daemon, folder / "history.db", copies, rng=scene.rng, snapshots=ROUND, damages=DAMAGES)


def finals(scene: Stage) -> int:
    """How many sessions are final."""
    return int(rows(scene.engine, "SELECT COUNT(final_at) FROM check_sessions")[0][0])


if __name__ == "__main__":
    sys.exit(main())
