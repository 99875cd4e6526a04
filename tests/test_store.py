"""What is written survives repeats, disorder and stale answers, on both databases alike."""

import json
import zlib
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from recorder import db
from recorder.db import transact
from recorder.payloads import Malformed
from recorder.quarantine import record_malformed
from recorder.store import TAKEN_ID
from tests.factories import NOW, dump, record, result, rows, running, session, some_id

LATER = NOW + timedelta(minutes=5)


def test_a_finished_session_is_written_with_all_its_results(engine: Engine) -> None:
    attempt = result("one", "us-east-1", resultType="ATTEMPT", hasFailures=True)

    written = record(engine, session(results=[*session()["results"], attempt]))

    assert (written.sessions, written.results, written.closed) == (1, 3, 1)
    assert rows(engine, "SELECT run_location, result_type, outcome, attempts FROM result_history ORDER BY 1, 2") == [
        ("eu-central-1", "FINAL", "PASS", 0),
        ("us-east-1", "ATTEMPT", "FAIL", 0),
        ("us-east-1", "FINAL", "PASS", 1),
    ]
    assert rows(engine, "SELECT status, outcome, time_elapsed_ms, origin FROM session_history") == [
        ("PASSED", "PASS", 2000, "import")
    ]


def test_the_same_answer_again_changes_no_row(engine: Engine) -> None:
    record(engine, session(), session("two"))
    before = dump(engine)

    again = record(engine, session("two"), session(), now=LATER)

    assert (again.sessions, again.results, again.closed) == (0, 0, 0)
    assert dump(engine) == before


def test_a_running_answer_after_the_final_one_undoes_nothing(engine: Engine) -> None:
    record(engine, session(status="FAILED"))
    before = dump(engine)

    record(engine, running(), now=LATER, next_poll_at=LATER)

    assert dump(engine) == before


def test_a_stale_answer_fills_what_was_missing(engine: Engine) -> None:
    """A final answer of an older API version knows no run source; a late result of an unseen location is kept."""
    only_one = session(results=[result("one", "eu-central-1")], name=None, runSource=None)
    record(engine, only_one)

    record(engine, running() | {"results": [result("one", "us-east-1")]}, now=LATER)

    assert rows(engine, "SELECT status, run_source, check_name FROM session_history") == [
        ("PASSED", "TRIGGER_API", "Checkout")
    ]
    assert len(rows(engine, "SELECT 1 FROM check_results")) == 2


def test_a_running_session_becomes_final_once(engine: Engine) -> None:
    record(engine, running(), next_poll_at=NOW, deadline_at=LATER)
    assert rows(engine, "SELECT COUNT(next_poll_at), COUNT(final_at) FROM check_sessions") == [(1, 0)]

    first = record(engine, session(), now=LATER)
    second = record(engine, session(timeElapsed=2001), now=LATER + timedelta(minutes=1))

    assert (first.closed, second.closed) == (1, 0)
    assert rows(engine, "SELECT COUNT(next_poll_at), time_elapsed_ms FROM check_sessions GROUP BY 2") == [(0, 2001)]
    finals = rows(engine, "SELECT final_at FROM session_history")
    assert str(finals[0][0]).startswith("2026-11-18 12:05:00")


def test_a_session_closed_while_a_location_is_missing_is_flagged_until_its_result_arrives(engine: Engine) -> None:
    """Whether the late result comes with the others, alone, or with an answer from while the session ran."""
    names = ("together", "alone", "stale")
    here, there = ([result(name, location) for name in names] for location in ("eu-central-1", "us-east-1"))
    record(engine, *(session(name, [one]) for name, one in zip(names, here, strict=True)), session("whole"))
    flagged = rows(engine, "SELECT COUNT(*) FROM session_history WHERE is_partial")

    late = session("together"), session("alone", [there[1]]), running("stale") | {"results": [there[2]]}
    record(engine, *late, now=LATER)

    assert flagged == [(3,)]
    assert rows(engine, "SELECT COUNT(*) FROM session_history WHERE is_partial") == [(0,)]


