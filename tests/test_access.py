"""Who may come in."""

from __future__ import annotations

import pytest

from bridge.access import Forbidden, HostGuard
from bridge.errors import ErrorKind
from bridge.http.fields import first_value
from bridge.keys.secret import Secret
from tests.support.world import ask, provider, say_hello, world

TOKENS = {"ann": Secret("token-of-ann")}


def is_let_in(guard: HostGuard, *headers: tuple[bytes, bytes]) -> bool:
    """Whether a request with these headers is."""
    host, origin, site = (
        None if (value := first_value(headers, name)) is None else value.decode("latin-1")
        for name in (b"host", b"origin", b"sec-fetch-site")
    )
    try:
        guard.check(host, origin, site)
    except Forbidden:
        return False
    return True


LOCAL = HostGuard("127.0.0.1", 8484)


@pytest.mark.parametrize("name", [b"127.0.0.1", b"localhost", b"LocalHost", b"[::1]"])
@pytest.mark.parametrize("port", [b"", b":8484", b":9999", b":80", b":1", b":65535"])
def test_the_names_of_this_machine_are_let_in_through_any_tunnel(name: bytes, port: bytes) -> None:
    host = name + port
    assert is_let_in(LOCAL, (b"host", host))
    assert is_let_in(LOCAL, (b"Host", host))


@pytest.mark.parametrize(
    "host",
    [
        *(
            b"evil.com",
            b"evil.com:8484",
            b"evil.localhost",
            b"localhost.evil",
            b"localhost.evil:8484",
            b"localhost.evil.com:8484",
            b"127.0.0.1.evil.com:8484",
        ),
        *(b"evil.com@127.0.0.1:8484", b"127.0.0.1:8484@evil.com", b"127.0.0.1:8484.evil.com", b"127.0.0.1:8484/"),
        *(b"127.0.0.1:", b":8484", b"8484", b"", b" ", b"::1", b"127.0.0.1:x", b"127.0.0.1:-1", b"localhost:0"),
        *(b"127.0.0.1:84840", b"127.0.0.1:65536", b"127.0.0.1:08484", b"127.0.0.1:8484:8484", b"127.0.0.1:+8484"),
        *(b"127.1:8484", b"2130706433:8484", b"0x7f000001:8484", b"0.0.0.0:8484", b"127.0.0.2:8484", b"[::]:8484"),
        *(b"[::ffff:127.0.0.1]:8484", b"::1:8484", b"[::1%lo]:8484", b"[0:0:0:0:0:0:0:1]:8484"),
        *(
            b"localhost.:8484",
            b"localhost :8484",
            b"localhost\t:8484",
            b"127.0.0.1:8484, evil.com",
            b"localhost:8484\xa0",
        ),
        *("löcalhost:8484".encode(), "löcalhost:8484".encode("latin-1"), b"\xff\xfe", b"localho\xc5\xbft:8484"),
        *(b"localhost:84\xc2\xb284", b"127.0.0.1:\xb2"),
    ],
)
def test_any_other_host_is_refused(host: bytes) -> None:
    assert not is_let_in(LOCAL, (b"host", host))


@pytest.mark.parametrize("host", ["evil.com@127.0.0.1", "127.0.0.1/", " ", "::1", "a b", "\xff", "a:b", "[::1", ""])
def test_what_is_no_host_at_all_is_a_bad_request(host: str) -> None:
    with pytest.raises(Forbidden) as refused:
        LOCAL.check(host, None, None)
    assert refused.value.kind is ErrorKind.INVALID_REQUEST
    assert host not in str(refused.value) or not host.strip()


def test_a_request_without_host_is_refused() -> None:
    with pytest.raises(Forbidden, match="needs a Host header"):
        LOCAL.check(None, None, None)


def test_the_bound_address_and_allowed_names_are_let_in() -> None:
    guard = HostGuard("fe80::A", 8484, ["Bridge.Example", "gate.example:9000", "[fd00::1]"])
    assert is_let_in(guard, (b"host", b"[fe80::a]:8484"))
    assert is_let_in(HostGuard("192.168.1.5", 1), (b"host", b"192.168.1.5:1"))
    assert is_let_in(HostGuard("LOCALHOST", 1), (b"host", b"localhost:1"))
    for host in (
        b"bridge.example",
        b"BRIDGE.example:8484",
        b"bridge.example:443",
        b"gate.example:9000",
        b"[fd00::1]:9",
    ):
        assert is_let_in(guard, (b"host", host)), host
    for host in (b"gate.example", b"gate.example:9001", b"x.bridge.example", b"bridge.example:x", b"bridge.example."):
        assert not is_let_in(guard, (b"host", host)), host


def test_the_default_port_may_be_left_out() -> None:
    assert is_let_in(HostGuard("127.0.0.1", 80), (b"host", b"localhost"))
    assert is_let_in(HostGuard("127.0.0.1", 80), (b"host", b"localhost:80"))
    assert not is_let_in(HostGuard("127.0.0.1", 80), (b"host", b"evil.com"))
    assert is_let_in(HostGuard("192.168.1.5", 80), (b"host", b"192.168.1.5"))
    assert not is_let_in(HostGuard("192.168.1.5", 81), (b"host", b"192.168.1.5"))


@pytest.mark.parametrize("origin", [b"null", b"", b"http://127.0.0.1:8484", b"https://evil.com"])
def test_a_page_with_any_origin_is_refused(origin: bytes) -> None:
    assert not is_let_in(LOCAL, (b"host", b"127.0.0.1:8484"), (b"Origin", origin))


@pytest.mark.parametrize(
    ("site", "let_in"),
    [
        (b"none", True),
        (b"same-origin", True),
        (b"same-site", False),
        (b"cross-site", False),
        (b"", False),
        (b"x", False),
    ],
)
def test_a_page_of_another_site_is_refused(site: bytes, let_in: bool) -> None:
    assert is_let_in(LOCAL, (b"host", b"127.0.0.1:8484"), (b"Sec-Fetch-Site", site)) is let_in


async def test_tunnels_and_containers_have_ports_of_their_own() -> None:
    async with provider(say_hello) as url, world(url) as here:
        for host in ("localhost:9999", "localhost", "127.0.0.1", "[::1]:1"):
            assert (await ask(here.port, headers=[("host", host)])).status == 200
        for host in ("evil.com", "localhost.evil"):
            assert (await ask(here.port, headers=[("host", host)])).status == 403
        assert (await ask(here.port, headers=[("host", "evil.com@localhost")])).status == 400


async def test_the_guard_stands_before_everything() -> None:
    tokens = {"client_tokens": TOKENS}
    async with provider(say_hello) as url, world(url, server=tokens) as here:
        for path in ("/healthz", "/metrics", "/openai/v1/responses", "/nowhere"):
            for headers in ([("host", "evil.com")], [("origin", "null")], [("sec-fetch-site", "cross-site")]):
                answer = await ask(here.port, path=path, headers=headers)
                assert (answer.status, answer.json["error"]["type"]) == (403, "permission_error")
                assert answer.header("x-clearspan-interception")
                assert not [name for name, _ in answer.headers if name.lower().startswith(b"access-control")]
        assert not here.events("interception.started")
        answer = await ask(here.port, method="OPTIONS", headers=[("access-control-request-method", "POST")])
        assert not [name for name, _ in answer.headers if name.lower().startswith(b"access-control")]
