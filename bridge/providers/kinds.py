"""The kinds of provider there are, by the name that a configuration gives them (`type`)."""

from __future__ import annotations

from bridge.providers.anthropic import ANTHROPIC
from bridge.providers.kind import ProviderKind
from bridge.providers.openai import OPENAI

KINDS: dict[str, ProviderKind] = {kind.name: kind for kind in (OPENAI, ANTHROPIC)}

OTHER_PROVIDERS = frozenset({b"api-key", b"x-goog-api-key"})
"""Where clients of Azure and Google put their keys."""

CREDENTIAL_HEADERS = frozenset(kind.key_header.lower() for kind in KINDS.values()) | OTHER_PROVIDERS
"""The headers that carry keys, in lower case: what a client sends in one is its own key, or goes nowhere."""

KINDS_IN_WORDS = " or ".join(f'"{name}"' for name in KINDS)