def test_an_open_session_and_a_retry_that_moved_are_not_partial(engine: Engine) -> None:
    record(engine, session("open", [result("open", "eu-central-1")]), closes=False)
    record(engine, session("moved", [result("moved", "us-east-1")], runLocations=["eu-central-1"]))

    assert rows(engine, "SELECT COUNT(*) FROM session_history WHERE NOT is_partial") == [(2,)]


def test_an_older_answer_with_fewer_results_does_not_make_a_session_partial(engine: Engine) -> None:
    record(engine, session())

    record(engine, session(results=[result("one", "eu-central-1")]), now=LATER)

    assert rows(engine, "SELECT COUNT(*) FROM session_history WHERE is_partial") == [(0,)]


def test_a_session_twice_in_one_batch_is_one_row(engine: Engine) -> None:
    written = record(engine, running(), session(), running())

    assert (written.sessions, written.results) == (1, 2)
    assert rows(engine, "SELECT status FROM check_sessions") == [("PASSED",)]


def test_attempts_that_arrive_before_their_final_are_counted_with_it(engine: Engine) -> None:
    """A partial answer may show the failed try, and the final one only the FINAL."""
    attempt = result("one", "us-east-1", resultType="ATTEMPT", hasFailures=True)
    record(engine, running() | {"results": [attempt], "status": "PROGRESS_FAILED"})

    record(engine, session(), now=LATER)

    assert rows(engine, "SELECT run_location, attempts FROM result_history WHERE result_type = 'FINAL' ORDER BY 1") == [
        ("eu-central-1", 0),
        ("us-east-1", 1),
    ]
    assert [bool(flag) for (flag,) in rows(engine, "SELECT has_attempts FROM check_sessions")] == [True]


def test_an_attempt_that_arrives_after_its_final_corrects_it(engine: Engine) -> None:
    record(engine, session())

    attempt = result("one", "us-east-1", resultType="ATTEMPT", hasFailures=True)
    record(engine, session(results=[attempt]), now=LATER)

    assert rows(engine, "SELECT SUM(attempts), COUNT(*) FROM check_results") == [(1, 3)]


def test_a_retry_that_moved_belongs_to_the_only_final(engine: Engine) -> None:
    """A round-robin check may retry in another location than the one that failed."""
    moved = [
        result("one", "eu-central-1", resultType="ATTEMPT", hasFailures=True),
        result("one", "us-east-1"),
    ]
    record(engine, session(results=moved))

    assert rows(engine, "SELECT run_location, attempts FROM result_history WHERE result_type = 'FINAL'") == [
        ("us-east-1", 1)
    ]


def test_a_cancelled_session_makes_its_earlier_results_void(engine: Engine) -> None:
    record(engine, running() | {"results": [result("one", "us-east-1", hasFailures=True)]})

    record(engine, session(results=[result("one", "eu-central-1")], status="CANCELLED"), now=LATER)

    assert rows(engine, "SELECT DISTINCT outcome FROM check_results") == [("VOID",)]


def test_a_check_carries_the_name_of_its_newest_session(engine: Engine) -> None:
    record(engine, session("new", name="New name", startedAt="2026-11-18T11:00:00Z"))

    record(engine, session("old", name="Old name", startedAt="2026-11-01T11:00:00Z"))

    assert rows(engine, "SELECT name FROM checks") == [("New name",)]


def test_hostile_text_is_stored_and_the_raw_payload_kept(engine: Engine) -> None:
    name = "<script>\x00=cmd()\ud800'; DROP TABLE checks; --"
    record(engine, session(name=name, runLocations=["=cmd()", "<b>"], results=[result("one", "=cmd()")]))

    stored = rows(engine, "SELECT check_name, run_locations FROM session_history")[0]
    raw = json.loads(zlib.decompress(rows(engine, "SELECT body FROM payloads")[0][0]))

    assert stored[0] == name.replace("\x00", "\ufffd").replace("\ud800", "\ufffd")
    assert json.loads(stored[1]) == ["<b>", "=cmd()"]
    assert raw["name"] == name


def test_surprises_are_counted_once_for_each_time_they_were_seen(engine: Engine) -> None:
    record(engine, session("a", mood=1), session("b", mood=1))
    record(engine, session("c", mood=1), now=LATER)

    assert rows(engine, "SELECT what, times FROM contract_surprises") == [("field session.mood", 3)]


