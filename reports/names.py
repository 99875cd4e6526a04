"""Pure: what came from outside (names, links) in a form that a page can hold: short, visible, harmless to follow."""

import re
from dataclasses import dataclass
from typing import Final

_LONGEST: Final = 120
_REPLACED: Final = "\N{REPLACEMENT CHARACTER}"
_UNRULY: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Controls, and marks that turn the direction of the text around them."""


@dataclass(frozen=True, slots=True)
class Name:
    """A check as the page calls it; `link` is its page at Checkly, None unless it is an http(s) address."""

    text: str
    link: str | None = None


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
