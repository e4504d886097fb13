"""Sessions and keys, through a real bridge: who stays, who moves at what price, who rests with whom, who goes first."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import trio

from bridge.config.settings import RecordSettings, Settings
from bridge.events.vocabulary import KeyMoved
from tests.end_to_end.fated import FIRST, HINTS, SECOND, THIRD
from tests.support.command_line import clearspan, home
from tests.support.until import until
from tests.support.world import HELLO, KEYS, STREAM, Asked, Reply, ask, provider, say_hello, sse, world

SESSION = [("session-id", "session-1")]
OTHER = [("session-id", "session-2")]
LIMITED = b'{"error":{"message":"Rate limit reached for m in organization org-a","code":"rate_limit_exceeded"}}'
ORG_A, ORG_B = ("openai-organization", "org-a"), ("openai-organization", "org-b")


def answer(id_: str, read: int, written: int) -> list[bytes]:
    """A small good stream of that id, whose prompt was read from a cache and written to it so far."""
    details = {"cached_tokens": read, "cache_write_tokens": written}
    usage = {"input_tokens": 10 + read + written, "input_tokens_details": details, "output_tokens": 3}
    created = sse("response.created", response={"id": id_, "status": "in_progress"})
    return [
        created,
        sse("response.completed", response={"id": id_, "status": "completed", "output": [], "usage": usage}),
    ]


class Caching:
    """A provider with a prompt cache for each key, and keys that are limited when a test says so."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.limited: set[str] = set()
        self.owners: dict[str, tuple[str, str]] = {}
        self.cached: dict[str, int] = {}

    async def __call__(self, asked: Asked, reply: Reply) -> None:
        self.keys.append(asked.key)
        owner = [self.owners[asked.key]] if asked.key in self.owners else []
        if asked.key in self.limited:
            await reply.whole(429, LIMITED, [("retry-after", "30"), *owner])
            return
        read = self.cached.get(asked.key, 0)
        self.cached[asked.key] = 5000
        await reply.head(200, [*STREAM, *owner])
        for event in answer(f"resp_{len(self.keys)}", read, 5000 - read):
            await reply.chunk(event)
        await reply.end()


async def test_a_session_stays_with_its_key_and_its_move_is_told_everywhere(tmp_path: Path) -> None:
    upstream = Caching()
    record = RecordSettings(path=tmp_path / "clearspan.db")
    async with provider(upstream) as url, world(url, KEYS, record=record, strategy="round_robin") as here:
        for headers in (SESSION, OTHER, SESSION, OTHER):
            assert (await ask(here.port, headers=headers)).status == 200
        assert upstream.keys == [KEYS[0], KEYS[1], KEYS[0], KEYS[1]]

        upstream.limited.add(KEYS[0])
        assert (await ask(here.port, headers=SESSION)).status == 200
        upstream.limited.clear()
        here.bridge.providers["openai"].pool.reset(FIRST)
        assert (await ask(here.port, headers=SESSION)).status == 200
        assert upstream.keys[4:] == [KEYS[0], KEYS[2], KEYS[2]]

        await here.event("interception.ended", 6)
        [moved] = here.events("key.moved")
        fifth = here.events("interception.started")[4].id
        assert moved == KeyMoved(fifth, "session-1", None, FIRST, THIRD, moved.cause, 5000)
        assert moved.cause == "rate_limited"
        with home() as somewhere:
            told = await clearspan(somewhere, "keys", "--json", "--socket", str(here.socket))
            table = await clearspan(somewhere, "keys", "--socket", str(here.socket))
    keys = orjson.loads(told.out)
    assert [[home["session_id"] for home in key["sessions"]] for key in keys] == [[], ["session-2"], ["session-1"]]
    assert [line.split()[-1] for line in table.out.splitlines()[1:4]] == ["-", "2", "1"]  # of the client's sessions
    assert "openai 3 of 3 ready" in table.out
    with home() as somewhere:
        shown = await clearspan(somewhere, "show", fifth, "--data-dir", str(tmp_path))
    assert f"{FIRST} -> {THIRD}  rate_limited; 5,000 tokens of its cache are lost" in shown.out


