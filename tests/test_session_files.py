"""Reading session payloads from files of every shape, whole, broken and hostile."""

import io
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.session_files import read_pieces
from tests.factories import json_lines as lines
from tests.factories import session, some_id

ONE, TWO, THREE = session("one"), session("two"), session("three")
IDS = [UUID(some_id(name)) for name in ("one", "two", "three")]


def over_lines(payload: dict[str, Any]) -> bytes:
    """The session with each of its results on a line of its own: lines that are objects, and no sessions."""
    head = json.dumps({key: value for key, value in payload.items() if key != "results"})[:-1]
    return "\n".join([head, ', "results": [', "\n,\n".join(map(json.dumps, payload["results"])), "]}\n"]).encode()


def read(body: bytes) -> list[str]:
    """Each piece of a file: the session's name in these tests, or the place and why it was refused."""
    names = dict(zip(IDS, ("one", "two", "three"), strict=True))
    return [
        names[piece.snapshot.check_session_id] if piece.snapshot else f"{piece.place}: {piece.why}"
        for piece in read_pieces(io.BytesIO(body))
    ]


WHOLE: dict[str, bytes] = {
    "lines": lines(ONE, TWO, THREE),
    "lines without a last line break": lines(ONE, TWO, THREE)[:-1],
    "lines of Windows": lines(ONE, TWO, THREE, end="\r\n"),
    "lines after a byte order mark": b"\xef\xbb\xbf" + lines(ONE, TWO, THREE),
    "lines with blank ones between": b"\n\n" + lines(ONE, end="\n\n") + b"   \n" + lines(TWO, THREE),
    "an array": json.dumps([ONE, TWO, THREE]).encode(),
    "an indented array": json.dumps([ONE, TWO, THREE], indent=2).encode(),
    "arrays as lines": lines([ONE, TWO], [], [THREE]),
    "an indented array after another": b"".join(json.dumps(some, indent=2).encode() for some in ([ONE, TWO], [THREE])),
    "an array with one item a line": b"[\n" + b",\n".join(lines(one)[:-1] for one in (ONE, TWO, THREE)) + b"\n]\n",
    "an array in UTF-16": json.dumps([ONE, TWO, THREE]).encode("utf-16"),
    "indented objects one after the other": b"".join(json.dumps(one, indent=2).encode() for one in (ONE, TWO, THREE)),
    "objects over several lines with a result on each": b"".join(over_lines(one) for one in (ONE, TWO, THREE)),
    "the answer to a trigger": json.dumps({"sessions": [ONE, TWO, THREE]}).encode(),
    "an indented answer to a trigger": json.dumps({"sessions": [ONE, TWO, THREE]}, indent=2).encode(),
    "answers to triggers as lines": lines({"sessions": [ONE, TWO]}, {"sessions": [THREE]}),
}


@pytest.mark.parametrize("body", WHOLE.values(), ids=WHOLE.keys())
def test_a_file_of_any_usual_shape_gives_its_sessions_in_order(body: bytes) -> None:
    """Whatever tool wrote it."""
    assert read(body) == ["one", "two", "three"]


@pytest.mark.parametrize("body", [b"", b"\n \r\n", b"\xef\xbb\xbf", b"[]", b'{"sessions": []}'])
def test_a_file_without_a_session_gives_nothing(body: bytes) -> None:
    """And refuses nothing."""
    assert read(body) == []


NO_JSON = "line 4: not readable as JSON (Expecting value: line 1 column 1 (char 0))"


BROKEN: dict[str, tuple[bytes, list[str]]] = {
    "a line that is no JSON": (
        lines(ONE) + b"oops\n" + lines(TWO),
        ["one", "line 2: not readable as JSON (Expecting value: line 1 column 1 (char 0))", "two"],
    ),
    "a first line that is no JSON": (
        b"oops\n" + lines(ONE, TWO),
        ["line 1: not readable as JSON (Expecting value: line 1 column 1 (char 0))", "one", "two"],
    ),
    "a line that is another thing": (
        lines(ONE, 7, [], TWO),
        ["one", "line 2: a session is an object, this is a number", "two"],
    ),
    "an array on a line": (
        lines(ONE, [TWO, 7, {}], THREE),
        [
            "one",
            "two",
            "line 2, item 2: a session is an object, this is a number",
            "line 2, item 3: checkSessionId is null, not a UUID",
            "three",
        ],
    ),
    "lines after one that is a list": (
        lines([1], ONE, TWO),
        ["line 1, item 1: a session is an object, this is a number", "one", "two"],
    ),
    "lines after an empty list": (lines([]) + b"\n" + lines(ONE) + b"oops\n" + lines(TWO), ["one", NO_JSON, "two"]),
    "lines after a word": (lines("begin", ONE, TWO), ["line 1: a session is an object, this is text", "one", "two"]),
    "a line number counts blank lines": (
        b"\n" + lines(ONE) + b"\n\n" + lines(session("two", checkId=None), THREE),
        ["one", "line 5: checkId is null, not a UUID", "three"],
    ),
    "an item of an array": (
        json.dumps([ONE, {}, TWO]).encode(),
        ["one", "item 2: checkSessionId is null, not a UUID", "two"],
    ),
    "a session inside an answer": (
        lines({"sessions": [ONE, {}, TWO]}, THREE),
        ["one", "line 1, session 2: checkSessionId is null, not a UUID", "two", "three"],
    ),
    "a word that is no JSON number": (
        lines(ONE) + json.dumps(TWO | {"timeElapsed": float("nan")}).encode(),
        ["one", "line 2: not readable as JSON (NaN is not JSON)"],
    ),
}


