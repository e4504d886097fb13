"""Logs: structured, on standard error or in a file, as text or JSON lines, and free of secrets.

Every line passes a redactor that knows the values of all configured credentials: the one place where a key that slipped
into a message, an exception's text or a traceback is turned back into its hint. The loggers of the libraries below us
are kept at warnings, since at lower levels they print URLs and headers.
"""

from __future__ import annotations

import logging
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, TextIO, cast
from urllib.parse import quote

from bridge.process.imports import without
from bridge.terminal_text import escaped

with without("rich"):  # for tracebacks in colours with every local variable, which no log of ours may show
    import structlog

LEVELS = ("debug", "info", "warning", "error")


class Redactor:
    """Replaces known secrets in any text by their hints."""

    def __init__(self) -> None:
        self._hints: dict[str, str] = {}
        self._passing: dict[str, str] = {}
        self._users: Counter[str] = Counter()

    def learn(self, secrets: Iterable[tuple[str, str]]) -> None:
        """Remembers (value, hint) pairs; longer values are replaced first, as one may hold another."""
        known = dict(self._hints)  # not in place: what is `frozen` shares it
        for value, masked in secrets:
            known.update(dict.fromkeys(_spellings(value), masked))
        self._hints = dict(sorted(known.items(), key=lambda pair: -len(pair[0])))

    @contextmanager
    def knowing(self, secrets: Iterable[tuple[str, str]]) -> Iterator[None]:
        """Also masks these (value, hint) while the block runs: a caller's own, which are kept no longer than its
        request."""
        known = [(spelling, masked) for value, masked in secrets for spelling in _spellings(value)]
        self._passing.update(known)
        self._users.update(spelling for spelling, _ in known)
        try:
            yield
        finally:
            self._users.subtract(spelling for spelling, _ in known)
            for spelling, _ in known:
                if not self._users[spelling]:
                    del self._users[spelling]
                    self._passing.pop(spelling, None)

    def frozen(self) -> Redactor:
        """One that knows what this one knows now, for another thread and for as long as it takes."""
        same = Redactor()
        same._hints, same._passing = self._hints, dict(self._passing)
        return same

    @property
    def longest(self) -> int:
        """How many characters the longest known secret has; 0 where none is known."""
        return max(map(len, chain(self._hints, self._passing)), default=0)

    def redact(self, text: str) -> str:
        """The text with every known secret masked."""
        for hints in (self._hints, self._passing):
            for value in hints:
                if value in text:
                    text = text.replace(value, hints[value])
        return text

    def beginning(self, text: str) -> int:
        """How many characters at the end of the text may be the beginning of a known secret; 0 mostly."""
        if not text:
            return 0
        return max((_overlap(text, value) for value in chain(self._hints, self._passing)), default=0)


def _overlap(text: str, secret: str) -> int:
    """The length of the longest end of `text` that `secret` begins with, and does not end with."""
    place = max(0, len(text) - len(secret) + 1)
    while (place := text.find(secret[0], place)) >= 0:
        if secret.startswith(text[place:]):
            return len(text) - place
        place += 1
    return 0


def _spellings(value: str) -> set[str]:
    """The value, and how it looks quoted: in JSON, by repr() with either quote, and in a URL."""
    shown = value.replace("\\", "\\\\")
    return {value, shown, shown.replace("'", "\\'"), shown.replace('"', '\\"'), quote(value, safe="")}


redactor = Redactor()


def logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger for one part of the bridge. Cheap to make at import time: it is bound when first used."""
    return cast("structlog.typing.FilteringBoundLogger", structlog.get_logger(part=name))


def configure(level: str = "info", form: str = "text", file: Path | None = None) -> None:
    """Sets up logging for the process: `level` one of LEVELS, `form` text or json, to `file` or standard error."""
    handler = logging.StreamHandler(sys.stderr) if file is None else _file_handler(file)
    stream: TextIO = handler.stream
    timestamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    traceback = structlog.processors.format_exc_info  # which shows no local variables
    last = [traceback, *_renderers(form, colors=stream.isatty()), _redact]
    structlog.configure(
        processors=[structlog.processors.add_log_level, timestamp, *last],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )
    # What libraries and the readers log by the standard module looks the same, from warnings up: below, they tell URLs
    # and headers.
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
            foreign_pre_chain=[structlog.stdlib.add_log_level, timestamp],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def _file_handler(file: Path) -> logging.StreamHandler[Any]:
    file.parent.mkdir(parents=True, exist_ok=True)
    return logging.FileHandler(file, encoding="utf-8")


def _renderers(form: str, *, colors: bool) -> list[Any]:
    if form == "json":
        return [structlog.processors.JSONRenderer(ensure_ascii=True)]
    plain = structlog.dev.plain_traceback
    return [_neutral, structlog.dev.ConsoleRenderer(colors=colors, repr_native_str=True, exception_formatter=plain)]


def _neutral(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Leaves nothing in a text line that a terminal would act on. Values besides these two are shown by repr()."""
    event["event"] = escaped(str(event["event"]))
    if "exception" in event:
        event["exception"] = "\n".join(escaped(line) for line in str(event["exception"]).split("\n"))
    return event


def _redact(_logger: Any, _method: str, line: str) -> str:
    return redactor.redact(line)
