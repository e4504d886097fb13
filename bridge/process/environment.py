"""Environments for processes that we start: what they need, and no key that they have no use for."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

SECRET = re.compile(r"(^|_)(API_?KEYS?|TOKENS?|SECRETS?|PASSWORD)$|^CLEARSPAN_", re.IGNORECASE)
"""Names of variables that hold secrets, as far as names tell, and our own."""

KEY_STORES = frozenset({"AWS_SESSION_TOKEN", "OP_CONNECT_TOKEN", "OP_SERVICE_ACCOUNT_TOKEN", "VAULT_TOKEN"})
"""Those by which the command lines of key stores open them: a command that reads a key needs them."""


def without_secrets(environment: Mapping[str, str], but: Collection[str] = ()) -> dict[str, str]:
    """The variables that are no secrets by their names, and those named in `but`."""
    return {name: value for name, value in environment.items() if name in but or not SECRET.search(name)}
