"""Which check results are one run, and the session that a run becomes."""

import json
from datetime import timedelta
from uuid import UUID

from recorder.check_results import CheckResultEntry, parse_check_result
from recorder.outcomes import BACKFILLED
from recorder.stand_ins import Run, runs_of, session_from
from tests.factories import CHECK_ID, NOW, some_id


def entry(
    location: str, after_s: float, *, kind: str = "FINAL", run: object = None, sequence: str | None = None
) -> CheckResultEntry:
    started_at = NOW + timedelta(seconds=after_s)
    return parse_check_result(
        {
            "id": some_id(f"{location}/{after_s}/{kind}"),
            "checkId": CHECK_ID,
            "runLocation": location,
            "resultType": kind,
            "startedAt": started_at.isoformat(),
            "stoppedAt": (started_at + timedelta(seconds=5)).isoformat(),
            "checkRunId": run,
            "sequenceId": None if sequence is None else some_id(sequence),
        }
    )


def shape(runs: list[Run]) -> set[tuple[str, ...]]:
    """The runs, each as `place/second` of its results."""
    return {
        tuple(f"{one.run_location}/{(one.started_at - NOW).total_seconds():g}" for one in run.entries if one.started_at)
        for run in runs
    }


def test_what_has_one_run_id_is_one_run_in_all_its_locations() -> None:
    runs = runs_of([entry("eu", 0, run=7), entry("us", 1, run=7), entry("eu", 600, run=8), entry("us", 601, run=8)])

    assert shape(runs) == {("eu/0", "us/1"), ("eu/600", "us/601")}


def test_attempts_with_run_ids_of_their_own_follow_their_sequence() -> None:
    """Should each try have a number, the sequence still says which FINAL it led to."""
    tried, final = entry("eu", 0, kind="ATTEMPT", sequence="a"), entry("eu", 9, run=7, sequence="a")

    assert shape(runs_of([final, tried, entry("us", 1, run=7, sequence="b")])) == {("eu/0", "us/1", "eu/9")}


def test_a_run_id_under_which_a_location_has_two_finals_names_no_run() -> None:
    """A number that never changes must not make one run of a whole week."""
    runs = runs_of([entry("eu", 0, run=1, sequence="a"), entry("eu", 600, run=1, sequence="b")])

    assert shape(runs) == {("eu/0",), ("eu/600",)}


def test_without_any_id_each_final_is_a_run_with_the_attempts_before_it() -> None:
    entries = [
        *(entry("eu", 0, kind="ATTEMPT"), entry("eu", 30, kind="ATTEMPT"), entry("eu", 60), entry("us", 31)),
        *(entry("eu", 660), entry("eu", 700, kind="ATTEMPT")),
    ]

    runs = runs_of(reversed(entries))

    assert shape(runs) == {("eu/0", "eu/30", "eu/60"), ("us/31",), ("eu/660",), ("eu/700",)}
    assert [run.has_final for run in runs if run.entries[0].result_type == "ATTEMPT" and len(run.entries) == 1] == [
        False
    ]


def test_numbers_that_name_nothing_are_no_run_ids() -> None:
    """Zero, nothing, and what is no number at all."""
    odd: list[object] = [0, "", None, True, 2.5, [], 2**70]

    assert [entry("eu", number, run=value).check_run_id for number, value in enumerate(odd)] == [None] * len(odd)


def test_the_same_results_have_the_same_keys_in_whatever_order_they_come() -> None:
    """The id of a stand-in is made from its key, and must not change from one day to the next."""
    entries = [entry("eu", 0, run=7), entry("us", 1, run=7), entry("eu", 600, sequence="b"), entry("us", 900)]

    forwards, backwards = ({run.key for run in runs_of(some)} for some in (entries, entries[::-1]))

    assert forwards == backwards
    assert len(forwards) == 3


def test_a_result_that_comes_twice_is_one_result() -> None:
    """Pages overlap when results arrive meanwhile."""
    [run] = runs_of([entry("eu", 0, run=7), entry("eu", 0, run=7)])

    assert len(run.entries) == 1


def test_a_stand_in_holds_its_results_and_says_nothing_that_nobody_knows() -> None:
    """No time elapsed, no source; the raw entries stay readable."""
    entries = [entry("us", 3, run=7), entry("eu", 0, run=7)]

    made = session_from(
        entries, check_session_id=UUID(some_id("made")), check_type="API", status=BACKFILLED, started_at=NOW
    )

    assert (made.started_at, made.stopped_at) == (NOW, NOW + timedelta(seconds=8))
    assert (made.run_locations, len(made.results)) == (("eu", "us"), 2)
    assert (made.time_elapsed_ms, made.run_source, made.link, made.is_final) == (None, None, None, False)
    assert [one["runLocation"] for one in json.loads(made.raw)] == ["us", "eu"]
