"""How the operator logs: one event a line, for a collector (JSON) or a terminal."""

from __future__ import annotations

import logging
import sys

import orjson
import structlog

from dittofs_operator.settings import LogFormat, LogLevel

#: A frame's local variables may hold a password: of a traceback only the places are logged.
_TRACEBACKS = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))


def configure(*, level: LogLevel, form: LogFormat) -> None:
    """Send every log line of this process to standard error, from `level` on, in `form`."""
    severity = logging.getLevelNamesMapping()[level.upper()]
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    factory: structlog.typing.BindableLogger | structlog.PrintLoggerFactory | structlog.BytesLoggerFactory
    if form is LogFormat.JSON:
        processors += [_TRACEBACKS, structlog.processors.JSONRenderer(orjson.dumps)]
        factory = structlog.BytesLoggerFactory(sys.stderr.buffer)
    else:
        processors += [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
        factory = structlog.PrintLoggerFactory(sys.stderr)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(severity),
        logger_factory=factory,
        cache_logger_on_first_use=True,
    )
    # urllib3 warns of each connection that it opens again: the adapter reports what matters.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
