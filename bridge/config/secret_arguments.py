"""Which arguments of a tool server's program hold a secret: as far as the name says that stands before them.

A program that is started with a key among its arguments shows it to every process of this machine already. That is no
reason to print it where people look, or to pass it on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from bridge.keys.secret import hint
from bridge.value_classes import frozen

NAMES = frozenset(
    {"apikey", "apikeys", "auth", "authorization", "bearer", "credential", "credentials", "jwt", "key", "keys", "pat"}
    | {"passphrase", "passwd", "password", "pwd", "secret", "secrets", "token", "tokens"}
)
"""Last words of the names of options, variables and headers whose values are secrets."""

WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
ASSIGNED = re.compile(r"""([A-Za-z][\w.-]*)["']?\s*[:=]\s*["']?(?=\S)""")
"""A name and what follows it: `--api-key=...`, `TOKEN=...`, `Authorization: ...`, a member of JSON, a query's."""
USER_INFO = re.compile(r"(?<=://)[^/@\s]+(?=@)")
"""Of a URL: a name and mostly a password (RFC 3986, 3.2.1)."""
VALUE = re.compile(r"""(?:(?:Bearer|Basic|Token)\s+)?([^\s"',;&{}]+)""", re.IGNORECASE)


@frozen
class Argument:
    """One argument as it may be shown; `secret` is what stands in it that may not, if anything does."""

    shown: str
    secret: str | None = None


def arguments(command: Sequence[str]) -> Iterator[Argument]:
    """A program with its arguments. A secret option without a value of its own (`--token`) has the next argument's."""
    is_value = False
    for argument in command:
        yield Argument(hint(argument), _value(argument)) if is_value else _argument(argument)
        is_value = argument.startswith("-") and _is_secret(argument)


def _argument(text: str) -> Argument:
    for found in ASSIGNED.finditer(text):
        if _is_secret(found[1]):
            value = text[found.end() :]
            return Argument(text[: found.end()] + hint(value), _value(value))
    if (user := USER_INFO.search(text)) is not None:
        return Argument(USER_INFO.sub("...", text), user[0].partition(":")[2] or user[0])
    return Argument(text)


def _is_secret(name: str) -> bool:
    words = WORD.findall(name)
    return bool(words) and words[-1].lower() in NAMES


def _value(text: str) -> str:
    """The secret itself, without a scheme before it and whatever else stands behind it."""
    found = VALUE.match(text)
    return found[1] if found else text
