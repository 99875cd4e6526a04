"""How many results were expected, and how many of them are missing."""

import pytest

from reports.weekly import build_report
from tests.past import empty_database, record, session, week


@pytest.mark.parametrize(
    ("run_locations", "came", "expected"),
    [
        (["eu", "us"], ["eu", "us"], (20, 0)),
        (["eu", "us"], ["eu"], (20, 10)),
        (["eu"], ["mars"], (10, 10)),
        (["eu"], ["eu", "mars"], (10, 0)),
        ([], ["mars"], (10, 0)),
    ],
)
def test_what_came_from_elsewhere_was_not_expected(
    run_locations: list[str], came: list[str], expected: tuple[int, int]
) -> None:
    """One result of each location that a session was to run at; where those are not known, what came."""
    engine = empty_database()
    sessions = [session(hour, dict.fromkeys(came, "pass")) for hour in range(10)]
    record(engine, [{**one, "runLocations": run_locations} for one in sessions])

    (row,) = build_report(engine, week()).coverage_rows.to_dict(orient="records")

    assert (row["expected_results"], row["missing_results"]) == expected
