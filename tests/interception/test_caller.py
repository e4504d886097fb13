"""Whose key a request may spend."""

from __future__ import annotations

import pytest

from bridge.events.values import Credential
from bridge.http.engine import Message
from bridge.http.exchange import Exchange
from bridge.http.fields import RawHeaders
from bridge.interception.caller import Caller, OwnKeyRefused, Unauthorized, identify
from bridge.keys.secret import Secret
from bridge.observe.logs import redactor
from tests.support.world import KEYS, Asked, Reply, ask, provider, say_hello, world

OWN_KEY = "sk-somebody-elses-key-0123"
TOKENS = {"ann": Secret("token-of-ann"), "bob": Secret("token-of-bob")}


def asking(*headers: tuple[bytes, bytes]) -> Exchange:
    """A request with these headers."""

    async def receive() -> Message:
        raise AssertionError("it looks at the head alone")

    async def send(_: Message) -> None:
        raise AssertionError("it answers nothing")

    raw: RawHeaders = list(headers)
    return Exchange(
        {"method": "POST", "raw_path": b"/openai/v1/responses", "query_string": b"", "headers": raw}, receive, send
    )


AUTHORIZATION, API_KEY, AZURE, GOOGLE = b"Authorization", b"X-Api-Key", b"Api-Key", b"X-Goog-Api-Key"
POOL = Caller(Credential("centralized"))
CREDENTIALS = [
    ([], POOL),
    ([(AUTHORIZATION, b"")], POOL),
    ([(AUTHORIZATION, b"Bearer")], POOL),  # what an SDK with an empty key sends, once the parser has trimmed it
    ([(AUTHORIZATION, b"Bearer ")], POOL),
    ([(AUTHORIZATION, b"Bearer clearspan")], POOL),
    ([(AUTHORIZATION, b"bearer   clearspan ")], POOL),
    ([(AUTHORIZATION, b"clearspan")], POOL),
    ([(API_KEY, b"clearspan")], POOL),
    ([(b"x-api-key", b"clearspan"), (b"authorization", b"Bearer clearspan")], POOL),
    ([(AZURE, b"clearspan")], POOL),
    ([(GOOGLE, b"clearspan")], POOL),
]


@pytest.mark.parametrize(("headers", "expected"), CREDENTIALS)
def test_who_brings_no_key_spends_the_pool_unless_tokens_are_set(headers: RawHeaders, expected: Caller) -> None:
    assert identify(asking(*headers), {}) == expected
    with pytest.raises(Unauthorized, match="client token"):
        identify(asking(*headers), TOKENS)


@pytest.mark.parametrize(
    "headers",
    [
        [(AUTHORIZATION, b"Bearer token-of-bob")],
        [(AUTHORIZATION, b"BEARER token-of-bob")],
        [(API_KEY, b"token-of-bob")],
        [(AUTHORIZATION, b"Bearer clearspan"), (API_KEY, b"token-of-bob")],
        [(AUTHORIZATION, b"Bearer " + OWN_KEY.encode()), (API_KEY, b"token-of-bob")],
    ],
)
def test_a_client_token_names_who_spends_the_pool(headers: RawHeaders) -> None:
    assert identify(asking(*headers), TOKENS) == Caller(Credential("centralized"), initiator="bob")


OTHER_KEY = "sk-another-key-of-theirs-9876"


@pytest.mark.parametrize(
    ("headers", "own", "hint"),
    [
        ([(AUTHORIZATION, f"Bearer {OWN_KEY}".encode())], [0], "sk-s...0123"),
        ([(AUTHORIZATION, f"bearer {OWN_KEY}".encode())], [0], "sk-s...0123"),
        ([(API_KEY, OWN_KEY.encode())], [0], "sk-s...0123"),
        ([(AZURE, OWN_KEY.encode())], [0], "sk-s...0123"),
        ([(GOOGLE, OWN_KEY.encode())], [0], "sk-s...0123"),
        ([(AUTHORIZATION, f"Bearer {OTHER_KEY}".encode()), (API_KEY, OWN_KEY.encode())], [0, 1], "sk-s...0123"),
        ([(API_KEY, OWN_KEY.encode()), (AUTHORIZATION, f"Bearer {OTHER_KEY}".encode())], [0, 1], "sk-s...0123"),
        ([(AZURE, OTHER_KEY.encode()), (GOOGLE, OWN_KEY.encode())], [0, 1], "sk-a...9876"),
        ([(AUTHORIZATION, b"CLEARSPAN")], [0], "C...N"),  # the word is written in one way
        ([(AUTHORIZATION, b"Bearer Clearspan")], [0], "C...n"),
    ],
)
def test_any_other_key_is_the_callers_own_and_keeps_its_header(headers: RawHeaders, own: list[int], hint: str) -> None:
    for tokens in ({}, TOKENS):
        caller = identify(asking(*headers), tokens, key_header=API_KEY)
        assert caller == Caller(Credential("byok", hint), own=tuple(headers[place] for place in own))
        assert caller.secrets is not redactor, "what is told of others is not masked by it"
        for place in own:
            key = headers[place][1].decode().removeprefix("Bearer ")
            assert key not in caller.secrets.redact(f"Bearer {key}!")
            assert redactor.redact(key) == key
        assert OWN_KEY not in repr(caller)
        with pytest.raises(OwnKeyRefused, match="spends its own keys alone"):
            identify(asking(*headers), tokens, byok=False)


