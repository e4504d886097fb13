"""When what answered is not what was asked for."""

from __future__ import annotations

import pytest

from bridge.events.values import Asked, served_otherwise


@pytest.mark.parametrize(
    ("asked", "served", "differs"),
    [
        ("gpt-5.5", "gpt-5.5", False),
        ("gpt-5.5", "gpt-5.5-2026-04-23", False),
        ("gpt-4-0613", "gpt-4", False),
        ("claude-opus-4-5", "claude-opus-4-5-20251101", False),
        ("claude-sonnet-4-latest", "claude-sonnet-4-20250514", False),
        ("openai/gpt-5.5:free", "gpt-5.5", False),
        ("GPT-5.5", "gpt-5.5", False),
        ("gpt-5.5", "gpt-5.5-mini", True),
        ("claude-opus-4-5", "claude-haiku-4-5", True),
        ("gpt-5.5", None, False),
        (None, "gpt-5.5", False),
    ],
)
def test_models_differ_by_more_than_a_date_or_a_place(asked: str | None, served: str | None, differs: bool) -> None:
    assert served_otherwise(Asked(asked), served, None, None) is differs


@pytest.mark.parametrize(
    ("asked", "served", "differs"),
    [
        (None, "default", False),
        ("auto", "priority", False),
        ("default", "standard", False),
        ("priority", "priority", False),
        ("priority", "default", True),
        ("flex", "default", True),
        ("priority", None, False),
    ],
)
def test_a_tier_counts_where_one_was_asked_for(asked: str | None, served: str | None, differs: bool) -> None:
    assert served_otherwise(Asked("m", asked), "m", served, None) is differs


def test_a_speed_counts_where_one_was_asked_for() -> None:
    assert served_otherwise(Asked("m", None, "fast"), "m", None, "standard")
    assert not served_otherwise(Asked("m", None, "fast"), "m", None, "fast")
    assert not served_otherwise(Asked("m"), "m", None, "fast")
