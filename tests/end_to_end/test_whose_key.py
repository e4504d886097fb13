"""Requests that bring a credential of their own: the caller's key, or a client token."""

from __future__ import annotations

import orjson
import pytest

from bridge.events.values import Credential
from bridge.keys.secret import Secret
from tests.end_to_end.fated import FORBIDDEN, JSON, LIMITED, OVERLOADED, UNAUTHORIZED, Fate, FatedProvider
from tests.support.world import KEYS, Asked, Reply, ask, provider, world

OWN = "sk-somebody-elses-own-key-9999"


@pytest.mark.parametrize("fate", [LIMITED, UNAUTHORIZED, FORBIDDEN, OVERLOADED])
@pytest.mark.parametrize("header", [("Authorization", f"Bearer {OWN}"), ("x-api-key", OWN)])
async def test_a_callers_own_key_touches_no_pool(fate: Fate, header: tuple[str, str]) -> None:
    async def handle(asked: Asked, reply: Reply) -> None:
        seen.append(asked)
        await reply.whole(fate[0], orjson.dumps(fate[1]), [JSON, ("retry-after", "7")])

    seen: list[Asked] = []
    async with provider(handle) as url, world(url, KEYS) as here:
        answer = await ask(here.port, headers=[header])
        await here.event("interception.ended")
        (started,) = here.events("interception.started")
        (attempt,) = here.events("attempt.started")
        assert started.credential == Credential("byok", "sk-s...9999")
        assert attempt.key == "sk-s...9999"
        assert [key.state for key in here.bridge.providers["openai"].pool.keys] == ["valid"] * 3
        assert len(here.events("key.changed")) == 3
    (asked,) = seen
    assert asked.header(header[0].lower()) == header[1]
    assert not any(key.encode() in value for _, value in asked.headers for key in KEYS)
    assert (answer.status, answer.json, answer.header("retry-after")) == (fate[0], fate[1], "7")


async def test_a_client_token_never_goes_upstream() -> None:
    upstream = FatedProvider()
    tokens = {"client_tokens": {"ann": Secret("token-of-ann-0123456789")}}
    async with provider(upstream) as url, world(url, KEYS, server=tokens) as here:
        answer = await ask(here.port, headers=[("x-api-key", "token-of-ann-0123456789")])
        refused = await ask(here.port)
    assert (answer.status, refused.status) == (200, 401)
    (asked,) = upstream.asked
    assert (asked.key, asked.header("x-api-key")) == (KEYS[0], None)
