"""Values for a JSON Schema: they fit it, and no schema makes them long in coming."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.simulator.schema import example, fits

REF = {"$ref": "#/$defs/place"}
SCHEMAS: list[tuple[Any, Any]] = [
    ({"type": "string"}, "example"),
    ({"type": ["null", "integer"]}, 1),
    ({"type": "integer", "minimum": 10, "maximum": 12}, 10),
    ({"type": "integer", "exclusiveMaximum": 0}, -1),
    ({"type": "number", "exclusiveMinimum": 4, "multipleOf": 4}, 8),
    ({"type": "boolean"}, False),
    ({"type": "array", "items": {"type": "boolean"}, "minItems": 2}, [False, False]),
    ({"enum": ["fast", "slow"]}, "fast"),
    ({"const": 7}, 7),
    ({"type": "string", "default": "given"}, "given"),
    ({"type": "string", "minLength": 9}, "example.."),
    ({"type": "string", "maxLength": 2}, "ex"),
    ({"type": "string", "format": "date"}, "2026-01-01"),
    ({"anyOf": [{"type": "null"}, {"type": "integer"}]}, 1),
    ({"allOf": [{"required": ["a"]}, {"properties": {"a": {"type": "integer"}}}]}, {"a": 1}),
    (
        {
            "type": "object",
            "properties": {
                "file_path": {"type": "string"},
                "timeout": {"type": "integer", "maximum": 30},
                "where": REF,
                "more": {"type": "string"},
            },
            "required": ["file_path", "timeout", "where"],
            "additionalProperties": False,
            "$defs": {"place": {"type": "object", "properties": {"cwd": {"type": "string"}}, "required": ["cwd"]}},
        },
        {"file_path": ".", "timeout": 30, "where": {"cwd": "."}},
    ),
    ({}, "example"),
]


@pytest.mark.parametrize(("schema", "value"), SCHEMAS)
def test_an_example_has_what_is_required_and_fits(schema: Any, value: Any) -> None:
    assert example(schema) == value
    assert fits(value, schema)


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        (1, {"type": "string"}),
        (True, {"type": "integer"}),
        ("c", {"enum": ["a", "b"]}),
        (8, {"const": 7}),
        ({}, {"required": ["a"]}),
        ({"b": 1}, {"properties": {"a": {}}, "additionalProperties": False}),
        ({"a": 1}, {"properties": {"a": {"type": "string"}}}),
        ([1, "2"], {"items": {"type": "integer"}}),
        ("x", {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        ("x", {"allOf": [{"type": "integer"}]}),
        ("x", False),
    ],
)
def test_what_does_not_fit_is_told_apart(value: Any, schema: Any) -> None:
    assert not fits(value, schema)


def test_a_schema_that_refers_to_itself_ends() -> None:
    names = [f"p{number}" for number in range(60)]
    endless = {"type": "object", "properties": {name: {"$ref": "#"} for name in names}, "required": names}
    example(endless)
    example({"$ref": "#"})
    example({"allOf": [{"$ref": "#"}] * 60})
    example({"anyOf": [{"$ref": "#"}] * 60})
    fits("x", {"anyOf": [{"$ref": "#"}] * 60})
    assert len(example({"type": "array", "minItems": 10**8})) < 10_000
    assert len(example({"type": "string", "minLength": 10**8})) < 10_000
    for large in (10**400, float("inf"), -float("inf"), 5e-324):
        for kind, bounds in {
            "string": ("minLength", "maxLength"),
            "array": ("minItems",),
            "integer": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
        }.items():
            for bound in bounds:
                assert isinstance(example({"type": kind, bound: large}), str | list | int)


SHAPES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    *(
                        "type",
                        "properties",
                        "required",
                        "items",
                        "anyOf",
                        "allOf",
                        "enum",
                        "$ref",
                        "minItems",
                        "format",
                    ),
                    *("minimum", "maximum", "exclusiveMinimum", "minLength", "maxLength", "multipleOf", "default", "a"),
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(SHAPES, SHAPES)
def test_schemas_of_any_shape_do_no_harm(schema: Any, value: Any) -> None:
    example(schema)
    fits(value, schema)
