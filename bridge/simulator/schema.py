"""Values that fit a JSON Schema: whether one does, and a harmless one where none is given.

It knows what tools of coding agents use of JSON Schema, and takes what it does not know for fitting: a provider's model
does no better. Whatever the schema, the work is bounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import field, mutable

_STEPS = 200
"""Looks at a schema or a part of one, in all, and so also how deep it goes: a few bytes that refer to themselves can
ask for billions, or for no end."""

_LONGEST = 4_096
"""Characters or items of a value, whatever is asked for."""

_LARGEST = 1e9
"""Bounds beyond this count as none: what they are about is not that large."""

_KINDS: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "null": type(None),
}
_FORMATS = {
    "date-time": "2026-01-01T00:00:00Z",
    "date": "2026-01-01",
    "time": "00:00:00Z",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "email": "nobody@example.invalid",
    "uri": "http://127.0.0.1/",
    "uri-reference": "http://127.0.0.1/",
}
_WORDS = (
    (("description", "explanation", "reason", "title", "summary", "intent", "purpose"), "Look around"),
    (("path", "dir", "cwd", "folder", "root"), "."),
    (("file",), "README.md"),
    (("pattern", "glob"), "*"),
    (("url", "uri"), "http://127.0.0.1/"),
    (("command", "cmd", "script"), "ls"),
)
_LONG_ENOUGH = 60_000
"""For a time-out that has to be named, in whichever unit."""


def fits(value: Any, schema: Any) -> bool:
    """Whether the value is one that the schema describes, as far as it is read here."""
    return _Reader(schema).fits(value, schema)


def example(schema: Any, name: str = "") -> Any:
    """A value that the schema describes, with what it requires and nothing more. `name` is the property's, if any."""
    return _Reader(schema).example(schema, name)


def properties(schema: Any) -> dict[str, Any]:
    """The properties of an object that the schema names itself."""
    found = schema.get("properties") if isinstance(schema, dict) else None
    return found if isinstance(found, dict) else {}


