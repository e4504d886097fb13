"""A message for every fault of a configuration: file, line where it is known, setting and reason, and never a key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from attrs import fields_dict
from hypothesis import assume, given
from hypothesis import strategies as st

from bridge.config.file import parse
from bridge.config.load import Options, load
from bridge.config.settings import (
    CircuitBreakerSettings,
    McpServerSettings,
    ProviderSettings,
    RecordSettings,
    ServerSettings,
)
from bridge.errors import ConfigurationError
from tests.support.settings_file import PROVIDER, SECRET, faults

FAULTS = [
    # Unknown settings, at every level
    ("[sever]\n", "config.toml:1: sever: unknown setting 'sever'; did you mean 'server'?"),
    ("zzz = 1\n", "config.toml:1: zzz: unknown setting 'zzz'; known here: server, record, providers, mcp"),
    ("[server]\n\nprot = 1\n", "config.toml:3: server.prot: unknown setting 'prot'; did you mean 'port'?"),
    (PROVIDER + "key = []\n", "config.toml:3: providers.openai.key: unknown setting 'key'; did you mean 'keys'?"),
    (PROVIDER + "circuit_breaker = { max_request = 1 }\n", "did you mean 'max_requests'?"),
    ("[mcp]\nserver = {}\n", "config.toml:2: mcp.server: unknown setting 'server'; did you mean 'servers'?"),
    ("[mcp]\nsession_usage = 'no'\n", "config.toml:2: mcp.session_usage: must be true or false"),
    ("[mcp.servers.docs]\nuri = ''\n", "config.toml:2: mcp.servers.docs.uri: unknown setting 'uri'"),
    # Wrong types
    ('[server]\nport = "8484"\n', "config.toml:2: server.port: must be a whole number, not a string"),
    ("[server]\nport = true\n", "config.toml:2: server.port: must be a whole number, not true or false"),
    ("[server]\nport = 1.5\n", "config.toml:2: server.port: must be a whole number, not a number"),
    ("[server]\nhost = 1979-05-27\n", "config.toml:2: server.host: must be a string, not a date or time"),
    ("server = 5\n", "config.toml:1: server: must be a table, not a whole number"),
    ('server = "x"\n', "config.toml:1: server: must be a table, not a string"),
    ("providers = []\n", "config.toml:1: providers: must be a table, not a list"),
    ("[providers]\nopenai = 1\n", "config.toml:2: providers.openai: must be a table, not a whole number"),
    ('[server]\nallowed_hosts = "abc"\n', "config.toml:2: server.allowed_hosts: must be a list, not a string"),
    ("[server]\nallowed_hosts = [1]\n", "config.toml:2: server.allowed_hosts.0: must be a string, not a whole number"),
    ("[server]\nclient_tokens = []\n", "config.toml:2: server.client_tokens: must be a table, not a list"),
    ("[server]\nclient_tokens = { a = 5 }\n", "config.toml:2: server.client_tokens.a: must be a string"),
    (PROVIDER + 'keys = "sk-x"\n', "config.toml:3: providers.openai.keys: must be a list of strings"),
    (PROVIDER + "keys = [1]\n", "config.toml:3: providers.openai.keys: must be a list of strings"),
    (PROVIDER + "send_actor_headers = 1\n", "providers.openai.send_actor_headers: must be true or false"),
    (PROVIDER + "circuit_breaker = 1\n", "config.toml:3: providers.openai.circuit_breaker: must be a table"),
    ("[record]\npath = 1\n", "config.toml:2: record.path: must be a string, not a whole number"),
    ("[server]\nsocket = []\n", "config.toml:2: server.socket: must be a string, not a list"),
    (
        '[record]\ndump_dir = "~nobody-of-that-name/x"\n',
        "config.toml:2: record.dump_dir: begins with the home directory",
    ),
    ('[mcp.servers.docs]\ncommand = "npx docs"\n', "config.toml:2: mcp.servers.docs.command: must be a list"),
    # Durations
    ("[record]\nkeep = 30\n", 'config.toml:2: record.keep: 30 is not a duration; write it like "250ms"'),
    ('[server]\nshutdown_grace = "10"\n', "config.toml:2: server.shutdown_grace: '10' is not a duration"),
    ('[server]\nshutdown_grace = "-1s"\n', "config.toml:2: server.shutdown_grace: '-1s' is not a duration"),
    # Values out of range, and rules between them
    ("[server]\nport = 65536\n", "config.toml:2: server.port: must be 0 to 65535, not 65536"),
    ("[server]\nmax_request_bytes = 0\n", "config.toml:2: server.max_request_bytes: must be at least 1"),
    ('[server]\nhost = "0.0.0.0"\n', "config.toml:2: server.host: 0.0.0.0 can be reached by other machines"),
    (
        '[record]\npath = "/"\n',
        "config.toml:2: record.path: / is a directory; name a file in it, such as /clearspan.db",
    ),
    ('[record]\npath = "/dev/null"\n', "config.toml:2: record.path: /dev/null is no regular file; name one"),
    ('[server]\nhost = "::"\n', "config.toml:2: server.host: :: can be reached by other machines"),
    ('[server]\nhost = ""\n', "config.toml:2: server.host:"),
    (PROVIDER + 'end_silent = "500ms"\n', "config.toml:3: providers.openai.end_silent: must be 0, which is never, or"),
    (PROVIDER + 'reveal_thoughts = "yes"\n', "config.toml:3: providers.openai.reveal_thoughts: must be true or false"),
    # Providers
    ("[providers.openai]\nkeys = []\n", 'config.toml:1: providers.openai: needs a type: "openai" or "anthropic"'),
    ('[providers.a]\ntype = "opnai"\n', 'config.toml:2: providers.a.type: must be "openai" or "anthropic"'),
    (
        '[providers.Open_AI]\ntype = "openai"\n',
        "config.toml:1: providers.Open_AI: 'Open_AI' can't be a provider's name",
    ),
    (
        '[providers."open ai"]\ntype = "openai"\n',
        "config.toml:1: providers.open ai: 'open ai' can't be a provider's name",
    ),
    ('[providers.a--b]\ntype = "openai"\n', "config.toml:1: providers.a--b: 'a--b' can't be a provider's name"),
    ('[providers."a\\n"]\ntype = "openai"\n', "'a\\n' can't be a provider's name"),
    ('[providers.metrics]\ntype = "openai"\n', "config.toml:1: providers.metrics: 'metrics' is a route of the bridge"),
    (PROVIDER + 'strategy = "none_such"\n', "config.toml:3: providers.openai.strategy: must be one of fallback"),
    (PROVIDER + "groups = [[1]]\n", "config.toml:3: providers.openai.groups: [1] is no group"),
    (
        PROVIDER + "groups = [[1, 2], [2, 3]]\n",
        "config.toml:3: providers.openai.groups: the place 2 stands in it 2 times",
    ),
    (PROVIDER + "groups = [[0, 1]]\n", "config.toml:3: providers.openai.groups: there is no key in place 0"),
    (PROVIDER + 'keys = ["a-key-1", "a-key-2"]\ngroups = [[1, 3]]\n', "there is no key in place 3; places in keys are"),
    (PROVIDER + 'groups = [["1"]]\n', "providers.openai.groups"),
    (PROVIDER + 'affinity = "yes"\n', "config.toml:3: providers.openai.affinity: must be true or false"),
    (PROVIDER + 'base_url = "ftp://x"\n', "config.toml:3: providers.openai.base_url: must be an http or https URL"),
    (PROVIDER + 'base_url = "api.openai.com/v1"\n', "providers.openai.base_url: must be an http or https URL"),
    (PROVIDER + 'base_url = "http://a b/v1"\n', "providers.openai.base_url: must be ASCII without spaces"),
    (PROVIDER + 'base_url = "http://m\u00fcller.de"\n', "providers.openai.base_url: must be ASCII without spaces"),
    (PROVIDER + 'base_url = "http://[::1/v1"\n', "providers.openai.base_url: not a URL"),
    (PROVIDER + 'base_url = "http://a:99999"\n', "providers.openai.base_url: not a URL"),
    (PROVIDER + 'base_url = "http://u:p@a/v1"\n', "providers.openai.base_url: must not hold a user"),
    (PROVIDER + 'base_url = "http://a/v1?x=1"\n', "providers.openai.base_url: must not hold a user, a query"),
    (
        '[providers.a]\ntype = "anthropic"\nbase_url = "http://a/v1/"\n',
        "config.toml:3: providers.a.base_url: an Anthropic",
    ),
    (PROVIDER + "circuit_breaker = { failure_threshold = 0 }\n", "config.toml:3: providers.openai.circuit_breaker:"),
    (
        PROVIDER + 'extra_headers = { Authorization = "x" }\n',
        "config.toml:3: providers.openai.extra_headers.Authorization:",
    ),
    (PROVIDER + 'extra_headers = { "Content-Length" = "1" }\n', "Content-Length: is set by the bridge itself"),
    (PROVIDER + 'extra_headers = { "X Y" = "1" }\n', "extra_headers.X Y: not a header name with a one-line value"),
    (PROVIDER + 'extra_headers = { X = "a\\nb" }\n', "extra_headers.X: not a header name with a one-line value"),
    (PROVIDER + 'extra_headers = { X = " a" }\n', "extra_headers.X: not a header name with a one-line value"),
    # Tool servers
    (
        "[providers.a]\ntype = 'openai'\nroutes = ['/ok/.*', '(']\n",
        "config.toml:3: providers.a.routes: not a regular expression",
    ),
    (
        "[providers.a]\ntype = 'openai'\nroutes = ['realtime/.*']\n",
        "config.toml:3: providers.a.routes: 'realtime/.*' fits",
    ),
    ("[providers.a]\ntype = 'openai'\nroutes = '/x'\n", "config.toml:3: providers.a.routes: must be a list"),
    ("[mcp.servers.docs]\nallow = 'a'\n", "config.toml:1: mcp.servers.docs: needs either a url or a command"),
    (
        "[mcp.servers.docs]\nurl = 'http://a/mcp'\ncommand = ['a']\n",
        "config.toml:1: mcp.servers.docs: needs either a url or a command, not both",
    ),
    ("[mcp.servers.docs]\nurl = 'ftp://a'\n", "config.toml:2: mcp.servers.docs.url: must be an http or https URL"),
    ("[mcp.servers.docs]\nurl = 'http://a:b@c/'\n", "config.toml:2: mcp.servers.docs.url: must not hold a user"),
    ("[mcp.servers.docs]\nurl = 'http://a:0/'\n", "config.toml:2: mcp.servers.docs.url: port 0"),
    ("[mcp.servers.docs]\ncommand = ['']\n", "config.toml:2: mcp.servers.docs.command: must begin with the name"),
    (
        "[mcp.servers.docs]\ncommand = ['a']\nenv = { 'A=' = 'b' }\n",
        "config.toml:3: mcp.servers.docs.env.A=: not a variable's name",
    ),
    (
        "[mcp.servers.docs]\ncommand = ['a']\nheaders = { A = 'b' }\n",
        "config.toml:3: mcp.servers.docs.headers: are for a server at a url",
    ),
    (
        "[mcp.servers.docs]\nurl = 'http://a'\nenv = { A = 'b' }\n",
        "config.toml:3: mcp.servers.docs.env: is for a server that is a command",
    ),
    (
        "[mcp.servers.docs]\nurl = 'http://a'\nheaders = { Host = 'b' }\n",
        "config.toml:3: mcp.servers.docs.headers.Host: is set by the bridge itself",
    ),
    (
        "[mcp.servers.docs]\nurl = 'http://a'\nheaders = { A = \"b\\nc\" }\n",
        "config.toml:3: mcp.servers.docs.headers.A: not a header name with a one-line value",
    ),
    (f"[mcp.servers.{'x' * 65}]\nurl = 'http://a'\n", f"config.toml:1: mcp.servers.{'x' * 65}: a server's name has 1"),
    ("[mcp.servers.docs]\nallow = '('\n", "config.toml:2: mcp.servers.docs.allow: not a regular expression"),
    ("[mcp.servers.docs]\ndeny = 'a{99999999999}'\n", "config.toml:2: mcp.servers.docs.deny: not a regular expression"),
    # Keys: credentials.py says more of them, in its own tests
    (
        PROVIDER + "keys = ['']\n",
        "config.toml:3: providers.openai.keys: the value in the configuration: the key is empty",
    ),
    (PROVIDER + 'keys = ["a\\u0007bcdefgh"]\n', "the key has a control character at position 2 of 9"),
    (PROVIDER + 'keys = ["env:NO_SUCH_KEY"]\n', "the environment variable NO_SUCH_KEY is not set"),
    # Not TOML at all
    ("[server\n", "config.toml: not valid TOML:"),
    ("a = 1\na = 2\n", "config.toml: not valid TOML:"),
    ("a = " + "9" * 5000 + "\n", "config.toml: not valid TOML:"),
    ("a = " + "[" * 5000 + "\n", "config.toml: not valid TOML: nested too deep"),
]


@pytest.mark.parametrize(("text", "told"), FAULTS)
def test_a_fault_is_told_with_its_place(text: str, told: str, tmp_path: Path) -> None:
    found = faults(text, tmp_path)
    assert len(found) == 1
    assert told in found[0]
    assert found[0].startswith("config.toml")
    assert "\n" not in found[0]
    assert "<class" not in found[0]


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    found = faults('foo = 1\n[server]\nport = "x"\nhots = 1\n[record]\nkeep = 1\n', tmp_path)
    assert [fault.split(": ")[:2] for fault in found] == [
        ["config.toml:1", "foo"],
        ["config.toml:3", "server.port"],
        ["config.toml:4", "server.hots"],
        ["config.toml:6", "record.keep"],
    ]


def test_faults_of_values_hide_no_broken_rules(tmp_path: Path) -> None:
    text = (
        '[server]\nport = "x"\nhost = "0.0.0.0"\n'
        '[providers.a]\ntype = "openai"\nstrategy = "none"\nkeys = ["env:NONE"]\nwait = 1\n'
        '[providers.B]\ntype = 5\nbase_url = "http://a/v1/"\n'
        "[mcp.servers.docs]\nallow = '('\ndeny = 1\n"
    )
    assert sorted(":".join(fault.split(":")[:3]) for fault in faults(text, tmp_path)) == [
        "config.toml:10: providers.B.type",
        "config.toml:13: mcp.servers.docs.allow",
        "config.toml:14: mcp.servers.docs.deny",
        "config.toml:2: server.port",
        "config.toml:3: server.host",
        "config.toml:6: providers.a.strategy",
        "config.toml:7: providers.a.keys",
        "config.toml:8: providers.a.wait",
        "config.toml:9: providers.B",
    ]


def test_tokens_that_cannot_be_read_are_no_missing_ones(tmp_path: Path) -> None:
    found = faults('[server]\nhost = "0.0.0.0"\nclient_tokens = { a = "env:NONE" }\n', tmp_path)
    assert found == [
        "config.toml:3: server.client_tokens.a: the environment variable NONE is not set",
    ]


def test_a_source_is_asked_once_whatever_else_is_at_fault(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    faults(f"{PROVIDER}keys = ['cmd:sh -c \"echo >>{asked}; echo sk-one\"']\nwait = 1\n", tmp_path)
    assert asked.read_text() == "\n"


def test_a_key_given_twice_is_named_by_its_hint(tmp_path: Path) -> None:
    found = faults(f'{PROVIDER}keys = ["{SECRET}", "sk-other", "env:K"]\n', tmp_path, {"K": SECRET})
    assert found == ["config.toml:3: providers.openai.keys: the key sk-c...6789 is given 2 times; once is enough"]


def test_each_bad_source_of_keys_is_told(tmp_path: Path) -> None:
    found = faults(f'{PROVIDER}keys = ["env:A", "{SECRET}", "", "file:{tmp_path}/none"]\n', tmp_path)
    assert [fault.split("keys: ")[1] for fault in found] == [
        "the environment variable A is not set",
        "the value in the configuration: the key is empty",
        "cannot read none: No such file or directory",
    ]


@pytest.mark.parametrize(
    "text",
    [
        '[server]\nport = "{}"\n',
        '[server]\nclient_tokens = "{}"\n',
        '[server]\nclient_tokens = {{ a = ["{}"] }}\n',
        '[server]\nclient_tokens = {{ a = "{}\\u0007" }}\n',
        PROVIDER + 'keys = "{}"\n',
        PROVIDER + 'keys = ["{}", "{}"]\n',
        PROVIDER + 'keys = ["{} "]\n',
        PROVIDER + 'keys = ["env:{}"]\n',
        PROVIDER + "keys = [\"cmd:sh -c 'echo {}; exit 3'\"]\n",
        PROVIDER + 'keys = ["cmd:echo {} {}"]\n',
        PROVIDER + 'base_url = "{}"\n',
        PROVIDER + 'base_url = "http://{}@host/v1"\n',
        PROVIDER + 'extra_headers = {{ X = ["{}"] }}\n',
        PROVIDER + 'extra_headers = {{ Authorization = "Bearer {}" }}\n',
        '[mcp.servers.docs]\nheaders = {{ X = ["{}"] }}\n',
        'keys = "{}\n',
        'keys = "{}" "{}"\n',
    ],
)
def test_no_message_holds_a_key(text: str, tmp_path: Path) -> None:
    assert SECRET not in "\n".join(faults(text.format(SECRET, SECRET), tmp_path))


CLASSES = (ServerSettings, RecordSettings, ProviderSettings, McpServerSettings, CircuitBreakerSettings)
NAMES = st.sampled_from(
    [
        "server",
        "record",
        "providers",
        "mcp",
        "servers",
        "openai",
        *(name for kind in CLASSES for name in fields_dict(kind)),
    ]
)
PLAIN = st.one_of(
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.sampled_from(["openai", "anthropic", "http://127.0.0.1/v1", "http://[", "10s", "0s", "off", "~", "~a/b", "("]),
    st.sampled_from(["env:NO", "env:", "file:", "file:~a/b", "file:/", "cmd:", "cmd:'", "::", "::1"]),
)
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text("a.b'\"]\n", max_size=4), inner)
)
DOCUMENTS = st.dictionaries(NAMES, VALUES, max_size=5)


def toml(value: Any) -> str:
    """A TOML value; JSON's strings, numbers and booleans are TOML's too, but for one escape."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(name)} = {toml(field)}" for name, field in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    return repr(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")


@given(DOCUMENTS)
def test_any_document_is_loaded_or_refused(document: dict[str, Any]) -> None:
    text = "".join(f"{name} = {toml(value)}\n" for name, value in document.items())
    assert parse(text, None) == document
    assert all(fault and "\n" not in fault for fault in faults_of(text))


@pytest.mark.parametrize(
    "text",
    [
        'providers = {"a.b" = {type = "openai", keys = 1}}\n',
        'providers = {"a\'].b" = {type = 1, keys = 1}}\n',
        'mcp = {servers = {"a.b" = {url = 1}}}\n',
        'server = {"a.b" = 1}\nrecord = {prompts = 1}\n',
    ],
)
def test_a_fault_under_a_name_with_a_dot_is_told_once(text: str) -> None:
    told = faults_of(text)
    assert told
    assert len(told) == len(set(told))


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_text_is_loaded_or_refused(text: str) -> None:
    assert all(faults_of(text))


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8), st.sampled_from(["", " ", "\x07"]))
def test_no_key_shows_in_a_message(key: str, flaw: str) -> None:
    assume(key not in told_of_keys("sk-another-K3yOf0urs" + flaw))  # `providers` stands in every message
    assert key not in told_of_keys(key + flaw)


def told_of_keys(key: str) -> str:
    """What is said of a configuration that names this key twice."""
    return "\n".join(faults_of(f"{PROVIDER}keys = [{toml(key)}, {toml(key)}]\n"))


def faults_of(text: str) -> list[str]:
    """What is wrong with a text, without a file; nothing where it is loaded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bridge.config.load._read", lambda _: text)
        try:
            load(Options(config=Path("config.toml")), {})
        except ConfigurationError as error:
            return error.faults
    return []
