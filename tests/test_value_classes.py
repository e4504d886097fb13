"""`bridge.value_classes`: what attrs would have written for each class, shared by all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import value_classes

MAKERS = [(attrs.frozen, value_classes.frozen), (attrs.define, value_classes.define)]
Maker = Callable[..., Any]


def pair(make: Maker) -> tuple[type, type]:
    """A class with fields of every kind, and one that inherits from it."""

    @make
    class Base:
        first: Any
        _hidden: Any = attrs.field(default=0, repr=False)
        unlike: Any = attrs.field(default=0, eq=False)
        _masked: Any = attrs.field(default="secret", repr=lambda _: "***", eq=str, init=False)
        later: Any = attrs.field(init=False, eq=False)

    @make
    class More(Base):
        third: Any = None

    return Base, More


@pytest.mark.parametrize("makers", MAKERS, ids=["frozen", "define"])
@given(values=st.lists(st.tuples(*[st.sampled_from([0, 1, "a", None])] * 4), min_size=2, max_size=2))
def test_instances_are_equal_and_read_as_those_of_attrs(
    makers: tuple[Maker, Maker], values: list[tuple[Any, Any, Any, Any]]
) -> None:
    outcomes = []
    for make in makers:
        base, more = pair(make)
        made = [kind(*given[:arguments]) for given in values for kind, arguments in ((base, 3), (more, 4))]
        outcomes.append([[it == another for another in made] for it in made] + [repr(it) for it in made])
        assert all(it != 1 for it in made)
    theirs, ours = outcomes
    assert ours == theirs


def test_equal_frozen_ones_hash_alike_and_changeable_ones_do_not_hash() -> None:
    base, more = pair(value_classes.frozen)
    assert hash(base(1, 2, 3)) == hash(base(1, 2, 4))
    assert len({base(1), base(1), base(2), more(1), more(1)}) == 3
    with pytest.raises(TypeError):
        hash(pair(value_classes.define)[0](1))


def test_what_a_class_brings_itself_stays() -> None:
    @value_classes.frozen
    class Own:
        value: int

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 7

        def __repr__(self) -> str:
            return "own"

    assert (Own(1) == Own(2), hash(Own(1)), repr(Own(1))) == (True, 7, "own")


def test_its_own_hash_stays_without_a_comparison_of_its_own() -> None:
    @value_classes.frozen
    class Own:
        value: int

        def __hash__(self) -> int:
            return 7

    assert hash(Own(1)) == 7
    assert Own(1) == Own(1)


def test_one_that_is_to_have_no_text_shows_nothing() -> None:
    @value_classes.frozen(repr=False)
    class Hidden:
        value: str

    assert "sk-1" not in repr(Hidden("sk-1"))


def test_one_without_comparison_is_equal_to_itself_alone() -> None:
    @value_classes.define(eq=False)
    class Entity:
        value: int

    it = Entity(1)
    assert it != Entity(1)
    assert len({it, it, Entity(1)}) == 2
    assert repr(it).endswith("Entity(value=1)")


def test_ordered_ones_and_errors_are_left_to_attrs() -> None:
    @value_classes.frozen(order=True)
    class Ordered:
        value: int

    @value_classes.define
    class Failed(Exception):
        value: int

    assert Ordered(1) < Ordered(2)
    assert Ordered(1) == Ordered(1)
    assert Failed(1) != Failed(1)


def test_a_text_that_comes_back_to_itself_ends() -> None:
    base, _ = pair(value_classes.define)
    it = base(None)
    it.first = [it]
    assert "..." in repr(it)


def test_one_without_fields_is_equal_to_its_like() -> None:
    @value_classes.frozen
    class Nothing:
        pass

    assert Nothing() == Nothing()
    assert hash(Nothing()) == hash(Nothing())
    assert repr(Nothing()).endswith("Nothing()")
