"""The adjusted figures of every table, in the window and in the time before: as if what is excluded had never run."""

import csv
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import Engine

from reports.check_section import check_section
from reports.elapsed_section import elapsed_section
from reports.exclusion_section import exclusion_section
from reports.figure_section import figure_section
from reports.flaky_section import flaky_section
from reports.notice import notice_of
from reports.report import Report
from reports.weekly import build_report, summary, write_report
from reports.wording import WITHOUT
from tests.past import Payload, empty_database, hourly, record, session, week
from tests.test_exclusions import excluding

ADJUSTED = {
    "check_location": ("n", "pass_rate", "flake_events", "flake_rate"),
    "locations": ("n", "mean_pass_rate", "pooled_pass_rate"),
    "daily": ("n", "pass_rate"),
    "elapsed": ("n", "median_ms", "p95_ms"),
}
KEYS = ("check_name", "run_location", "run_locations", "day")
NIGHT = (10.0, 34.0)
"""Hours of a maintenance that went over midnight, in which much failed."""


def past() -> list[Payload]:
    """Two weeks of two checks at two locations; one also from a third. In the first night of each week some fail."""
    return [one for start in (-168, 0) for hour in range(start, start + 60) for one in sessions_of(hour, hour - start)]


def sessions_of(hour: int, age: int) -> list[Payload]:
    troubled = NIGHT[0] <= age < NIGHT[1]
    flaky = "fail" if age % 7 == 3 or (troubled and age % 3 == 0) else "pass"
    retried = ["us"] if age % 5 == 1 else []
    elapsed = 3000 + 10 * age if troubled else 1000 + age
    return [
        session(hour, {"eu": "pass", "us": flaky}, check="Cart", retried=retried, elapsed=elapsed),
        session(hour, {"eu": flaky, "us": "pass", "ap": "pass"}, check="Login", elapsed=elapsed),
    ]


def without(*starts: float) -> list[Payload]:
    """The same past, had nothing run in the nights of the weeks that begin at these hours."""
    gone = {hour for start in starts for hour in range(int(start + NIGHT[0]), int(start + NIGHT[1]))}
    return [one for start in (-168, 0) for hour in range(start, start + 60) if hour not in gone
            for one in sessions_of(hour, hour - start)]  # fmt: skip


def report_of(payloads: list[Payload]) -> Report:
    engine = empty_database()
    record(engine, payloads)
    return build_report(engine, week())


def nights_excluded(*starts: float) -> Engine:
    return excluding(past(), *((start + NIGHT[0], start + NIGHT[1], None, None) for start in starts))


def figures(table: pd.DataFrame, names: tuple[str, ...], ending: str = "") -> dict[Any, list[float]]:
    """Values of the named columns, by what names a row."""
    keys = [key for key in KEYS if key in table]
    return {
        tuple(row[key] for key in keys): [float(row[f"{name}{ending}"]) for name in names]
        for row in table.to_dict("records")
    }


@pytest.mark.parametrize("name", list(ADJUSTED))
def test_a_table_has_its_figures_as_if_what_is_excluded_had_never_run(name: str) -> None:
    """A row of which nothing is left has counted nothing, and knows no rate."""
    found = build_report(nights_excluded(0), week()).table(name)

    left = figures(report_of(without(0)).table(name), ADJUSTED[name])
    nothing = [0.0 if measure in {"n", "flake_events"} else float("nan") for measure in ADJUSTED[name]]
    adjusted = figures(found, ADJUSTED[name], "_adjusted")
    assert adjusted.keys() >= left.keys()
    assert list(adjusted.values()) == [pytest.approx(left.get(key, nothing), nan_ok=True) for key in adjusted]
    assert figures(found, ADJUSTED[name]) == figures(report_of(past()).table(name), ADJUSTED[name])
    assert adjusted != figures(found, ADJUSTED[name])


@pytest.mark.parametrize("name", list(ADJUSTED))
def test_without_exclusions_a_table_says_everything_twice(name: str) -> None:
    """Nothing is measured again."""
    table = report_of(past()).table(name)

    assert all(table[f"{measure}_adjusted"].equals(table[measure]) for measure in ADJUSTED[name])


def test_the_time_before_stands_raw_and_adjusted_too() -> None:
    """Last week's maintenance, excluded, leaves last week as it would have been; this week is as it was."""
    found = {one.name: one for one in build_report(nights_excluded(-168), week()).key_figures}
    alone = {one.name: one for one in report_of(without(-168)).key_figures}

    assert {name: one.before_adjusted for name, one in found.items()} == pytest.approx(
        {name: one.before for name, one in alone.items()}, nan_ok=True
    )
    assert found["sessions_failed"].before > found["sessions_failed"].before_adjusted > 0
    assert [one.adjusted for one in found.values()] == [one.now for one in found.values()]


