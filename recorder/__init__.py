"""Triggers tagged Checkly check sessions on a cadence and keeps every session and result in SQL for ever."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("checkly-session-recorder")
except PackageNotFoundError:  # a bare checkout on sys.path, never installed
    __version__ = "0+unknown"
