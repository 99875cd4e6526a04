"""The rows of the page's other sections: figures, coverage, checks, strips, incidents, hours, what is lacking."""

from dataclasses import asdict, replace
from datetime import timedelta

import pytest
from sqlalchemy import insert

from recorder.models import Fire, Schedule
from reports import charts
from reports.check_section import check_section
from reports.coverage_section import coverage_section
from reports.definition_section import threshold_rows
from reports.elapsed_section import elapsed_section
from reports.few_section import few_section
from reports.figure_section import figure_section
from reports.flaky_section import flaky_section
from reports.hour_section import hour_section
from reports.incident_section import incident_section
from reports.render import render_page
from reports.report import Report
from reports.strip_section import strip_section
from reports.thresholds import DEFAULTS
from reports.weekly import build_report
from reports.windows import range_window
from tests.past import MONDAY, Payload, empty_database, hourly, record, session, week
from tests.test_change_section import slower

EVERYWHERE = ("eu", "us", "ap")


def report_of(payloads: list[Payload]) -> Report:
    engine = empty_database()
    record(engine, payloads)
    return build_report(engine, week())


def outage() -> list[Payload]:
    """Forty sessions at three locations; four fail everywhere, one at one place, one gives no result there."""
    ends = dict.fromkeys(EVERYWHERE, "pass")
    special: dict[int, dict[str, str | None]] = {
        **dict.fromkeys(range(10, 14), dict.fromkeys(EVERYWHERE, "fail")),
        25: {**ends, "us": "fail"},
        30: {**ends, "ap": None},
    }
    return [session(hour, special.get(hour, ends), retried=["eu"] if hour in {5, 20} else []) for hour in range(40)]


def test_a_key_figure_has_last_week_beside_it_and_a_line_only_where_two_weeks_are_known() -> None:
    """A rate's line starts at a limit that is printed beside it."""
    section = figure_section(report_of([*hourly(["pass"] * 9 + ["fail"], start=-168), *hourly(["pass"] * 24)]))
    cards = {card.label: card for card in section.cards}

    passed = cards["Sessions passed"]
    assert (passed.value, passed.before, passed.floor) == (
        "100 %",
        "week before: 90.00 %",
        "2 of 8 weeks, from 90 %",
    )
    assert passed.path == "M72 20h0l12 -20"
    assert passed.words.endswith("–, 90.00 %, 100 %")  # noqa: RUF001  the typographic dash
    assert cards["Incidents"].path == "M72 0h0l12 20"
    assert cards["Flake events"].path == "M72 20h0l12 0"
    assert figure_section(report_of([])).cards == []


def test_coverage_names_the_locations_that_gave_no_result() -> None:
    """Neither passed nor failed, and never drawn as either."""
    section = coverage_section(report_of(outage()))

    assert section.missing == [("ap", "1 of 40")]
    assert (section.expected, section.missing_results, section.due) == (120, 1, 0)
    assert [(row.name, list(row.counts)) for row in section.rows] == [("imported", ["40", "40", "1 of 120"])]


def test_due_instants_are_counted_by_what_became_of_them_schedule_by_schedule() -> None:
    """A state that nothing came to has no column; an origin that never fires has empty cells."""
    engine = empty_database()
    record(engine, [session(1, {"eu": "pass"})])
    with engine.begin() as connection:
        connection.execute(insert(Schedule).values(pk=1, name="prod", definition="", cursor=MONDAY, created_at=MONDAY))
        fires = [("triggered", 1, "schedule"), ("missed", 1, "schedule"), ("triggered", None, "manual")]
        connection.execute(insert(Fire), [_fire(hour, *fire) for hour, fire in enumerate(fires)])

    section = coverage_section(build_report(engine, week()))

    assert list(section.columns) == ["Due", "Triggered", "Missed"]
    assert {row.name: list(row.counts) for row in section.rows} == {
        "imported": ["", "", "", "1", "1", "0 of 1"],
        "by hand": ["1", "1", "0", "0", "0", ""],
        "prod": ["2", "1", "1", "0", "0", ""],
    }


