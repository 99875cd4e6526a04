"""The report as a whole: files, folder, summary."""

import csv
import json
import math
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert

from recorder.errors import DatabaseError, UsageError
from recorder.models import Fire, Schedule
from reports.columns import COLUMNS
from reports.thresholds import Thresholds
from reports.weekly import build_report, summary, write_report
from tests.past import MONDAY, Payload, empty_database, hourly, record, session, week

FIXED = {
    "check_location": (
        "check_id,check_name,run_location,n,passed,degraded,failed,void,missing,pass_rate,pass_rate_low,pass_rate_high,"
        "first_try_pass_rate,retry_pass,retry_pass_rate,flips,flip_rate,flake_events,flake_rate,flake_rate_low,"
        "flake_rate_high,incidents,"
    ),
    "elapsed": "check_id,check_name,run_locations,n,excluded,median_ms,p95_ms,",
}


def recorded() -> Engine:
    engine = empty_database()
    record(engine, [*hourly(["pass"] * 30, check="Cart"), *hourly(["pass", "fail"] * 12, check="Login", place="us")])
    return engine


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_page_the_tables_and_their_manifest_are_written_to_a_new_folder(tmp_path: Path) -> None:
    """And nothing is left over beside them."""
    written = write_report(build_report(recorded(), week()), tmp_path / "reports" / "week")

    assert [path.name for path in written] == [
        "index.html",
        *(f"{name}.csv" for name in COLUMNS),
        "manifest.json",
    ]
    assert sorted(written) == sorted((tmp_path / "reports" / "week").iterdir())


@pytest.mark.parametrize("name", sorted(FIXED))
def test_the_columns_that_people_script_against_stay(name: str) -> None:
    """Their names and their order are an interface; new ones stand behind them."""
    assert ",".join(COLUMNS[name]).startswith(FIXED[name])


def test_the_same_window_gives_the_same_bytes(engine: Engine, tmp_path: Path) -> None:
    """On SQLite and PostgreSQL, and whatever came first into the database."""
    payloads = eventful()
    one = empty_database()
    record(one, payloads)
    record(engine, reversed(payloads))

    first = write_report(build_report(one, week()), tmp_path / "first")
    second = write_report(build_report(engine, week()), tmp_path / "second")

    assert len(rows(tmp_path / "first" / "changes.csv")) >= 3
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def eventful() -> list[Payload]:
    """Five weeks of three checks: one turns slower, one breaks, one goes; a fourth is new."""
    return [
        *(session(6 * n + 1, {"eu": "pass"}, check="Cart", elapsed=_elapsed(n)) for n in range(-4 * 28, 28)),
        *hourly(["pass", "fail"] * 12, check="Login", place="us", start=-168),
        *hourly(["pass"] * 20 + ["fail"] * 9, check="Login", place="us"),
        *hourly(["pass"] * 3, check="Old", start=-100),
        *hourly(["pass", "degraded"] * 2, check="Fresh"),
    ]


def _elapsed(n: int) -> int:
    return (1003 if n < 0 else 1507) + n * 37 % 50


def test_the_manifest_tells_what_each_file_holds_and_from_what_it_was_made(tmp_path: Path) -> None:
    """Rows, bytes and SHA-256, the window on both clocks, all thresholds, the versions."""
    report = build_report(recorded(), week("Europe/Berlin"), Thresholds(min_runs=7))
    paths = write_report(report, tmp_path)

    manifest = json.loads(paths[-1].read_text(encoding="utf-8"))

    for path in paths[:-1]:
        facts = manifest["files"][path.name]
        assert facts["sha256"] == sha256(path.read_bytes()).hexdigest()
        assert facts["bytes"] == path.stat().st_size
        assert facts.get("rows") == (len(rows(path)) if path.suffix == ".csv" else None)
    assert set(manifest["files"]) == {path.name for path in paths[:-1]}
    assert manifest["window"]["start_local"] == "2026-11-16T00:00:00+01:00"
    assert manifest["window"]["start_utc"] == "2026-11-15T23:00:00.000Z"
    assert manifest["thresholds"]["min_runs"] == 7
    assert set(manifest["versions"]) == {"checkly-session-recorder", "numpy", "pandas", "scipy"}


def test_coverage_has_a_row_per_schedule_and_per_other_origin(engine: Engine) -> None:
    """What was due, what became of it, what was recorded."""
    record(engine, [session(1, {"eu": "pass", "us": None}), session(2, {"eu": "fail"}, status="CANCELLED")])
    with engine.begin() as connection:
        connection.execute(insert(Schedule).values(pk=1, name="prod", definition="", cursor=MONDAY, created_at=MONDAY))
        connection.execute(
            insert(Fire), [_fire(MONDAY, "schedule", "missed", 40), _fire(MONDAY, "manual", "due", None)]
        )

    table = build_report(engine, week()).table("coverage")

    found = {(row["origin"], row["schedule"]): row for row in table.to_dict(orient="records")}
    assert list(found) == [("import", ""), ("manual", ""), ("schedule", "prod")]
    assert [found["schedule", "prod"][name] for name in ("due", "missed", "pending")] == [40, 40, 0]
    assert [found["manual", ""][name] for name in ("due", "pending", "sessions")] == [1, 1, 0]
    columns = ("sessions", "rated", "cancelled", "expected_results", "missing_results")
    assert [found["import", ""][name] for name in columns] == [2, 1, 1, 3, 1]


