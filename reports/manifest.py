"""Pure: the manifest of a report's files: what each holds, and what it was made from."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version
from typing import Any, Final

from reports.report import Report
from reports.windows import Window

FORMAT: Final = 1
"""Grows when a column or a file changes its meaning, not when one is added."""
_LIBRARIES: Final = ("checkly-session-recorder", "numpy", "pandas", "scipy")


def manifest_text(report: Report, files: Mapping[str, str]) -> str:
    """JSON: rows and sha256 of each of the files (name -> content), window, checks, thresholds, versions.

    No time of rendering and no path is in it: the same window of the same history gives the same bytes.
    """
    content = {
        "format": FORMAT,
        "window": window_json(report.window),
        "compared_with": window_json(report.before),
        "about": report.about,
        "thresholds": asdict(report.thresholds),
        "versions": {name: version(name) for name in _LIBRARIES},
        "files": {name: _file(report, name, text) for name, text in sorted(files.items())},
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _file(report: Report, name: str, text: str) -> dict[str, Any]:
    content = text.encode("utf-8")
    facts: dict[str, Any] = {"bytes": len(content), "sha256": sha256(content).hexdigest()}
    if name.endswith(".csv"):
        facts["rows"] = len(report.table(name.removesuffix(".csv")))
    return facts


def window_json(window: Window) -> dict[str, Any]:
    """A window as plain values, on local clocks and in UTC."""
    return {
        "label": window.label,
        "timezone": window.zone.key,
        "start_local": window.start_local.isoformat(),
        "end_local": window.end_local.isoformat(),
        "start_utc": iso(window.start),
        "end_utc": iso(window.end),
        "hours": window.hours,
    }


def iso(instant: datetime) -> str:
    """An instant in UTC with milliseconds."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