def _fire(hour: int, state: str, schedule: int | None, origin: str) -> dict[str, object]:
    at = MONDAY + timedelta(hours=hour)
    keys = {"schedule_pk": schedule, "origin": origin, "state": state}
    return {**keys, "scheduled_for": at, "not_before": at, "attempt": 0, "gap_count": None}


def test_what_is_broken_now_leads_the_checks() -> None:
    """However well it did until yesterday; then by the pass rate."""
    late = hourly(["pass"] * 100 + ["fail"] * 3, check="Late")
    bad = hourly(["pass", "pass", "fail"] * 30 + ["pass"] * 10, check="Bad")

    rows = check_section(report_of([*bad, *late])).failing

    assert [(row.name.text, row.state) for row in rows] == [("Late", "broken"), ("Bad", "flaky")]
    assert rows[0].since == "since Fri 20 Nov 04:00"


def test_an_incident_is_told_with_its_bounds_and_where() -> None:
    """How long it lasted at least and at most."""
    section = incident_section(report_of(outage()))

    first, second = section.rows
    assert (first.failed, first.places, first.lasted) == ("4 sessions", "all 3 locations", "3 h 00 min to 5 h 00 min")
    assert (first.last_good, first.first_failed, first.recovered) == (
        "Mon 16 Nov 09:00",
        "Mon 16 Nov 10:00",
        "Mon 16 Nov 14:00",
    )
    assert (second.places, second.lasted) == ("us", "up to 2 h 00 min")


def test_an_incident_that_has_not_ended_says_so_and_leads() -> None:
    """It may have begun before anything was known."""
    (row,) = incident_section(report_of(hourly(["fail"] * 3))).rows

    assert (row.last_good, row.recovered, row.lasted) == ("none known", "still failing", "at least 2 h 00 min")


def test_hours_without_a_session_are_dots_and_no_zeros() -> None:
    """The worst hour is named when there is one."""
    section = hour_section(report_of([*hourly(["pass", "fail"]), *hourly(["fail"], start=1, check="Cart")]))

    day, cells, total = section.rows[0]
    assert (day, [cell.text for cell in cells[:3]], total) == ("Mon", ["0", "2", "·"], "2 of 3")
    assert section.rows[1][2] == "no session"
    assert section.busiest == "Most failed on Mon from 01:00 to 02:00: 2 of 2 sessions."


def test_a_strip_has_a_cell_per_session_and_words_for_what_was_odd() -> None:
    """Missing and failed have shapes of their own; what passed is a line."""
    (check,) = strip_section(report_of(outage())).checks
    places = {place.name: dict(place.paths) for place in check.places}

    assert (check.sessions, check.width) == (40, 40 * charts.STRIP_STEP)
    assert places["us"]["FAIL"] == "M40 0h16v16h-16zM100 0h4v16h-4z"
    assert places["ap"]["MISSING"] == "M120 4h4v9h-4z"
    assert [list(place.counts) for place in check.places] == [[4, 0, 1], [4, 2, 0], [5, 0, 0]]
    assert check.events[:2] == [("Tue 17 Nov 06:00", "missing: ap"), ("Tue 17 Nov 01:00", "failed: us")]
    assert check.events[-1][1] == "passed after a retry: eu"


def test_retries_that_were_never_seen_are_not_called_none() -> None:
    """A check that does not retry has no result that passed after a retry; nobody knows whether it would have."""
    report = report_of(hourly((["pass"] * 9 + ["fail"]) * 3 + ["pass"]))
    seen = report_of(outage())

    assert flaky_section(report).pairs[0].made_of == "3 isolated failures; retries not seen"
    assert flaky_section(seen).pairs[0].made_of == "2 passed after a retry"
    assert "3 failed, retries not seen" in render_page(report, files=[])
    assert "5 failed, 0 after a retry" in render_page(seen, files=[])


@pytest.mark.parametrize(
    ("start", "end", "called"),
    [
        ("2026-11-16", "2026-11-23", "week before"),
        ("2026-11-16", "2026-11-20", "4 days before"),
        ("2026-11-19T12:00", "2026-11-23", "96 hours before the 84 of this window"),
        ("2026-11-16T06:00", "2026-11-17T06:00", "48 hours before the 24 of this window"),
    ],
)
def test_the_time_before_is_called_by_its_length(start: str, end: str, called: str) -> None:
    """What is not equally long is not compared in silence."""
    engine = empty_database()
    record(engine, hourly(["pass"] * 400, start=-200))

    section = figure_section(build_report(engine, range_window(start, end, timezone="UTC")))

    assert section.before == called