def test_both_weeks_may_be_excluded_from() -> None:
    """Each figure by its own."""
    found = {one.name: one for one in build_report(nights_excluded(-168, 0), week()).key_figures}

    assert (found["sessions_rated"].now, found["sessions_rated"].adjusted) == (120, 72)
    assert (found["sessions_rated"].before, found["sessions_rated"].before_adjusted) == (120, 72)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_files_have_the_time_before_without_what_is_excluded_of_it(tmp_path: Path) -> None:
    """Counts as counts, ratios as ratios, milliseconds as milliseconds; the exclusion says where it reaches."""
    report = build_report(nights_excluded(-168), week())
    write_report(report, tmp_path, formats=["csv"])

    figure = {row["figure"]: row for row in rows(tmp_path / "summary.csv")}
    assert (figure["sessions_rated"]["before"], figure["sessions_rated"]["before_adjusted"]) == ("120", "72")
    assert figure["session_pass_rate"]["before_adjusted"] == f"{1 - 10 / 72:.6f}"
    assert figure["session_pass_rate"]["before_adjusted"] > figure["session_pass_rate"]["before"]
    (span,) = rows(tmp_path / "exclusions.csv")
    assert [span[name] for name in ("sessions", "results", "reaches_into", "sessions_before", "results_before")] == [
        *("0", "0", "before"),
        *("48", "120"),
    ]
    series = rows(tmp_path / "elapsed.csv")[0]
    assert series["median_ms_adjusted"] == series["median_ms"] == "1048.5"
    assert summary(report)["key_figures"]["sessions_rated"]["before_adjusted"] == 72


def test_a_row_of_which_nothing_is_left_has_empty_cells(tmp_path: Path) -> None:
    """No rate, no median is made up."""
    write_report(build_report(excluding(hourly(["fail", "pass"]), (0, 2, None, None)), week()), tmp_path)

    empty = {
        "check_location": ("0", "", "0", ""),
        "locations": ("0", "", ""),
        "daily": ("0", ""),
        "elapsed": ("0", "", ""),
    }
    for name, cells in empty.items():
        (row,) = rows(tmp_path / f"{name}.csv")
        assert tuple(row[f"{measure}_adjusted"] for measure in ADJUSTED[name]) == cells


def test_what_reaches_into_the_time_before_alone_changes_nothing_of_the_window() -> None:
    """It is listed, and no figure of the window stands twice."""
    report = build_report(nights_excluded(-168), week())

    (span,) = exclusion_section(report).rows
    assert (span.only_before, span.sessions, span.results) == (True, (0, 48), (0, 120))
    assert summary(report)["exclusions"] == 0
    assert "Passed without what is excluded" not in dict(notice_of(report).figures)
    assert "Passed without what is excluded" in dict(notice_of(build_report(nights_excluded(0), week())).figures)
    cards = figure_section(report).cards
    assert [card.label for card in cards if card.adjusted] == []
    assert [card.label for card in cards if card.before_adjusted] == [
        "Sessions passed",
        "Passed at the first try",
        "Failed sessions",
        "Incidents",
        "Flake events",
    ]
    assert (cards[0].before, cards[0].before_adjusted) == ("week before: 73.33 %", "86.11 %")


def test_an_exclusion_may_reach_into_both_weeks() -> None:
    """A night between them, and one that ended before either is in no report."""
    engine = excluding(hourly(["fail"] * 10, start=-5), (-3, 2, None, None), (-400, -168, None, None))

    (only,) = build_report(engine, week()).exclusions.to_dict("records")

    assert [only[name] for name in ("reaches_into", "sessions", "sessions_before")] == ["both", 2, 3]


def test_the_page_shows_a_figure_without_exclusions_where_it_is_another() -> None:
    """In the rows of checks, locations, pairs and series; a check that was left alone has one figure."""
    payloads = [*past(), *hourly(["pass"] * 30 + ["fail"], check="Calm", start=50)]
    report = build_report(excluding(payloads, (*NIGHT, None, None)), week())

    checks = {row.name.text: row.adjusted for row in check_section(report).failing}
    assert checks == {"Cart": "86.11 % (31/36)", "Login": "86.11 % (31/36)", "Calm": ""}
    flaky = flaky_section(report)
    assert {row.name: (row.mean_pass_rate, row.adjusted) for row in flaky.locations} == {
        "eu": ("90.03 %", "94.29 %"),
        "us": ("86.66 %", "93.05 %"),
        "ap": ("100 %", ""),
    }
    assert {(row.name.text, row.location): row.adjusted for row in flaky.pairs}["Cart", "us"] == "30.55 % (11/36)"
    series = {row.name: row for row in elapsed_section(report).rows}
    assert (series["Login"].n, series["Login"].n_adjusted) == ("44", "31")
    assert (series["Login"].median, series["Login"].median_adjusted) == ("1.05 s", "1.04 s")
    assert (series["Calm"].n_adjusted, series["Calm"].median_adjusted, series["Calm"].p95_adjusted) == ("", "", "")


def test_a_page_without_exclusions_has_each_figure_once(tmp_path: Path) -> None:
    """With them the other one stands in the rows of each section."""
    (page,) = write_report(report_of(past()), tmp_path / "none", formats=["html"])
    (other,) = write_report(build_report(nights_excluded(0), week()), tmp_path / "some", formats=["html"])

    assert WITHOUT not in page.read_text(encoding="utf-8")
    sections = other.read_text(encoding="utf-8").replace("\u00a0", " ").split("<section")
    said = {part.split('"')[1]: [line.split("<")[0] for line in part.split(f"{WITHOUT}: ")[1:]] for part in sections}
    assert said["checks-title"] == ["86.11 % (31/36)"] * 2
    assert said["flaky-title"][:2] == ["93.05 %", "93.05 %"]
    assert "30.55 % (11/36)" in said["flaky-title"]
    assert {"1.04 s", "31"} < set(said["elapsed-title"])
    assert said["figures-title"].count("86.11 %") == 2


def test_a_location_of_which_too_little_is_left_has_no_second_rate_but_says_so() -> None:
    """As the recorded one would."""
    engine = excluding([*hourly(["pass", "fail"] * 15)], (0, 25, None, None))

    (row,) = flaky_section(build_report(engine, week())).locations

    assert (row.mean_pass_rate, row.adjusted) == ("50.00 %", "not enough runs (n=5)")
