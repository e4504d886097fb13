"""The tools that each session got first, kept for as long as it lives: same input, same bytes upstream.

A session is offered a list before it is known whether its request can take any. Only what a request got is kept.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable

from bridge.apis.injection import InjectedTool
from bridge.limits import LIMITS
from bridge.value_classes import define

KEPT_S = 3600.0
"""How long a session's list is kept after its last use, in seconds."""

Catalogue = tuple[InjectedTool, ...]


@define
class _Kept:
    tools: Catalogue
    used: float


class FrozenLists:
    """Lists by session, or by client where a request names no session. Those of many sessions are one and the same
    object, so that a list costs little. `now` is a monotonic clock."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._kept = OrderedDict[bytes, _Kept]()

    def offer(self, session_id: str | None, client: str, current: Catalogue) -> Catalogue:
        """The list of that session: what it got first, else `current`."""
        kept = self._used(_name(session_id, client))
        return current if kept is None else kept.tools

    def keep(self, session_id: str | None, client: str, tools: Catalogue) -> None:
        """A request of that session got these: they are its list from now on, unless it has one."""
        name = _name(session_id, client)
        if self._used(name) is None:
            now = self._now()
            self._kept[name] = _Kept(tools, now)
            self._kept.move_to_end(name)
            self._forget(now)

    def _used(self, name: bytes) -> _Kept | None:
        """The list of that name, which is used now; None where there is none, or none any more."""
        now = self._now()
        kept = self._kept.get(name)
        if kept is None or now - kept.used >= KEPT_S:
            return None
        kept.used = now
        self._kept.move_to_end(name)
        return kept

    def _forget(self, now: float) -> None:
        """Lets go of lists that are over, and of those used longest ago where there are too many."""
        while self._kept:
            oldest = next(iter(self._kept.values()))
            if len(self._kept) <= LIMITS.tool_lists and now - oldest.used < KEPT_S:
                return
            self._kept.popitem(last=False)


def _name(session_id: str | None, client: str) -> bytes:
    """A short name whatever a client calls its session, and no client's name is any session's."""
    text = f"client {client}" if session_id is None else f"session {session_id}"
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
