"""Adjusted figures: what is left without the excluded spans, beside everything that was recorded."""

import csv
import re
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from recorder.excluding import Span, add_exclusion, remove_exclusion
from reports.figure_section import figure_section
from reports.report import Report
from reports.weekly import build_report, summary, write_report
from reports.wording import UNKNOWN
from tests.past import MONDAY, Payload, empty_database, hourly, record, session, week


def excluding(
    payloads: Iterable[Payload], *spans: tuple[float, float, str | None, str | None], reason: str = "moved racks"
) -> Engine:
    """A history with exclusions: hours after MONDAY from and to, check, run location."""
    engine = empty_database()
    record(engine, payloads)
    for start, end, check, place in spans:
        span = Span(MONDAY + timedelta(hours=start), MONDAY + timedelta(hours=end), check, place)
        add_exclusion(engine, span, reason=reason, who="ann@desk", now=lambda: MONDAY)
    return engine


def adjusted(frame: Any, *keys: str) -> dict[Any, Any]:
    """(n_adjusted, pass_rate_adjusted) by the named columns."""
    return {
        tuple(getattr(row, key) for key in keys): (row.n_adjusted, row.pass_rate_adjusted) for row in frame.itertuples()
    }


def test_without_exclusions_the_adjusted_figures_are_the_recorded_ones() -> None:
    report = build_report(excluding(hourly(["pass", "fail", "pass"])), week())

    assert report.checks["n_adjusted"].equals(report.checks["rated"])
    assert report.checks["pass_rate_adjusted"].equals(report.checks["pass_rate"])
    assert report.check_location["pass_rate_adjusted"].equals(report.check_location["pass_rate"])
    assert report.exclusions.empty


def test_a_span_takes_out_what_started_in_it_and_nothing_else() -> None:
    """Its first instant counts as inside, its last one does not; the recorded figures stay."""
    report = build_report(excluding(hourly(["fail", "fail", "fail", "pass"]), (1, 2, None, None)), week())

    assert adjusted(report.checks, "check_name") == {("Checkout",): (3, pytest.approx(1 / 3))}
    assert adjusted(report.check_location, "run_location") == {("eu",): (3, pytest.approx(1 / 3))}
    assert report.checks["pass_rate"].tolist() == [0.25]
    assert report.exclusions[["sessions", "results"]].to_numpy().tolist() == [[1, 1]]


def test_an_exclusion_of_one_check_leaves_the_others_alone() -> None:
    payloads = [*hourly(["fail"], check="Cart"), *hourly(["fail"], check="Login")]

    report = build_report(excluding(payloads, (0, 1, "Cart", None)), week())

    left = adjusted(report.checks, "check_name")
    assert left["Cart",][0] == 0
    assert left["Login",] == (1, 0.0)
    assert report.checks["pass_rate_adjusted"].isna().tolist() == [True, False]


def test_an_excluded_location_takes_a_failure_of_the_whole_session_with_it() -> None:
    """It would have passed or not, nobody knows: it counts neither way. One that failed elsewhere too counts."""
    payloads = [
        session(0, {"eu": "fail", "us": "pass"}),
        session(1, {"eu": "fail", "us": "fail"}),
        session(2, {"eu": "pass", "us": "pass"}),
    ]

    report = build_report(excluding(payloads, (0, 3, None, "eu")), week())

    assert adjusted(report.check_location, "run_location") == {
        ("eu",): (0, pytest.approx(float("nan"), nan_ok=True)),
        ("us",): (3, pytest.approx(2 / 3)),
    }
    assert adjusted(report.checks, "check_name") == {("Checkout",): (2, 0.5)}


def test_overlapping_exclusions_take_a_result_out_once() -> None:
    report = build_report(excluding(hourly(["fail", "pass"]), (0, 1, None, None), (0, 1, "Checkout", "eu")), week())

    assert adjusted(report.checks, "check_name") == {("Checkout",): (1, 1.0)}


def test_two_exclusions_may_cover_a_session_together() -> None:
    """One location each."""
    payloads = [session(0, {"eu": "pass", "us": "pass"}), session(1, {"eu": "pass", "us": "pass"})]

    report = build_report(excluding(payloads, (0, 1, None, "eu"), (0, 1, None, "us")), week())

    assert adjusted(report.checks, "check_name") == {("Checkout",): (1, 1.0)}
    assert report.exclusions["sessions"].tolist() == [0, 0]


def test_a_session_that_failed_without_a_failed_result_stays() -> None:
    """It timed out; that its one passed result is covered does not explain that."""
    payloads = [session(0, {"eu": "pass", "us": "pass"}, status="TIMED_OUT")]

    report = build_report(excluding(payloads, (0, 1, None, "eu")), week())

    assert adjusted(report.checks, "check_name") == {("Checkout",): (1, 0.0)}


