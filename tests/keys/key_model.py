"""A pool's key as a few plain numbers: what the state machine test believes. It shares no code with the pool."""

from __future__ import annotations

from attrs import define

from bridge.events.values import KeyState

CHECK_WAITS = [60, 120, 300, 600, 1200, 2400]


@define
class Modelled:
    """One key: until when it rests (0: not), whether it is refused, suspected, switched off."""

    rests_until: float = 0.0
    rests_for: str = ""
    rests_by: object = None
    refused_for: str = ""
    accused_by: object = None
    off: bool = False
    suspect: bool = False
    check_at: float | None = None
    checks: int = 0
    in_check: bool = False
    probe_at: float | None = None
    on_probe: bool = False

    def rest(self, until: float, reason: str, now: float, cause: object = None) -> None:
        """A longer rest replaces a shorter one."""
        if until > max(now, self.rests_until):
            self.rests_until, self.rests_for, self.rests_by = until, reason, cause
            self.plan_probe(now)

    def refuse(self, reason: str, now: float, cause: object) -> None:
        """A dead key stays what it is, but for one that was only forbidden."""
        self.suspect = False
        if not self.refused_for or (self.refused_for, reason) == ("forbidden", "unauthorized"):
            self.refused_for, self.accused_by, self.checks = reason, cause, 0
            self.plan_check(now)
            self.plan_probe(now)

    def plan_probe(self, now: float) -> None:
        """A request is let through in ten minutes, if nothing else happens before."""
        self.probe_at = now + 600 if self.refused_for or self.rests_until - now > 600 else None

    def plan_check(self, now: float) -> None:
        """The next check."""
        self.check_at = now + (CHECK_WAITS[self.checks] if self.checks < len(CHECK_WAITS) else 3600)
        self.checks += 1

    def settle(self, now: float) -> None:
        """A passed deadline is over."""
        if 0 < self.rests_until <= now:
            self.wake()

    def wake(self) -> None:
        """No rest any more."""
        self.rests_until = 0.0
        if not self.refused_for:
            self.probe_at, self.on_probe = None, False

    def usable(self, now: float) -> bool:
        """Whether a request may have it."""
        well = not self.refused_for and self.rests_until <= now
        return not self.off and (well or (self.revivable and self.probe_at is not None and self.probe_at <= now))

    @property
    def revivable(self) -> bool:
        """Whether a good answer brings it back."""
        return self.refused_for in ("", "forbidden")

    def shown(self) -> tuple[KeyState, str | None]:
        """State and reason for people."""
        if self.off:
            return KeyState.DISABLED, None
        if self.refused_for:
            return KeyState.PERMANENT, self.refused_for
        return (KeyState.TEMPORARY, self.rests_for) if self.rests_until else (KeyState.VALID, None)

    def cause(self) -> object:
        """What people see as the cause."""
        if self.off:
            return None
        return self.accused_by if self.refused_for else self.rests_by if self.rests_until else None
