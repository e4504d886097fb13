"""A model's text as it is read: what it marks is shown, and nothing that it says is lost."""

from __future__ import annotations

import pytest

from monitor.lines.prose import Form, bare
from monitor.lines.span import Line, Tone
from monitor.lines.wrap import Flow


def rows(text: str, form: Form = "prose", width: int = 40) -> list[Line]:
    return Flow(form).lines(text, width)


def texts(text: str, form: Form = "prose", width: int = 40) -> list[str]:
    return ["".join(part for part, _tone in line) for line in rows(text, form, width)]


def toned(text: str, tone: Tone, form: Form = "prose") -> list[str]:
    return [part for line in rows(text, form) for part, its in line if its == tone]


def test_headings_and_bold_words_are_bold_without_their_marks() -> None:
    assert toned("# One\n### Two `code`\nplain **bold words** plain\n**Alone**", "strong") == [
        "One", "Two ", "bold words", "Alone",
    ]  # fmt: skip
    assert texts("## A heading") == ["A heading"]
    assert texts("#hashtag 2 ** 3 ** 4 and **open") == ["#hashtag 2 ** 3 ** 4 and **open"]


def test_no_raw_signs_are_seen_of_what_is_strong() -> None:
    assert toned("*Please note:* 2 * 3 * 4, a*b*c and **Bold**", "strong") == ["Please note:", "Bold"]
    for so_far in ("**Two", "**Two days", "**Two days*", "**Two days**"):  # as it streams in
        assert not any("*" in text for text in texts(so_far))
    assert texts("*Please note:* 2 * 3 * 4, a*b*c") == ["Please note: 2 * 3 * 4, a*b*c"]
    assert bare("**Reading the plan**\n\n## Now\n*go* `on`") == "Reading the plan Now go `on`"


def test_code_keeps_its_signs_and_is_never_bold() -> None:
    assert toned("call `f(**x, **y)` or ``a`b``", "code") == ["`f(**x, **y)`", "``a`b``"]


def test_points_hang_under_their_first_word() -> None:
    assert texts("- one two three four\n  * deeper\n12. twelfth point here", width=12) == [
        "• one two", "  three four", "  • deeper", "12. twelfth", "    point", "    here",
    ]  # fmt: skip


def test_an_indented_line_goes_on_as_it_began() -> None:
    assert texts("    words that go on", width=14) == ["    words that", "    go on"]


def test_quotations_have_an_edge_on_every_row() -> None:
    quoted = texts("> said by somebody else\n>\n> twice", width=14)
    assert quoted == [
        "│ said by",
        "│ somebody",
        "│ else",
        "│ ",
        "│ twice",
    ]


def test_code_in_fences_is_not_broken_between_words_and_marks_mean_nothing_in_it() -> None:
    text = "```python\ndef f():\n    return  **x  # long enough\n# no heading\n```\n# heading"
    assert texts(text, width=20) == [
        "```python", "def f():", "    return  **x  # l", "↪ ong enough", "# no heading", "```", "heading",
    ]  # fmt: skip
    assert toned(text, "strong") == ["heading"]


def test_a_longer_fence_holds_a_shorter_one() -> None:
    assert toned("````\n```\n# no\n```\n````\n# yes", "strong") == ["yes"]


@pytest.mark.parametrize(
    ("text", "form"), [("```diff\n-old\n+new\n@@\n same\n```", "prose"), ("-old\n+new\n@@\n same", "diff")]
)
def test_changes_have_their_signs_and_their_colours(text: str, form: Form) -> None:
    assert toned(text, "bad", form) == ["-old"]
    assert toned(text, "good", form) == ["+new"]
    assert "@@" in toned(text, "muted", form)


def test_a_plain_text_stays_as_it_was_written() -> None:
    text = "# a\n- **b**\n```\n> c"
    assert texts(text, "plain") == text.split("\n")
