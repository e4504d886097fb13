"""The circuit breaker: leaves a provider's endpoint alone for a while when it keeps failing.

One circuit per endpoint and model of a provider. It closes the way for everybody at once, so it counts only what no
other key could mend: server errors and failed connections, never what is said of a key. No I/O here; time is given.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Self

from bridge.config.settings import CircuitBreakerSettings
from bridge.errors import ErrorKind, Refused
from bridge.events.values import CircuitState
from bridge.events.vocabulary import CircuitChanged, Event
from bridge.value_classes import define

ABOUT_KEYS = frozenset({401, 403, 429})

REMEMBERED = 1000
"""How many circuits are kept; model names come from clients, and may be anything."""

CIRCUIT_IS_OPEN = "circuit breaker is open"
"""What the client is told."""

CLOSED: Final = "closed"
HALF_OPEN: Final = "half_open"
OPEN: Final = "open"


class CircuitOpen(Refused):
    """The endpoint is left alone just now. `retry_after` is whole seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(ErrorKind.UNAVAILABLE, CIRCUIT_IS_OPEN, [(b"retry-after", str(retry_after).encode())])
        self.retry_after = retry_after


@define(eq=False)
class _Circuit:
    state: CircuitState = CLOSED
    failures: int = 0
    failed_at: float = -math.inf
    opened_at: float = -math.inf
    running: int = 0  # requests let through while half open
    good: int = 0


class Circuits:
    """The circuits of one provider; `failures` are the statuses that speak against an endpoint of its kind."""

    def __init__(
        self,
        provider: str,
        failures: frozenset[int],
        settings: CircuitBreakerSettings,
        *,
        publish: Callable[[Event], None],
        clock: Callable[[], float],
    ) -> None:
        self._provider = provider
        self._failures = failures
        self._settings = settings
        self._publish = publish
        self._clock = clock
        self._circuits: OrderedDict[tuple[str, str | None], _Circuit] = OrderedDict()

    def admit(self, endpoint: str, model: str | None) -> Permit:
        """Lets a request through, or raises CircuitOpen."""
        permit = Permit(self, (endpoint, model))
        if not self._settings.enabled:
            return permit
        circuit = self._circuits.get(permit.name)
        if circuit is None or circuit.state == CLOSED:
            return permit
        left = circuit.opened_at + self._settings.timeout - self._clock()
        if circuit.state == OPEN:
            if left > 0:
                raise CircuitOpen(max(1, math.ceil(left)))
            circuit.running = circuit.good = 0
            self._change(permit.name, circuit, HALF_OPEN)
        if circuit.running >= self._settings.max_requests:
            raise CircuitOpen(1)
        circuit.running += 1
        permit.probe = circuit
        return permit

    def note(self, permit: Permit, status: int | None) -> None:
        """An attempt's status, or None for a connection that failed: what it says of the endpoint."""
        if not self._settings.enabled or status in ABOUT_KEYS:
            return
        if status is None or status in self._failures:
            self._failed(permit)
        elif (circuit := self._circuits.get(permit.name)) is not None:
            self._served(permit, circuit)

    def release(self, permit: Permit) -> None:
        """The request is over, whatever came of it."""
        if permit.probe is not None:
            permit.probe.running -= 1
            permit.probe = None

    def close_all(self) -> None:
        """Forgets all circuits: nobody goes through them any more."""
        while self._circuits:
            self._close(*self._circuits.popitem())

    def _close(self, name: tuple[str, str | None], circuit: _Circuit) -> None:
        if circuit.state != CLOSED:
            self._change(name, circuit, CLOSED)

    def _failed(self, permit: Permit) -> None:
        circuit = self._circuits.setdefault(permit.name, _Circuit())
        self._circuits.move_to_end(permit.name)
        while len(self._circuits) > REMEMBERED:
            name, oldest = self._circuits.popitem(last=False)
            self._close(name, oldest)
        now = self._clock()
        if now - circuit.failed_at > self._settings.interval:
            circuit.failures = 0
        circuit.failures += 1
        circuit.failed_at = now
        too_many = circuit.state == CLOSED and circuit.failures >= self._settings.failure_threshold
        if too_many or (circuit.state == HALF_OPEN and permit.probe is circuit):
            circuit.opened_at = now
            self._change(permit.name, circuit, OPEN)

    def _served(self, permit: Permit, circuit: _Circuit) -> None:
        if circuit.state == CLOSED:
            circuit.failures = 0
        elif circuit.state == HALF_OPEN and permit.probe is circuit:
            circuit.good += 1
            if circuit.good >= self._settings.max_requests:
                circuit.failures = 0
                self._change(permit.name, circuit, CLOSED)

    def _change(self, name: tuple[str, str | None], circuit: _Circuit, state: CircuitState) -> None:
        circuit.state = state
        endpoint, model = name
        self._publish(CircuitChanged(self._provider, endpoint, model, state))


@define(eq=False)
class Permit:
    """One request's leave to go upstream. Use it as a context manager, which gives it back."""

    _circuits: Circuits | None = None
    name: tuple[str, str | None] = ("", None)
    probe: _Circuit | None = None

    def note(self, status: int | None) -> None:
        """See `Circuits.note`. A permit that nobody had to give notes nothing."""
        if self._circuits is not None:
            self._circuits.note(self, status)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._circuits is not None:
            self._circuits.release(self)