@mutable
class _Reader:
    """One walk through a schema: its root, for references, and the steps that are left."""

    root: Any
    steps: int = field(init=False, default=_STEPS)

    def _plain(self, schema: Any) -> dict[str, Any] | None:
        """The schema without references and choices before it; None where nothing is to be known of it."""
        while isinstance(schema, dict) and self.steps > 0:
            self.steps -= 1
            if isinstance(schema.get("$ref"), str):
                schema = self._referred(schema["$ref"])
                continue
            if not (all_of := _schemas(schema, "allOf")):
                return schema
            merged: dict[str, Any] = {name: value for name, value in schema.items() if name != "allOf"}
            for part in all_of[:16]:
                part = self._plain(part) or {}  # noqa: PLW2901 - the same part, without references
                together = {**properties(merged), **properties(part)}
                required = [*_names(merged), *_names(part)]
                merged = {**merged, **part, "properties": together, "required": required}
            return merged
        return None

    def _referred(self, reference: str) -> Any:
        found = self.root if reference.startswith("#") else None
        for word in reference.lstrip("#").split("/")[1:]:
            found = found.get(word) if isinstance(found, dict) else None
        return found

    def fits(self, value: Any, schema: Any) -> bool:
        """Whether it does."""
        plain = self._plain(schema)
        if plain is None:
            return schema is not False
        if "const" in plain and value != plain["const"]:
            return False
        if isinstance(plain.get("enum"), list) and value not in plain["enum"]:
            return False
        for choice in ("anyOf", "oneOf"):
            if (parts := _schemas(plain, choice)) and not any(self.fits(value, part) for part in parts):
                return False
        kinds = _kinds(plain)
        if kinds and not any(_is(value, kind) for kind in kinds):
            return False
        return self._members_fit(value, plain)

    def _members_fit(self, value: Any, plain: dict[str, Any]) -> bool:
        if isinstance(value, dict):
            known = properties(plain)
            closed = plain.get("additionalProperties") is False
            return all(name in value for name in _names(plain)) and all(
                self.fits(member, known[name]) if name in known else not closed for name, member in value.items()
            )
        if isinstance(value, list) and "items" in plain:
            return all(self.fits(item, plain["items"]) for item in value)
        return True

    def example(self, schema: Any, name: str) -> Any:
        """One that does."""
        plain = self._plain(schema)
        if plain is None:
            return _word(name)
        for given in self._given(plain):
            return given
        for choice in ("anyOf", "oneOf"):
            if parts := _schemas(plain, choice):
                part = next((part for part in parts if _kinds(part) != ["null"]), parts[0])
                return self._chosen(plain, part, name)
        kind = next((kind for kind in _kinds(plain) if kind != "null"), "object" if properties(plain) else "string")
        return self._of_kind(kind, plain, name)

    def _of_kind(self, kind: str, plain: dict[str, Any], name: str) -> Any:
        match kind:
            case "object":
                known = properties(plain)
                return {member: self.example(known.get(member), member) for member in _names(plain) if self.steps > 0}
            case "array":
                count = min(_number(plain, "minItems", 0), _LONGEST)
                return [self.example(plain.get("items"), name) for _ in range(int(count)) if self.steps > 0]
            case "integer" | "number":
                return _amount(plain, name, whole=kind == "integer")
            case "boolean":
                return False
            case _:
                return _text(plain, name)

    def _chosen(self, plain: dict[str, Any], part: Any, name: str) -> Any:
        """An example of one of several forms, with what they have in common."""
        value = self.example(part, name)
        if isinstance(value, dict) and (shared := _names(plain)):
            known = properties(plain)
            value = {**{member: self.example(known.get(member), member) for member in shared}, **value}
        return value

    def _given(self, plain: dict[str, Any]) -> Iterator[Any]:
        """The values that the schema names itself."""
        if "const" in plain:
            yield plain["const"]
        if isinstance(plain.get("enum"), list):
            yield from plain["enum"][:1]
        if "default" in plain and self.fits(plain["default"], plain):
            yield plain["default"]


def _schemas(schema: dict[str, Any], name: str) -> list[Any]:
    found = schema.get(name)
    return found if isinstance(found, list) else []


def _names(schema: dict[str, Any]) -> list[str]:
    found = schema.get("required")
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def _kinds(schema: Any) -> list[str]:
    """The types that a schema allows; none where it does not say, or says what nobody knows."""
    given = schema.get("type") if isinstance(schema, dict) else None
    kinds = given if isinstance(given, list) else [given]
    return [kind for kind in kinds if isinstance(kind, str) and kind in _KINDS]


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _KINDS[kind])


def _number(schema: dict[str, Any], name: str, otherwise: float) -> float:
    value = schema.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST:
        return value
    return otherwise


def _amount(schema: dict[str, Any], name: str, *, whole: bool) -> float:
    lowest = max(_number(schema, "minimum", 0), _number(schema, "exclusiveMinimum", -1) + 1)
    highest = min(_number(schema, "maximum", float("inf")), _number(schema, "exclusiveMaximum", float("inf")) - 1)
    wanted = _LONG_ENOUGH if "timeout" in name.lower() else 1
    amount = min(max(wanted, lowest), max(highest, lowest)) if highest >= 0 else highest
    step = _number(schema, "multipleOf", 0)
    if step >= 1 / _LARGEST:
        amount = -(-amount // step) * step
    return int(amount) if whole else amount


def _text(schema: dict[str, Any], name: str) -> str:
    form = schema.get("format")
    text = _FORMATS.get(form, "") if isinstance(form, str) else ""
    text = text or _word(name)
    text = text.ljust(int(min(_number(schema, "minLength", 0), _LONGEST)), ".")
    return text[: int(max(_number(schema, "maxLength", _LONGEST), 0))]


def _word(name: str) -> str:
    lowered = name.lower()
    return next((word for parts, word in _WORDS if any(part in lowered for part in parts)), "example")
