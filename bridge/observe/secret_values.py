"""What can be a secret at all, so that it must be masked in whatever text it stands."""

from __future__ import annotations

SHORTEST_SECRET = 8
"""Characters. What is shorter stands in texts by chance, and whoever wants to can guess it."""

PLACEHOLDERS = frozenset(
    {"EMPTY", "none", "null", "ollama", "test", "dummy", "unused", "x", "lm-studio", "no-key", "no-key-required"}
    | {"not-needed", "placeholder", "sk-no-key-required", "your-api-key", "YOUR_API_KEY"}
)
"""What programs are given as a key for a server that wants none."""


def can_be_secret(value: str) -> bool:
    """Whether a value protects anything, so that it must be masked in whatever text it stands. As a credential, in its
    header or as a key of the pool, any value shows as its hint alone."""
    return len(value) >= SHORTEST_SECRET and value not in PLACEHOLDERS