@pytest.mark.parametrize(
    "headers",
    [
        [(AUTHORIZATION, b"Bearer clearspan"), (API_KEY, OWN_KEY.encode())],
        [(API_KEY, b"clearspan"), (AUTHORIZATION, f"bearer {OWN_KEY}".encode())],
        [(AZURE, b"clearspan"), (GOOGLE, OWN_KEY.encode())],
    ],
)
def test_the_word_beside_a_key_means_the_pool_unless_tokens_are_set(headers: RawHeaders) -> None:
    assert identify(asking(*headers), {}, byok=False) == POOL
    assert identify(asking(*headers), TOKENS) == Caller(Credential("byok", "sk-s...0123"), own=(headers[1],))


async def test_two_keys_of_the_callers_own_both_go_upstream_and_no_other_credential_does() -> None:
    seen: list[Asked] = []

    async def handle(asked: Asked, reply: Reply) -> None:
        seen.append(asked)
        await say_hello(asked, reply)

    async with provider(handle) as url, world(url) as here:
        own = [("authorization", f"Bearer {OTHER_KEY}"), ("x-api-key", OWN_KEY)]
        assert (await ask(here.port, headers=own)).status == 200
        pool = [("authorization", "Bearer clearspan"), ("api-key", OWN_KEY), ("x-goog-api-key", OWN_KEY)]
        assert (await ask(here.port, headers=pool)).status == 200
        started = here.events("interception.started")
    assert (seen[0].header("authorization"), seen[0].header("x-api-key")) == (f"Bearer {OTHER_KEY}", OWN_KEY)
    assert [seen[1].header(name) for name in ("authorization", "x-api-key", "api-key", "x-goog-api-key")] == [
        *(f"Bearer {KEYS[0]}", None),
        *(None, None),
    ]
    assert [event.credential for event in started] == [Credential("byok", "sk-a...9876"), Credential("centralized")]


async def test_own_keys_are_refused_where_only_the_pool_is_to_be_spent() -> None:
    async with provider(say_hello) as url, world(url, server={"byok": False}) as here:
        answer = await ask(here.port, headers=[("authorization", f"Bearer {OWN_KEY}")])
        assert (answer.status, answer.json["error"]["type"]) == (403, "permission_error")
        assert OWN_KEY not in answer.body.decode()
        assert (await ask(here.port, headers=[("authorization", "Bearer clearspan")])).status == 200


def test_an_odd_own_key_is_shown_by_its_hint_too() -> None:
    caller = identify(asking((AUTHORIZATION, b"Basic \xff\xfe0123456789")), TOKENS)
    assert caller.credential == Credential("byok", "Ba...89")


async def test_without_a_client_token_the_pool_is_closed() -> None:
    async with provider(say_hello) as url, world(url, server={"client_tokens": TOKENS}) as here:
        for headers in ([], [("authorization", "Bearer clearspan")], [("x-api-key", "clearspan")]):
            answer = await ask(here.port, headers=headers)
            assert answer.status == 401
            assert answer.json["error"]["code"] == "invalid_api_key"
            assert answer.json["error"]["type"] == "invalid_request_error"
        answer = await ask(here.port, headers=[("authorization", "Bearer token-of-ann")])
        started = await here.event("interception.started")
    assert answer.status == 200
    assert started.initiator == "ann"
    assert started.credential == Credential("centralized")


@pytest.mark.parametrize("word", [b"CLEARSPAN", b"Clearspan", b"clearspan2", b"clear span"])
def test_the_pools_word_is_written_small(word: bytes) -> None:
    """Anything else is a key, and goes to the provider: what it is worth is not for the bridge to say."""
    for header in ((AUTHORIZATION, b"Bearer " + word), (API_KEY, word)):
        caller = identify(asking(header), {})
        assert (caller.credential.kind, caller.own) == ("byok", (header,))
