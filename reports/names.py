"""Pure: what came from outside (names, links) in a form that a page can hold: short, visible, harmless to follow."""

import re
from dataclasses import dataclass
from typing import Final

_LONGEST: Final = 120
_NAMED_PLACES: Final = 2
_REPLACED: Final = "\N{REPLACEMENT CHARACTER}"
_UNRULY: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Controls, and marks that turn the direction of the text around them."""


@dataclass(frozen=True, slots=True)
class Name:
    """A check as the page calls it; `link` is its page at Checkly, None unless it is an http(s) address."""

    text: str
    link: str | None = None

    @property
    def isolated(self) -> str:
        """The name as it stands in a sentence."""
        return isolated(self.text)


def check_name(name: object, check_id: str, link: object = None) -> Name:
    """The check's name, or its id where it has none that could be seen."""
    text = short(name) if isinstance(name, str) else ""
    return Name(text or check_id, link if isinstance(link, str) and is_web_link(link) else None)


def short(text: str, *, longest: int = _LONGEST) -> str:
    """One line of at most `longest` characters without control or direction marks; empty when none could be seen."""
    line = _UNRULY.sub(_REPLACED, " ".join(text[: _LONGEST * 10].split()))
    if not any(char.isprintable() and char not in f"{_REPLACED} " for char in line):
        return ""
    return line if len(line) <= longest else f"{line[: longest - 1]}\N{HORIZONTAL ELLIPSIS}"


def isolated(text: str) -> str:
    """The text between marks that keep its direction, right to left say, away from the sentence around it."""
    return f"\N{FIRST STRONG ISOLATE}{text}\N{POP DIRECTIONAL ISOLATE}"


def is_web_link(link: str) -> bool:
    """Whether following the link can only open a page: `javascript:` and `data:` come from hostile payloads."""
    return link.startswith(("https://", "http://"))


def split_places(joined: str) -> list[str]:
    """The run locations of a cell that joins them with "|"; one inside a private name is doubled."""
    return [name.replace("\0", "|") for name in joined.replace("||", "\0").split("|")] if joined else []


def place_name(name: str, *, longest: int = _LONGEST) -> str:
    """A run location as the page calls it."""
    return short(name, longest=longest) or "(no visible name)"


def places_text(joined: str, *, every: int = 0) -> str:
    """A cell of run locations in words: two by name, more as a number; `every`: how many there are in all.

    Two names have the room of one, so that no cell grows taller than that of a check.
    """
    places = split_places(joined)
    if not places:
        return "no locations"
    if len(places) == every > 1:
        return f"all {every} locations"
    if len(places) > _NAMED_PLACES:
        return f"{len(places)} locations" if not every else f"{len(places)} of {every} locations"
    return ", ".join(place_name(name, longest=_LONGEST // len(places)) for name in places)
