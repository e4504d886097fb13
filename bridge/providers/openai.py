"""OpenAI, and the many servers that speak as it does. Routes follow its API reference; base URLs end in `/v1`."""

from __future__ import annotations

import re

from bridge.apis.chat_completions.api import ChatCompletions
from bridge.apis.errors import openai_error
from bridge.apis.responses.api import Responses
from bridge.providers.kind import ProviderKind

OPENAI = ProviderKind(
    name="openai",
    title="OpenAI",
    default_url="https://api.openai.com/v1",
    base_path="/v1",
    intercepted={"/v1/responses": Responses(), "/v1/chat/completions": ChatCompletions()},
    passed_through=re.compile(
        r"/v1/(models|conversations|embeddings|files|uploads|images|audio|vector_stores|batches)(/.*)?"
        r"|/v1/(completions|moderations)|/v1/responses/.+"
    ),
    key_header=b"Authorization",
    key_prefix=b"Bearer ",
    check_path="/v1/models",
    check_headers=[],
    error_body=openai_error,
    circuit_failures=frozenset({500, 502, 503, 504}),
    url_variables=("OPENAI_BASE_URL", "OPENAI_API_BASE"),
    key_variable="OPENAI_API_KEY",
    key_beginning="",
    other_variables=(),
)