def test_key_figures_stand_beside_the_time_before_and_eight_weeks() -> None:
    """A week without a session is unknown, never 0 or 100 %."""
    engine = empty_database()
    record(engine, [*hourly(["pass", "fail"], start=-168), *hourly(["pass"] * 3 + ["fail"])])

    figures = {one.name: one for one in build_report(engine, week()).key_figures}

    rate = figures["session_pass_rate"]
    assert (rate.now, rate.before) == (0.75, 0.5)
    assert [None if math.isnan(point) else point for point in rate.weeks] == [*[None] * 6, 0.5, 0.75]
    assert (figures["incidents"].now, figures["checks_failed"].weeks[-1]) == (1, 1)


def test_every_session_of_the_window_is_listed(tmp_path: Path) -> None:
    """With what can be known about it, and a link to its page."""
    engine = empty_database()
    record(engine, [session(1, {"us": "pass", "eu": None}), session(0, {}), session(24 * 7, {"eu": "pass"})])

    paths = write_report(build_report(engine, week()), tmp_path, formats=["csv"])

    none, only = rows(next(path for path in paths if path.name == "sessions.csv"))
    assert (none["run_locations"], none["missing_locations"]) == ("", "0")
    assert (only["started_at"], only["run_locations"], only["missing_locations"]) == (
        "2026-11-16T01:00:00.000Z",
        "eu|us",
        "1",
    )
    assert only["link"].endswith(f"/checks/{only['check_id']}/check-sessions/{only['check_session_id']}")


def test_a_window_without_data_gives_headers_and_a_friendly_page(tmp_path: Path) -> None:
    """Never a made-up 100 %."""
    page, *tables, _ = write_report(build_report(empty_database(), week()), tmp_path)

    lines = {path.stem: path.read_text(encoding="utf-8").count("\n") for path in tables}
    assert lines.pop("summary") > 1
    assert set(lines.values()) == {1}
    text = page.read_text(encoding="utf-8")
    assert "No session was recorded in this window" in text
    assert "100 %</strong>" not in text


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    """Here a file stands where the folder should be."""
    (tmp_path / "report").write_text("in the way")

    with pytest.raises(UsageError, match=r"^cannot write the report to [^\n]+$"):
        write_report(build_report(empty_database(), week()), tmp_path / "report")


def test_a_reader_keeps_the_file_that_it_has_opened(tmp_path: Path) -> None:
    """A report is renamed over the old one, never written into it."""
    page, *_ = write_report(build_report(empty_database(), week()), tmp_path)
    old = page.read_bytes()

    with page.open("rb") as reader:
        write_report(build_report(recorded(), week()), tmp_path)

        assert reader.read() == old
    assert page.read_bytes() != old


def test_nothing_half_written_is_left_behind(tmp_path: Path) -> None:
    """Here a folder has the name of the page."""
    page = tmp_path / "index.html"
    page.mkdir()

    with pytest.raises(UsageError):
        write_report(build_report(empty_database(), week()), tmp_path)

    assert list(tmp_path.iterdir()) == [page]


def test_an_unknown_format_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    """The sentence names what there is."""
    with pytest.raises(UsageError, match="choose from html, csv"):
        write_report(build_report(empty_database(), week()), tmp_path, formats=["pdf"])

    assert list(tmp_path.iterdir()) == []


def test_a_database_without_tables_is_one_sentence(tmp_path: Path) -> None:
    """Nobody has recorded into it yet."""
    engine = empty_database(tmp_path)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE check_results")

    with pytest.raises(DatabaseError, match=r"^[^\n]+$"):
        build_report(engine, week())


def test_the_summary_is_json_with_the_worst_first(tmp_path: Path) -> None:
    """Ratios are numbers, unknown ones null; the files are those written."""
    report = build_report(recorded(), week())
    files = write_report(report, tmp_path)

    answer = json.loads(json.dumps(summary(report, files), allow_nan=False))

    assert answer["window"]["start_utc"] == "2026-11-16T00:00:00.000Z"
    assert answer["sessions"]["rated"] == 54
    assert answer["session_pass_rate"] == pytest.approx(42 / 54)
    assert [check["check_name"] for check in answer["worst_checks"]] == ["Login"]
    assert answer["flakiest_pairs"][0]["flake_events"] == 11
    assert answer["files"] == [str(path) for path in files]


def test_due_instants_are_counted_by_what_became_of_them() -> None:
    """A gap row stands for many; a trigger by hand is no due instant."""
    engine = empty_database()
    at = [MONDAY + timedelta(hours=hour) for hour in range(6)]
    fires = [("schedule", "triggered", None), ("schedule", "missed", 40), ("schedule", "intent", None)]
    fires += [("schedule", "ambiguous", None), ("manual", "triggered", None)]
    with engine.begin() as connection:
        connection.execute(
            insert(Schedule).values(pk=1, name="hourly", definition="", cursor=MONDAY, created_at=MONDAY)
        )
        connection.execute(insert(Fire), [_fire(when, *fire) for when, fire in zip(at, fires, strict=False)])

    coverage = build_report(engine, week()).coverage

    assert (coverage.due, coverage.by_hand) == (43, 1)
    assert {state: count for state, count in coverage.fires.items() if count} == {
        "triggered": 1,
        "missed": 40,
        "ambiguous": 1,
        "pending": 1,
    }


def _fire(at: datetime, origin: str, state: str, gap_count: int | None) -> dict[str, object]:
    schedule = 1 if origin == "schedule" else None
    return {
        "schedule_pk": schedule,
        "origin": origin,
        "scheduled_for": at,
        "not_before": at,
        "state": state,
        "attempt": 0,
        "gap_count": gap_count,
    }
