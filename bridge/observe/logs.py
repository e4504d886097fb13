"""Logs: structured, on standard error or in a file, as text or JSON lines, and free of secrets.

Every line passes a redactor that knows the values of all configured credentials, and those that the caller brought to
the request it is about: the one place where a key that slipped into a message, an exception's text or a traceback is
turned back into its hint. The loggers of the libraries below us are kept at warnings, since at lower levels they print
URLs and headers.

Whoever logs something goes on, whatever becomes of the line: a full disk or a terminal that is gone is no reason to end
a request, or the bridge.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from io import FileIO, TextIOWrapper
from pathlib import Path
from typing import Any, TextIO, cast
from urllib.parse import quote

from bridge.observe.secret_values import PLACEHOLDERS, SHORTEST_SECRET, can_be_secret
from bridge.process.imports import unused, without
from bridge.process.line_writer import LineWriter, standard
from bridge.terminal_text import escaped

# rich is for tracebacks in colours with every local variable, which no log of ours may show; asyncio for lines that are
# awaited, which none of ours is.
with without("rich"), unused("asyncio"):
    import structlog

LEVELS = ("debug", "info", "warning", "error")


Spellings = tuple[tuple[str, str], ...]
"""Secrets in every spelling, each with its hint. Longer ones come first, as one may hold another."""


class Redactor:
    """Replaces known secrets in any text by their hints.

    What cannot be a secret (`can_be_secret`) is no reason to change a text: the word `test` stands in many. Threads
    share a redactor without a lock, since what it knows is never changed, only replaced.
    """

    def __init__(self, general: Redactor | None = None, own: Spellings = ()) -> None:
        self._general = general
        self._own = own
        self._short: frozenset[str] = frozenset()
        self._merged: tuple[Spellings, Spellings, Spellings] | None = None  # the general one's, our own, and both

    def learn(self, secrets: Iterable[tuple[str, str]]) -> None:
        """Remembers (value, hint) pairs for good."""
        given = list(secrets)
        self._own = _merge(self._own, _spelt(given))
        self._short |= {value for value, _ in given if len(value) < SHORTEST_SECRET and value not in PLACEHOLDERS}

    def also(self, secrets: Iterable[tuple[str, str]]) -> Redactor:
        """One that knows these (value, hint) pairs besides what this one knows now and learns later: a caller's own
        keys, which are nothing to anybody else's texts. This one itself where none of them can be a secret."""
        own = _merge((), _spelt(secrets))
        return Redactor(self, own) if own else self

    def adopt(self, other: Redactor, most: int) -> None:
        """Remembers also what that one was made with by `also`; of all that was adopted the latest `most` spellings.
        For one with a general one above it."""
        if other.own and other.own != self._own[-len(other.own) :]:
            adopted = dict(self._own)
            for spelling, masked in other.own:
                adopted.pop(spelling, None)
                adopted[spelling] = masked
            self._own = tuple(adopted.items())[-most:]

    @property
    def own(self) -> Spellings:
        """What is masked here and not in general; nothing where there is no general one."""
        return () if self._general is None else self._own

    def frozen(self) -> Redactor:
        """One that knows what this one knows now, for as long as it takes."""
        return Redactor(own=self.known)

    @property
    def longest(self) -> int:
        """How many characters the longest known secret has; 0 where none is known."""
        return max((len(value) for value, _ in self.known), default=0)

    def redact(self, text: str) -> str:
        """The text with every known secret masked."""
        for value, masked in self._own if self._general is None else self.known:
            if value in text:
                text = text.replace(value, masked)
        return text

    def holds_secret(self, value: str) -> bool:
        """Whether a known secret stands in the value, or is all of it, however short that is."""
        return value in self._short or self.redact(value) != value

    def beginning(self, text: str) -> int:
        """How many characters at the end of the text may be the beginning of a known secret; 0 mostly."""
        if not text:
            return 0
        return max((_overlap(text, value) for value, _ in self.known), default=0)

    @property
    def known(self) -> Spellings:
        """What is masked."""
        if self._general is None:
            return self._own
        general, own, merged = self._general.known, self._own, self._merged  # read once: other threads may be at it too
        if merged is None or merged[0] is not general or merged[1] is not own:
            self._merged = merged = (general, own, _merge(general, own))
        return merged[2]


