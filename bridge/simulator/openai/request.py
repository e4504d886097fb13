"""The checks that OpenAI's servers make of a request's fields, with their errors."""

from __future__ import annotations

from typing import Any

from bridge.simulator.request import Refusal, Trouble


def require(fields: dict[str, Any], name: str, kind: Any, words: str) -> None:
    """Raises Refusal unless the field is there and of the kind, which `words` describe."""
    if fields.get(name) is None:
        raise Refusal(
            Trouble.INVALID, f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter"
        )
    optional(fields, name, kind, words)


def optional(fields: dict[str, Any], name: str, kind: Any, words: str) -> Any:
    """The field, or None where it is missing or null. Raises Refusal where it is of another kind."""
    value = fields.get(name)
    if value is not None and not isinstance(value, kind):
        raise Refusal(Trouble.INVALID, f"Invalid type for '{name}': expected {words}.", param=name, code="invalid_type")
    return value
