"""Where a person stands in the walkthrough: which request or chapter, which step, and what they want next.

A step is gone to by its name, so that what is found later in a running request does not move the place where one
stands. With lessons there are chapters: one is played when it is opened, and again when it was left before its end.
"""

from __future__ import annotations

from bridge.events.entries import Interception
from bridge.events.values import ServerState
from monitor.lines.chapters import CHAPTERS, Chapter, told
from monitor.lines.walkthrough import steps
from monitor.lines.walkthrough_step import WalkthroughStep
from monitor.sources.lessons import Lessons
from monitor.state.state import MonitorState, Status

GONE = "the demo plays no more"
NONE_AFTER = "no attempt has failed after this one"


class Course:
    """A way through steps. What its methods return is to be told to the person."""

    def __init__(self, request: Interception | None = None, lessons: Lessons | None = None) -> None:
        self.request = request
        """The one that the step at hand is of."""
        self.steps: list[WalkthroughStep] = steps(request) if request else []
        self.requests: list[Interception] = [request] * len(self.steps) if request else []
        """The request that each step is of."""
        self.current = 0
        self.number = 1 if lessons else None
        """That of the chapter, where there are chapters."""
        self._lessons = lessons
        self._sessions: dict[int, str] = {}
        """The chapters that were played, each in the session of its last time."""
        self._goes_on = False
        """The person has gone on from the end of what still runs."""
        self._seeks = False
        """The person wants the next attempt that fails."""

    @property
    def chapter(self) -> Chapter | None:
        """The chapter that is open, where there are chapters."""
        return None if self.number is None else CHAPTERS[self.number - 1]

    @property
    def step(self) -> WalkthroughStep:
        """The step at hand."""
        return self.steps[self.current]

    @property
    def at_end(self) -> bool:
        """Whether it is the last there is."""
        return self.current >= len(self.steps) - 1

    def look(self, state: MonitorState) -> str:
        """Takes in what there is now, and goes on where the person waits for it."""
        message = self._play(state)
        found = self._find(state)
        here = (self.requests[self.current].id, self.step.key) if self.steps else None
        before = len(self.steps)
        self.requests, self.steps = [request for request, _ in found], [step for _, step in found]
        names = [(request.id, step.key) for request, step in found]
        self.current = names.index(here) if here in names else max(0, min(self.current, len(names) - 1))
        if found:
            self.request = self.requests[self.current]
        if len(self.steps) != before:
            if self._seeks:
                message = self._seek() or message
            elif self._goes_on and not self.at_end:
                self.go(self.current + 1)
        return message

    def _find(self, state: MonitorState) -> list[tuple[Interception, WalkthroughStep]]:
        known = state.picture.interceptions
        if self.number is None:
            if self.request is None:
                return []
            request = known.get(self.request.id, self.request)  # a fresh snapshot brings fresh objects
            return [(request, step) for step in steps(request, state.trace(request.id))]
        session = self._sessions.get(self.number)
        requests = [request for request in known.values() if session and request.started.session_id == session]
        return told(CHAPTERS[self.number - 1], requests, state.trace)

    def _play(self, state: MonitorState) -> str:
        """Has the open chapter played, if it was not. Not before there is somebody to see it."""
        if self._lessons is None or self.number is None or self.number in self._sessions:
            return ""
        tools = any(server.state is ServerState.READY for server in state.picture.servers.values())
        if state.status is not Status.LIVE or (CHAPTERS[self.number - 1].tools and not tools):
            return ""
        session = self._lessons.play(self.number)
        if session is None:
            return GONE
        self._sessions[self.number] = session
        return ""

    def go(self, index: int) -> None:
        """To that step, or the nearest there is."""
        self._goes_on = self._seeks = False
        self.current = max(0, min(index, len(self.steps) - 1))
        if self.requests:
            self.request = self.requests[self.current]

    def go_on(self, state: MonitorState) -> str:
        """A step on. From the end of what still runs, lets it run; from that of what is over, to what comes after."""
        if not self.at_end:
            self.go(self.current + 1)
        elif self.number is None:
            if self.request is not None and not self.request.live:
                self.another(1, state)
        elif self.steps and self.step.quiz:
            self.open(self.number + 1)
        else:
            self._goes_on = True
            return self._let_go()
        return ""

    def _let_go(self) -> str:
        return "" if self._lessons is None or self._lessons.step() else GONE

    def open(self, number: int) -> None:
        """Opens that chapter from its beginning, if there is one."""
        if self.number is None or not 1 <= number <= len(CHAPTERS):
            return
        if not (self.steps and self.steps[-1].quiz):
            self._sessions.pop(self.number, None)
        self.number = number
        self._forget()

    def again(self) -> None:
        """Has the chapter played again."""
        if self.number is not None:
            self._sessions.pop(self.number, None)
            self._forget()

    def _forget(self) -> None:
        self.request, self.steps, self.requests = None, [], []
        self.go(0)

    def has_another(self, state: MonitorState) -> bool:
        """Whether a request came after this one, or before it."""
        return self.request is not None and len(state.picture.interceptions) > 1

    def has_next(self, state: MonitorState) -> bool:
        """Whether there is a step on from here, in what comes after it too."""
        if not self.at_end:
            return True
        if self.number is not None:
            return not (self.steps and self.step.quiz) or self.number < len(CHAPTERS)
        return self.request is not None and not self.request.live and bool(self._after(state))

    def has_chapter(self, by: int) -> bool:
        """Whether there is a chapter so many after this one, or before it where negative."""
        return self.number is not None and 1 <= self.number + by <= len(CHAPTERS)

    def has_failover(self, state: MonitorState) -> bool:
        """Whether there is an attempt that failed to go to; in a demo there may be one to come."""
        if _failed_after(self.steps, self.current) is not None:
            return True
        if self.number is not None:
            return not self._has_seen_all(self.number) or self._next_that_fails(self.number) is not None
        return any(_has_failed(request) for request in self._after(state))

    def _after(self, state: MonitorState) -> list[Interception]:
        """The requests that came after this one; all, where it is forgotten."""
        known = list(state.picture.interceptions.values())
        ids = list(state.picture.interceptions)
        return known[ids.index(self.request.id) + 1 if self.request is not None and self.request.id in ids else 0 :]

    def another(self, by: int, state: MonitorState) -> None:
        """To the request that came after this one, or before it."""
        known = state.picture.interceptions
        if self.request is None or self.number is not None:
            return
        ids = list(known)
        index = ids.index(self.request.id) + by if self.request.id in known else 0
        if 0 <= index < len(ids):
            self._turn_to(known[ids[index]], state)

    def _turn_to(self, request: Interception, state: MonitorState, index: int = 0) -> None:
        self.request, self.steps = request, steps(request, state.trace(request.id))
        self.requests = [request] * len(self.steps)
        self.go(index)

    def failover(self, state: MonitorState) -> str:
        """To the next attempt that failed, in this request or one after it; of a demo, to the next that will fail."""
        if self.number is None:
            return self._go_to_failed(state)
        if self._has_seen_all(self.number):
            after = self._next_that_fails(self.number)
            if after is None:
                return NONE_AFTER
            self.open(after)
        self._seeks = True
        return self._seek()

    def _has_seen_all(self, number: int) -> bool:
        return sum(step.failed for step in self.steps[: self.current + 1]) >= CHAPTERS[number - 1].failovers

    @staticmethod
    def _next_that_fails(number: int) -> int | None:
        return next((later for later, each in enumerate(CHAPTERS, 1) if later > number and each.failovers), None)

    def _seek(self) -> str:
        """To the next step at which an attempt failed; while there is none yet, lets the provider answer."""
        index = _failed_after(self.steps, self.current)
        if index is not None:
            self.go(index)
        elif self.steps and self.requests[-1].live:
            self.go(len(self.steps) - 1)
            self._seeks = True
            return self._let_go()
        return ""

    def _go_to_failed(self, state: MonitorState) -> str:
        index = _failed_after(self.steps, self.current)
        if index is not None:
            self.go(index)
            return ""
        for request in self._after(state):
            index = _failed_after(steps(request, state.trace(request.id)), -1)
            if index is not None:
                self._turn_to(request, state, index)
                return ""
        return NONE_AFTER


def _has_failed(request: Interception) -> bool:
    return any(attempt.reason is not None for attempt in request.attempts)


def _failed_after(those: list[WalkthroughStep], current: int) -> int | None:
    return next((index for index, step in enumerate(those) if index > current and step.failed), None)