def _spelt(secrets: Iterable[tuple[str, str]]) -> Spellings:
    pairs = [(value, masked) for value, masked in secrets if can_be_secret(value)]
    return tuple((spelling, masked) for value, masked in pairs for spelling in _spellings(value))


def _merge(known: Spellings, more: Spellings) -> Spellings:
    return tuple(sorted({**dict(known), **dict(more)}.items(), key=lambda pair: -len(pair[0])))


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
"""Knows what the configuration holds, and masks whatever is of no single request."""

_in_use: ContextVar[Redactor] = ContextVar("redactor of log lines", default=redactor)


def in_use() -> Redactor:
    """What masks the log lines of the task that asks."""
    return _in_use.get()


@contextmanager
def masking(secrets: Redactor) -> Iterator[None]:
    """Has log lines masked by that one: what the block logs, the tasks it starts, and the threads it waits for."""
    token = _in_use.set(secrets)
    try:
        yield
    finally:
        _in_use.reset(token)


def logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger for one part of the bridge. Cheap to make at import time: it is bound when first used."""
    return cast("structlog.typing.FilteringBoundLogger", structlog.get_logger(part=name))


PATIENCE_S = 0.05
"""How long a line may wait for a pipe or a terminal that takes nothing, in seconds: everything waits with it."""


class LogStream:
    """Where lines go. Never raises: what can't be written is counted, and told when something can be again."""

    def __init__(self, writer: LineWriter, told: Callable[[int], str]) -> None:
        """`told` makes the line about so many lost ones."""
        self._writer = writer
        self._told = told
        self._lost = 0
        self._lock = threading.RLock()  # threads of ours log too, and two loggers share this

    def write(self, line: str) -> None:
        """Writes a line, or loses it."""
        with self._lock:
            if self._lost and self._put(self._told(self._lost) + "\n"):
                self._lost = 0
            if self._lost or not self._put(line):
                self._lost += 1

    def flush(self) -> None:
        """Nothing is ever held back."""

    def close(self) -> None:
        """Closes a file. What is logged afterwards is lost."""
        self._writer.close()

    def _put(self, line: str) -> bool:
        try:
            self._writer.write(line, 0 if self._lost else PATIENCE_S)
        except (OSError, ValueError):  # the disk is full; nobody reads it; it is closed
            return False
        return True


def configure(level: str = "info", form: str = "text", file: Path | None = None) -> None:
    """Sets up logging for the process: `level` one of LEVELS, `form` text or json, to `file` or standard error.

    The file is opened, and its folder made, with the first line.
    """
    colors = file is None and sys.stderr.isatty()
    timestamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    traceback = structlog.processors.format_exc_info  # which shows no local variables
    last = [traceback, *_renderers(form, colors=colors), _redact]
    processors = [structlog.processors.add_log_level, timestamp, *last]
    writer = standard(sys.stderr) if file is None else LineWriter(partial(_open, file))
    stream = LogStream(writer, partial(_loss, processors))
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", stream)),
        cache_logger_on_first_use=False,
    )
    # What libraries and the readers log by the standard module looks the same, from warnings up: below, they tell URLs
    # and headers.
    handler = _handler(stream, file)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
            foreign_pre_chain=[structlog.stdlib.add_log_level, timestamp],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def _handler(stream: LogStream, file: Path | None) -> logging.StreamHandler[Any]:
    if file is None:
        return logging.StreamHandler(stream)
    handler = logging.FileHandler(file, delay=True)  # which closes, in the end, what it writes to
    handler.setStream(cast("TextIOWrapper", stream))
    return handler


def _open(file: Path) -> FileIO:
    file.parent.mkdir(parents=True, exist_ok=True)
    return FileIO(file, "a")


def _loss(processors: Sequence[structlog.typing.Processor], count: int) -> str:
    """The line that says how many are missing before it."""
    line: Any = {"event": "log lines could not be written", "part": "log", "lost": count}
    for processor in processors:
        line = processor(None, "warning", line)
    return str(line)


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
    return in_use().redact(line)
