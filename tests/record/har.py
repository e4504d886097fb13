"""What HAR 1.2 asks of an archive (w3c.github.io/web-performance/specs/HAR, sections 4.2.1 to 4.2.16), by hand.

Each object has its required fields and their types; optional ones have theirs; any other name must begin with `_`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

Check = Callable[[Any, str], None]


class NotHar(AssertionError):
    """The archive breaks a rule; its text says where."""


def _is(condition: bool, place: str, what: str) -> None:
    if not condition:
        raise NotHar(f"{place}: {what}")


def text(value: Any, place: str) -> None:
    _is(isinstance(value, str), place, "should be a string")


def whole(value: Any, place: str) -> None:
    _is(isinstance(value, int) and not isinstance(value, bool) and value >= -1, place, "should be a whole number")


def milliseconds(value: Any, place: str) -> None:
    _is(isinstance(value, int | float) and value >= 0, place, "should be a time in milliseconds")


def phase(value: Any, place: str) -> None:
    _is(isinstance(value, int | float) and value >= -1, place, "should be milliseconds, or -1 where it does not apply")


def moment(value: Any, place: str) -> None:
    text(value, place)
    _is(datetime.fromisoformat(value).tzinfo is not None, place, "should be ISO 8601 with a zone")


def boolean(value: Any, place: str) -> None:
    _is(isinstance(value, bool), place, "should be true or false")


def rows(check: Check) -> Check:
    def every(value: Any, place: str) -> None:
        _is(isinstance(value, list), place, "should be an array")
        for number, item in enumerate(value):
            check(item, f"{place}[{number}]")

    return every


def table(required: dict[str, Check], optional: dict[str, Check] | None = None) -> Check:
    known = {**required, **(optional or {}), "comment": text}

    def every(value: Any, place: str) -> None:
        _is(isinstance(value, dict), place, "should be an object")
        for name in required:
            _is(name in value, place, f"{name} is missing")
        for name, item in value.items():
            if not name.startswith("_"):
                _is(name in known, place, f"{name} is no field of it")
                known[name](item, f"{place}.{name}")

    return every


PAIR = table({"name": text, "value": text})
COOKIE = table(
    {"name": text, "value": text},
    {"path": text, "domain": text, "expires": moment, "httpOnly": boolean, "secure": boolean},
)
PARAMS = rows(table({"name": text}, {"value": text, "fileName": text, "contentType": text}))
POST_DATA = table({"mimeType": text, "params": PARAMS, "text": text})
REQUEST = table(
    {
        "method": text,
        "url": text,
        "httpVersion": text,
        "cookies": rows(COOKIE),
        "headers": rows(PAIR),
        "queryString": rows(PAIR),
        "headersSize": whole,
        "bodySize": whole,
    },
    {"postData": POST_DATA},
)
CONTENT = table({"size": whole, "mimeType": text}, {"compression": whole, "text": text, "encoding": text})
RESPONSE = table(
    {
        "status": whole,
        "statusText": text,
        "httpVersion": text,
        "cookies": rows(COOKIE),
        "headers": rows(PAIR),
        "content": CONTENT,
        "redirectURL": text,
        "headersSize": whole,
        "bodySize": whole,
    }
)
TIMINGS = table(
    {"send": milliseconds, "wait": milliseconds, "receive": milliseconds},
    {"blocked": phase, "dns": phase, "connect": phase, "ssl": phase},
)
STATE = table({"lastAccess": moment, "eTag": text, "hitCount": whole}, {"expires": moment})
ENTRY = table(
    {
        "startedDateTime": moment,
        "time": milliseconds,
        "request": REQUEST,
        "response": RESPONSE,
        "cache": table({}, {"beforeRequest": STATE, "afterRequest": STATE}),
        "timings": TIMINGS,
    },
    {"pageref": text, "serverIPAddress": text, "connection": text},
)
PRODUCT = table({"name": text, "version": text})
PAGES = rows(table({"startedDateTime": moment, "id": text, "title": text, "pageTimings": table({}, {"onLoad": phase})}))
LOG = table({"version": text, "creator": PRODUCT, "entries": rows(ENTRY)}, {"browser": PRODUCT, "pages": PAGES})


def check_archive(archive: Any) -> list[dict[str, Any]]:
    """Raises NotHar unless it is an HTTP Archive 1.2; returns its entries."""
    table({"log": LOG})(archive, "archive")
    log = archive["log"]
    _is(log["version"] == "1.2", "log.version", "should be 1.2")
    entries: list[dict[str, Any]] = log["entries"]
    began = [datetime.fromisoformat(entry["startedDateTime"]) for entry in entries]
    _is(began == sorted(began), "log.entries", "should be in the order in which they began")
    for number, entry in enumerate(entries):
        parts = [entry["timings"].get(name, 0) for name in ("blocked", "dns", "connect", "send", "wait", "receive")]
        total = sum(part for part in parts if part != -1)
        _is(abs(total - entry["time"]) < 0.001, f"log.entries[{number}].time", f"is not the sum {total} of its timings")
    return entries
