"""Which tools are offered, and their ids."""

from __future__ import annotations

import re

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from bridge.config.settings import OWN_TOOLS_URL
from bridge.tools.catalogue import LONGEST_ID, ListedTool, ReadyServer, ToolFilter, injected_tools, whole_schema

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=70) | st.sampled_from(["a.b", "a b", "a_b", "a_b_2"])


def ids(**servers: list[str]) -> dict[tuple[str, str], str]:
    """The id of each tool, by its server and its own name."""
    ready = [
        ReadyServer(server, f"stdio:{server}", tuple(ListedTool(name, "", {}) for name in names))
        for server, names in servers.items()
    ]
    return {(tool.server, tool.name): tool.id for tool in injected_tools(ready)}


def test_ids_are_names_that_providers_take() -> None:
    assert ids(**{"my docs": ["find/all", "né"]}) == {
        ("my docs", "find/all"): "bmcp_my_docs_find_all",
        ("my docs", "né"): "bmcp_my_docs_n_",
    }


def test_what_falls_together_is_numbered_by_server_then_tool() -> None:
    assert ids(b=["x_c"], b_x=["c", "a"]) == {
        ("b", "x_c"): "bmcp_b_x_c",
        ("b_x", "a"): "bmcp_b_x_a",
        ("b_x", "c"): "bmcp_b_x_c_2",
    }


def test_a_number_takes_no_id_that_another_has_by_itself() -> None:
    assert ids(s=["a.b", "a_b", "a_b_2", "a b"]) == {
        ("s", "a b"): "bmcp_s_a_b",
        ("s", "a.b"): "bmcp_s_a_b_3",
        ("s", "a_b"): "bmcp_s_a_b_4",
        ("s", "a_b_2"): "bmcp_s_a_b_2",
    }


def test_the_bridge_s_own_tool_takes_no_id_and_stands_beside_others_alone() -> None:
    own = ListedTool("c", "", {})
    server = ReadyServer("clearspan", "stdio:clearspan", (ListedTool("c", "", {}), ListedTool("d", "", {})))
    offered = injected_tools([server], own)
    assert [(tool.id, tool.server_url) for tool in offered] == [
        ("bmcp_clearspan_c", "stdio:clearspan"),
        ("bmcp_clearspan_c_2", OWN_TOOLS_URL),
        ("bmcp_clearspan_d", "stdio:clearspan"),
    ]
    assert injected_tools([], own) == injected_tools([evolve(server, tools=())], own) == ()


def test_numbers_fit_into_the_longest_id() -> None:
    found = sorted(ids(s=["x" * 80 + end for end in "abc"]).values())
    assert [len(id_) for id_ in found] == [LONGEST_ID] * 3
    assert {id_[-3:] for id_ in found} == {"xxx", "x_2", "x_3"}


@given(st.dictionaries(st.text(min_size=1, max_size=10), st.lists(NAMES, unique=True, max_size=12), max_size=4))
def test_ids_are_unique_legal_and_the_same_in_any_order(servers: dict[str, list[str]]) -> None:
    ready = [
        ReadyServer(server, "", tuple(ListedTool(name, "", {}) for name in names)) for server, names in servers.items()
    ]
    tools = injected_tools(ready)
    found = [tool.id for tool in tools]
    assert found == sorted(set(found))
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", id_) for id_ in found)
    turned = [ReadyServer(each.name, "", each.tools[::-1]) for each in ready[::-1]]
    assert injected_tools(turned) == tools


@pytest.mark.parametrize(
    ("allow", "deny", "allowed"),
    [
        (".*", "", ["find", "find_all", "delete"]),
        ("find", "", ["find", "find_all"]),
        ("^find$", "", ["find"]),
        (".*", "delete|all", ["find"]),
        ("find", "find", []),
        ("", "d", []),
    ],
)
def test_allow_and_deny_are_searched_and_deny_wins(allow: str, deny: str, allowed: list[str]) -> None:
    tools = ToolFilter(allow, deny)
    assert [name for name in ("find", "find_all", "delete") if tools.allows(name)] == allowed


def test_a_schema_keeps_all_that_is_in_it() -> None:
    schema = {"$defs": {"a": {}}, "type": "array", "properties": {"b": {}}, "additionalProperties": False}
    assert whole_schema(schema) == {**schema, "type": "object"}
    assert list(whole_schema(schema)) == list(schema)
    assert whole_schema({"properties": None}) == {"type": "object", "properties": {}}