@pytest.mark.parametrize(("body", "expected"), BROKEN.values(), ids=BROKEN.keys())
def test_what_cannot_be_read_is_named_with_its_place_and_does_not_stop_the_rest(
    body: bytes, expected: list[str]
) -> None:
    """A person can find it in the file."""
    assert read(body) == expected


BROKEN_ITEMS: dict[str, tuple[str, list[str]]] = {
    "brackets that match": ("{bad}", ["one", "item 2", "two", "three"]),
    "two of them": ("{bad}, {worse, [1]}", ["one", "item 2", "item 3", "two", "three"]),
    "a word": ("oops", ["one", "item 2", "two", "three"]),
    "no value at all": (":", ["one", "item 2", "two", "three"]),
    "a string that has no end": ('{"name": "x, "status": 1}', ["one", "item 2", "two", "three"]),
    "a bracket that has no end": ('{"name": [1, 2}', ["one", "item 2", "two", "three"]),
    "a session cut in its results": (json.dumps(session("x"))[:-90], ["one", "item 2", "two", "three"]),
    "a number that is too long": ("1" * 5000, ["one", "item 2", "two", "three"]),
    "a comma too many": ("", ["one", "two", "three"]),
}


@pytest.mark.parametrize("separator", [", ", ",\n", "\n,"])
@pytest.mark.parametrize(("broken", "expected"), BROKEN_ITEMS.values(), ids=BROKEN_ITEMS.keys())
def test_a_broken_item_of_an_array_hides_none_of_those_after_it(
    broken: str, separator: str, expected: list[str]
) -> None:
    """It is reported with its number, and reading goes on with the next whole session."""
    items = [json.dumps(ONE), broken, json.dumps(TWO), json.dumps(THREE)]

    pieces = read(f"[{separator.join(items)}]".encode())

    assert [piece.split(":")[0] for piece in pieces] == expected
    assert all("not readable as JSON" in piece for piece in pieces if piece.startswith("item"))


@pytest.mark.parametrize(
    ("shape", "separator"),
    [(lambda body: body, b"\n"), (lambda body: b"[" + body, b", "), (lambda body: b"[\n  " + body, b",\n")],
    ids=["lines", "array", "indented array"],
)
def test_a_file_that_was_cut_keeps_its_whole_sessions_wherever_the_cut_is(
    shape: Callable[[bytes], bytes], separator: bytes
) -> None:
    """An export that broke off in the middle; the cut itself is reported once."""
    whole = [lines(one)[:-1] for one in (ONE, TWO, THREE)]
    body = shape(separator.join(whole))
    ends = [body.index(part) + len(part) for part in whole]

    for cut in range(len(body) - len(separator.join(whole)) + 1, len(body), 41):
        kept = sum(end <= cut for end in ends)
        pieces = read(body[:cut])
        assert pieces[:kept] == ["one", "two", "three"][:kept]
        assert len(pieces) == kept + 1, body[:cut]


@pytest.mark.parametrize("end", ["", ",", ", \n"])
def test_an_array_that_was_cut_between_two_items_says_so(end: str) -> None:
    """Everything that is there is whole, and yet something is missing."""
    pieces = read(f"[{json.dumps(ONE)}, {json.dumps(TWO)}{end}".encode())

    assert pieces[:2] == ["one", "two"]
    assert len(pieces) == 3
    assert pieces[2].startswith("item 3: not readable as JSON")


@given(st.binary(max_size=300) | st.text(alphabet='{}[]",:\n1ae\\', max_size=60).map(str.encode))
def test_no_bytes_at_all_end_the_reading_with_an_error(body: bytes) -> None:
    """Whatever is refused is refused in words."""
    assert all(piece.snapshot or piece.why for piece in read_pieces(io.BytesIO(body)))


def test_lists_nested_two_hundred_thousand_deep_are_refused() -> None:
    """In words, not with the interpreter's stack."""
    assert read(b"[" * 200_000) == ["item 1: the JSON is nested too deeply; nothing after it could be read"]
