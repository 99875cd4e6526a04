"""JSON -> dataclasses: what is unknown survives and is counted, what is indispensable is named."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.errors import MalformedPayload
from recorder.json_fields import load_json
from recorder.payloads import parse_session, parse_trigger_answer
from tests.documented import RETRIEVE_ANSWER, TRIGGER_ANSWER
from tests.factories import result, running, session


def test_the_documented_answers_are_read_without_a_surprise() -> None:
    """The examples of the reference pages are the least that must work."""
    triggered = parse_trigger_answer(json.dumps(TRIGGER_ANSWER).encode(), http_status=201)
    retrieved = parse_session(RETRIEVE_ANSWER)

    assert [str(one.check_session_id) for one in triggered.sessions] == ["8166fa86-c9b4-4162-8541-d380c6c212d8"]
    assert triggered.malformed == ()
    assert retrieved.surprises == ()
    assert retrieved.time_elapsed_ms == 300731
    assert retrieved.started_at == datetime(2025, 8, 28, 18, 23, 40, 262000, tzinfo=UTC)
    assert retrieved.missing_locations == {"eu-central-1"}


def test_unknown_fields_and_enum_values_survive_and_are_named() -> None:
    odd = session(status="PAUSED", checkType="QUANTUM", runSource="MOON", mood="good")
    odd["results"][0] |= {"resultType": "MAYBE", "colour": "red"}

    parsed = parse_session(odd)

    assert (parsed.status, parsed.check_type, parsed.run_source) == ("PAUSED", "QUANTUM", "MOON")
    assert not parsed.is_final
    assert parsed.results[0].result_type == "MAYBE"
    assert set(parsed.surprises) == {
        "field session.mood",
        "field result.colour",
        "status=PAUSED",
        "checkType=QUANTUM",
        "runSource=MOON",
        "resultType=MAYBE",
    }


@pytest.mark.parametrize("absent", ["name", "stoppedAt", "timeElapsed", "runSource", "results", "checkSessionLink"])
@pytest.mark.parametrize("null", [True, False])
def test_an_absent_or_null_optional_is_unknown_and_nothing_else(absent: str, *, null: bool) -> None:
    payload = session()
    if null:
        payload[absent] = None
    else:
        del payload[absent]

    parsed = parse_session(payload)

    assert parsed.check_session_id
    if absent == "results":
        assert parsed.results == ()


@pytest.mark.parametrize("field", ["results", "name", "checkType", "timeElapsed", "runLocations", "checkSessionLink"])
def test_a_null_that_the_contract_does_not_foresee_is_survived_and_named(field: str) -> None:
    assert parse_session(session() | {field: None}).surprises == (f"{field} is null",)


@pytest.mark.parametrize("field", ["hasErrors", "hasFailures", "isDegraded", "aborted", "isCancelled", "checkType"])
def test_a_null_in_a_result_is_survived_and_named(field: str) -> None:
    parsed = parse_session(session("one", [result("one", "eu-central-1") | {field: None}]))

    assert parsed.surprises == (f"{field} is null",)
    assert len(parsed.results) == 1


def test_nulls_that_the_contract_knows_are_no_surprise() -> None:
    known = result("one", "eu-central-1", resultType=None, responseTime=None, startedAt=None, stoppedAt=None)

    assert parse_session(session("one", [known], stoppedAt=None, runSource=None)).surprises == ()


@pytest.mark.parametrize("field", ["checkSessionId", "checkId", "status", "startedAt"])
@pytest.mark.parametrize("value", [None, 7, "", "nonsense", [], {}])
def test_a_session_without_what_is_indispensable_is_refused_by_name(field: str, value: Any) -> None:
    if field == "status" and value in ("", "nonsense"):
        assert not parse_session(session(status=value)).is_final
        return
    with pytest.raises(MalformedPayload, match=field):
        parse_session(session() | {field: value})


def test_one_malformed_session_of_a_trigger_does_not_hide_the_others() -> None:
    body = json.dumps({"sessions": [running("a"), {"checkSessionId": 3}, running("b")]}).encode()

    answer = parse_trigger_answer(body, http_status=201)

    assert len(answer.sessions) == 2
    assert [piece.why for piece in answer.malformed] == ["checkSessionId is a number, not a UUID"]


def test_one_malformed_result_does_not_hide_the_others() -> None:
    broken = result("one", "us-east-1") | {"checkResultId": "x"}

    parsed = parse_session(session(results=[result("one", "eu-central-1"), broken, 5]))

    assert [one.run_location for one in parsed.results] == ["eu-central-1"]
    assert parsed.malformed_results == 2


def test_text_that_no_database_can_hold_is_replaced_and_a_megabyte_is_cut() -> None:
    parsed = parse_session(session(name="a\x00b\ud800c", runLocations=["x" * 1_000_000, "y"]))

    assert parsed.name == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"
    assert max(map(len, parsed.run_locations)) == 200
    assert parsed.raw.isascii()
    assert any("cannot be stored" in surprise for surprise in parsed.surprises)


def test_two_long_names_that_differ_at_the_end_stay_two() -> None:
    """A name cut without a mark would merge two private locations into one."""
    parsed = parse_session(session(runLocations=["x" * 500 + "a", "x" * 500 + "b"]))

    assert len(parsed.run_locations) == 2


@pytest.mark.parametrize("value", [-1, pytest.param(10**5000, id="5000 digits"), float("inf"), "12", True, [1]])
def test_a_duration_that_cannot_be_one_is_unknown_and_named(value: Any) -> None:
    parsed = parse_session(session(timeElapsed=value))

    assert parsed.time_elapsed_ms is None
    assert any("timeElapsed" in surprise for surprise in parsed.surprises)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[" * 200_000,
        b"9" * 5000,
        b'{"a": NaN}',
        b'"\xff"',
        b"null x",
    ],
)
def test_hostile_json_is_one_clear_error(body: bytes) -> None:
    with pytest.raises(MalformedPayload, match="JSON"):
        load_json(body)


@pytest.mark.parametrize("body", [b"null", b"[]", b"5", b'{"sessions": {}}', b'{"sessions": null}', b"{}"])
def test_an_answer_without_a_list_of_sessions_is_refused(body: bytes) -> None:
    """It may still have started sessions: the caller makes it ambiguous."""
    with pytest.raises(MalformedPayload, match="no list of sessions"):
        parse_trigger_answer(body, http_status=201)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(session())), _json))
def test_whatever_stands_in_the_fields_a_session_is_read_or_refused(fields: dict[str, Any]) -> None:
    try:
        parsed = parse_session(session() | fields)
    except MalformedPayload:
        return
    assert parsed.started_at.tzinfo is UTC
    assert "\x00" not in (parsed.name or "")
