"""Sets up structured logging on stderr: readable lines for a person, JSON for a log collector."""

import logging
import sys
from typing import Final

import structlog
from stamina.instrumentation import set_on_retry_hooks

LEVELS: Final = ("debug", "info", "warning", "error")


def set_up(level: str, *, as_json: bool) -> None:
    """Send every log line to stderr, the recorder's own as well as the libraries'."""
    number = logging.getLevelNamesMapping()[level.upper()]
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info if as_json else structlog.processors.StackInfoRenderer(),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    set_on_retry_hooks([])  # a line for each try, without the database's name: `outage` says it once
    logging.basicConfig(
        stream=sys.stderr, level=max(number, logging.WARNING), format="%(levelname)s %(name)s %(message)s"
    )
