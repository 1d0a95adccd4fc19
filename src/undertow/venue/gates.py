"""Doors the venue closes by rule: withdrawals after a negative account, halts of matching or of liquidation.

Holds the conditions and their clocks. Holds no price formula. Halting matching freezes the books; marks go
on.

Units: milliseconds, ticks, ppm. Invariants: every closing and opening stands on the tape as an event; a step
costs the same however long a rule looks back.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from undertow._jit import kernel
from undertow.rulebook.trading import Gates as GateRules
from undertow.rulebook.trading import Halt
from undertow.units import PPM
from undertow.venue.ledger import tell
from undertow.venue.margin import maintenance_parts
from undertow.venue.records import EventKind
from undertow.venue.state import COUNT_CANDIDATES, LIQUIDATION_HALTED, WITHDRAWALS_CLOSED, State

NOBODY = (-1, -1)


@kernel
def any_negative(state: State) -> bool:
    """Whether a wallet found in danger owes more than it has."""
    for position in range(state.counters[COUNT_CANDIDATES]):
        equity, _maintenance, _gross = maintenance_parts(state, state.candidates[position])
        if equity < 0:
            return True
    return False


class Window:
    """The marks of one instrument over so many milliseconds, as far as they can still be its extremes.

    A mark that a later one undercuts will never be the lowest again, so only rising marks are kept for that,
    and falling ones for the highest: each is added once and dropped once.
    """

    def __init__(self, length_ms: int) -> None:
        self.length_ms = length_ms
        self.rising: deque[tuple[int, int]] = deque()  # (time, ticks); the first is the lowest
        self.falling: deque[tuple[int, int]] = deque()

    def add(self, now_ms: int, ticks: int) -> None:
        """Add the newest mark, and drop what is older than the window."""
        while self.rising and self.rising[-1][1] >= ticks:
            self.rising.pop()
        while self.falling and self.falling[-1][1] <= ticks:
            self.falling.pop()
        for kept in (self.rising, self.falling):
            kept.append((now_ms, ticks))
            while kept[0][0] < now_ms - self.length_ms:
                kept.popleft()

    def move_ppm(self) -> int:
        """Largest move from any mark in the window to the newest: from the lowest, or from the highest."""
        newest, lowest, highest = self.rising[-1][1], self.rising[0][1], self.falling[0][1]
        rise = (newest - lowest) * PPM // max(lowest, 1)
        return max(rise, (highest - newest) * PPM // max(highest, 1))


class Gates:
    """The rulebook's gates and what they remember."""

    def __init__(self, rules: GateRules) -> None:
        self.rules = rules
        self.reopen_ms = -1
        self.halted_until: dict[tuple[int, int], int] = {}  # (rule, instrument) -> milliseconds
        self.windows: dict[tuple[int, int], Window] = {}  # (seconds, instrument)
        starts = {halt.start.seconds for halt in rules.halts}
        self.lengths = sorted(starts | {halt.end.seconds for halt in rules.halts if halt.end.kind == "calm"})

    def update(self, state: State, now_ms: int, negative_seen: bool) -> None:
        """Stage 10: close and open doors; `negative_seen` says that a wallet was below zero this step."""
        self._withdrawals(state, now_ms, negative_seen)
        if not self.rules.halts:
            return
        listed = np.flatnonzero(state.markets["listed"]).tolist()
        marks = state.markets["mark"].tolist()
        for seconds in self.lengths:
            for instrument in listed:
                window = self.windows.setdefault((seconds, instrument), Window(seconds * 1000))
                window.add(now_ms, marks[instrument])
        for number, halt in enumerate(self.rules.halts):
            for instrument in listed:
                self._halt(state, now_ms, (number, instrument), halt)

    def memory(self) -> dict[str, Any]:
        """Everything that carries over from step to step, as copies."""
        windows = {
            place: (list(window.rising), list(window.falling)) for place, window in self.windows.items()
        }
        return {"reopen_ms": self.reopen_ms, "halted_until": dict(self.halted_until), "windows": windows}

    def restore(self, saved: dict[str, Any]) -> None:
        """Go back to what `memory` gave."""
        self.reopen_ms, self.halted_until = saved["reopen_ms"], dict(saved["halted_until"])
        self.windows = {}
        for place, (rising, falling) in saved["windows"].items():
            window = self.windows[place] = Window(place[0] * 1000)
            window.rising.extend(rising)
            window.falling.extend(falling)

    def _withdrawals(self, state: State, now_ms: int, negative_seen: bool) -> None:
        rule = self.rules.withdrawals
        if rule.kind == "none":
            return
        closed = state.counters[WITHDRAWALS_CLOSED] == 1
        if negative_seen:
            self.reopen_ms = now_ms + rule.seconds * 1000
            if not closed:
                state.counters[WITHDRAWALS_CLOSED] = 1
                tell(state, int(EventKind.WITHDRAWALS_CLOSED), NOBODY, (-1, 0, 0, 0), 0, self.reopen_ms)
        elif closed and 0 <= self.reopen_ms <= now_ms:
            state.counters[WITHDRAWALS_CLOSED] = 0
            tell(state, int(EventKind.WITHDRAWALS_OPEN), NOBODY, (-1, 0, 0, 0), 0, now_ms)

    def _halt(self, state: State, now_ms: int, place: tuple[int, int], halt: Halt) -> None:
        """Begin or end one rule's halt of one instrument; `place` is (rule, instrument)."""
        instrument = place[1]
        if place in self.halted_until:
            if now_ms >= self.halted_until[place] and self._may_end(halt, instrument):
                del self.halted_until[place]
                self._set(state, halt, instrument, False)
        elif self.windows[halt.start.seconds, instrument].move_ppm() >= halt.start.ppm:
            self.halted_until[place] = now_ms + halt.end.seconds * 1000
            self._set(state, halt, instrument, True)

    def _may_end(self, halt: Halt, instrument: int) -> bool:
        if halt.end.kind == "elapsed":
            return True
        return self.windows[halt.end.seconds, instrument].move_ppm() < halt.end.ppm

    def _set(self, state: State, halt: Halt, instrument: int, closed: bool) -> None:
        """Say that a rule's halt began or ended; trading goes on once no rule halts it."""
        kind = EventKind.HALT_START if closed else EventKind.HALT_END
        if halt.scope == "matching":
            rules = [rule for rule, where in self.halted_until if where == instrument]
            held = any(self.rules.halts[rule].scope == "matching" for rule in rules)
            state.markets[instrument]["halted"] = int(held)
        elif closed:
            state.counters[LIQUIDATION_HALTED] += 1
        else:
            state.counters[LIQUIDATION_HALTED] -= 1
        price = int(state.markets[instrument]["mark"])
        tell(state, int(kind), NOBODY, (instrument, 0, 0, price), 0, int(halt.scope == "liquidation"))
