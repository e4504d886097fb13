"""A process that ends with the one that started it, even where that was killed and could not say so."""

from __future__ import annotations

import os
from collections.abc import Mapping

VARIABLE = "CLEARSPAN_PARENT"


def tied(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child that is to end with this process."""
    return {**environment, VARIABLE: str(os.getpid())}


def is_orphan() -> bool:
    """Whether this process was tied to one that is gone."""
    return os.environ.get(VARIABLE, parent := str(os.getppid())) != parent
