"""Load the same payloads into SQLite with the recorder and with a generic loader, dlt, in turns.

    pip install -e '.[bench]'                   # dlt brings some thirty packages, so it is no part of the dev extra
    python -m bench.against_dlt                 # 3,000 sessions, three turns

Both start from the payloads as Python dicts and end with committed rows: the recorder parses, merges and keeps the raw
answers in batches of 500, dlt appends (normalised into one table for sessions and one for each list in them).
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from typing import Any

from bench.measuring import Stopwatch, take_turns
from bench.sessions import Scratch, parsed, past_payloads, write


def main() -> int:
    """Print one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=3000)
    payloads = past_payloads(parser.parse_args().sessions)
    logging.disable(logging.WARNING)
    with Scratch() as scratch:
        paired = take_turns(
            partial(load_with_recorder, scratch, payloads), partial(load_with_dlt, scratch, payloads), repetitions=3
        )
    ours, theirs = (paired.median(side, "life_s") / len(payloads) * 1e6 for side in ("ours", "theirs"))
    print(
        f"{len(payloads)} sessions: {ours:.0f} us a session against {theirs:.0f} with dlt, "
        f"{paired.ratio('life_s'):.1f} times as fast (CPU {paired.ratio('cpu_s'):.1f})"
    )
    return 0


def load_with_recorder(scratch: Scratch, payloads: Sequence[dict[str, Any]], watch: Stopwatch) -> None:
    """Parse and write."""
    engine = scratch.new_sqlite()
    with watch.running():
        write(engine, parsed(payloads), batch=500)
    engine.dispose()


def load_with_dlt(scratch: Scratch, payloads: Sequence[dict[str, Any]], watch: Stopwatch) -> None:
    """Extract, normalise, append."""
    dlt: Any = import_module("dlt")
    path = scratch.new_path()
    pipeline = dlt.pipeline(
        pipeline_name=f"bench_{path.stem}",
        destination=dlt.destinations.sqlalchemy(f"sqlite:///{path}"),
        dataset_name="main",
        pipelines_dir=str(path.with_suffix(".dlt")),
    )
    with watch.running():
        pipeline.run(list(payloads), table_name="sessions", write_disposition="append")


if __name__ == "__main__":
    sys.exit(main())
