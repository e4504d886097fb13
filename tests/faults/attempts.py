"""Single attempts at an upstream, without a bridge around them."""

from __future__ import annotations

from bridge.providers.attempt import Call, Upstream

KEY = "sk-canary-of-upstream-0001"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def call(body: bytes = b"{}", *, head_timeout: float = 10.0, idle_timeout: float = 10.0) -> Call:
    """A request with a credential."""
    headers = [(b"Authorization", b"Bearer " + KEY.encode()), (b"X-Private", b"private-header")]
    return Call("POST", b"/responses", headers, body, head_timeout, idle_timeout)


async def fetch(upstream: Upstream, what: Call | None = None) -> tuple[int, bytes]:
    """One attempt, read to its end. Raises UpstreamError where it breaks off."""
    async with upstream.attempt(what or call()) as answer:
        body = bytearray()
        while chunk := await answer.receive():
            body += chunk
        return answer.status, bytes(body)
