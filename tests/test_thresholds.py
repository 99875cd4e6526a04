"""The thresholds: one list for the configuration and for the reports, and each one is heeded."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from recorder.cli_common import thresholds_of
from recorder.settings import ThresholdSettings
from reports.definition_section import threshold_rows
from reports.few_section import few_section
from reports.headline import headline
from reports.manifest import manifest_text
from reports.render import render_page
from reports.report import Report
from reports.thresholds import DEFAULTS, Thresholds
from reports.weekly import build_report
from reports.windows import range_window
from tests.configuring import load, problems
from tests.past import Payload, empty_database, hourly, record, session, week

WEEK = 168


def report_of(payloads: list[Payload], **limits: float) -> Report:
    """The report on the week of MONDAY under these thresholds."""
    engine = empty_database()
    record(engine, payloads)
    return build_report(engine, week(), Thresholds(**limits))  # type: ignore[arg-type]


def row_of(table: Any, location: str = "eu") -> dict[str, Any]:
    """The one row of a run location."""
    (row,) = table[table["run_location"].eq(location)].to_dict(orient="records")
    return {str(name): value for name, value in row.items()}


def test_the_configuration_and_the_reports_have_the_same_defaults() -> None:
    """Two lists, because reports know nothing of the configuration."""
    assert asdict(DEFAULTS) == ThresholdSettings().model_dump()


def test_a_threshold_of_the_file_reaches_the_reports(tmp_path: Path) -> None:
    """All others keep their defaults."""
    settings = load(tmp_path, "[thresholds]\nmin_runs = 7\nflaky_rate = 0.5\n")

    assert thresholds_of(settings) == Thresholds(min_runs=7, flaky_rate=0.5)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("min_runs = 0", "must be at least 1"),
        ("level_week_days = 8", "must be at most 7"),
        ("flaky_rate = 1.5", "must be a number above 0 and up to 1, such as 0.05"),
        ("fleet_share = true", "must be a number above 0 and up to 1, such as 0.05"),
        ("broken_results = 2", "must be at least broken_failures, 6: no state could ever be broken by it"),
        ("gap_min_intervals = 0", "must be at least 1"),
        ("location_days = 0", "must be at least 1"),
        ("location_days = 57", "must be at most 56"),
        ("round_robin_moves = 0", "must be at least 1"),
        ("ranking_quantile = 0", "must be a number above 0 and up to 1, such as 0.05"),
        ("ranking_quantile = 1", "must be at most 0.5"),
        ("level_base_weeks = 1", "must be at least 2"),
        ("level_base_weeks = 8", "must be at most 7"),
        ("drift_weeks = 2", "must be at least 3"),
        ("drift_weeks = 9", "must be at most 8"),
        ("part_hours = 0", "must be at least 1"),
        ("part_hours = 25", "must be at most 24"),
        ("min_run = 5", 'unknown key "min_run"; did you mean "min_runs"?'),
    ],
)
def test_a_threshold_that_makes_no_sense_is_said_with_its_place(line: str, sentence: str, tmp_path: Path) -> None:
    """As every other setting."""
    key = line.split(" = ", maxsplit=1)[0]

    assert problems(tmp_path, f"[thresholds]\n{line}\n") == [f"recorder.toml:2 thresholds.{key}: {sentence}"]


def test_a_changed_threshold_changes_what_is_called_flaky() -> None:
    """Twelve flakes in 24 runs: flaky, unless thirteen are asked for."""
    engine = empty_database()
    record(engine, hourly(["pass", "fail"] * 12 + ["pass"]))

    usual, strict = (build_report(engine, week(), thresholds) for thresholds in (DEFAULTS, Thresholds(flaky_events=13)))

    assert usual.check_location["state"].tolist() == ["flaky"]
    assert strict.check_location["state"].tolist() == ["healthy"]


@pytest.mark.parametrize(("days", "onsets", "worse"), [(6, 0, False), (28, 6, True), (33, 11, True), (56, 23, True)])
def test_locations_are_compared_over_the_days_that_are_set(days: int, onsets: int, worse: bool) -> None:  # noqa: FBT001
    """A location failed once a day, until 22 days before the window's end."""
    places = ("eu", "us", "ap")
    failing = range(-38 * 24, -15 * 24, 24)
    payloads = [
        session(hour, dict.fromkeys(places, "pass") | ({"eu": "fail"} if hour in failing else {}))
        for hour in range(-38 * 24, WEEK, 8)
    ]

    row = row_of(report_of(payloads, location_days=days).check_location)

    assert (row["onsets"], row["worse"]) == (onsets, worse)


