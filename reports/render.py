"""Renders a report as one self-contained HTML page: no script, no request, the same bytes for the same report."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports import charts, wording
from reports.frames import LEVEL_DAYS, RECENT_DAYS
from reports.page import describe
from reports.report import Report

_TEMPLATES: Final = Path(__file__).resolve().parent / "templates"


def render_page(report: Report, *, files: Sequence[str] = ()) -> str:
    """The whole page as HTML text; `files` are the names of data files that lie beside it."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals.update(
        plural=wording.plural,
        style=Markup((_TEMPLATES / "style.css").read_text(encoding="utf-8")),  # noqa: S704  our own file
        spark_height=charts.SPARK_HEIGHT,
        strip_height=charts.STRIP_HEIGHT,
        strip_path=charts.strip_path,
        limits=report.thresholds,
        recent_days=RECENT_DAYS,
        level_days=LEVEL_DAYS,
    )
    return environment.get_template("index.html.j2").render(page=describe(report), files=files)
