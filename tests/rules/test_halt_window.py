"""What a halt looks back on: the largest move in its window, at a cost that does not grow with the window."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from support.small_venue import PERPETUAL, set_mark, small_venue
from undertow.rulebook.trading import Gates as GateRules
from undertow.rulebook.trading import Halt
from undertow.units import PPM
from undertow.venue.gates import Gates, Window
from undertow.venue.state import LIQUIDATION_HALTED, State


def largest_move_ppm(marks: list[tuple[int, int]], length_ms: int) -> int:
    """The same by a walk over everything."""
    now, newest = marks[-1]
    return max(abs(newest - ticks) * PPM // ticks for moment, ticks in marks if moment >= now - length_ms)


@given(
    st.lists(st.tuples(st.integers(1, 9_000), st.integers(1, 1_000_000)), min_size=1, max_size=60),
    st.integers(1, 30),
)
def test_the_largest_move_equals_that_of_the_whole_history(
    steps: list[tuple[int, int]], seconds: int
) -> None:
    window, marks, now = Window(seconds * 1000), [], 0
    for passed_ms, ticks in steps:
        now += passed_ms
        marks.append((now, ticks))
        window.add(now, ticks)
        assert window.move_ppm() == largest_move_ppm(marks, seconds * 1000)


def seconds_for(length_s: int, steps: int = 20_000) -> float:
    """Processor time of so many seconds of a saw tooth under a window of this length."""
    window, start = Window(length_s * 1000), time.process_time()
    for second in range(steps):
        window.add(second * 1000, 100_000 + second + 40 * (second % 50))
        window.move_ppm()
    return time.process_time() - start


def test_a_window_of_a_day_costs_as_much_as_one_of_ten_seconds() -> None:
    """Walking the history, twenty thousand seconds under a day's window took two hundred million looks."""
    assert seconds_for(86_400) < 5 * seconds_for(10) + 0.05


def test_each_mark_is_kept_once_and_dropped_once() -> None:
    window = Window(1_000_000)
    for second in range(1_000):  # a fall: every mark but the newest can be the highest, only that the lowest
        window.add(1000 * second, 10_000 - second)
    assert (len(window.rising), len(window.falling)) == (1, 1_000)
    window.add(1_000_000, 20_000)  # higher than all before: none of them can be the highest any more
    assert (len(window.rising), len(window.falling)) == (2, 1)
    window.add(9_000_000, 1)
    assert list(window.rising) == list(window.falling) == [(9_000_000, 1)]


CALM_FOR_LONGER = Halt.model_validate(
    {
        "scope": "liquidation",
        "start": {"kind": "move", "ppm": 100_000, "seconds": 2},
        "end": {"kind": "calm", "seconds": 10, "ppm": 50_000},
    }
)


def halted_seconds(gates: Gates, state: State, marks: list[int], first: int = 1) -> list[int]:
    """The seconds after which liquidation is halted."""
    found = []
    for second, ticks in enumerate(marks, first):
        set_mark(state, ticks, PERPETUAL)
        gates.update(state, 1000 * second, False)
        if state.counters[LIQUIDATION_HALTED]:
            found.append(second)
    return found


# A fall of 12 % in the third second, and 6 % more in the sixth: ten calm seconds are over in the sixteenth.
MARKS = [1_000_000] * 2 + [880_000] * 3 + [825_000] * 20


def test_a_calm_stretch_longer_than_the_start_s_window_is_looked_at_whole() -> None:
    """Halted in second 3 for ten seconds at least; the mark of second 5 is in the window until second 15."""
    state = small_venue()
    gates = Gates(GateRules(source=("x",), halts=(CALM_FOR_LONGER,)))
    assert halted_seconds(gates, state, MARKS) == list(range(3, 16))


def test_memory_and_restore_resume_the_window() -> None:
    state, again = small_venue(), small_venue()
    rules = GateRules(source=("x",), halts=(CALM_FOR_LONGER,))
    gates, other = Gates(rules), Gates(rules)
    found = halted_seconds(gates, state, MARKS[:8])
    other.restore(gates.memory())
    again.counters[LIQUIDATION_HALTED] = state.counters[LIQUIDATION_HALTED]
    rest = halted_seconds(gates, state, MARKS[8:], 9)
    assert halted_seconds(other, again, MARKS[8:], 9) == rest
    assert [*found, *rest] == list(range(3, 16))


def test_of_two_rules_that_halt_a_market_the_longer_holds() -> None:
    """A fall of 12 % starts both; the first would end in second 5, the second holds until second 8."""
    start = {"kind": "move", "ppm": 100_000, "seconds": 2}
    rules = [
        Halt.model_validate(
            {"scope": "matching", "start": start, "end": {"kind": "elapsed", "seconds": seconds}}
        )
        for seconds in (2, 5)
    ]
    state = small_venue()
    gates = Gates(GateRules(source=("x",), halts=tuple(rules)))
    halted = []
    for second, ticks in enumerate(MARKS[:2] + [880_000] * 10, 1):
        set_mark(state, ticks, PERPETUAL)
        gates.update(state, 1000 * second, False)
        if state.markets["halted"][PERPETUAL]:
            halted.append(second)
    assert halted == list(range(3, 8))
