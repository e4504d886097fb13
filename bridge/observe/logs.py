"""Logs: structured, on standard error or in a file, as text or JSON lines, and free of secrets.

Every line passes a redactor that knows the values of all configured credentials: the one place where a key that slipped
into a message, an exception's text or a traceback is turned back into its hint. The loggers of the libraries below us
are kept at warnings, since at lower levels they print URLs and headers.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO, cast

import structlog

LEVELS = ("debug", "info", "warning", "error")


class Redactor:
    """Replaces known secrets in any text by their hints."""

    def __init__(self) -> None:
        self._hints: dict[str, str] = {}

    def learn(self, secrets: Iterable[tuple[str, str]]) -> None:
        """Remembers (value, hint) pairs; longer values are replaced first, as one may hold another."""
        self._hints.update(secrets)
        self._hints = dict(sorted(self._hints.items(), key=lambda pair: -len(pair[0])))

    def redact(self, text: str) -> str:
        """The text with every known secret masked."""
        for value, masked in self._hints.items():
            if value in text:
                text = text.replace(value, masked)
        return text


redactor = Redactor()


def logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger for one part of the bridge. Cheap to make at import time: it is bound when first used."""
    return cast("structlog.typing.FilteringBoundLogger", structlog.get_logger(part=name))


def configure(level: str = "info", form: str = "text", file: Path | None = None) -> None:
    """Sets up logging for the process: `level` one of LEVELS, `form` text or json, to `file` or standard error."""
    stream: TextIO = sys.stderr
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        stream = file.open("a", encoding="utf-8", buffering=1)
    timestamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    last = [*_tracebacks(form), _renderer(form, colors=stream.isatty()), _redact]
    structlog.configure(
        processors=[structlog.processors.add_log_level, timestamp, *last],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )
    # What libraries and the readers log by the standard module looks the same, from warnings up: below, they tell URLs
    # and headers.
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
            foreign_pre_chain=[structlog.stdlib.add_log_level, timestamp],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def _tracebacks(form: str) -> list[Any]:
    return [structlog.processors.format_exc_info] if form == "json" else []


def _renderer(form: str, *, colors: bool) -> Any:
    if form == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=True)
    # Values are shown by repr(), so control characters in them are harmless; tracebacks show no local variables.
    return structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)


def _redact(_logger: Any, _method: str, line: str) -> str:
    return redactor.redact(line)
