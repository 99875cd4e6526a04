"""Incidents of a check: maximal runs of failed sessions, with what bounds them."""

from typing import Any

from reports.frames import check_by_check
from reports.incidents import find_incidents
from tests.framing import hours, results, sessions
from tests.past import week


def incidents(*checks: dict[int, str]) -> list[dict[str, Any]]:
    found = results(*checks)
    table = find_incidents(check_by_check(sessions(found)), found, week())
    return [{str(name): value for name, value in row.items()} for row in table.to_dict(orient="records")]


def bounds(row: dict[str, Any]) -> list[float | None]:
    return hours(row[name] for name in ("last_good_at", "first_failed_at", "last_failed_at", "recovered_at"))


def test_an_incident_lies_between_the_last_good_and_the_first_good_session() -> None:
    """And names the locations that failed in it."""
    (row,) = incidents({1: "..FF.", 2: "..F..", 3: "....."})

    assert bounds(row) == [1, 2, 3, 4]
    assert (row["failed_sessions"], row["location_pks"]) == (2, [1, 2])


def test_an_incident_at_an_end_of_what_is_known_has_an_open_end() -> None:
    """Nothing is made up for it."""
    first, last = incidents({1: "F..F"})

    assert bounds(first) == [None, 0, 0, 1]
    assert bounds(last) == [2, 3, 3, None]


def test_an_incident_ends_with_its_check() -> None:
    """What another check did says nothing."""
    first, second = incidents({1: "..F"}, {1: "F.."})

    assert [bounds(first), bounds(second)] == [[None, 0, 0, 1], [1, 2, 2, None]]
    assert (first["check_pk"], second["check_pk"]) == (2, 1)


def test_void_results_do_not_split_an_incident() -> None:
    """A cancelled session is no sign of health."""
    (row,) = incidents({1: ".FvF."})

    assert (row["failed_sessions"], bounds(row)) == (2, [0, 1, 3, 4])
