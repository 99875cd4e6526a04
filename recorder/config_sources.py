"""What was written where: the configuration file, the environment and the key's file, before anything is checked.

All of it ends in one `Written`: the values as nested dictionaries, and for each of them the place that a message names.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from math import inf
from operator import itemgetter
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from recorder.errors import BadKey, ConfigError, Problem
from recorder.toml_places import KeyPath, find_places, line_of
from recorder.wording import quoted, quoted_path

LONGEST_FILE: Final = 1_048_576
PREFIX: Final = "RECORDER_"
CONFIG_VARIABLE: Final = "RECORDER_CONFIG"
KEY_VARIABLE: Final = "CHECKLY_API_KEY"
KEY_PATH: Final = ("checkly", "api_key")
KEY_FILE_VARIABLE: Final = "CHECKLY_API_KEY_FILE"
CHECKLY_VARIABLES: Final = MappingProxyType(
    {
        KEY_VARIABLE: KEY_PATH,
        "CHECKLY_ACCOUNT_ID": ("checkly", "account_id"),
        "CHECKLY_API_URL": ("checkly", "base_url"),
    }
)
SECRET_KEY: Final = re.compile("key|token|secret|password|bearer|credential", re.IGNORECASE)
PLAIN_KEY: Final = re.compile("[A-Za-z0-9_-]+")
LINE_BREAK_AT_END: Final = re.compile(r"\r?\n\Z")
TOML_ERROR: Final = re.compile(r"(?P<text>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)")


class _Sections(BaseSettings):
    """The sections that a variable may reach: RECORDER_<SECTION>_<KEY>; schedules are written in the file alone."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="_", env_nested_max_split=1)

    checkly: dict[str, str] = {}
    database: dict[str, str] = {}
    reports: dict[str, str] = {}


SECTION_HEADS: Final = tuple(f"{PREFIX}{section}_".upper() for section in _Sections.model_fields)


@dataclass(slots=True)
class Written:
    """The values of all sources, later ones over earlier ones, with the places to name and the problems met so far."""

    file: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[KeyPath, int] = field(default_factory=dict)
    variables: dict[KeyPath, str] = field(default_factory=dict)
    _problems: list[tuple[float, Problem]] = field(default_factory=list)

    def report(self, path: KeyPath, text: str) -> None:
        """Keep a problem of the value at this path."""
        variable = self.variables.get(path)
        line = inf if variable else line_of(self.lines, path) or 0
        kind = BadKey if variable and path == KEY_PATH else Problem
        self._problems.append((line, kind(variable or self.place(path), text)))

    def report_variable(self, variable: str, text: str) -> None:
        """Keep a problem of a variable of the environment."""
        self._problems.append((inf, Problem(variable, text)))

    def problems(self) -> list[Problem]:
        """All that was reported, as a reader meets it: down the file, then the environment."""
        return [problem for _, problem in sorted(self._problems, key=itemgetter(0))]

    def put(self, path: tuple[str, str], value: Any, variable: str) -> None:
        """Set one value from a variable of the environment."""
        section = self.values.setdefault(path[0], {})
        if isinstance(section, dict):
            section[path[1]] = value
            self.variables[path] = variable

    def place(self, path: KeyPath) -> str:
        """File, line and key of the value at this path, or of the nearest thing around it that the file holds."""
        while path and path not in self.lines:
            path = path[:-1]
        line = line_of(self.lines, path)
        where = self.file if line is None else f"{self.file}:{line}"
        return " ".join(part for part in (where, self._key(path)) if part)

    def _key(self, path: KeyPath) -> str:
        """`checkly.api_version`, `schedules[1] "checkout" match_tags[0][1]`."""
        if path[:1] not in {("schedules",), ("deliveries",)} or len(path) == 1:
            return _joined(path)
        table = self.values[str(path[0])][path[1]]
        name = table.get("name") if isinstance(table, dict) else None
        label = quoted(name) if isinstance(name, str) else ""
        return " ".join(part for part in (_joined(path[:2]), label, _joined(path[2:])) if part)


def _joined(path: KeyPath) -> str:
    """`name[0].other`, with keys that need quotes in quotes."""
    names = (step if isinstance(step, int) or PLAIN_KEY.fullmatch(step) else quoted(step) for step in path)
    return "".join(f"[{name}]" if isinstance(name, int) else f".{name}" for name in names).removeprefix(".")