def test_what_is_no_part_of_the_comparison_does_not_depend_on_its_days() -> None:
    """Whether retries were ever seen, and which checks move about, is told by four weeks."""
    payloads = [
        session(hour, {("eu", "us")[hour // 24 % 2]: "pass"}, retried=["eu"][hour:]) for hour in range(0, 96, 24)
    ]

    report = report_of(payloads, location_days=1)

    assert (report.checks["round_robin"].tolist(), report.checks["retries_seen"].tolist()) == ([True], [True])


@pytest.mark.parametrize(("least", "transitions"), [(6, 5), (7, 6)])
def test_a_gap_cuts_only_where_enough_intervals_tell_what_is_usual(least: int, transitions: int) -> None:
    """Five hourly results, two days of nothing, two more: six intervals."""
    payloads = [*hourly(["pass"] * 5), *hourly(["fail", "fail"], start=60)]

    assert row_of(report_of(payloads, gap_min_intervals=least).check_location)["transitions"] == transitions


@pytest.mark.parametrize(("moves", "round_robin"), [(1, True), (2, False)])
def test_a_check_that_moved_often_enough_is_round_robin(moves: int, round_robin: bool) -> None:  # noqa: FBT001
    """It moved once, from one location to another."""
    payloads = [*hourly(["pass"] * 30), *hourly(["pass"] * 30, place="us", start=40)]

    report = report_of(payloads, round_robin_moves=moves)

    assert report.checks["round_robin"].tolist() == [round_robin]
    assert report.locations["mean_pass_rate"].isna().tolist() == [round_robin] * 2


def test_the_ranking_goes_by_the_quantile_that_is_set() -> None:
    """The more certain a rate has to be, the lower it is; the page says how certain."""
    retries = {"eu": 0, "us": 1, "ap": 6, "sa": 24}
    payloads = [
        session(n, dict.fromkeys(retries, "pass"), retried=[place for place, count in retries.items() if n < count])
        for n in range(48)
    ]

    low, high = (report_of(payloads, ranking_pairs=2, ranking_quantile=q) for q in (0.01, 0.2))

    floors = [row_of(report.check_location, "ap")["flake_floor_rate"] for report in (low, high)]
    assert 0 < floors[0] < floors[1] < 6 / 48
    assert ["with 99 % certainty" in render_page(low), "with 80 % certainty" in render_page(high)] == [True, True]


def daily(first: int, last: int, *, growth: float = 0.0, elapsed: float = 1000) -> list[Payload]:
    """A session a day, counted from the window's Monday; `growth` a week, with some noise."""
    return [
        session(24.0 * day + 1, {"eu": "pass"}, elapsed=elapsed * (1 + growth) ** (day // 7) * (1 + day % 3 / 100))
        for day in range(first, last)
    ]


@pytest.mark.parametrize(("least", "verdict"), [(3, "slower"), (5, "not enough weeks")])
def test_a_change_is_told_from_as_many_weeks_as_are_set(least: int, verdict: str) -> None:
    """Three weeks of a second, then 1.4; the page says how many weeks are wanted, also that of a longer window."""
    report = report_of([*daily(-21, 0), *daily(0, 7, elapsed=1400)], level_day_sessions=1, level_base_weeks=least)

    assert report.elapsed["verdict"].tolist() == [verdict]
    assert any("fewer than 5 weeks" in sentence for sentence in few_section(report).trends) == (least == 5)
    month = replace(report, window=range_window("2026-11-01", "2026-11-23", timezone="UTC"))
    assert f"at least {least} of which must have a level" in render_page(month)


@pytest.mark.parametrize(("weeks", "found"), [(6, [("possible drift", "12 Oct")]), (7, []), (8, [])])
def test_a_drift_is_a_line_through_as_many_weeks_as_are_set(weeks: int, found: list[tuple[str, str]]) -> None:
    """3 % a week for six weeks, the window the last of them: since the Monday with which they begin."""
    report = report_of(daily(-35, 7, growth=0.03), level_day_sessions=1, drift_weeks=weeks)

    drifts = report.changes[report.changes["measure"].eq("time_elapsed_per_week")]
    assert list(zip(drifts["kind"], drifts["since_at"].dt.strftime("%d %b"), strict=True)) == found


@pytest.mark.parametrize(("hours", "part"), [(14, True), (15, False)])
def test_a_history_may_begin_as_late_as_is_set_without_its_week_being_a_part(hours: int, part: bool) -> None:  # noqa: FBT001
    """Hourly, from 15:00 of the Monday before on: then that week is no point of a line."""
    report = report_of([session(hour, {"eu": "pass"}) for hour in range(15 - WEEK, WEEK)], part_hours=hours)

    assert (report.before_from is not None) == part
    assert report.summary.set_index("figure")["week_7"].isna()["sessions_rated"] == part
    window = report_of([session(hour, {"eu": "pass"}) for hour in range(15, WEEK)], part_hours=hours)
    assert ("nothing was recorded before Mon 16 Nov 15:00" in headline(window)[0]) == part


def test_the_manifest_and_the_page_print_every_threshold_as_it_was_set() -> None:
    """Also the words around the figures follow."""
    changed = {key: value + 1 if isinstance(value, int) else value / 2 for key, value in asdict(DEFAULTS).items()}
    changed |= {"drift_weeks": 7}
    payloads = [session(hour, {"eu": "pass", "us": "pass" if hour % 7 else "fail"}) for hour in range(-20, 60)]
    assert ThresholdSettings.model_validate(changed).model_dump() == changed

    report = report_of(payloads, **changed)
    page = render_page(report)

    assert json.loads(manifest_text(report, {}))["thresholds"] == changed
    for key, value, meaning in threshold_rows(report.thresholds):
        assert f'<code>{key}</code></th><td class="num">{value}</td>' in page
        assert meaning.endswith(")")
    for words in (
        "Over 29 days",
        "failures of 29 days",
        "fewer than 5 intervals",
        "at least 5 of them with a level",
        "for a slope over 7 weeks",
        "97.5 % certainty",
    ):
        assert words in page