def test_an_exclusion_outside_of_both_weeks_or_taken_back_is_not_in_the_report() -> None:
    engine = excluding(hourly(["fail"]), (-200, -168, None, None), (168, 169, None, None), (0, 1, None, None))
    remove_exclusion(engine, 3, who="bob@desk")

    report = build_report(engine, week())

    assert report.exclusions.empty
    assert report.checks["n_adjusted"].tolist() == [1]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_exclusions_are_listed_in_a_file_of_their_own(tmp_path: Path) -> None:
    """What a spreadsheet would run as a formula is text."""
    engine = excluding(hourly(["fail", "pass"]), (0, 1, "Checkout", "eu"), (-5, 1, None, None), reason="=1+1, twice")

    write_report(build_report(engine, week()), tmp_path, formats=["csv"])

    everything, one = rows(tmp_path / "exclusions.csv")
    assert (everything["check_id"], everything["run_location"], everything["starts_at"]) == (
        "",
        "",
        "2026-11-15T19:00:00.000Z",
    )
    assert (one["check_name"], one["run_location"], one["reason"]) == ("Checkout", "eu", "'=1+1, twice")
    assert (one["created_by"], one["sessions"], one["results"]) == ("ann@desk", "1", "1")
    (check,) = rows(tmp_path / "checks.csv")
    assert (check["pass_rate"], check["n_adjusted"], check["pass_rate_adjusted"]) == ("0.500000", "1", "1.000000")


def page(report: Report, folder: Path) -> str:
    return write_report(report, folder, formats=["html"])[0].read_text(encoding="utf-8")


def test_the_page_shows_both_rates_and_who_excluded_what(tmp_path: Path) -> None:
    """Hostile words of a reason are text."""
    reason = "<script>alert(1)</script>"
    report = build_report(excluding(hourly(["fail", "pass"]), (0, 1, None, None), reason=reason), week("Europe/Berlin"))

    found = page(report, tmp_path)

    assert "Sessions passed: 50.00 % (1/2) as recorded, 100 % (1/1) without what is excluded here." in found
    assert "Mon 16 Nov 2026 01:00" in found
    assert "ann@desk" in found
    assert "&lt;script&gt;" in found
    assert reason not in found


def test_every_key_figure_stands_raw_and_adjusted(tmp_path: Path) -> None:
    """As if what is excluded had never run: two flakes, an incident and a retry less; without exclusions both agree."""
    ends = ["pass", "fail", "pass", "fail", "pass", "pass", "fail", "pass"]
    retried = session(9, {"eu": "pass"}, retried=["eu"])

    report = build_report(excluding([*hourly(ends), retried], (1, 4, None, None), (9, 10, None, "eu")), week())
    kept = build_report(excluding([one for n, one in enumerate(hourly(ends)) if n not in {1, 2, 3}]), week())

    found = {one.name: (one.now, one.adjusted) for one in report.key_figures}
    alone = {one.name: one.now for one in kept.key_figures}
    assert found["sessions_rated"] == (9, 5)
    assert found["incidents"] == (3, 1)
    assert found["flake_events"] == (4, 1)
    assert found["retry_passes"] == (1, 0)
    assert {name: adjusted for name, (_, adjusted) in found.items()} == pytest.approx(alone, nan_ok=True)
    assert all(one.adjusted == pytest.approx(one.now, nan_ok=True) for one in kept.key_figures)
    assert summary(report)["key_figures"]["incidents"]["adjusted"] == 1
    (row,) = (line for line in csv.DictReader(csv_of(report, tmp_path)) if line["figure"] == "flake_rate")
    assert (row["now"], row["now_adjusted"]) == ("0.444444", "0.200000")
    assert re.search(
        r'<th scope="row">Incidents</th><td class="num">3</td><td class="num">1</td>', page(report, tmp_path)
    )


def csv_of(report: Report, folder: Path) -> list[str]:
    write_report(report, folder, formats=["csv"])
    return (folder / "summary.csv").read_text(encoding="utf-8").splitlines()


def test_a_page_without_exclusions_has_no_section_about_them(tmp_path: Path) -> None:
    assert "exclusions-title" not in page(build_report(excluding(hourly(["pass"])), week()), tmp_path)


def test_the_summary_is_honest_when_everything_is_excluded() -> None:
    """Nothing left to rate is no 100 %."""
    report = build_report(excluding(hourly(["fail"]), (0, 1, None, None)), week())

    assert summary(report)["session_pass_rate"] == 0.0
    assert summary(report)["session_pass_rate_adjusted"] is None


def test_the_first_screen_shows_the_adjusted_pass_rate_beside_the_recorded_one() -> None:
    """Without an exclusion there is one rate; when nothing is left, none is made up."""
    some = build_report(excluding(hourly(["fail", "fail", "fail", "pass"]), (1, 2, None, None)), week())
    everything = build_report(excluding(hourly(["fail", "pass"]), (0, 2, None, None)), week())
    nothing = build_report(excluding(hourly(["fail", "pass"])), week())

    cards = [figure_section(report).cards[0] for report in (some, everything, nothing)]

    assert [(card.note, card.adjusted) for card in cards] == [
        ("1 of 4 rated", "33.33 %"),
        ("1 of 2 rated", UNKNOWN),
        ("1 of 2 rated", ""),
    ]
