"""Room on disk for an answer, taken before its trigger leaves."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from recorder.errors import DatabaseError
from recorder.spool import ROOM_BYTES, Spool, SpooledAnswer, TornFile
from tests.factories import NOW

HOLDER = """
import sys
from pathlib import Path
from recorder.spool import Spool
with Spool(Path(sys.argv[1])).reserve():
    print("holds", flush=True)
    sys.stdin.read()
"""


def answer(body: bytes = b'{"sessions": []}') -> SpooledAnswer:
    return SpooledAnswer(1, UUID(int=1), "schedule", NOW, 201, body, NOW - NOW, cancel_on_timeout=False)


def test_room_is_space_that_the_disk_has_given_away(tmp_path: Path) -> None:
    """A file that is only long would have to ask for its blocks when the answer comes."""
    with Spool(tmp_path / "spool").reserve() as room:
        assert room.path.stat().st_blocks * 512 >= ROOM_BYTES


@pytest.mark.parametrize("length", [16, 2 * ROOM_BYTES], ids=["shorter than its room", "longer"])
def test_an_answer_kept_in_its_room_is_read_back_whole_and_alone(tmp_path: Path, length: int) -> None:
    spool = Spool(tmp_path / "spool")
    kept = answer(os.urandom(length))

    with spool.reserve() as room:
        path = spool.keep(kept, room)

    assert list(spool.waiting()) == [(path, kept)]
    assert list(spool.folder.iterdir()) == [path]


def test_room_that_was_not_needed_is_given_back(tmp_path: Path) -> None:
    """Also when what it was for has failed."""
    spool = Spool(tmp_path / "spool")

    with pytest.raises(ValueError, match="refused"), spool.reserve():
        raise ValueError("refused")

    assert list(spool.folder.iterdir()) == []


def test_a_disk_that_has_no_room_is_trouble_with_the_database(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("")
    sentence = f"the spool {tmp_path}/spool/.* cannot be written: File exists"

    with pytest.raises(DatabaseError, match=sentence), Spool(tmp_path / "spool").reserve():
        pytest.fail("there is no room")


def test_what_a_dead_process_has_left_is_cleared_away_and_room_in_use_stays(tmp_path: Path) -> None:
    """The lock on it says who lives, in other containers too."""
    spool = Spool(tmp_path)
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with (
        spool.reserve() as mine,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder,
    ):
        assert holder.stdout is not None
        assert holder.stdout.readline() == "holds\n"
        holder.kill()
        holder.wait()
        left = [path for path in tmp_path.iterdir() if path != mine.path]

        spool.clear_remains()

        assert len(left) == 1
        assert re.fullmatch(r"[0-9a-f-]{36}\.part", left[0].name)
        assert list(tmp_path.iterdir()) == [mine.path]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("fire_pk", 2**70),
        ("fire_pk", 0),
        ("http_status", 2**40),
        ("session_timeout_s", 1e12),
        ("session_timeout_s", -1),
    ],
)
def test_a_file_with_numbers_that_nothing_can_hold_is_left_alone(tmp_path: Path, field: str, value: float) -> None:
    spool = Spool(tmp_path)
    path = spool.keep(answer())
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))

    [(_, torn)] = spool.waiting()

    assert isinstance(torn, TornFile)
    assert torn.why == "its numbers are out of range"


def test_what_is_no_file_keeps_nobody_waiting(tmp_path: Path) -> None:
    """A pipe would be waited at for ever."""
    os.mkfifo(tmp_path / "fire-1-x.json")

    [(_, torn)] = Spool(tmp_path).waiting()

    assert torn == TornFile(tmp_path / "fire-1-x.json", "it is no file")
