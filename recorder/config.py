"""Finds, reads and checks the configuration: file, environment, key file. All mistakes are said at once, with places.

What is set later wins: the defaults, `recorder.toml`, `RECORDER_<SECTION>_<KEY>`, `CHECKLY_*`. Paths (the database's
file, the reports' folder, the CA file) are relative to the current folder.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from recorder.config_problems import SECTIONS, report_duplicate_names, report_findings
from recorder.config_sources import (
    CHECKLY_VARIABLES,
    CONFIG_VARIABLE,
    KEY_FILE_VARIABLE,
    KEY_VARIABLE,
    PREFIX,
    Written,
    add_environment,
    read_file,
    report_misspelt,
    take_out_keys,
)
from recorder.config_warnings import warnings_for
from recorder.errors import ConfigError, Problem
from recorder.settings import (
    ChecklySettings,
    DatabaseSettings,
    DeliverySettings,
    FileSettings,
    ReportSettings,
    ScheduleSettings,
    Settings,
    definition,
)

__all__ = [
    "ChecklySettings",
    "DatabaseSettings",
    "DeliverySettings",
    "ReportSettings",
    "ScheduleSettings",
    "Settings",
    "access_problems",
    "definition",
    "find_config",
    "load_settings",
    "warnings_for",
]

DEFAULT_NAME: Final = "recorder.toml"


def find_config(config: Path | None, environ: Mapping[str, str], cwd: Path) -> Path | None:
    """The file to read: `config` (the option --config), else RECORDER_CONFIG, else ./recorder.toml, else None.

    Raises ConfigError when one of the first two names a file that is not there.
    """
    named = environ.get(CONFIG_VARIABLE)
    if config is None and not named:
        default = cwd / DEFAULT_NAME
        return default if os.path.lexists(default) else None
    path = cwd / (config if config is not None else Path(named or ""))
    if not path.exists():
        place = "--config" if config is not None else CONFIG_VARIABLE
        raise ConfigError([Problem(place, f"there is no file {_shown(path, cwd)}")])
    return path


def load_settings(config: Path | None, *, environ: Mapping[str, str], cwd: Path) -> Settings:
    """The checked settings; without a file the defaults hold, and without key or account they load too.

    Raises ConfigError with every problem of all sources, in the order of the file.
    """
    path = find_config(config, environ, cwd)
    written = read_file(path, _shown(path, cwd)) if path else Written()
    take_out_keys(written)
    add_environment(written, environ, cwd)
    report_misspelt(written, environ, _known_variables())
    report_duplicate_names(written)
    checked = _check(written)
    if (problems := written.problems()) or checked is None:
        raise ConfigError(problems)
    return Settings.model_construct(**dict(checked), source=path)


def access_problems(settings: Settings) -> list[Problem]:
    """What is missing before Checkly can be asked anything: the key, the account. Reading history needs neither."""
    problems = []
    if settings.checkly.api_key is None:
        text = (
            f"is not set: make a key at Checkly and set {KEY_VARIABLE}, or {KEY_FILE_VARIABLE} to a file that holds it"
        )
        problems.append(Problem(KEY_VARIABLE, text))
    if settings.checkly.account_id is None:
        text = "is not set: it stands in Checkly's account settings; account_id in [checkly] does as well"
        problems.append(Problem("CHECKLY_ACCOUNT_ID", text))
    return problems


def _check(written: Written) -> FileSettings | None:
    """The settings, or None and what is wrong reported. The ValidationError ends here: it holds what was written."""
    try:
        return FileSettings.model_validate(_with_numbers(written))
    except ValidationError as error:
        report_findings(error, written)
        return None


def _with_numbers(written: Written) -> dict[str, Any]:
    """A variable is always text: read it as a number where a number is wanted."""
    for path in written.variables:
        section, key = str(path[0]), str(path[1])
        field, text = SECTIONS[section].model_fields.get(key), written.values[section][key]
        if field is not None and field.annotation is int and text.isascii() and text.isdecimal():
            written.values[section][key] = int(text)
    return written.values


def _known_variables() -> list[str]:
    sections = ("checkly", "database", "reports")
    keys = [f"{PREFIX}{section}_{key}".upper() for section in sections for key in SECTIONS[section].model_fields]
    return [CONFIG_VARIABLE, KEY_FILE_VARIABLE, *CHECKLY_VARIABLES, *keys]


def _shown(path: Path, cwd: Path) -> str:
    """How messages name the file: from the current folder when it lies in it."""
    return str(path.relative_to(cwd)) if path.is_relative_to(cwd) else str(path)
