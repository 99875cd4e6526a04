"""Writes configurations into a folder and reads them, for the tests of everything about them."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from recorder.config import Settings, load_settings
from recorder.errors import ConfigError

CHECK_ID = "a4cd4ad9-4815-4a9e-92d2-0a7c562ee69a"

ACCOUNT_ID = "1397c172-1938-4973-a225-5862298e571a"

SECRET = "cu_0123456789abcdef"  # noqa: S105 - no real one


def load(folder: Path, text: str | bytes | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    if text is not None:
        (folder / "recorder.toml").write_bytes(text.encode() if isinstance(text, str) else text)
    return load_settings(None, environ=environ or {}, cwd=folder)


def problems(folder: Path, text: str | bytes | None = None, environ: Mapping[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as refusal:
        load(folder, text, environ)
    return [str(problem) for problem in refusal.value.problems]


def schedule(lines: str) -> str:
    """A file with one schedule; its name is on line 2, and `lines` begin on line 4."""
    return f'[[schedules]]\nname = "checkout"\nevery = "10m"\n{lines}\n'
