"""A provider that gives each API key its own fate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import orjson

from tests.support.world import Asked, Reply, World, say_hello

FIRST, SECOND, THIRD = HINTS = ("sk-c...0001", "sk-c...0002", "sk-c...0003")
JSON = ("content-type", "application/json")
STREAM = ("content-type", "text/event-stream")
LIMITED = (429, {"error": {"message": "slow down", "type": "rate_limit_error", "code": "rate_limit_exceeded"}})
UNAUTHORIZED = (401, {"error": {"message": "no", "type": "invalid_request_error", "code": "invalid_api_key"}})
FORBIDDEN = (
    403,
    {"error": {"message": "not this model", "type": "invalid_request_error", "code": "model_not_allowed"}},
)
OVERLOADED = (529, {"error": {"message": "busy", "type": "overloaded_error"}})
QUOTA = (429, {"error": {"message": "pay first", "type": "insufficient_quota", "code": "insufficient_quota"}})

Fate = tuple[int, dict[str, Any]]


@attrs.define
class FatedProvider:
    """Answers each key as its fate says, and a good stream where it says nothing. Checks of keys are counted apart."""

    fates: Mapping[str, Fate] = attrs.field(factory=dict)
    headers: Mapping[str, Sequence[tuple[str, str]]] = attrs.field(factory=dict)
    asked: list[Asked] = attrs.field(factory=list)
    checked: list[str] = attrs.field(factory=list)

    async def __call__(self, asked: Asked, reply: Reply) -> None:
        if asked.method == "GET":
            self.checked.append(asked.key)
            await reply.whole(200, b'{"data":[]}', [JSON])
            return
        self.asked.append(asked)
        if asked.key not in self.fates:
            await say_hello(asked, reply)
            return
        status, body = self.fates[asked.key]
        await reply.whole(status, orjson.dumps(body), [JSON, *self.headers.get(asked.key, ())])

    @property
    def keys(self) -> list[str]:
        """The keys that were tried, in order."""
        return [request.key for request in self.asked]


def failures(here: World) -> list[tuple[int, str, int | None, str, float | None]]:
    """Attempt, key, status, reason and cooldown of each attempt that failed."""
    return [
        (event.attempt, event.key, event.status, event.reason.value, event.cooldown_s)
        for event in here.events("attempt.failed")
    ]
