"""Pure: on which line of a TOML text each key and each element of a list stands.

`tomllib` gives values without places, and a configuration's mistakes are worth a line number. This reads only where
things stand, in a text that `tomllib` has accepted: what a value means is none of its business.
"""

import re
import tomllib
from bisect import bisect_right
from typing import Final, TypeAlias

KeyPath: TypeAlias = tuple[str | int, ...]
"""The way to a value: `("schedules", 1, "match_tags", 0, 0)`."""

BLANK: Final = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
KEY_PART: Final = re.compile(r"""[ \t]*([A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')[ \t]*""")
PLAIN_VALUE: Final = re.compile(
    r'''"""(?:[^\\]|\\.)*?"""(?:"{0,2}(?!"))|\'\'\'.*?\'\'\'(?:\'{0,2}(?!\'))|"(?:[^"\\]|\\.)*"|'[^']*'|[^,\]}#\r\n]+''',
    re.DOTALL,
)


def find_places(source: str) -> dict[KeyPath, int]:
    """The line, from 1, of each table, key and list element of a valid TOML text; the first line where there are more.

    Raises RecursionError when lists are nested too deeply, as `tomllib` does.
    """
    return _Scan(source).places


def line_of(places: dict[KeyPath, int], path: KeyPath) -> int | None:
    """The line of the key, or of the nearest thing around it that the text holds; None for the whole text."""
    while path:
        if path in places:
            return places[path]
        path = path[:-1]
    return None


class _Scan:
    """One walk through the text, from top to bottom."""

    def __init__(self, source: str) -> None:
        self.places: dict[KeyPath, int] = {}
        self._source = source
        self._line_ends = [match.start() for match in re.finditer("\n", source)]
        self._position = 0
        self._last_element: dict[KeyPath, int] = {}
        table: KeyPath = ()
        self._skip_blank()
        while self._position < len(source):
            if self._next("[["):
                table = self._open_element()
            elif self._next("["):
                table = self._open_table()
            else:
                self._read_pair(table)
            self._skip_blank()

    def _open_element(self) -> KeyPath:
        """After `[[`: the path of the new element of an array of tables."""
        line, names = self._line(), self._read_key()
        self._position += len("]]")
        path = (*self._resolve(names[:-1]), names[-1])
        self._mark(path, line)
        self._last_element[path] = self._last_element.get(path, -1) + 1
        path = (*path, self._last_element[path])
        self._mark(path, line)
        return path

    def _open_table(self) -> KeyPath:
        """After `[`: the path of the table; an array of tables on the way stands for its last element."""
        line, names = self._line(), self._read_key()
        self._position += len("]")
        path = self._resolve(names)
        self._mark(path, line)
        return path

    def _resolve(self, names: tuple[str, ...]) -> KeyPath:
        path: KeyPath = ()
        for name in names:
            path = (*path, name)
            if path in self._last_element:
                path = (*path, self._last_element[path])
        return path

    def _read_pair(self, table: KeyPath) -> None:
        """`key = value`, where a dotted key names the tables on its way."""
        line, names = self._line(), self._read_key()
        self._position += len("=")
        path = table
        for name in names:
            path = (*path, name)
            self._mark(path, line)
        self._read_value(path)

    def _read_value(self, path: KeyPath) -> None:
        self._skip_blank()
        if self._next("["):
            self._read_list(path)
        elif self._next("{"):
            self._read_inline_table(path)
        else:
            self._take(PLAIN_VALUE)

    def _read_list(self, path: KeyPath) -> None:
        index = 0
        self._skip_blank()
        while not self._next("]"):
            self._mark((*path, index), self._line())
            self._read_value((*path, index))
            index += 1
            self._skip_comma()

    def _read_inline_table(self, path: KeyPath) -> None:
        self._skip_blank()
        while not self._next("}"):
            self._read_pair(path)
            self._skip_comma()

    def _read_key(self) -> tuple[str, ...]:
        names = [self._take(KEY_PART)]
        while self._next("."):
            names.append(self._take(KEY_PART))
        return tuple(tomllib.loads(f"name = {name}")["name"] if name[0] in "\"'" else name for name in names)

    def _skip_comma(self) -> None:
        self._skip_blank()
        self._next(",")
        self._skip_blank()

    def _skip_blank(self) -> None:
        self._take(BLANK)

    def _take(self, pattern: re.Pattern[str]) -> str:
        """What the pattern matches here: its first group, or all of it."""
        match = pattern.match(self._source, self._position)
        if match is None:
            raise ValueError(f"line {self._line()} is not TOML: {pattern.pattern}")
        self._position = match.end()
        return match[match.lastindex or 0]

    def _next(self, token: str) -> bool:
        """Step over the token when it is the next thing in the text."""
        found = self._source.startswith(token, self._position)
        if found:
            self._position += len(token)
        return found

    def _line(self) -> int:
        return bisect_right(self._line_ends, self._position - 1) + 1

    def _mark(self, path: KeyPath, line: int) -> None:
        self.places.setdefault(path, line)