def test_the_pictures_of_time_begin_with_what_was_announced() -> None:
    """A change that did not pass its gate is within usual variation, and says how much is usual."""
    section = elapsed_section(report_of([*slower(), *slower("Steady", times=1.01)]))

    first, second = section.pictures
    assert first.verdict.startswith("slower: +32.6 %")
    assert second.verdict.startswith("within usual variation (+-")
    assert first.words.count(",") == 7
    assert first.base is not None


def test_what_ran_too_seldom_is_listed_apart() -> None:
    """Pairs of a check that ran often enough elsewhere, and series that cannot be compared."""
    often = [session(hour, {"eu": "pass", **({"us": "pass"} if hour < 3 else {})}, check="Cart") for hour in range(30)]
    report = report_of([*often, *hourly(["pass", "fail"], check="Rare")])

    section = few_section(report)

    assert section.pairs == [("Cart", "us", "3/3 passed, not enough runs (n=3)")]
    assert section.pairs_of_few == 1
    (sentence,) = section.trends
    assert sentence.replace("\u2068", "").replace("\u2069", "") == (
        "3 series of timeElapsed ran too seldom for a weekly level (3 measured sessions on each of 5 days), "
        "so there is no power to find a change: Cart and Rare."
    )
    assert [row.name.text for row in check_section(report).few_runs] == ["Rare"]


def test_a_location_that_fails_more_often_than_its_siblings_is_told_with_what_chance_would_give() -> None:
    """A check that runs at one location at a time is not compared."""
    flaky = [
        session(hour, {place: "fail" if place == "us" and hour % 6 == 0 else "pass" for place in EVERYWHERE})
        for hour in range(120)
    ]
    turns = [session(hour, {EVERYWHERE[hour % 3]: "pass"}) for hour in range(60)]

    alone = report_of(turns)
    found, robin = flaky_section(report_of(flaky)), flaky_section(alone)

    assert [row.shown_by for row in found.worse] == ["20 of 20 unshared failures hit \u2068us\u2069; 6.7 expected"]
    assert (robin.worse, robin.compared) == ([], False)
    assert alone.check_location["worse"].tolist() == [False] * 3


def test_every_threshold_is_printed_and_a_changed_one_says_its_default() -> None:
    """By the key that the configuration calls it."""
    rows = threshold_rows(replace(DEFAULTS, min_runs=7, flaky_rate=0.02))

    assert [key for key, _, _ in rows] == list(asdict(DEFAULTS))
    found = {key: (value, meaning) for key, value, meaning in rows}
    assert found["min_runs"][0] == "7"
    assert found["min_runs"][1].endswith("(default: 20)")
    assert found["flaky_rate"][0] == "2 %"
    assert "default" not in found["gap_hours"][1]


@pytest.mark.parametrize("kind", sorted(charts.STRIP_SHAPES))
def test_neighbouring_cells_are_drawn_as_one(kind: str) -> None:
    """And nothing is drawn for the others."""
    y, height = charts.STRIP_SHAPES[kind]

    assert charts.strip_path([kind, kind, "", kind], kind) == f"M0 {y}h8v{height}h-8zM12 {y}h4v{height}h-4z"
    assert charts.strip_path(["", "other"], kind) == ""


def test_checks_that_ran_too_seldom_everywhere_are_counted_and_draw_no_heat_map() -> None:
    """Forty rows of "too few" say nothing; where one location has enough runs the others say so."""
    seldom = [session(hour, {"eu": "fail" if hour == 3 else "pass", "us": "pass"}) for hour in range(7)]
    often = [session(hour + 0.5, {"eu": "fail" if hour == 3 else "pass"}, check="Login") for hour in range(30)]

    alone, both = (render_page(report_of(payloads)) for payloads in (seldom, seldom + often))

    assert "1 check with a flake event, none of which ran 20 times at a location: see check_location.csv." in alone
    assert 'class="heat"' not in alone
    assert "1 further check with a flake event: see check_location.csv." in both
