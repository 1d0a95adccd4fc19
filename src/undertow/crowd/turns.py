"""Whose turn it is: a random few of a long queue, about so many an instrument.

In a step everybody who waits for an instrument has the same chance: turns a step over the number that waits.
Nobody is visited for it. A clock of each instrument runs by -log(1 - chance) a step, and a row's turn comes
when the clock has run an exponential time of its own since the row joined. Rows wait in a heap by that
moment, so a step looks only at those whose turn it is; who has had a turn joins again or is gone.

Holds the queue, its heaps, and the same with a walk over everybody as the reference. Holds no decision to
join.

Units: rows of a population's positions or assets; clocks in hazard. Invariant: when a row's turn comes
depends on its own draws and on how many wait for its instrument, not on who they are or in which order they
came.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow._jit import kernel
from undertow.crowd.view import Floats, Integers
from undertow.exact import floats

ROOM = 1024  # rows taken off at a time


class Heaps(NamedTuple):
    """A heap for each instrument, the earliest moment on top."""

    starts: Integers  # where each instrument's part of the two arrays below begins
    waiting: Integers  # rows in each heap
    moment: Floats  # of the clock, at which a row's turn comes
    row: Integers


@kernel
def push(heaps: Heaps, instrument: int, moment: float, row: int) -> None:
    """Put a row on an instrument's heap."""
    start, place = heaps.starts[instrument], heaps.waiting[instrument]
    heaps.waiting[instrument] += 1
    while place > 0:
        above = (place - 1) // 2
        if heaps.moment[start + above] <= moment:
            break
        heaps.moment[start + place] = heaps.moment[start + above]
        heaps.row[start + place] = heaps.row[start + above]
        place = above
    heaps.moment[start + place] = moment
    heaps.row[start + place] = row


@kernel
def pop(heaps: Heaps, instrument: int) -> int:
    """Take the row with the earliest moment off an instrument's heap, which must not be empty."""
    start, last = heaps.starts[instrument], heaps.waiting[instrument] - 1
    heaps.waiting[instrument] = last
    top = heaps.row[start]
    moment, row, place = heaps.moment[start + last], heaps.row[start + last], 0
    while 2 * place + 1 < last:
        below = 2 * place + 1
        if below + 1 < last and heaps.moment[start + below + 1] < heaps.moment[start + below]:
            below += 1
        if heaps.moment[start + below] >= moment:
            break
        heaps.moment[start + place] = heaps.moment[start + below]
        heaps.row[start + place] = heaps.row[start + below]
        place = below
    heaps.moment[start + place] = moment
    heaps.row[start + place] = row
    return int(top)


@kernel
def join_rows(
    heaps: Heaps, instrument_of: Integers, queued: NDArray[np.bool_], rows: Integers, moments: Floats
) -> None:
    """Put those rows on their heaps that do not wait yet."""
    for position in range(len(rows)):
        row = rows[position]
        if not queued[row]:
            queued[row] = True
            push(heaps, instrument_of[row], moments[position], row)


@kernel
def take_due(heaps: Heaps, clock: Floats, queued: NDArray[np.bool_], out: Integers) -> int:
    """Take every row off whose moment the clock has reached; returns how many."""
    count = 0
    for instrument in range(len(clock)):
        start = heaps.starts[instrument]
        while heaps.waiting[instrument] > 0 and heaps.moment[start] <= clock[instrument]:
            if count == len(out):
                return count
            row = pop(heaps, instrument)
            queued[row] = False
            out[count] = row
            count += 1
    return count


class Turns:
    """A queue of rows, empty at first. `instrument_of` has one entry a row that may ever wait."""

    def __init__(self, instrument_of: Integers, instruments: int) -> None:
        counts = np.bincount(instrument_of, minlength=instruments)
        rows = len(instrument_of)
        self._instrument_of = instrument_of
        self.queued = np.zeros(rows, np.bool_)  # who waits
        self.clock = np.zeros(instruments)
        self._heaps = Heaps(
            np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64),
            np.zeros(instruments, np.int64),
            np.zeros(rows),
            np.zeros(rows, np.int64),
        )
        self._room = np.empty(ROOM, np.int64)

    def __len__(self) -> int:
        """How many wait."""
        return int(self._heaps.waiting.sum())

    def join(self, rows: Integers, draws: Floats) -> None:
        """These rows wait from now on, if they do not already; `draws` is a uniform for each."""
        moments = self.clock[self._instrument_of[rows]] - floats.log1p(-draws)
        join_rows(self._heaps, self._instrument_of, self.queued, rows, moments)

    def drawn(self, a_step: float) -> Integers:
        """Rows whose turn it is in this step, in order; they wait no more. `a_step` an instrument."""
        until = advanced(self.clock, self._heaps.waiting, a_step)
        parts = [np.zeros(0, np.int64)]
        while count := int(take_due(self._heaps, until, self.queued, self._room)):
            parts.append(self._room[:count].copy())
        return np.sort(np.concatenate(parts))

    def memory(self) -> dict[str, NDArray[Any]]:
        """Every array that carries over."""
        heaps = self._heaps
        return {
            "queued": self.queued,
            "clock": self.clock,
            "waiting": heaps.waiting,
            "moment": heaps.moment,
            "row": heaps.row,
        }


def advanced(clock: Floats, waiting: Integers, a_step: float) -> Floats:
    """Run the clocks by a step; returns up to where turns come, infinite where everybody has one."""
    chance = a_step / np.maximum(waiting, 1)
    everybody = chance >= 1.0
    clock -= floats.log1p(-np.where(everybody, 0.0, chance))
    return np.where(everybody, np.inf, clock)


class TurnsReference:
    """`Turns` without heaps: everybody is visited in every step."""

    def __init__(self, instrument_of: Integers, instruments: int) -> None:
        self._instrument_of = instrument_of
        self.queued = np.zeros(len(instrument_of), np.bool_)
        self._moment = np.zeros(len(instrument_of))
        self.clock = np.zeros(instruments)

    def join(self, rows: Integers, draws: Floats) -> None:
        """These rows wait from now on."""
        new = ~self.queued[rows]
        rows, draws = rows[new], draws[new]
        self._moment[rows] = self.clock[self._instrument_of[rows]] - floats.log1p(-draws)
        self.queued[rows] = True

    def drawn(self, a_step: float) -> Integers:
        """Rows whose turn it is."""
        rows = np.flatnonzero(self.queued)
        waiting = np.bincount(self._instrument_of[rows], minlength=len(self.clock))
        until = advanced(self.clock, waiting, a_step)
        rows = rows[self._moment[rows] <= until[self._instrument_of[rows]]]
        self.queued[rows] = False
        return rows