async def test_homes_outlive_the_bridge_by_hashes_alone(tmp_path: Path) -> None:
    upstream = Caching()
    record = RecordSettings(path=tmp_path / "clearspan.db")
    async with provider(upstream) as url:
        async with world(url, KEYS, record=record, strategy="round_robin") as here:
            for headers in (SESSION, OTHER):
                await ask(here.port, headers=headers)
        async with world(url, KEYS, record=record, strategy="round_robin") as here:
            for headers in (OTHER, SESSION):
                await ask(here.port, headers=headers)
            assert here.events("key.moved") == []
    assert upstream.keys == [KEYS[0], KEYS[1], KEYS[1], KEYS[0]]
    with closing(sqlite3.connect(tmp_path / "clearspan.db")) as database:
        rows = database.execute("SELECT * FROM homes").fetchall()
    assert len(rows) == 2
    assert not any("session" in str(value) or "canary" in str(value) for row in rows for value in row[1:])


async def test_who_goes_on_from_an_answer_goes_where_it_is_stored() -> None:
    upstream = Caching()
    async with provider(upstream) as url, world(url, KEYS, strategy="round_robin") as here:

        async def request(**fields: Any) -> None:
            assert (await ask(here.port, {"model": "m", "input": "hello", "stream": True, **fields})).status == 200

        await request()
        await request()
        await request(previous_response_id="resp_1")
        await request(previous_response_id="resp_3")
        await request(previous_response_id="resp_2")
        await request(store=False)
        await request(previous_response_id="resp_6")
    assert upstream.keys == [KEYS[0], KEYS[1], KEYS[0], KEYS[0], KEYS[1], KEYS[2], KEYS[0]]


async def test_without_affinity_the_strategy_places_every_request() -> None:
    upstream = Caching()
    async with provider(upstream) as url, world(url, KEYS[:2], strategy="round_robin", affinity=False) as here:
        for _ in range(3):
            await ask(here.port, headers=SESSION)
    assert upstream.keys == [KEYS[0], KEYS[1], KEYS[0]]


async def test_a_limit_of_an_organisation_burns_no_other_key_of_it() -> None:
    upstream = Caching()
    upstream.owners = {KEYS[0]: ORG_A, KEYS[1]: ORG_A, KEYS[2]: ORG_B}
    async with provider(upstream) as url, world(url, KEYS, strategy="round_robin") as here:
        for number in range(3):
            await ask(here.port, headers=[("session-id", f"warm-{number}")])
        upstream.limited |= {KEYS[0], KEYS[1]}
        upstream.keys.clear()
        answers = [await ask(here.port, headers=[("session-id", f"new-{number}")]) for number in range(3)]
        pool = here.events("pool.changed")[-1]
        states = [key.state for key in here.bridge.providers["openai"].pool.keys]
    assert [answer.status for answer in answers] == [200] * 3
    assert upstream.keys == [KEYS[0], KEYS[2], KEYS[2], KEYS[2]]
    assert states == ["temporary", "temporary", "valid"]
    assert (pool.valid, pool.total, pool.groups) == (1, 3, [[FIRST, SECOND]])


async def test_keys_that_the_owner_calls_a_group_rest_together() -> None:
    async def handle(asked: Asked, reply: Reply) -> None:
        used.append(asked.key)
        await reply.whole(429, b'{"error":{"message":"slow down"}}', [("retry-after", "9")])

    used: list[str] = []
    async with provider(handle) as url, world(url, KEYS, groups=((1, 3),)) as here:
        assert (await ask(here.port)).status == 429
    assert used == [KEYS[0], KEYS[1]]


async def test_a_pool_that_is_taken_out_of_the_configuration_is_told_as_gone() -> None:
    async with provider(say_hello) as url, world(url, KEYS) as here:
        here.bridge.reconfigure(Settings())
        told = here.events("pool.changed")
        pools = here.bridge.hub.snapshot().pools
    assert [(pool.valid, pool.total) for pool in told] == [(3, 3), (0, 0)]
    assert pools == []


LANES: list[tuple[str, list[tuple[str, str]]]] = [
    ("background", [("x-claude-code-session-id", "one"), ("x-app", "cli-bg")]),
    ("background", [("x-claude-code-session-id", "two"), ("x-claude-code-request-class", "compaction")]),
    ("subagent", [("x-claude-code-session-id", "one"), ("x-claude-code-agent-id", "helper")]),
    ("main", [("x-claude-code-session-id", "one"), ("x-claude-code-request-class", "main")]),
    ("main", [("x-claude-code-session-id", "two")]),
]


