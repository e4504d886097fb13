"""What panels that scroll have in common: their keys, and that they move at once."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.scroll_view import ScrollView


class Panel(ScrollView):
    """Scrolls without animation: an animated line is slower than a key's repeat."""

    DEFAULT_CLASSES = "panel"
    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "scroll_down", "Scroll", show=False),
        Binding("up,k", "scroll_up", "Up", show=False),
        Binding("pagedown,space,ctrl+d", "page_down", "Page down", show=False),
        Binding("pageup,ctrl+u", "page_up", "Page up", show=False),
        Binding("home,g", "scroll_home", "Top", show=False),
        Binding("end,G", "scroll_end", "Bottom", show=False),
    ]

    def action_scroll_down(self) -> None:
        """Goes down by a line."""
        self.scroll_relative(y=1, animate=False)

    def action_scroll_up(self) -> None:
        """Goes up by a line."""
        self.scroll_relative(y=-1, animate=False)

    def action_page_down(self) -> None:
        """Goes down by a screenful, one line less, so that the eye finds its place."""
        self.scroll_relative(y=self.container_size.height - 1, animate=False)

    def action_page_up(self) -> None:
        """Goes up by a screenful."""
        self.scroll_relative(y=1 - self.container_size.height, animate=False)

    def action_scroll_home(self) -> None:
        """Goes to the beginning."""
        self.scroll_to(y=0, animate=False)

    def action_scroll_end(self) -> None:
        """Goes to the end."""
        self.scroll_to(y=self.max_scroll_y, animate=False)
