"""CSV files: what a spreadsheet must not run and a script must be able to read back."""

import csv
import io
import re

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.csv_files import csv_text, ratio_text


def names(*values: str | None) -> pd.DataFrame:
    return pd.DataFrame({"check_name": pd.Series(values, dtype=object)})


@pytest.mark.parametrize("name", ["=cmd()", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_text_that_a_spreadsheet_would_run_gets_an_apostrophe(name: str) -> None:
    """Excel, LibreOffice and Google Sheets leave it as text then."""
    (_, (cell,)) = csv.reader(io.StringIO(csv_text(names(name), ["check_name"]), newline=""))

    assert cell == f"'{name}"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1))
def test_any_text_comes_back_as_it_was(values: list[str]) -> None:
    """Quotes, commas and every kind of line end inside a name keep the rows apart."""
    text = csv_text(names("row", *values).assign(n=1), ["check_name", "n"])

    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert [row[0] for row in rows[2:]] == [re.sub(r"\A(?=[=+\-@\t\r\n])", "'", value) for value in values]
    assert {len(row) for row in rows} == {2}


def test_the_header_is_there_without_any_row() -> None:
    """A script that reads columns by name finds them."""
    assert csv_text(pd.DataFrame({"n": pd.Series(dtype="int64")}), ["n"]) == "n\n"


def test_every_kind_of_column_has_its_form() -> None:
    """Instants in UTC with milliseconds, days, booleans, whole counts, empty for what is unknown."""
    at = pd.Series([pd.Timestamp("2026-11-22T06:06:07.123+01:00"), pd.NaT]).astype("datetime64[ms, UTC]")
    table = pd.DataFrame(
        {
            "check_name": pd.Series(["Check", None], dtype=object),
            "started_at": at,
            "day": pd.to_datetime(["2026-11-22", "2026-11-23"]),
            "has_attempts": [True, False],
            "missing_locations": [2.0, float("nan")],
            "pass_rate": [0.5, float("nan")],
            "median_ms": [1004.5, float("nan")],
        }
    )

    assert csv_text(table, list(table.columns)).splitlines()[1:] == [
        "Check,2026-11-22T05:06:07.123Z,2026-11-22,true,2,0.500000,1004.5",
        ",,2026-11-23,false,,,",
    ]


def test_a_ratio_has_6_places_also_beside_counts_and_below_nothing() -> None:
    """The row of a summary says what its figures are, that of a change what it measures."""
    summary = pd.DataFrame({"kind": ["count", "ratio"], "now": [12.0, 0.75], "week_1": [float("nan"), 1.0]})
    changes = pd.DataFrame(
        {
            "kind": ["slower", "flaky", "drift"],
            "measure": ["time_elapsed", "flake_rate", "time_elapsed_per_week"],
            "before": [1004.5, 0.25, 1000.0],
            "change": [0.5, -0.25, -1e-9],
        }
    )
    trends = pd.DataFrame({"change_rate": [1.5], "drift_low": [-0.1], "usual_rate": [0.08], "drift_q_value": [1.0]})

    assert csv_text(summary, ["now", "week_1"]).splitlines()[1:] == ["12,", "0.750000,1.000000"]
    assert csv_text(changes, ["before", "change"]).splitlines()[1:] == [
        "1004.5,0.500000",
        "0.250000,-0.250000",
        "1000,-0.000001",
    ]
    assert csv_text(trends, list(trends.columns)).splitlines()[1] == "1.500000,-0.100000,0.080000,1.000000"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.000000"),
        (1.0, "1.000000"),
        (1 - 1e-9, "0.999999"),
        (1e-9, "0.000001"),
        (2 / 3, "0.666667"),
        (float("nan"), ""),
    ],
)
def test_a_ratio_reads_0_or_1_only_when_it_is(value: float, text: str) -> None:
    """One failure in a billion is no 100 %."""
    assert ratio_text(value) == text


@pytest.mark.parametrize(("value", "text"), [(1008.75, "1008.75"), (500.0, "500"), (3719.9999999999995, "3720")])
def test_milliseconds_have_no_trailing_zeros(value: float, text: str) -> None:
    """At most three places: a quantile's last bit is noise."""
    assert csv_text(pd.DataFrame({"p95_ms": [value]}), ["p95_ms"]) == f"p95_ms\n{text}\n"
