"""How often the dashboard paints where there is something new all the time."""

from __future__ import annotations

import pytest

from monitor.terminal.frame_rate import FRAME_S, SHARE, SLOWEST_S, FrameRate


class Machine:
    """A clock and a processor."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.spent = 5.0
        self.rate = FrameRate(lambda: self.time, lambda: self.spent)

    def paint(self, cost: float) -> None:
        self.rate.note()
        self.spent += cost
        self.time += cost

    def pass_time(self, seconds: float, busy: float = 0.0) -> None:
        self.time += seconds
        self.spent += busy * seconds

    def until_due(self, busy: float) -> float:
        """Seconds from the last frame to the next."""
        began = self.time
        while (wait := self.rate.wait_s()) > 1e-6:
            self.pass_time(wait, busy)
        return self.time - began


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_the_first_frame_is_due_at_once(machine: Machine) -> None:
    assert machine.rate.wait_s() <= 0


def test_frames_that_cost_little_come_fifteen_times_a_second(machine: Machine) -> None:
    machine.paint(0.002)
    assert machine.rate.wait_s() == pytest.approx(FRAME_S - 0.002)


@pytest.mark.parametrize("busy", [0.0, 0.04, 0.1])
@pytest.mark.parametrize("cost", [0.01, 0.014, 0.018])
def test_dear_frames_and_what_is_done_between_them_take_no_more_than_the_share(
    machine: Machine, cost: float, busy: float
) -> None:
    machine.paint(cost)
    began = machine.time - cost
    machine.until_due(busy)
    between = machine.time - began
    assert FRAME_S - 1e-6 <= between <= SLOWEST_S + 1e-6
    assert (cost + busy * (between - cost)) / between <= SHARE + 1e-5


def test_however_dear_they_come_four_times_a_second(machine: Machine) -> None:
    machine.paint(0.2)
    assert machine.rate.wait_s() == pytest.approx(SLOWEST_S - 0.2)


def test_what_was_spent_long_ago_holds_nothing_back(machine: Machine) -> None:
    machine.paint(0.05)
    machine.pass_time(10.0, busy=0.01)
    assert machine.rate.wait_s() <= 0
