"""Takes known secrets out of bytes that come in pieces, so that none reaches a file, wherever the pieces are cut.

What ends a piece is held back as far as a secret could reach from there, and looked at again with the next. A secret
may also stand escaped: JSON lets `-` be written as `\\u002d`, and `/` as `\\/`, also in JSON within JSON. Such a text
is printed without these escapes; any other stays as it is.
"""

from __future__ import annotations

import codecs
import re

from bridge.observe.logs import Redactor

ESCAPED = re.compile(r"\\+(?:u00([2-7][0-9a-fA-F])|/)")
KEPT_ESCAPES = frozenset({"22", "5c", "5C"})
"""Quotes and backslashes, without whose escapes it would be other JSON."""
LONGEST_ESCAPE = 8
"""Characters that may stand for one: a unicode escape, in JSON within JSON."""


class Mask:
    """Masks what is fed to it, in order. UTF-8 is read as such, and all other bytes go by as they are."""

    def __init__(self, secrets: Redactor) -> None:
        self._secrets = secrets
        self._reach = LONGEST_ESCAPE * secrets.longest
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._held = ""

    def feed(self, data: bytes) -> bytes:
        """What is certain by now; a piece may come out with a later one."""
        text = self._masked(self._held + self._decoder.decode(data))
        certain = max(0, len(text) - self._reach)
        self._held = text[certain:]
        return _encoded(text[:certain])

    def finish(self) -> bytes:
        """What is left, once no more comes."""
        text, self._held = self._masked(self._held + self._decoder.decode(b"", final=True)), ""
        return _encoded(text)

    def _masked(self, text: str) -> str:
        clean = self._secrets.redact(text)
        if "\\" in clean and ESCAPED.search(clean) is not None:
            plain = ESCAPED.sub(_unescaped, clean)
            found = self._secrets.redact(plain)
            if found != plain:
                return found
        return clean


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _unescaped(escape: re.Match[str]) -> str:
    code = escape[1]
    if code is None:
        return "/"
    return escape[0] if code in KEPT_ESCAPES else chr(int(code, 16))
