"""How surely a lost trigger ran, judged from results that nobody knows."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest

from recorder.check_results import CheckResultEntry
from recorder.evidence import Evidence, is_on_cadence, judge_check
from tests.factories import CHECK_ID, LOCATIONS, NOW, some_id


def entry(location: str, after_s: float, *, kind: str = "FINAL") -> CheckResultEntry:
    started_at = NOW + timedelta(seconds=after_s)
    return CheckResultEntry(
        check_result_id=UUID(some_id(f"{location}/{after_s}/{kind}")),
        check_id=UUID(CHECK_ID),
        run_location=location,
        result_type=kind,
        has_failures=False,
        has_errors=False,
        is_degraded=False,
        is_cancelled=False,
        response_time_ms=None,
        started_at=started_at,
        stopped_at=None,
        sequence_id=None,
        check_run_id=None,
        name=None,
        raw=b"{}",
        surprises=(),
    )


def judge(*entries: CheckResultEntry, neighbours: dict[str, list[datetime]] | None = None) -> Evidence:
    return judge_check(entries, intent_at=NOW, locations=LOCATIONS, neighbours=neighbours or {})


def every(minutes: int, *, offset_s: float = 0) -> list[datetime]:
    """The check's own runs, a beat of which falls `offset_s` after the intent."""
    return [NOW + timedelta(minutes=minutes * beat, seconds=offset_s) for beat in (-3, -2, -1, 1, 2)]


def test_a_prompt_final_at_every_location_off_the_beat_is_strong() -> None:
    beat = {name: every(10, offset_s=300) for name in LOCATIONS}

    assert judge(*[entry(name, 2) for name in LOCATIONS], neighbours=beat) is Evidence.STRONG


def test_a_run_on_the_check_s_own_beat_is_weak() -> None:
    """It would have run without us."""
    beat = {name: every(10, offset_s=4) for name in LOCATIONS}

    assert judge(*[entry(name, 2) for name in LOCATIONS], neighbours=beat) is Evidence.WEAK


def test_a_location_without_a_result_is_weak() -> None:
    assert judge(entry(LOCATIONS[0], 2)) is Evidence.WEAK


@pytest.mark.parametrize("after_s", [-6, 61, 600])
def test_a_run_that_started_too_early_or_too_late_is_weak(after_s: float) -> None:
    assert judge(*[entry(name, after_s) for name in LOCATIONS]) is Evidence.WEAK


def test_attempts_alone_are_weak() -> None:
    assert judge(*[entry(name, 2, kind="ATTEMPT") for name in LOCATIONS]) is Evidence.WEAK


def test_nothing_unknown_is_none() -> None:
    assert judge() is Evidence.NONE


def test_a_check_that_has_never_run_for_us_cannot_be_strong() -> None:
    """Nobody knows at which locations it would have to appear."""
    assert judge_check([entry("x", 1)], intent_at=NOW, locations=(), neighbours={}) is Evidence.WEAK


def test_one_neighbour_makes_no_rhythm_and_a_very_fast_one_hides_everything() -> None:
    assert not is_on_cadence(NOW, [NOW - timedelta(minutes=10)])
    assert is_on_cadence(NOW, [NOW - timedelta(seconds=10 * beat) for beat in range(1, 9)])
