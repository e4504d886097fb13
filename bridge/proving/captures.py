"""Captured requests in a folder and those below it: JSON files, dumps, and HTTP archives.

- `*.json`: an object, or a list of such: `method` (default POST), `path`, `headers` as an object whose values are texts
  or lists of texts, and the body as `body` (a text) or `json` (any value).
- `*.req.txt`: a request as `record.dump_dir` has them: request line, header lines, an empty line, the body.
- `*.har`: the requests of an HTTP Archive 1.2.

Credentials are left out: a replay is paid with a key that is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
from attrs import evolve

from bridge.errors import ClearspanError
from bridge.http.fields import RawHeaders
from bridge.interception.headers import CREDENTIALS
from bridge.providers.kinds import KINDS
from bridge.value_classes import frozen

LARGEST = 100 * 1024 * 1024
"""A file of more bytes is left out."""

_FRAMING = frozenset({b"host", b"content-length", b"transfer-encoding", b"connection", b"expect"})
"""What belongs to the connection over which it was captured."""
_HEAD = re.compile(rb"([!-~]+) ([!-~]+)(?: HTTP/[\d.]+)?\r?\n((?:[^\r\n]+\r?\n)*)\r?\n")
_TARGET = re.compile(r"/[!-~]*")
_VALUE = re.compile(r"[^\r\n\0]*")
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


class NotACapture(ClearspanError):
    """A file that can't be replayed, and why."""


@frozen
class Capture:
    """A request to replay. `path` is as a client of the bridge writes it, with the provider's name first."""

    name: str
    method: str
    path: str
    headers: RawHeaders
    body: bytes


def captures(folder: Path) -> Iterator[Capture | NotACapture]:
    """What is found there, in order of the files' names, one file after the other."""
    for file in sorted(folder.rglob("*")):
        read = next((READERS[end] for end in READERS if file.name.endswith(end)), None)
        if read is None or not file.is_file():
            continue
        name = str(file.relative_to(folder))
        try:
            found = [_ready(name, *request) for request in read(_content(file))]
        except NotACapture as fault:
            yield NotACapture(f"{name}: {fault}")
        except OSError as error:
            yield NotACapture(f"{name}: {error.strerror}")
        else:
            several = len(found) > 1
            yield from (evolve(each, name=f"{name}#{n}") if several else each for n, each in enumerate(found, 1))


def _content(file: Path) -> bytes:
    if file.stat().st_size > LARGEST:
        raise NotACapture(f"larger than {LARGEST:,} bytes")
    return file.read_bytes()


Parts = tuple[str, str, list[tuple[str, str]], bytes]
"""Method, path or URL, headers, body."""


def _json(data: bytes) -> list[Parts]:
    value = _parsed(data)
    return [_described(entry) for entry in (value if isinstance(value, list) else [value])]


def _described(entry: Any) -> Parts:
    if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
        raise NotACapture("a captured request is an object with a 'path'")
    headers = entry.get("headers", {})
    if not isinstance(headers, dict):
        raise NotACapture("'headers' must be an object")
    pairs = [
        (name, value) for name, given in headers.items() for value in (given if isinstance(given, list) else [given])
    ]
    text = entry.get("body")
    if text is not None and not isinstance(text, str):
        raise NotACapture("'body' must be a text; a JSON value belongs into 'json'")
    body = text.encode() if text is not None else orjson.dumps(entry["json"]) if "json" in entry else b""
    # Whoever wrote it down as text has undone its encoding.
    plain = [(name, str(value)) for name, value in pairs if name.lower() != "content-encoding"]
    return str(entry.get("method") or "POST"), entry["path"], plain, body


def _dump(data: bytes) -> list[Parts]:
    head = _HEAD.match(data)
    if head is None:
        raise NotACapture("does not begin with the head of a request")
    lines = [line.partition(":") for line in head[3].decode("latin-1").splitlines()]
    headers = [(name, value.strip()) for name, _, value in lines]
    return [(head[1].decode(), head[2].decode(), headers, data[head.end() :])]


def _archive(data: bytes) -> list[Parts]:
    try:
        requests = [entry["request"] for entry in _parsed(data)["log"]["entries"]]
        return [
            (
                request["method"],
                request["url"],
                [
                    (field["name"], field["value"])
                    for field in request["headers"]
                    if field["name"].lower() != "content-encoding" and not field["name"].startswith(":")
                ],
                (request.get("postData") or {}).get("text", "").encode(),
            )
            for request in requests
        ]
    except (KeyError, TypeError, AttributeError):
        raise NotACapture("not an HTTP archive of the form 1.2") from None


READERS = {".json": _json, ".req.txt": _dump, ".har": _archive}


def _parsed(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        raise NotACapture("not JSON") from None


def _ready(name: str, method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> Capture:
    """The request as it can be made again."""
    parts = urlsplit(target)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    if not _NAME.fullmatch(method) or not _TARGET.fullmatch(path):
        raise NotACapture("its method or its path can't stand in a request")
    for field, value in headers:
        if not _NAME.fullmatch(field) or not _VALUE.fullmatch(value):
            raise NotACapture(f"its header {field!r} can't stand in a request")
    kept = [
        (field.encode(), value.encode("utf-8", "surrogateescape"))
        for field, value in headers
        if field.lower().encode() not in CREDENTIALS | _FRAMING
    ]
    return Capture(name, method, _with_provider(path, {field.lower() for field, _ in headers}), kept, body)


def _with_provider(path: str, names: set[str]) -> str:
    """The path below the name of a provider; where it has none, that of the API that it, or a header, belongs to."""
    plain = path.partition("?")[0]
    if plain[1:].partition("/")[0] in KINDS:
        return path
    known = [name for name, kind in KINDS.items() if kind.find(plain) is not None]
    marked = [
        name
        for name, kind in KINDS.items()
        if any(header.decode().lower() in names for header, _ in kind.check_headers)
    ]
    return f"/{[*marked, *known, *KINDS][0]}{path}"