def read_file(path: Path, shown: str) -> Written:
    """The values of a TOML file and the lines they stand on; `shown` is how messages name the file.

    Raises ConfigError, with one problem, when it cannot be read or is not TOML.
    """
    try:
        source = read_bytes(path).decode("utf-8-sig").replace("\r\n", "\n")
        values = tomllib.loads(source)
        return Written(file=shown, values=values, lines=find_places(source))
    except OSError as error:
        problem = Problem(shown, f"cannot be read: {_reason(error)}")
    except UnicodeDecodeError:
        problem = Problem(shown, "is not a text in UTF-8")
    except tomllib.TOMLDecodeError as error:
        problem = _syntax_problem(shown, error)
    except RecursionError:
        problem = Problem(shown, "nests lists or tables too deeply")
    except ValueError:
        problem = Problem(shown, "holds a number with too many digits")
    raise ConfigError([problem])


def read_bytes(path: Path) -> bytes:
    """The file's bytes, which may come from a pipe. Raises OSError, also when there are more than 1 MiB."""
    with path.open("rb") as stream:
        content = stream.read(LONGEST_FILE + 1)
    if len(content) > LONGEST_FILE:
        raise OSError("it holds more than 1 MiB")
    return content


def _syntax_problem(shown: str, error: tomllib.TOMLDecodeError) -> Problem:
    found = TOML_ERROR.fullmatch(str(error))
    if found is None:
        return Problem(shown, f"is not TOML: {error}")
    place = f"{shown}:{found['line']}:{found['column']}" if found["line"] else shown
    return Problem(place, f"is not TOML: {found['text']}{'' if found['line'] else ' at the end of the file'}")


def add_environment(written: Written, environ: Mapping[str, str], cwd: Path) -> None:
    """Lay RECORDER_<SECTION>_<KEY>, CHECKLY_* and the key's file over the file's values; an empty variable is unset."""
    given = {name: value for name, value in environ.items() if value}
    for section, key, value in _recorder_variables(given):
        variable = f"{PREFIX}{section}_{key}".upper()
        if SECRET_KEY.search(key):
            written.report_variable(variable, f"is not read: the API key belongs in {KEY_VARIABLE}")
        else:
            written.put((section, key), value, variable)
    for variable, path in CHECKLY_VARIABLES.items():
        if variable in given:
            written.put(path, given[variable], variable)
    if KEY_FILE_VARIABLE in given:
        _add_key_file(written, cwd / given[KEY_FILE_VARIABLE], also=KEY_VARIABLE in given)


def _recorder_variables(given: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """(section, key, value) of each variable of a section, as pydantic-settings splits its name."""
    source = EnvSettingsSource(_Sections)
    source.env_vars = {name.lower(): value for name, value in given.items() if name.startswith(SECTION_HEADS)}
    for section, values in source().items():
        for key, value in values.items():
            yield section, key, value


def report_misspelt(written: Written, environ: Mapping[str, str], known: Sequence[str]) -> None:
    """Report each variable that is nearly, but not quite, one of ours; others may belong to anybody."""
    for name in sorted(environ):
        if name in known or name.startswith(SECTION_HEADS) or not environ[name]:
            continue
        if close := get_close_matches(name, known, n=1, cutoff=0.9):
            written.report_variable(name, f"is not read; did you mean {close[0]}?")


def _add_key_file(written: Written, path: Path, *, also: bool) -> None:
    """The key is all of the file but one line break at its end."""
    if also:
        written.report_variable(KEY_FILE_VARIABLE, f"is set and {KEY_VARIABLE} too: unset one of them")
        return
    try:
        text = read_bytes(path).decode("ascii", errors="replace")
    except (OSError, ValueError) as error:
        written.report_variable(KEY_FILE_VARIABLE, f"{quoted_path(path)} cannot be read: {_reason(error)}")
        return
    written.put(KEY_PATH, LINE_BREAK_AT_END.sub("", text), KEY_FILE_VARIABLE)


def take_out_keys(written: Written) -> None:
    """Remove whatever looks like a key from the file's values; each is a problem that says where keys belong."""
    for path, table in list(_tables(written.values)):
        for name in [name for name in table if SECRET_KEY.search(name)]:
            written.report((*path, name), f"a key has no place in this file: set {KEY_VARIABLE} or {KEY_FILE_VARIABLE}")
            del table[name]


def _tables(value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, dict[str, Any]]]:
    if isinstance(value, dict):
        yield path, value
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, element in inner:
        yield from _tables(element, (*path, step))


def _reason(error: Exception) -> str:
    """Why something cannot be read, without the path that the caller has already named."""
    return str(getattr(error, "strerror", None) or error)
