"""A turn against the one before it, over the story that one reads."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from monitor.lines.session_story import plain
from monitor.lines.turn_difference import compare, pair
from monitor.screens.view import View
from monitor.state.sessions import SessionAgent
from monitor.widgets.paint import TONES
from monitor.widgets.story import StoryView


class DifferenceScreen(ModalScreen[int]):
    """Gives back the place of the turn that was looked at last. What the agent does meanwhile is not shown."""

    COMPONENT_CLASSES: ClassVar[set[str]] = TONES
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,D,enter", "leave", "Close", show=False),
        Binding("right_curly_bracket", "turn(1)", "Next turn", show=False),
        Binding("left_curly_bracket", "turn(-1)", "Previous turn", show=False),
        Binding("v", "unfold", "All of it", show=False),
        Binding("y", "copy", "Copy", show=False),
    ]

    def __init__(self, agent: SessionAgent, name: str, place: int, earlier: int) -> None:
        super().__init__()
        self._requests = list(agent.requests)
        self._name, self._earlier = name, earlier
        self._place = min(max(place, 0), len(self._requests) - 1)
        self.story = StoryView()

    def compose(self) -> ComposeResult:
        self.story.id = "difference"
        yield self.story

    def on_mount(self) -> None:
        self.story.focus()
        self.call_after_refresh(self._show)

    def _show(self) -> None:
        turns = pair(self._requests, self._place, self._earlier)
        against = f"turn {turns.turn} against turn {turns.turn_before}" if turns.before else f"turn {turns.turn}"
        self.story.show(turns.request.id, compare(turns), live=False)
        self.story.entitle(f"{against} · {self._name} · {{ }} others · v all · esc")

    def action_turn(self, step: int) -> None:
        """Goes to the difference of the next turn, or of the one before."""
        self._place = min(max(self._place + step, 0), len(self._requests) - 1)
        self._show()

    def action_unfold(self) -> None:
        """Shows all of what is long, or folds it again."""
        self.story.unfold()

    def action_copy(self) -> None:
        """Copies the difference."""
        text = plain(compare(pair(self._requests, self._place, self._earlier)))
        self.post_message(View.Copied(text, "the difference"))

    def action_leave(self) -> None:
        """Goes back to the story, to that turn."""
        self.dismiss(self._place)
