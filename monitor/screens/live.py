"""The live view: requests, the selected one's story, keys."""

from __future__ import annotations

from itertools import chain
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message

from bridge.events.entries import Interception
from monitor.lines import agent_tree, request_row, vitals
from monitor.lines.request_story import story_blocks, texts_and_facts, title
from monitor.lines.session_story import plain
from monitor.screens.view import Frame, View, is_heard
from monitor.state.counted import session_tokens
from monitor.state.request_list import Listing, text_of
from monitor.state.state import MonitorState, Status
from monitor.widgets.empty_state import EmptyState
from monitor.widgets.keys import KeysPanel
from monitor.widgets.panel import ROUND_TITLE
from monitor.widgets.requests import RequestTable
from monitor.widgets.story import MORE, StoryView
from monitor.widgets.typed import TypedLine

HINT = "words to find; client: model: session: key: state:, ! for not"


HEAD = 2
"""Lines of the table above its first request: its title, and those of its columns."""

LEAST = 6
"""Lines that the table has at least: it does not grow with each of the first requests."""


class LiveScreen(View):
    """All at one glance; Enter opens the selected request, `z` gives the whole room to its story."""

    NAME = "live"
    KEY_HELP = (
        ("↑ ↓ j k", "select a request"),
        ("g G PgUp PgDn", "first, last, a page"),
        ("/", "filter: words, client: model: …"),
        ("s", "slowest first, or newest"),
        ("f", "follow: jump to its agent's new requests"),
        ("Space", "fold what ended of its session"),
        ("Enter", "open it"),
        ("e", "read it in $PAGER"),
        ("z Escape", "zoom its story, and back"),
        ("v", "unfold its tools, fold them"),
        ("x X", "cancel the selected request; unasked"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back"),
        Binding("enter", "open", "Open", key_display="⏎"),
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("x", "cancel", "Cancel"),
        Binding("X", "cancel(False)", "Cancel unasked", show=False),
        Binding("x,X", "say_over", "Cancel", show=False),
        Binding("space", "fold", "Fold", show=False),
        Binding("s", "sort", "Sort"),
        Binding("f", "follow", "Follow"),
        Binding("z", "enlarge", "Zoom"),
        Binding("v", "unfold", "Tools", show=False),
    ]

    class Open(Message):
        """Somebody wants to see that request alone."""

        def __init__(self, request: Interception) -> None:
            super().__init__()
            self.request = request

    class SearchRecord(Message):
        """Somebody looks for a text, which may stand in requests that only the record knows."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, listing: Listing) -> None:
        super().__init__(classes="-blank -unmet")
        self.listing = listing
        self._followed = False
        """Whether the selection followed its agent before another order was looked at."""
        self.empty_state = EmptyState()
        self.requests = RequestTable()
        self.story = StoryView()
        self.keys = KeysPanel()
        self.typed = TypedLine(" / ", HINT)

    def body(self) -> ComposeResult:
        yield self.empty_state
        yield self.requests
        yield self.story
        yield self.keys

    def compose(self) -> ComposeResult:
        yield from super().compose()
        yield self.typed

    @property
    def selected(self) -> Interception | None:
        """The selected request, where there is one."""
        return self.listing.selected

    def draw_body(self, frame: Frame) -> None:
        state, then = frame.state, frame.then
        self.listing.update(state, then)
        blank = self.listing.blank
        if self.has_class("-blank") != blank:
            self.set_class(blank, "-blank")
            self.refresh_bindings()
            if blank:
                self.set_focus(None)
            else:
                self.requests.focus()
        self.set_class(state.status is Status.CONNECTING, "-unmet")
        if blank:
            self.empty_state.show(state, frame.url, frame.place)
        self._share_room(self.listing.in_past)
        self.requests.show(state, self.listing, then)
        request = self.selected
        if request is None:
            self.story.show(None, [], live=False)
        else:
            texts, facts = texts_and_facts(story_blocks(request, then))
            self.story.put_head(vitals.line(self._subject(request, state), then, self.story.content_width))
            self.story.show(request.id, [*texts, *facts], live=request.live, last=len(facts) * request.live)
        self.keys.show_keys(state, frame.now)
        query = self.listing.filter.query.strip()
        self.requests.entitle(request_row.title(self.listing) + (f" · /{query[:40]}" if query else ""))
        self.story.entitle("Nothing matches" if request is None else self._title(request, frame) + self.story.more())

    def _subject(self, request: Interception, state: MonitorState) -> vitals.VitalsSubject:
        """Whose vitals stand above its story: its agent's, as they were with it."""
        agent = state.roster.agent(request.id)
        own = agent.requests if agent is not None else [request]
        until = own[: own.index(request) + 1] if request in own else [request]
        return vitals.VitalsSubject(until, state.paces.get(request.id), session_tokens(state, agent) if agent else None)

    def _share_room(self, before: int) -> None:
        """Gives the table as many lines as there are requests, and the story under it the rest.

        A filter and folded sessions do not count: the story stays where it is while somebody types.
        """
        most = max(LEAST, self.size.height * 2 // 5)
        wanted = self.listing.total + before + bool(before) + HEAD
        self.requests.ask_for(min(most, max(LEAST, wanted)) - 1)

    def _title(self, request: Interception, frame: Frame) -> str:
        room = self.story.outer_size.width - ROUND_TITLE - len(MORE)
        return title(request, frame.then, agent_tree.titles(frame.state.roster, request.id), room)

    @on(RequestTable.Moved)
    def _move_selection(self, message: RequestTable.Moved) -> None:
        self.listing.selection.go(self.listing.rows, message.index)
        self.redraw()

    @on(RequestTable.Opened)
    def _open_selected(self) -> None:
        self.action_open()

    def action_follow(self) -> None:
        """Follows the newest request from now on, or stays."""
        selection = self.listing.selection
        selection.follow = not selection.follow
        if selection.follow:
            selection.newest = None
        self.redraw()

    def action_sort(self) -> None:
        """Lists the slowest first, from the first of them on, or the newest again."""
        listing = self.listing
        listing.slowest_first = not listing.slowest_first
        if self.frame is not None:
            listing.update(self.frame.state, self.frame.then)
            if listing.slowest_first:
                self._followed = listing.selection.follow
                listing.selection.go(listing.rows, 0)
            elif self._followed:
                listing.selection.follow, listing.selection.newest = True, None
        self.redraw()
        self.requests.scroll_to(y=0, animate=False)

    def action_filter(self) -> None:
        """Lists only what matches what is typed."""
        self.typed.open()

    @on(TypedLine.Typed)
    def _take_filter(self, message: TypedLine.Typed) -> None:
        self.listing.filter.set_query(message.text)
        self.redraw()

    def filter(self, query: str) -> None:
        """Lists what that query finds, as if it were typed."""
        self.typed.field.value = query
        self.listing.filter.set_query(query)
        self._search_record()

    def _search_record(self) -> None:
        if text := text_of(self.listing.filter.query):
            self.post_message(self.SearchRecord(text))

    @on(TypedLine.Closed)
    def _leave_filter(self, message: TypedLine.Closed) -> None:
        if message.kept:
            self._search_record()
        self.requests.focus()
        self.redraw()

    @property
    def _can_cancel(self) -> bool:
        """Whether what is selected runs, on a bridge that is there."""
        return self.selected is not None and self.selected.live and is_heard(self.frame)

    def action_cancel(self, asks: bool = True) -> None:
        """Ends the selected request: the one that is selected now, whatever is selected when one has answered."""
        if self.selected is not None:
            self.post_message(self.Cancel(self.selected, asks=asks))

    def action_say_over(self) -> None:
        """Says that there is nothing to cancel."""
        self.action_cancel()

    def action_fold(self) -> None:
        """Folds what has ended of the selected request's session into one row, or unfolds it."""
        if self.frame is not None:
            self.listing.fold(self.frame.state)
            self.redraw()

    def as_text(self) -> str | None:
        """The selected request's story."""
        frame, request = self.frame, self.selected
        return (
            None
            if frame is None or request is None
            else plain(list(chain(*texts_and_facts(story_blocks(request, frame.then)))))
        )

    def action_open(self) -> None:
        """Shows the selected request alone, from its first byte to its last."""
        if self.selected is not None:
            self.post_message(self.Open(self.selected))

    def action_unfold(self) -> None:
        """Shows all of the tools' arguments, or folds the long ones."""
        self.story.unfold()

    def action_enlarge(self) -> None:
        """Gives the room to the story, or takes it back."""
        if self.has_class("-enlarged"):
            self.action_back()
        elif self.selected is not None:
            self.add_class("-enlarged")
            self.story.focus()
            self.refresh_bindings()

    def action_back(self) -> None:
        """Comes back to the requests; there, takes the filter away."""
        if self.has_class("-enlarged"):
            self.remove_class("-enlarged")
            self.refresh_bindings()
        else:
            self.typed.field.value = ""
        self.requests.focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The footer shows the keys that do something now."""
        if action == "back" and not parameters:
            return self.has_class("-enlarged") or bool(self.listing.filter.query)
        if action in ("cancel", "say_over") and not self.has_class("-blank"):
            return self._can_cancel is (action == "cancel")
        asks_for_request = action in ("cancel", "say_over", "fold", "follow", "sort", "filter", "open", "enlarge")
        return not (asks_for_request and self.has_class("-blank"))
