"""What a kind of provider is: all that differs between servers of OpenAI's making and of Anthropic's, as one value.

`openai.py` and `anthropic.py` beside this file hold the two there are. Whoever needs to know what kind of server a
configured provider is (configuration, routes, credentials, key checks, circuits, errors, the lines for a shell) asks
the kind, and compares no name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import unquote

from attrs import field

from bridge.apis.passthrough import Passthrough
from bridge.apis.protocol import Api
from bridge.errors import ErrorKind
from bridge.http.fields import RawHeaders
from bridge.keys.secret import Secret
from bridge.value_classes import frozen

ADMINISTRATIVE = re.compile(r"(/v1)+/(organizations?|admin)(/.*)?", re.IGNORECASE)
"""What keys of an organisation's own can do; never reached with the owner's keys, whatever `routes` says."""


@frozen(eq=False)
class ProviderKind:
    """One kind of provider.

    Paths are those below `/{provider}` here, with their version (`/v1`) at the beginning. `base_path` is what a base
    URL of this kind ends in already, so that it is taken off a path before that is appended.
    """

    name: str
    title: str
    default_url: str
    base_path: str
    intercepted: Mapping[str, Api]
    """The routes that are read and recorded, all of them POST."""

    passed_through: re.Pattern[str]
    """The routes that are relayed as they are, with any method. All that is listed nowhere is refused, so that a client
    never reaches an administrative route with the owner's keys."""

    key_header: bytes
    key_prefix: bytes
    check_path: str
    """What a key is checked with, by GET: a list that costs nothing."""

    check_headers: RawHeaders
    error_body: Callable[[ErrorKind, str], bytes]
    """The body of an error of the bridge's own, in the shape that this provider's SDKs know."""

    circuit_failures: frozenset[int]
    """The statuses that speak against an endpoint, whatever key was sent."""

    url_variables: tuple[str, ...]
    """The environment variables by which agents and SDKs find the server; the first is the SDK's own."""

    key_variable: str
    """The environment variable that holds a key; with an S at its end, several."""

    key_beginning: str
    """How this provider's own keys begin and no other's; "" where others' begin so too."""

    other_variables: tuple[str, ...]
    """Those that hold another credential, which SDKs would take besides or instead."""

    _passthrough: Api = field(init=False)

    @_passthrough.default
    def _make_passthrough(self) -> Api:
        return Passthrough(self.error_body)

    def credential(self, key: Secret) -> tuple[bytes, bytes]:
        """The header that carries a key of the pool."""
        return self.key_header, self.key_prefix + key.reveal().encode()

    def find(self, path: str, further: Iterable[re.Pattern[str]] = ()) -> tuple[str, Api] | None:
        """The listed path that a path stands for, which may lack the `/v1`, and the API behind it.

        `further` are routes of the owner's, below `/v1`. None where nothing fits, or is not plainly what it says.
        """
        paths = (path,) if path.startswith("/v1/") else (path, f"/v1{path}")
        for listed in paths:
            if (api := self.intercepted.get(listed)) is not None:
                return listed, api
        for listed in filter(_is_plain, paths):
            if self.passed_through.fullmatch(listed):
                return listed, self._passthrough
        listed = paths[-1]
        fits = any(route.fullmatch(listed.removeprefix("/v1")) for route in further)
        if fits and _is_plain(listed) and not ADMINISTRATIVE.fullmatch(unquote(listed)):
            return listed, self._passthrough
        return None

    def target(self, path: str) -> bytes:
        """What of a path is appended to the base URL."""
        return path.removeprefix(self.base_path).encode("ascii")


def _is_plain(path: str) -> bool:
    """Whether no server can read this path as another one: no dot segments, empty segments or hidden separators."""
    segments = path[1:].split("/")
    return all(_is_plain_segment(segment) for segment in segments[:-1]) and _is_plain_segment(segments[-1] or "end")


def _is_plain_segment(segment: str) -> bool:
    plain = unquote(segment)  # what is no UTF-8, as are overlong forms of a dot or a slash, becomes U+FFFD
    name = plain.partition(";")[0]  # the rest is parameters to servers that know of them
    return name not in {"", ".", ".."} and plain.isprintable() and not any(mark in plain for mark in "/\\%\ufffd")
