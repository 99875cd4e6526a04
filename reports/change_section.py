"""Pure: the page's rows about what changed, each with since when, how much, how certain, and where to look."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from reports import wording
from reports.changes import KINDS
from reports.names import Name, check_name, is_web_link, places_text
from reports.report import Report
from reports.standing import failures, standing
from reports.trends import DRIFT, FASTER, MOVED, POSSIBLE_DRIFT, SLOWER

OPEN_ROWS: Final = 12
FOLDED_ROWS: Final = 48
_VERBS: Final[Mapping[str, str]] = {
    "broken": "turned broken",
    "flaky": "became flaky",
    "recovered": "recovered",
    SLOWER: "became slower",
    FASTER: "became faster",
    DRIFT: "drifts",
    POSSIBLE_DRIFT: "possibly drifts",
    MOVED: "changed its run locations",
    "new": "is new",
    "gone": "is gone",
}
_TONES: Final[Mapping[str, str]] = {
    "broken": "bad",
    "flaky": "some",
    SLOWER: "some",
    "recovered": "good",
    FASTER: "good",
}
_FIGURES: Final[Mapping[str, str]] = {"fail_rate": "failed sessions", "flake_rate": "flake rate"}


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One change in words; `tone` is its class, `link` a page at Checkly that shows it, None without one."""

    kind: str
    tone: str
    name: Name
    places: str
    since: str
    size: str
    certain: str
    link: str | None
    link_text: str


@dataclass(frozen=True, slots=True)
class ChangeSection:
    """`rows` are open, `more` folded; `hidden` stand in changes.csv alone. `nothing`: what is said without a change."""

    rows: Sequence[ChangeRow]
    more: Sequence[ChangeRow]
    hidden: int
    nothing: str


def change_section(report: Report) -> ChangeSection:
    """Every change that passed its gate, in the order of changes.csv."""
    changes = report.changes
    rows = [_row(report, row) for row in changes.head(OPEN_ROWS + FOLDED_ROWS).itertuples()]
    return ChangeSection(
        rows=rows[:OPEN_ROWS],
        more=rows[OPEN_ROWS:],
        hidden=max(0, len(changes) - len(rows)),
        nothing=_nothing(report),
    )


def change_clause(report: Report) -> str:
    """What changed in a few words, such as "Login turned broken, 3 checks became slower"; empty without a change."""
    clauses = []
    changed = report.changes[["kind", "check_name", "check_id"]].drop_duplicates(["kind", "check_id"])
    checks: dict[str, list[tuple[Any, Any]]] = {}
    for kind, name, check_id in zip(*(changed[column] for column in changed), strict=True):
        checks.setdefault(kind, []).append((name, check_id))
    for kind in [kind for kind in KINDS if kind in checks]:
        count, (name, check_id) = len(checks[kind]), checks[kind][0]
        if count == 1:
            clauses.append(f"{check_name(name, str(check_id)).isolated} {_VERBS[kind]}")
        else:
            clauses.append(f"{count:,} checks {_plural_verb(kind)}")
    return wording.listing(clauses) if clauses else ""


def _plural_verb(kind: str) -> str:
    singular = {"drifts": "drift", "possibly drifts": "possibly drift", "is new": "are new", "is gone": "are gone"}
    verb = _VERBS[kind]
    return singular.get(verb, verb.replace(" its ", " their "))


def _nothing(report: Report) -> str:
    compared = any(one.name == "sessions_rated" and one.before > 0 for one in report.key_figures)
    if not compared:
        return "There is nothing to compare with yet: no session was rated in the time before."
    same = (
        "no check turned broken, none became flaky, slower or faster by more than chance explains, none is new and "
        "none is gone."
    )
    wrong = [clause for clause in (failures(report), *standing(report)) if clause]
    return f"No change to announce: {same} But {'; '.join(wrong)}." if wrong else f"Nothing to report here: {same}"


def _row(report: Report, row: Any) -> ChangeRow:
    size, certain = _size(row)
    linked = isinstance(row.link, str) and is_web_link(row.link)
    return ChangeRow(
        kind=row.kind,
        tone=_TONES.get(row.kind, "plain"),
        name=check_name(row.check_name, row.check_id),
        places=places_text(row.run_locations) if isinstance(row.run_locations, str) and row.run_locations else "",
        since=_since(report, row),
        size=size,
        certain=certain,
        link=row.link if linked else None,
        link_text="a session" if row.position >= 0 else "its sessions",
    )


def _since(report: Report, row: Any) -> str:
    """Since when, where that is an instant; a level has none but the days over which it was measured."""
    since = wording.when(row.since_at, report.window.zone, year=report.window.end_local.year)
    if row.kind in {SLOWER, FASTER}:
        return f"in the seven days from {since} on"
    if row.kind in {DRIFT, POSSIBLE_DRIFT}:
        return f"over the eight weeks from {since} on"
    return since or "not known"


def _size(row: Any) -> tuple[str, str]:
    """How much, and how certain that is."""
    if row.measure in _FIGURES:
        return _rates(row)
    if row.measure in {"time_elapsed", "time_elapsed_per_week"}:
        every = " per week" if row.measure == "time_elapsed_per_week" else ""
        size = f"{wording.duration(row.before)} before, {wording.duration(row.now)} now"
        return size, f"{wording.change(row.change, row.change_low, row.change_high)}{every}"
    if row.kind == "new":
        return f"first seen, {wording.plural(int(row.now), 'session')}", ""
    if row.kind == "gone":
        return f"{wording.plural(int(row.before), 'session')} before, none now", ""
    return "a new series of timeElapsed begins", ""


def _rates(row: Any) -> tuple[str, str]:
    """A rate then and now; one that is not known (nothing was rated) is not said."""
    said = [
        f"{wording.percent(value)} {when}"
        for value, when in ((row.before, "before"), (row.now, "now"))
        if _known(value)
    ]
    size = f"{_FIGURES[row.measure]} {', '.join(said)}" if said else ""
    return size, wording.points(row.change, row.change_low, row.change_high) if _known(row.change) else ""


def _known(value: float) -> bool:
    """Whether a figure is one, and not NaN."""
    return not math.isnan(value)
