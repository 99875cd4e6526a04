"""The templates: one environment for every page, which escapes all that it is given."""

import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from pickle import UnpicklingError
from typing import Final

from jinja2 import Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined
from jinja2.bccache import Bucket
from markupsafe import Markup

from reports import charts, wording
from reports.frames import LEVEL_DAYS, RECENT_DAYS

_TEMPLATES: Final = Path(__file__).resolve().parent / "templates"


class _Compiled(FileSystemBytecodeCache):
    """Compiled templates in a folder, as Python keeps compiled modules; what cannot be kept or read is made anew."""

    def __init__(self, folder: Path) -> None:
        with suppress(OSError):
            folder.mkdir(exist_ok=True)
        super().__init__(str(folder))

    def load_bytecode(self, bucket: Bucket) -> None:
        try:
            super().load_bytecode(bucket)
        except (OSError, EOFError, ValueError, UnpicklingError):
            bucket.reset()

    def dump_bytecode(self, bucket: Bucket) -> None:
        with suppress(OSError):
            super().dump_bytecode(bucket)


@cache
def environment() -> Environment:
    """The style sheet (`style`), `plural`, `without_words`, what pages draw with; a name not given is an error.

    Kept: half of what a page costs is that its templates are compiled, which a process does once for all of its
    reports, and not at all when it finds them beside the templates.
    """
    return environment_of(None if sys.dont_write_bytecode else _TEMPLATES / "__pycache__")


def environment_of(compiled: Path | None) -> Environment:
    """The same with its compiled templates kept in the folder `compiled`, if there is one and it can be written."""
    made = Environment(
        loader=FileSystemLoader(_TEMPLATES, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        bytecode_cache=None if compiled is None else _Compiled(compiled),
    )
    style = (_TEMPLATES / "style.css").read_text(encoding="utf-8")
    made.globals.update(
        style=Markup(style),  # noqa: S704  our own file
        plural=wording.plural,
        without_words=wording.WITHOUT,
        spark_height=charts.SPARK_HEIGHT,
        strip_height=charts.STRIP_HEIGHT,
        strip_path=charts.strip_path,
        recent_days=RECENT_DAYS,
        level_days=LEVEL_DAYS,
    )
    return made
