"""Pure: pydantic's findings as sentences for the person who wrote the configuration."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from recorder.config_sources import Written
from recorder.settings import (
    ChecklySettings,
    DatabaseSettings,
    DeliverySettings,
    FileSettings,
    ReportSettings,
    ScheduleSettings,
    ThresholdSettings,
)
from recorder.toml_places import KeyPath
from recorder.wording import quoted, suggestion

SECTIONS: Final[Mapping[str, type[BaseModel]]] = {
    "checkly": ChecklySettings,
    "database": DatabaseSettings,
    "schedules": ScheduleSettings,
    "reports": ReportSettings,
    "deliveries": DeliverySettings,
    "thresholds": ThresholdSettings,
}
NAMED: Final = {
    "schedules": "a schedule keeps its history by its name",
    "deliveries": "a delivery keeps its reports in a folder of its name",
}
"""The lists of tables whose elements have names, and why no two may have the same."""
UNWRITTEN: Final = frozenset({"api_key"})
"""Settings that no file may hold: they are never suggested."""


_LIMITS: Final = {"greater_than_equal": ("at least", "ge"), "less_than_equal": ("at most", "le")}


def report_findings(error: ValidationError, written: Written) -> None:
    """Report each of pydantic's findings at its place."""
    for finding in error.errors(include_url=False):
        written.report(finding["loc"], _sentence(finding))


def report_duplicate_names(written: Written) -> None:
    """Report each schedule and delivery whose name another has before it, whatever the case and the blanks."""
    for section, why in NAMED.items():
        _report_duplicates(written, section, why)


def _report_duplicates(written: Written, section: str, why: str) -> None:
    tables = written.values.get(section)
    first: dict[str, str] = {}
    for index, table in enumerate(tables if isinstance(tables, list) else []):
        name = table.get("name") if isinstance(table, dict) else None
        if not isinstance(name, str):
            continue
        path = (section, index, "name")
        same = " ".join(name.split()).casefold()
        if same in first:
            written.report(path, f"{quoted(name)} is taken by {first[same]}: {why}")
        first.setdefault(same, written.place(path))


def _sentence(finding: ErrorDetails) -> str:
    kind, path, context = finding["type"], finding["loc"], finding.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(path)
    if kind == "missing":
        return f"{path[-1]} is missing: write {path[-1]} = ..."
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        return f"must be {context['expected'].replace(chr(39), chr(34))}"
    if kind in _LIMITS:
        words, key = _LIMITS[kind]
        return f"must be {words} {context[key]}"
    wanted = _wanted(kind, path)
    return f"must be {wanted}, not {_kind_of(finding['input'])}" if wanted else finding["msg"]


def _wanted(kind: str, path: KeyPath) -> str | None:
    if kind == "model_type":
        return f"a table (write {_header(str(path[0]))})"
    if kind == "tuple_type":
        return f"a list of tables (write {_header(str(path[0]))}, two brackets)" if len(path) == 1 else "a list in [ ]"
    return {
        "string_type": "a text in quotes",
        "path_type": "a text in quotes",
        "int_type": "a whole number",
        "bool_type": "true or false",
    }.get(kind)


def _kind_of(value: Any) -> str:
    """What sort of thing was written; never the thing itself."""
    names = {bool: "true or false", str: "a text", int: "a number", float: "a number", list: "a list", dict: "a table"}
    return names.get(type(value), "a date or time")


def _unknown_key(path: KeyPath) -> str:
    """Every key is known or refused: a misspelt target would run the whole account."""
    key, section = str(path[-1]), str(path[0]) if len(path) > 1 else None
    known = set(SECTIONS[section].model_fields) if section else set(FileSettings.model_fields)
    homes = [name for name, model in SECTIONS.items() if key in model.model_fields and name != section]
    if homes:
        return f"unknown key {quoted(key)} here: it belongs in {' or '.join(map(_header, homes))}"
    hint = suggestion(key, sorted(known - UNWRITTEN))
    return f"unknown key {quoted(key)}{hint}" if hint else f"unknown key {quoted(key)}: leave it out"


def _header(section: str) -> str:
    return f"[[{section}]]" if section in NAMED else f"[{section}]"
