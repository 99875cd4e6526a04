"""Writes tables as CSV that spreadsheets and scripts read alike.

UTF-8, lines that end in a bare newline, a header also without rows, empty = unknown.
Ratios have 6 places and never read 0 or 1 unless they are; instants are UTC with milliseconds; text that a spreadsheet
would run as a formula gets a leading apostrophe.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd

Writer: TypeAlias = Callable[["pd.Series[Any]"], Iterable[str]]
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
_NEEDS_QUOTES: Final = re.compile('[",\r\n]')
_TEXT: Final = frozenset(
    (
        "check_id check_name check_type check_session_id run_location run_locations origin schedule status outcome "
        "run_source link state verdict drift kind measure figure before_from reason created_by "
        "reaches_into"
    ).split()
)


_FLAGS: Final = frozenset({"has_attempts", "round_robin", "retries_seen", "worse", "censored"})
_MIXED: Final = frozenset(
    {"before", "now", "now_adjusted", "before_adjusted", *(f"week_{number}" for number in range(1, 9))}
)
"""What is a count or milliseconds in one row and a ratio in the next, as the row's `measure` or `kind` says."""


def csv_text(table: pd.DataFrame, columns: Sequence[str]) -> str:
    """The columns of the table, in this order; each column's name says how it is written."""
    cells = [_mixed(table, name) if name in _MIXED else _writer(name)(table[name]) for name in columns]
    lines = [",".join(columns), *(",".join(row) for row in zip(*cells, strict=True))]
    return "\n".join(lines) + "\n"


def _writer(column: str) -> Writer:
    """How the values of a column are written, by the ending of its name."""
    kinds: tuple[tuple[bool, Writer], ...] = (
        (column in _TEXT, _texts),
        (column.endswith("_at"), _instants),
        (column == "day", _days),
        (column == "onsets_expected", _numbers),
        (column == "change" or column.endswith(("_rate", "_low", "_high", "_value", "_rate_adjusted")), _ratios),
        (column.endswith(("_ms", "_ms_adjusted")), _milliseconds),
        (column in _FLAGS, _flags),
    )
    return next((writer for fits, writer in kinds if fits), _counts)


def _texts(values: "pd.Series[Any]") -> list[str]:
    return [_quoted(_harmless(str(value))) if isinstance(value, str) else "" for value in values]


def _harmless(text: str) -> str:
    """An apostrophe before what Excel, LibreOffice or Google Sheets would take for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if _NEEDS_QUOTES.search(text) else text


def _mixed(table: pd.DataFrame, column: str) -> list[str]:
    told = table["measure"].str.endswith("_rate") if "measure" in table else table["kind"].eq("ratio")
    pairs = zip(table[column].tolist(), told.tolist(), strict=True)
    return [ratio_text(value) if is_ratio else number_text(value) for value, is_ratio in pairs]


def _ratios(values: "pd.Series[Any]") -> list[str]:
    return [ratio_text(value) for value in values.tolist()]


def ratio_text(value: float) -> str:
    """6 places; what lies between 0 and 1, or -1 and 0, is never written as either. NaN is empty."""
    if np.isnan(value):
        return ""
    if 0 < abs(value) < 1:
        return f"{np.copysign(min(max(abs(value), 0.000001), 0.999999), value):.6f}"
    return f"{value:.6f}"


def _numbers(values: "pd.Series[Any]") -> list[str]:
    """Up to 6 places, no trailing zeros; what lies between 0 and 1 is never written as 0 or 1."""
    return [number_text(value) for value in values.tolist()]


def number_text(value: float) -> str:
    """A count or milliseconds, up to 6 places without zeros at the end: 3, 0.25; empty for NaN."""
    if pd.isna(value):
        return ""
    text = ratio_text(float(value)).rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def _milliseconds(values: "pd.Series[Any]") -> list[str]:
    """Up to 3 places, no trailing zeros."""
    return ["" if np.isnan(value) else f"{value:.3f}".rstrip("0").rstrip(".") for value in values.tolist()]


def _counts(values: "pd.Series[Any]") -> list[str]:
    return ["" if pd.isna(value) else str(int(value)) for value in values.tolist()]


def _flags(values: "pd.Series[Any]") -> list[str]:
    return ["true" if value else "false" for value in values.tolist()]


def _instants(values: "pd.Series[Any]") -> list[str]:
    naive = values.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[ms]")
    return ["" if text == "NaT" else f"{text}Z" for text in np.datetime_as_string(naive, unit="ms").tolist()]


def _days(values: "pd.Series[Any]") -> list[str]:
    return list(np.datetime_as_string(values.to_numpy("datetime64[D]")).tolist())
