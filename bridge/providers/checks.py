"""Minds a provider's keys over time: ends cooldowns when they are over, and asks again after keys that were refused."""

from __future__ import annotations

from math import inf

import trio

from bridge.keys.key import Key
from bridge.observe.logs import logger
from bridge.providers.connections import Call, UpstreamError
from bridge.providers.provider import Provider

log = logger("keys")

CHECK_S = 30.0
"""How long a check may take."""


async def mind_keys(provider: Provider) -> None:
    """Runs until the provider is served no longer. Deadlines are the pool's; this only wakes it up in time."""
    with provider.minding:
        async with trio.open_nursery() as nursery:
            while True:
                changed = trio.Event()
                provider.pool.on_reschedule = changed.set
                provider.pool.expire()
                for key in provider.pool.due_checks():
                    nursery.start_soon(_check, provider, key)
                deadline = provider.pool.next_deadline()
                with trio.move_on_at(inf if deadline is None else deadline):
                    await changed.wait()


async def _check(provider: Provider, key: Key) -> None:
    """Asks for the list of models, which costs nothing, and tells the pool what the answer was (behaviour 2.3)."""
    anthropic = provider.settings.type == "anthropic"
    version = [(b"anthropic-version", b"2023-06-01")] if anthropic else []
    call = Call(
        method="GET",
        target=b"/v1/models" if anthropic else b"/models",
        headers=[(b"Accept-Encoding", b"identity"), *version, provider.credential(key.secret)],
        body=b"",
        head_timeout=CHECK_S,
        idle_timeout=CHECK_S,
    )
    status: int | None = None
    try:
        async with provider.upstream.attempt(call) as answer:
            status = answer.status
    except UpstreamError as error:
        log.info("a key could not be checked", provider=provider.name, key=key.hint, error=str(error))
    finally:
        provider.pool.checked(key, status)
