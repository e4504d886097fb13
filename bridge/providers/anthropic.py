"""Anthropic. Routes follow its API reference and what Claude Code asks for; base URLs have no `/v1` at their end."""

from __future__ import annotations

import re

from bridge.apis.errors import anthropic_error
from bridge.apis.messages.api import Messages
from bridge.events.place import ANTHROPIC_VERSION
from bridge.providers.kind import ProviderKind

ANTHROPIC = ProviderKind(
    name="anthropic",
    title="Anthropic",
    default_url="https://api.anthropic.com",
    base_path="",
    intercepted={"/v1/messages": Messages()},
    passed_through=re.compile(
        r"/v1/models(/.*)?|/v1/messages/count_tokens|/v1/messages/batches(/.*)?|/api/event_logging/.+|/api/hello"
    ),
    key_header=b"X-Api-Key",
    key_prefix=b"",
    check_path="/v1/models",
    check_headers=[(b"anthropic-version", ANTHROPIC_VERSION.encode())],
    error_body=anthropic_error,
    circuit_failures=frozenset({500, 502, 503, 504, 529}),  # 529: overloaded
    url_variables=("ANTHROPIC_BASE_URL",),
    key_variable="ANTHROPIC_API_KEY",
    key_beginning="sk-ant-",
    other_variables=("ANTHROPIC_AUTH_TOKEN",),
)