def test_a_surprise_of_an_answer_that_is_known_is_not_counted_again(engine: Engine) -> None:
    """The same file imported twice, the answer of a session's start among it, changes nothing at all."""
    story = [running("a", mood=1), session("a", mood=1), session("b", mood=2)]
    record(engine, *story)
    before = dump(engine)

    record(engine, *story, now=LATER)

    assert rows(engine, "SELECT what, times FROM contract_surprises") == [("field session.mood", 3)]
    assert dump(engine) == before


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "later"])
def test_a_result_id_that_another_session_has_is_left_out_and_said(engine: Engine, *, together: bool) -> None:
    """Checkly's ids are unique; should one come twice, the first session keeps it and nobody counts a row too many."""
    shared = result("one", "eu-central-1")
    first, second = session("one"), session("two", [shared, result("two", "us-east-1")])

    if together:
        results = record(engine, first, second).results
    else:
        results = record(engine, first).results + record(engine, second, now=LATER).results
    again = record(engine, second, now=LATER)

    assert (results, again.results) == (3, 0)
    assert rows(engine, "SELECT COUNT(*) FROM check_results") == [(3,)]
    assert rows(engine, "SELECT what, times FROM contract_surprises") == [(TAKEN_ID, 1)]


def test_a_fraction_of_a_millisecond_is_kept(engine: Engine) -> None:
    """And a whole number is shown as one."""
    record(engine, session("one", timeElapsed=1999.125), session("two", timeElapsed=2000.0))

    shown = rows(engine, "SELECT time_elapsed_ms FROM session_history ORDER BY time_elapsed_ms")

    assert shown == [(1999.125,), (2000,)]


def test_what_cannot_be_read_is_kept_with_the_reason(engine: Engine) -> None:
    transact(engine, lambda session: record_malformed(session, [Malformed("no status", b"{}")], now=NOW))

    (kind, why, body) = rows(engine, "SELECT kind, why, body FROM payloads")[0]
    assert (kind, why, zlib.decompress(body)) == ("malformed", "no status", b"{}")


def test_the_link_to_the_session_is_rebuilt_from_the_check(engine: Engine) -> None:
    record(engine, session())

    assert rows(engine, "SELECT check_session_link FROM session_history") == [(session()["checkSessionLink"],)]


@pytest.mark.parametrize("link", ["javascript:alert(1)//check-sessions/", "http://evil/check-sessions/", "x"])
def test_a_link_of_another_shape_is_not_kept(engine: Engine, link: str) -> None:
    record(engine, session(checkSessionLink=link + some_id("one")))

    assert rows(engine, "SELECT check_session_link FROM session_history") == [(None,)]


_ANSWERS = (
    running(),
    running() | {"status": "PROGRESS", "results": [result("one", "eu-central-1")]},
    running() | {"status": "PROGRESS", "results": [result("one", "us-east-1", resultType="ATTEMPT", hasFailures=True)]},
    session(results=[*session()["results"], result("one", "us-east-1", resultType="ATTEMPT", hasFailures=True)]),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations([*range(len(_ANSWERS)), 3, 1]))
def test_in_whatever_order_answers_arrive_the_end_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, order: list[int]
) -> None:
    engine = db.open_engine(f"sqlite:///{tmp_path_factory.mktemp('order') / 'history.db'}")
    db.upgrade(engine)

    for step, index in enumerate(order):
        record(engine, _ANSWERS[index], now=NOW + timedelta(seconds=step))

    assert rows(
        engine, "SELECT status, outcome, time_elapsed_ms, COUNT(final_at) FROM check_sessions GROUP BY 1, 2, 3"
    ) == [("PASSED", "PASS", 2000, 1)]
    assert rows(engine, "SELECT run_location, result_type, attempts FROM result_history ORDER BY 1, 2") == [
        ("eu-central-1", "FINAL", 0),
        ("us-east-1", "ATTEMPT", 0),
        ("us-east-1", "FINAL", 1),
    ]
    engine.dispose()
