"""Doors the venue closes by rule: withdrawals after a negative account, halts of matching or of liquidation.

Holds the conditions and their clocks. Holds no price formula. Halting matching freezes the books; marks go
on.

Units: milliseconds, ticks, ppm. Invariant: every closing and opening stands on the tape as an event.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

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


class Gates:
    """The rulebook's gates and what they remember."""

    def __init__(self, rules: GateRules) -> None:
        self.rules = rules
        self.reopen_ms = -1
        self.marks: deque[tuple[int, NDArray[np.int64]]] = deque()
        self.halted_until: dict[tuple[int, int], int] = {}  # (rule, instrument) -> milliseconds
        self.horizon_ms = max((halt.start.seconds for halt in rules.halts), default=0) * 1000

    def update(self, state: State, now_ms: int, negative_seen: bool) -> None:
        """Stage 10: close and open doors; `negative_seen` says that a wallet was below zero this step."""
        self._withdrawals(state, now_ms, negative_seen)
        if not self.rules.halts:
            return
        self.marks.append((now_ms, state.markets["mark"].copy()))
        while self.marks and self.marks[0][0] < now_ms - self.horizon_ms:
            self.marks.popleft()
        for number, halt in enumerate(self.rules.halts):
            self._halt(state, now_ms, number, halt)

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

    def _halt(self, state: State, now_ms: int, number: int, halt: Halt) -> None:
        for instrument in np.flatnonzero(state.markets["listed"]):
            place = (number, int(instrument))
            if place in self.halted_until:
                if now_ms >= self.halted_until[place] and self._may_end(halt, int(instrument), now_ms):
                    del self.halted_until[place]
                    self._set(state, halt, int(instrument), False)
            elif self._move_ppm(int(instrument), now_ms - halt.start.seconds * 1000) >= halt.start.ppm:
                self.halted_until[place] = now_ms + halt.end.seconds * 1000
                self._set(state, halt, int(instrument), True)

    def _may_end(self, halt: Halt, instrument: int, now_ms: int) -> bool:
        if halt.end.kind == "elapsed":
            return True
        return self._move_ppm(instrument, now_ms - halt.end.seconds * 1000) < halt.end.ppm

    def _move_ppm(self, instrument: int, since_ms: int) -> int:
        """Largest move from any remembered mark since `since_ms` to the newest."""
        newest = int(self.marks[-1][1][instrument])
        before = [int(ticks[instrument]) for time_ms, ticks in self.marks if time_ms >= since_ms]
        return max((abs(newest - ticks) * PPM // max(ticks, 1) for ticks in before), default=0)

    def _set(self, state: State, halt: Halt, instrument: int, closed: bool) -> None:
        kind = EventKind.HALT_START if closed else EventKind.HALT_END
        if halt.scope == "matching":
            state.markets[instrument]["halted"] = int(closed)
        elif closed:
            state.counters[LIQUIDATION_HALTED] += 1
        else:
            state.counters[LIQUIDATION_HALTED] -= 1
        price = int(state.markets[instrument]["mark"])
        tell(state, int(kind), NOBODY, (instrument, 0, 0, price), 0, int(halt.scope == "liquidation"))
