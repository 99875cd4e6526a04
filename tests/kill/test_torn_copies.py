"""What a power cut leaves of a database is recovered; what only a bad backup looks like is never taken for whole."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.factories import rows
from tests.kill.copies import BAD_BACKUPS, POWER_CUTS, RECOVERED, REFUSED, TOLD, Damage, try_copies
from tests.kill.stage import Stage, migrated_sqlite, stage
from tests.kill.zygote import Child, Zygote
from tests.processes import wait_until

SNAPSHOTS = 10


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, parent: Zygote) -> Iterator[Stage]:
    """A database at which a daemon is hard at work."""
    folder = tmp_path_factory.mktemp("torn")
    with stage(folder, migrated_sqlite(folder), parent, seed=7, copies=3, weather={}) as made:
        yield made


@pytest.fixture(scope="module")
def daemon(scene: Stage) -> Child:
    started = scene.start()
    wait_until(
        lambda: rows(scene.engine, "SELECT COUNT(final_at) FROM check_sessions")[0][0] >= 10, "ten final sessions"
    )
    return started


def copies(
    scene: Stage, daemon: Child, folder: Path, damages: dict[str, Damage]
) -> tuple[Counter[tuple[str, str]], list[str]]:
    database = scene.folder / "history.db"
    return try_copies(daemon, database, folder, rng=scene.rng, snapshots=SNAPSHOTS, damages=damages)


def test_whatever_a_power_cut_leaves_is_recovered(scene: Stage, daemon: Child, tmp_path: Path) -> None:
    """One row per instant, nothing twice, nothing torn, in a state that was once committed."""
    verdicts, wrong = copies(scene, daemon, tmp_path, POWER_CUTS)

    assert wrong == []
    assert verdicts == {(name, RECOVERED): SNAPSHOTS for name in POWER_CUTS}


def test_a_bad_backup_is_never_taken_for_whole(scene: Stage, daemon: Child, tmp_path: Path) -> None:
    """It is refused in one sentence, or SQLite's integrity check tells."""
    verdicts, wrong = copies(scene, daemon, tmp_path, BAD_BACKUPS)

    assert wrong == []
    assert {verdict for _, verdict in verdicts} <= {REFUSED, TOLD}
    assert verdicts.total() == SNAPSHOTS * len(BAD_BACKUPS)
