"""What is told of a request's query, and what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.config.settings import RecordSettings
from bridge.interception.query import told_query
from tests.record.commands import printed
from tests.support.record_desk import rows
from tests.support.world import KEYS, ask, provider, say_hello, world

CANARY = "canary"


@pytest.mark.parametrize(
    ("query", "told"),
    [
        (b"", None),
        (b"beta=true", "beta=true"),
        (b"limit=2&after=a%2fb&empty=&flag", "limit=2&after=a%2Fb&empty=&flag"),
        (b"monkey=1&tokens=2&encode=3", "monkey=1&tokens=2&encode=3"),
        (b"a=%41%7e&b=c+d", "a=A~&b=c+d"),
        (b"path=/../x;y=1", "path=/../x;y=1"),
        (b"a=\xe9", "a=é"),
        (b"key=", "key="),
    ],
)
def test_it_is_told_as_it_means(query: bytes, told: str | None) -> None:
    assert told_query(query) == told


@pytest.mark.parametrize(
    "name",
    [
        *("key", "token", "api_key", "access_token", "secret", "password", "sig", "signature", "code"),
        *("KEY", "apiKey", "APIKey", "apikey", "X-Amz-Signature", "client_secret", "auth[token]", "k%65y", "api%5Fkey"),
    ],
)
def test_what_is_named_like_a_credential_is_not_told(name: str) -> None:
    for query in (f"a=1&{name}={CANARY}&b=2", f"{name}={CANARY}=;{CANARY}&b=2", f"a=1;{name}={CANARY}"):
        told = told_query(query.encode())
        assert told is not None
        assert CANARY not in told
        assert "=..." in told
        assert "b=2" not in query or told.endswith("&b=2")


async def test_it_is_recorded_without_secrets(tmp_path: Path) -> None:
    disguised = "".join(f"%{ord(character):02x}" for character in KEYS[0])
    path = f"/openai/v1/models?limit=2&code={CANARY}&a={KEYS[0]}&b={disguised}"
    async with provider(say_hello) as url, world(url, record=RecordSettings(path=tmp_path / "clearspan.db")) as here:
        await ask(here.port, b"", path=path, method="GET")
        started = await here.event("interception.started")
    hint = f"{KEYS[0][:4]}...{KEYS[0][-4:]}"
    told = f"limit=2&code=...&a={hint}&b={hint}"
    assert started.query == told
    (row,) = rows(tmp_path / "clearspan.db", "interceptions")
    assert (row["path"], row["query"]) == ("/openai/v1/models", told)
    assert f"GET /openai/v1/models?{told} (" in printed(tmp_path, "show", row["id"])
