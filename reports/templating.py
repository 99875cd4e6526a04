"""The templates: one environment for every page, which escapes all that it is given."""

from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports import wording

_TEMPLATES: Final = Path(__file__).resolve().parent / "templates"


def new_environment() -> Environment:
    """An environment with the style sheet (`style`) and `plural`; a name that is not given is an error."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    style = (_TEMPLATES / "style.css").read_text(encoding="utf-8")
    environment.globals.update(plural=wording.plural, style=Markup(style))  # noqa: S704  our own file
    return environment
