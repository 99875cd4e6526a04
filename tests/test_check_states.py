"""States of a check: as bad as its worst run location, and broken too when its own sessions say so."""

from collections.abc import Mapping

import pytest

from reports.change_section import change_section
from reports.headline import headline
from reports.report import Report
from reports.weekly import build_report
from tests.framing import hours
from tests.past import Payload, empty_database, record, session, week

LAST_WEEK = -168
STATUSES = {"T": "TIMED_OUT", "C": "CANCELLED"}


def line(letters: str, *, start: int = 0, check: str = "Login") -> list[Payload]:
    """Hourly sessions at eu: . passed, F failed, T timed out without any result, C cancelled without any."""
    ends: Mapping[str, str | None] = {".": "pass", "F": "fail"}
    return [
        session(start + hour, {"eu": ends.get(letter)}, check=check, status=STATUSES.get(letter))
        for hour, letter in enumerate(letters)
    ]


def at_two(eu: str, us: str, *, start: int = 0) -> list[Payload]:
    """Hourly sessions at two locations; . passed, F failed."""
    ends = {".": "pass", "F": "fail"}
    return [
        session(start + hour, {"eu": ends[a], "us": ends[b]}) for hour, (a, b) in enumerate(zip(eu, us, strict=True))
    ]


def report_of(*parts: list[Payload]) -> Report:
    engine = empty_database()
    record(engine, [payload for part in parts for payload in part])
    return build_report(engine, week())


def state(report: Report) -> tuple[str, float | None]:
    row = report.checks.iloc[0]
    return row["state"], hours([row["state_since_at"]])[0]


def changes(report: Report) -> list[tuple[str, float | None]]:
    return list(zip(report.changes["kind"], hours(report.changes["since_at"]), strict=True))


def sentence(report: Report) -> str:
    return headline(report)[0].replace("\u2068", "").replace("\u2069", "")


@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        ("." * 30 + "T" * 40, ("broken", 30)),
        ("T" * 30, ("broken", 0)),
        ("." * 30 + "TTCT", ("broken", 30)),
        ("." * 10 + "T.T.TT.T.T", ("broken", 19)),
        ("." * 30 + "TT", ("healthy", None)),
        ("." * 30 + "TT.", ("healthy", 32)),
        ("T" * 19, ("not enough runs", None)),
    ],
)
def test_a_check_whose_sessions_time_out_is_broken_as_a_pair_would_be(
    letters: str, expected: tuple[str, float | None]
) -> None:
    """A session that timed out has no result, so no pair says anything of it."""
    assert state(report_of(line(letters))) == expected


def test_a_check_that_began_to_time_out_is_announced_and_named_in_the_sentence() -> None:
    """It turned broken, without a run location to blame, and with a link to its newest session."""
    report = report_of(line("." * 168, start=LAST_WEEK), line("." * 24 + "T" * 144))

    assert changes(report) == [("broken", 24)]
    assert report.changes["run_locations"].tolist() == [""]
    assert sentence(report).startswith(
        "1 of 1 check failed at least once: 144 of 168 sessions failed; Login turned broken"
    )
    assert change_section(report).rows[0].link is not None


def test_a_check_that_still_times_out_is_still_broken() -> None:
    """It did not change, and the sentence names it."""
    report = report_of(line("T" * 168, start=LAST_WEEK), line("T" * 168), line("." * 168, check="Pay"))

    assert changes(report) == [("new", 0)]
    assert "; Pay is new; Login is still broken" in sentence(report)


def test_results_that_come_back_as_failures_make_no_broken_check_turn_broken() -> None:
    """Its sessions timed out before, and fail now: it is still broken."""
    report = report_of(line("T" * 168, start=LAST_WEEK), line("F" * 168))

    assert changes(report) == []
    assert report.check_location["state"].tolist() == ["broken"]


def test_a_check_that_no_longer_times_out_has_recovered() -> None:
    """Since the first good session after those that made it broken, whatever failed later."""
    report = report_of(line("." * 100 + "T" * 68, start=LAST_WEEK), line("TT" + "." * 100 + "T" + "." * 20))

    assert changes(report) == [("recovered", 2)]


def test_a_check_has_recovered_when_its_last_location_has() -> None:
    """One was fine again on Monday, the other a day later."""
    broken = at_two("." * 100 + "F" * 68, "." * 100 + "F" * 68, start=LAST_WEEK)
    report = report_of(broken, at_two("F" * 2 + "." * 60, "F" * 26 + "." * 36))

    assert changes(report) == [("recovered", 26)]
    assert report.changes["run_locations"].tolist() == ["eu|us"]


@pytest.mark.parametrize(
    ("eu", "us", "since"),
    [
        ("F" + "." * 29, "." * 9 + "F" + "." * 20, 10),
        ("." * 30, "F" + "." * 29, 1),
        ("F" + "." * 29, "." * 29 + "F", None),
    ],
)
def test_a_check_is_healthy_since_its_last_location_is(eu: str, us: str, since: float | None) -> None:
    """Not since the first; and while the newest result of one failed it is not known."""
    assert state(report_of(at_two(eu, us))) == ("healthy", since)
