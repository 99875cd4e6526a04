"""What a schedule is, whatever the way it was written."""

from datetime import timedelta
from pathlib import Path

import pytest

from recorder.settings import ScheduleSettings, definition
from tests.configuring import load, schedule


def test_the_definition_of_a_schedule_does_not_depend_on_how_it_was_written(tmp_path: Path) -> None:
    """Two daemons with the same schedule agree, whatever the order of keys and the units."""
    one = load(tmp_path, schedule('match_tags = [["a"]]\njitter = "60s"\nmisfire = "run_once"')).schedules[0]
    other = load(tmp_path, '[[schedules]]\nmatch_tags=[["a"]]\njitter="1m"\nevery="600s"\nname="checkout"').schedules[0]

    assert definition(one) == definition(other)
    assert definition(one) == (
        '{"cancel_on_timeout":false,"check_ids":[],"cron":null,"every":"10m","expect_locations":[],"jitter":"1m",'
        '"match_tags":[["a"]],"misfire":"run_once","misfire_grace":"5m","name":"checkout","overlap":"skip",'
        '"paused":false,"refresh_cache":false,"run_everything":false,"session_timeout":"1h","timezone":"UTC"}'
    )


def test_a_schedule_built_in_code_is_checked_like_one_of_the_file() -> None:
    """Nothing reaches the daemon without a target."""
    with pytest.raises(ValueError, match="has no target"):
        ScheduleSettings(name="x", every=timedelta(minutes=1))
