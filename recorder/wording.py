"""Pure: how a message shows text that somebody else wrote, and how it suggests the word that was meant."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

LONGEST_QUOTE: Final = 60


def quoted(text: str) -> str:
    """The text in double quotes on one line: cut after 60 characters, what cannot be printed is escaped."""
    shown = text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 1] + "…"
    return '"' + "".join(char if char.isprintable() else ascii(char)[1:-1] for char in shown) + '"'


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; did you mean "match_tags"?` when a known word is close, else nothing."""
    spelling = {name.casefold(): name for name in known}
    close = get_close_matches(word.casefold(), spelling, n=1, cutoff=0.6)
    return f"; did you mean {quoted(spelling[close[0]])}?" if close else ""
