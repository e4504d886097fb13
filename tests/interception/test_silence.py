"""The watch over silence by itself: when it looks, and that nothing harms it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import trio
from attrs import define, field

from bridge.events.values import SilenceKind
from bridge.interception.silence import LOOK_EVERY_S, SILENT_AFTER_S, Lull, Pulse, SilenceWatch


@define
class Stream:
    """A response under way."""

    came_at: float = field(factory=trio.current_time)
    life: object = 0
    sending: bool = False
    taken: int = 0


@define
class Heard:
    """What a pulse told, with the time of it."""

    told: list[tuple[str, SilenceKind, float]] = field(factory=list)

    def pulse(self) -> Pulse:
        """One that tells it here."""
        return Pulse(lambda lull: self._note("silent", lull), lambda lull: self._note("heard", lull))

    def _note(self, word: str, lull: Lull) -> None:
        self.told.append((word, lull.kind, trio.current_time()))


@contextmanager
def watching(watch: SilenceWatch, pulse: Pulse) -> Iterator[None]:
    """Looks at a pulse while the block runs, as an interception has it."""
    watch.begin(pulse)
    try:
        yield
    finally:
        watch.end(pulse)


async def test_each_silence_is_told_within_eleven_seconds(
    autojump_clock: trio.abc.Clock,  # noqa: ARG001  # it is enough to be asked for
) -> None:
    kinds = (SilenceKind.NO_ANSWER, SilenceKind.NO_BYTES, SilenceKind.PINGS_ONLY, SilenceKind.CLIENT_NOT_READING)
    watch, heard, stream = SilenceWatch(), Heard(), Stream()
    pulse = heard.pulse()
    begun = []

    async def silence(kind: SilenceKind) -> None:
        """Such a silence of 15 s, after a sign of life."""
        stream.came_at, stream.life, stream.sending = trio.current_time(), object(), False
        pulse.flows(stream)
        await trio.sleep(1.3)
        stream.came_at, stream.life = trio.current_time(), object()
        begun.append(trio.current_time())
        if kind is SilenceKind.NO_ANSWER:
            pulse.asked()
        stream.sending = kind is SilenceKind.CLIENT_NOT_READING
        for _ in range(15):
            await trio.sleep(1)
            if kind is SilenceKind.PINGS_ONLY:
                stream.came_at = trio.current_time()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.run)
        with watching(watch, pulse):
            for kind in kinds:
                await silence(kind)
        nursery.cancel_scope.cancel()
    silences = [(kind, at) for word, kind, at in heard.told if word == "silent"]
    assert [kind for kind, _ in silences] == list(kinds)
    for (_, at), since in zip(silences, begun, strict=True):
        assert SILENT_AFTER_S <= at - since <= SILENT_AFTER_S + LOOK_EVERY_S
    assert [kind for word, kind, _ in heard.told if word == "heard"] == list(kinds[:-1])  # the last ends with all


async def test_it_is_told_once_however_long_it_lasts(
    autojump_clock: trio.abc.Clock,  # noqa: ARG001  # it is enough to be asked for
) -> None:
    watch, heard = SilenceWatch(), Heard()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.run)
        with watching(watch, pulse := heard.pulse()):
            pulse.asked()
            await trio.sleep(3600)
            pulse.at_ease()
        nursery.cancel_scope.cancel()
    assert [word for word, _, _ in heard.told] == ["silent", "heard"]


async def test_a_stream_is_given_up_once_and_not_while_its_client_is_slow(
    autojump_clock: trio.abc.Clock,  # noqa: ARG001  # it is enough to be asked for
) -> None:
    watch, heard = SilenceWatch(), Heard()
    given_up: list[Lull] = []
    pulse, stream = heard.pulse(), Stream()
    pulse.give_up_after, pulse.give_up = 60.0, given_up.append
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.run)
        with watching(watch, pulse):
            stream.sending = True
            pulse.flows(stream)
            await trio.sleep(200)
            assert not given_up
            stream.sending, stream.came_at, stream.life = False, trio.current_time(), 1
            while trio.current_time() - stream.came_at < 5 and not given_up:
                await trio.sleep(4)
                stream.came_at = trio.current_time()  # pings
            await trio.sleep(100)
        nursery.cancel_scope.cancel()
    [lull] = given_up
    assert lull.kind is SilenceKind.PINGS_ONLY


async def test_who_cannot_be_told_of_costs_nobody_else_the_watch(
    autojump_clock: trio.abc.Clock,  # noqa: ARG001  # it is enough to be asked for
) -> None:
    def fail(_: Lull) -> None:
        raise ValueError("no room")

    watch, heard = SilenceWatch(), Heard()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.run)
        with watching(watch, broken := Pulse(fail, fail)), watching(watch, pulse := heard.pulse()):
            broken.asked()
            pulse.asked()
            await trio.sleep(30)
        nursery.cancel_scope.cancel()
    assert [word for word, _, _ in heard.told] == ["silent"]


async def test_at_the_end_of_a_request_that_was_never_silent_the_kernel_is_not_asked() -> None:
    class Busy:
        came_at, life, sending = trio.current_time(), object(), True

        @property
        def taken(self) -> int:
            """It costs a call of the system."""
            raise AssertionError

    pulse = Heard().pulse()
    with watching(SilenceWatch(), pulse):
        pulse.flows(Busy())
