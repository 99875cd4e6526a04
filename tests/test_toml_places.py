"""Where the keys of a TOML text stand."""

import json
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.toml_places import KeyPath, find_places, line_of

TEXT = '''\
# a comment with [brackets] and = signs
title = "x # no comment"   # a comment
owner.name . "first.last" = 1

[checkly]
note = """
[not.a.table]
key = "no key" \\""" still inside
"""
path = \'\'\'C:\\it's
\'\'\'\'\'
empty = ""
when = 2026-11-22 05:06:07.5Z

[[schedules]]
name = "one"
[[schedules]]
name = "two"
match_tags = [  # [ in a comment
    ["a", 'b]'],

    ["c",
     "d"],
]
limits = { low = 1, high.est = [1,
  2] }
[schedules.inner]
deep = true
[[schedules.parts]]
size = 1
[[schedules.parts]]
size = 2
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2),
        (("owner",), 3),
        (("owner", "name", "first.last"), 3),
        (("checkly",), 5),
        (("checkly", "note"), 6),
        (("checkly", "path"), 10),
        (("checkly", "empty"), 12),
        (("checkly", "when"), 13),
        (("schedules",), 15),
        (("schedules", 0), 15),
        (("schedules", 0, "name"), 16),
        (("schedules", 1), 17),
        (("schedules", 1, "name"), 18),
        (("schedules", 1, "match_tags"), 19),
        (("schedules", 1, "match_tags", 0, 1), 20),
        (("schedules", 1, "match_tags", 1), 22),
        (("schedules", 1, "match_tags", 1, 1), 23),
        (("schedules", 1, "limits", "high", "est", 1), 26),
        (("schedules", 1, "inner", "deep"), 28),
        (("schedules", 1, "parts", 1, "size"), 32),
    ],
)
def test_every_key_and_element_has_the_line_it_stands_on(path: KeyPath, line: int) -> None:
    """Through comments, every kind of text, dotted keys, inline tables and arrays of tables."""
    assert find_places(TEXT)[path] == line


def test_the_places_are_those_of_the_values_and_no_others() -> None:
    """What stands inside a text is no key."""
    assert set(find_places(TEXT)) == paths_of(tomllib.loads(TEXT))


def test_a_key_that_was_not_written_has_the_line_of_what_is_around_it() -> None:
    """So "name is missing" points to the schedule, and a missing section to nothing."""
    places = find_places(TEXT)

    assert line_of(places, ("schedules", 1, "every")) == 17
    assert line_of(places, ("database", "url")) is None


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment", "a = 1", "a = [\n]\n", "a = {}", "\r\n[t]\r\n"])
def test_short_texts_have_places_too(text: str) -> None:
    """No line break at the end, nothing in a list, nothing at all."""
    assert set(find_places(text)) == paths_of(tomllib.loads(text))


NASTY_TEXT = st.text(st.sampled_from("ab'\"\\#[]{}=,.\n\t é"), max_size=8)
VALUES = st.recursive(
    st.integers() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | NASTY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NASTY_TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(NASTY_TEXT, VALUES, max_size=3), st.dictionaries(NASTY_TEXT, VALUES, max_size=3))
def test_any_document_has_a_place_for_each_of_its_values(top: dict[str, Any], element: dict[str, Any]) -> None:
    """Texts full of quotes and brackets, nested lists and tables, written with line breaks in lists."""
    text = "".join(f"{json.dumps(key)} = {as_toml(value)} # ]\n" for key, value in top.items() if key != "element")
    text += "[[element]]\n" * 2 + "".join(f"{json.dumps(key)} = {as_toml(value)}\n" for key, value in element.items())

    assert set(find_places(text)) == paths_of(tomllib.loads(text))


def as_toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {as_toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[\n" + "".join(f"  {as_toml(inner)}, # [\n" for inner in value) + "]"
    if isinstance(value, str) and "'" not in value and '"' in value:
        return f"'''{value}'''"
    return json.dumps(value)


def paths_of(value: Any, path: KeyPath = ()) -> set[KeyPath]:
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = {path} if path else set()
    return found.union(*(paths_of(inner, (*path, step)) for step, inner in steps))
