"""Answer headers as they come off the wire: pairs of raw bytes, names in any case and as often as they like."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

Headers = Sequence[tuple[bytes, bytes]]


def values(headers: Headers, name: str) -> Iterator[str]:
    """The values of a header in order, without surrounding blanks. `name` is in lower case.

    A value that is no ASCII is left out: every header read here is a number, a duration or a date.
    """
    wanted = name.encode("ascii")
    for key, value in headers:
        if key.lower() == wanted and value.isascii():
            yield value.decode("ascii").strip(" \t")
