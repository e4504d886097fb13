"""Whom an https provider trusts is read once it is needed, and a fault in it is told to whoever needed it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.providers import connections
from bridge.providers.attempt import Call, Upstream
from bridge.providers.faults import ConnectFailed
from bridge.providers.httpx_parts import trusted_authorities

CALL = Call("GET", b"/v1/models", [], b"", head_timeout=5, idle_timeout=5)


@pytest.fixture(autouse=True)
def _unread() -> Iterator[None]:
    trusted_authorities.cache_clear()
    yield
    trusted_authorities.cache_clear()


async def test_they_are_read_once() -> None:
    assert await connections.load_authorities() is await connections.load_authorities()


@pytest.mark.parametrize(("content", "reason"), [(None, "No such file or directory"), ("no certificate", "holds none")])
async def test_a_list_that_cannot_be_read_fails_a_request_in_clear_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None, reason: str
) -> None:
    file = tmp_path / "authorities.pem"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    upstream = Upstream("https://127.0.0.1:9/v1")
    assert upstream.is_encrypted
    with pytest.raises(ConnectFailed, match=f"that SSL_CERT_FILE names can't be read: .*{reason}"):
        async with upstream.attempt(CALL):
            pass


async def test_it_is_mended_without_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    upstream = Upstream("https://127.0.0.1:9/v1")
    for expected in ("can't be read", "Connection refused"):
        with pytest.raises(ConnectFailed, match=expected):
            async with upstream.attempt(CALL):
                pass
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
