"""The head of a dumped request or answer: as it was sent, in a fixed order, and with nothing secret in it.

Framing and encoding are those of the file: the length is that of the body as it is printed, and what said how the bytes
on the wire were packed is left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

from bridge.http.fields import RawHeaders
from bridge.interception.query import told_query
from bridge.keys.secret import hint
from bridge.observe.logs import Redactor
from bridge.providers.kinds import CREDENTIAL_HEADERS

MASKED = CREDENTIAL_HEADERS | {
    b"cookie",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"set-cookie",
    b"www-authenticate",
    b"x-amz-security-token",
    b"x-auth-token",
}
"""The fields whose values are masked whole; those that the configuration adds are too."""

PHRASES = {status.value: status.phrase for status in HTTPStatus}

PACKING = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})


def request_line(method: str, target: bytes, secrets: Redactor) -> str:
    """The first line of a request, less what its query tells of credentials."""
    path, mark, query = target.partition(b"?")
    shown = path.decode("latin-1") + mark.decode() + (told_query(query) or "")
    return f"{method} {secrets.redact(shown).replace(' ', '%20')} HTTP/1.1"


def status_line(status: int) -> str:
    """The first line of an answer. The provider's own phrase means nothing (RFC 9112, 4), and is not kept."""
    phrase = PHRASES.get(status, "")
    return f"HTTP/1.1 {status} {phrase}"


def head(first_line: str, headers: RawHeaders, length: int | None, secret: Iterable[bytes], secrets: Redactor) -> bytes:
    """A head with the blank line at its end; `length` is the printed body's, None where there can be no body.

    `secret` are further fields, in lower case, whose values are masked whole.
    """
    masked = MASKED.union(secret)
    fields = [_field(name, value, masked) for name, value in headers if name.lower() not in PACKING]
    if length is not None:
        fields.append(("Content-Length", str(length)))
    fields.sort(key=lambda field: field[0])  # which keeps the order of those with one name
    lines = [first_line, *(secrets.redact(f"{name}: {value}") for name, value in fields), "", ""]
    return "\r\n".join(lines).encode("latin-1", "replace")


def _field(name: bytes, value: bytes, masked: frozenset[bytes]) -> tuple[str, str]:
    text = value.decode("latin-1")
    return _canonical(name.decode("latin-1")), hint(text) if name.lower() in masked else text


def _canonical(name: str) -> str:
    return "-".join(part[:1].upper() + part[1:].lower() for part in name.split("-"))
