"""One attempt as the thread writes it down: its request, and its answer as far as that came.

Bodies are masked as they come and kept, a little in memory and the rest in a file without a name, until their length is
known: it stands in the head. So no secret is on a disk at any time, and nothing is left of what was not finished.
"""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, cast

from attrs import field

from bridge.http.fields import RawHeaders, first_value
from bridge.interception.decoding import Decode, UndecodableError, decoder
from bridge.limits import KIB, LIMITS
from bridge.observe.dumps.files import make_folder, write_file
from bridge.observe.dumps.json_layout import laid_out
from bridge.observe.dumps.masking import Mask
from bridge.observe.dumps.message import head, request_line, status_line
from bridge.observe.dumps.names import ANSWER, NO_ANSWER, REQUEST, DumpName
from bridge.observe.logs import Redactor
from bridge.value_classes import define, frozen

AT_ONE_GO = 256 * KIB
"""Bytes that are masked before others get a turn: well under a millisecond."""
PAUSE_S = 0.0002
BODILESS = frozenset({204, 304})


def pause() -> None:
    """Lets others have the interpreter, above all who relays."""
    time.sleep(PAUSE_S)


class DumpTooLarge(OSError):
    """A dump that would not fit into what all of them may take."""


@frozen
class Subject:
    """What is dumped: an attempt of an interception. `root` is where all dumps lie, and `most` what they may take."""

    root: Path
    most: int
    name: DumpName
    number: int
    method: str
    target: bytes
    headers: RawHeaders
    secret_headers: frozenset[bytes]
    secrets: Redactor


class PrintedBody:
    """A body on its way into a file: decoded, masked, and kept until it is whole."""

    def __init__(self, subject: Subject, headers: RawHeaders) -> None:
        self._mask = Mask(subject.secrets)
        self._root = subject.root
        self._most = subject.most
        self._decode: Decode | None = decoder(first_value(headers, b"content-encoding"), LIMITS.decoded_chunk_bytes)
        self._raw: list[bytes] = []
        self._waiting = 0
        self._size = 0
        self._file = _spool(subject.root)

    def feed(self, data: bytes) -> None:
        """The next bytes. Raises OSError."""
        self._raw.append(data)
        self._waiting += len(data)
        if self._waiting >= LIMITS.dump_memory_bytes:
            self._print()

    def whole(self) -> tuple[IO[bytes], int]:
        """All of it, with its size in bytes. Raises OSError."""
        self._print()
        self._write(self._mask.finish())
        return self._file, self._size

    def close(self) -> None:
        """Lets go of it."""
        self._file.close()

    def _print(self) -> None:
        raw, self._raw, self._waiting = b"".join(self._raw), [], 0
        for place in range(0, len(raw), AT_ONE_GO):
            if place:
                pause()
            self._write(self._mask.feed(self._plain(raw[place : place + AT_ONE_GO])))

    def _plain(self, data: bytes) -> bytes:
        """What can't be decoded is left out: nobody could say that no secret is in it."""
        if self._decode is None:
            return b""
        try:
            return self._decode(data)
        except UndecodableError:
            self._decode = None
            return b""

    def _write(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._most:
            raise DumpTooLarge(f"it takes more than record.dump_max_bytes ({self._most})")
        self._file.write(data)


def _spool(folder: Path) -> IO[bytes]:
    """What keeps a little in memory, and more in a file of that folder that has no name."""
    return cast("IO[bytes]", tempfile.SpooledTemporaryFile(LIMITS.dump_memory_bytes, dir=str(folder)))


@define
class Sheet:
    """The files of one attempt. Each method may raise OSError; then `close` is all that is left to do."""

    _subject: Subject
    _wrote: Callable[[Path, int], None]
    """Told of each file and its size."""
    closed: bool = field(default=False, init=False)
    _request: PrintedBody | None = field(default=None, init=False)
    _status: int = field(default=0, init=False)
    _headers: RawHeaders = field(factory=list, init=False)
    _answer: PrintedBody | None = field(default=None, init=False)

    def request(self, body: bytes | None) -> None:
        """The request that is sent; None where its body comes in parts."""
        subject = self._subject
        make_folder(subject.root)
        if body is None:
            self._request = PrintedBody(subject, subject.headers)
            return
        decode = decoder(first_value(subject.headers, b"content-encoding"))
        try:
            plain = b"" if decode is None else decode(body)
        except UndecodableError:
            plain = b""
        self._request = PrintedBody(subject, [])
        self._request.feed(laid_out(plain, pause) or plain)
        self._write_request()

    def request_part(self, data: bytes) -> None:
        """The next part of its body."""
        if self._request is not None:
            self._request.feed(data)

    def answer(self, status: int, headers: RawHeaders) -> None:
        """The head of the answer."""
        self._status, self._headers = status, headers
        self._answer = PrintedBody(self._subject, headers)

    def answer_part(self, data: bytes) -> None:
        """The next bytes of its body."""
        if self._answer is not None:
            self._answer.feed(data)

    def end(self, error: str) -> None:
        """No more comes. `error` says why there is no answer, where there is none."""
        self._write_request()
        subject = self._subject
        if self._answer is None:
            text = io.BytesIO(f"{subject.secrets.redact(error)}\n".encode("utf-8", "replace"))
            self._write(NO_ANSWER, b"", text)
            return
        body, size = self._answer.whole()
        length = None if self._status in BODILESS and not size else size
        first_line = status_line(self._status)
        self._write(ANSWER, head(first_line, self._headers, length, subject.secret_headers, subject.secrets), body)

    def close(self) -> None:
        """Lets go of what it holds."""
        for body in (self._request, self._answer):
            if body is not None:
                body.close()
        self._request = self._answer = None
        self.closed = True

    def _write_request(self) -> None:
        """Writes the request, once all of it is there."""
        if self._request is None:
            return
        subject = self._subject
        body, size = self._request.whole()
        length = size if size or subject.method in {"POST", "PUT", "PATCH"} else None
        first_line = request_line(subject.method, subject.target, subject.secrets)
        self._write(REQUEST, head(first_line, subject.headers, length, subject.secret_headers, subject.secrets), body)
        self._request.close()
        self._request = None

    def _write(self, kind: str, head: bytes, body: IO[bytes]) -> None:
        path = self._subject.name.path(self._subject.number, kind)
        self._wrote(path, write_file(path, head, body))