async def test_the_main_agents_go_first_when_the_only_key_wakes() -> None:
    """They come in the opposite order, wait in their lanes, and one of them leaves."""
    used: list[str] = []

    async def handle(asked: Asked, reply: Reply) -> None:
        if not used:
            used.append("limited")
            await reply.whole(429, b"{}", [("retry-after-ms", "1500")])
            return
        session, agent = asked.header("x-claude-code-session-id"), asked.header("x-claude-code-agent-id")
        used.append(f"{session} {agent or asked.header('x-app') or asked.header('x-claude-code-request-class') or ''}")
        await say_hello(asked, reply)

    statuses: list[int] = []
    async with provider(handle) as url, world(url, KEYS[:1], wait_for_key=30.0) as here:

        async def request(headers: list[tuple[str, str]]) -> None:
            statuses.append((await ask(here.port, headers=headers)).status)

        async with trio.open_nursery() as nursery:
            leaving = trio.CancelScope()

            async def leave() -> None:
                with leaving:
                    await request([("x-claude-code-session-id", "leaving")])

            nursery.start_soon(leave)
            await here.event("interception.waiting")
            for count, (_, headers) in enumerate(LANES, 2):
                nursery.start_soon(request, headers)
                await here.event("interception.waiting", count)
            leaving.cancel()
            await until(lambda: bool(here.events("interception.ended")))
        told = [(event.lane, event.place) for event in here.events("interception.waiting")]
        started = {event.id: event for event in here.events("interception.started")}
        asked_for = [started[event.id] for event in here.events("attempt.started")]
    assert statuses == [200] * 5
    assert told[1:6] == [("background", 1), ("background", 2), ("subagent", 1), ("main", 2), ("main", 3)]
    # One looks first; then two turns are granted at a time, whose requests are on their way together.
    assert [(event.session_id, event.agent_id or event.request_class) for event in asked_for[1:]] == [
        ("one", "main"),
        ("two", None),
        ("one", "helper"),
        ("one", None),
        ("two", "compaction"),
    ]
    assert used[1] == "one main"


async def test_those_who_are_let_go_together_ask_in_the_order_of_the_lanes() -> None:
    limited = False

    async def handle(asked: Asked, reply: Reply) -> None:
        nonlocal limited
        if not limited:
            limited = True
            await reply.whole(429, b"{}", [("retry-after-ms", "1500")])
            return
        await say_hello(asked, reply)

    kinds = [(lane, f"session-{number}") for lane in ("titles", "subagent", "main") for number in range(5)]
    async with provider(handle) as url, world(url, KEYS[:1], wait_for_key=30.0) as here:
        async with trio.open_nursery() as nursery:
            for count, (kind, session) in enumerate([("main", "first"), *kinds], 1):
                headers = [("x-claude-code-session-id", session), ("x-claude-code-request-class", kind)]
                nursery.start_soon(lambda headers: ask(here.port, headers=headers), headers)
                await here.event("interception.waiting", count)
        came = {event.id: (event.request_class, event.session_id) for event in here.events("interception.started")}
        served = [came[event.id] for event in here.events("attempt.started")][2:]
    assert served == sorted(kinds)  # main, subagent, titles


async def test_fifty_that_wait_for_one_key_are_all_served() -> None:
    limited = 0

    async def handle(asked: Asked, reply: Reply) -> None:
        nonlocal limited
        if limited < 3:
            limited += 1
            await reply.whole(429, b"{}", [("retry-after-ms", "200")])
        else:
            await say_hello(asked, reply)

    async with provider(handle) as url, world(url, KEYS[:1], wait_for_key=60.0) as here:
        bodies: list[bytes] = []

        async def request(number: int) -> None:
            answered = await ask(here.port, headers=[("session-id", f"session-{number % 7}")])
            bodies.append(answered.body)

        async with trio.open_nursery() as nursery:
            for number in range(50):
                nursery.start_soon(request, number)
        lanes = here.bridge.providers["openai"].pool.turns.lanes
        assert (lanes.waiting, lanes.granted) == (0, 0)
    assert bodies == [b"".join(HELLO)] * 50
    assert set(HINTS) >= {event.key for event in here.events("attempt.started")}
