"""The templates: one environment for every page, which escapes all that it is given."""

from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports import charts, wording
from reports.frames import LEVEL_DAYS, RECENT_DAYS

_TEMPLATES: Final = Path(__file__).resolve().parent / "templates"


@cache
def environment() -> Environment:
    """The style sheet (`style`), `plural` and what pages draw with; a name that is not given is an error.

    Kept: half of what a page costs is that its templates are compiled, which a daemon does once for all of its reports.
    """
    made = Environment(
        loader=FileSystemLoader(_TEMPLATES, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    style = (_TEMPLATES / "style.css").read_text(encoding="utf-8")
    made.globals.update(
        style=Markup(style),  # noqa: S704  our own file
        plural=wording.plural,
        spark_height=charts.SPARK_HEIGHT,
        strip_height=charts.STRIP_HEIGHT,
        strip_path=charts.strip_path,
        recent_days=RECENT_DAYS,
        level_days=LEVEL_DAYS,
    )
    return made
