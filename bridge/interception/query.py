"""A request's query as events tell it: what it asks for, without the credentials that some programs put there.

Secrets that the bridge knows are masked in every event. These are the ones it cannot know: values of parameters that
are named like a credential, whatever they are.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_plus

MASK = "..."

CREDENTIALS = frozenset(
    {"apikey", "auth", "authorization", "code", "credential", "jwt", "key", "passwd", "password", "pwd", "secret"}
    | {"sig", "signature", "token"}
)
"""Words in the names of parameters whose values are not told."""

WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
ESCAPE = re.compile("%([0-9A-Fa-f]{2})")
UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def told_query(query: bytes) -> str | None:
    """The query with such values masked; None where there is none.

    Escapes that are not needed are undone, which changes no meaning (RFC 3986, 6.2.2.2): a known secret in disguise is
    then found like any other.
    """
    if not query:
        return None
    return "&".join(_told(part) for part in query.decode("latin-1").split("&"))


def _told(part: str) -> str:
    told = []
    for piece in part.split(";"):  # which a few servers take for `&`, and others for a part of the value
        name, equals, value = piece.partition("=")
        secret = value and CREDENTIALS.intersection(word.lower() for word in WORD.findall(unquote_plus(name)))
        told.append(ESCAPE.sub(_plain, name) + equals + (MASK if secret else ESCAPE.sub(_plain, value)))
        if secret:
            break
    return ";".join(told)


def _plain(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    return character if character in UNRESERVED else escape[0].upper()
