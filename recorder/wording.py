"""Pure: how a message shows text that somebody else wrote, and how it suggests the word that was meant."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Final

LONGEST_QUOTE: Final = 60
LONGEST_PATH: Final = 500


def quoted(text: str, *, longest: int = LONGEST_QUOTE) -> str:
    """The text in double quotes on one line: cut after `longest` characters, what cannot be printed is escaped."""
    shown = text if len(text) <= longest else text[: longest - 1] + "…"
    return '"' + "".join(char if char.isprintable() else ascii(char)[1:-1] for char in shown) + '"'


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; did you mean "match_tags"?` when a known word is close, else nothing."""
    spelling = {name.casefold(): name for name in known}
    close = get_close_matches(word.casefold(), spelling, n=1, cutoff=0.6)
    return f"; did you mean {quoted(spelling[close[0]])}?" if close else ""


def quoted_path(path: Path) -> str:
    """The path in double quotes, in full."""
    return quoted(str(path), longest=LONGEST_PATH)
