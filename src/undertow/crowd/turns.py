"""Whose turn it is: a random few of a long queue, about so many an instrument.

Holds two walks over a queue that may be as long as the population, and the same in NumPy as the reference.
Holds no decision to join a queue.

Units: rows of a population's positions or assets. Invariant: whether a row's turn comes depends on its
own draw and on how many wait for its instrument.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from undertow import streams
from undertow._jit import kernel
from undertow.crowd.view import Floats, Integers

WORD = 8  # flags looked at together


@kernel
def list_waiting(words: Integers, flags: NDArray[np.bool_], rows: Integers) -> int:
    """List the rows whose flag is set, in order; `words` are the flags, eight at a time."""
    count = 0
    for word in range(len(words)):
        if words[word] != 0:
            for row in range(word * WORD, (word + 1) * WORD):
                if flags[row]:
                    rows[count] = row
                    count += 1
    for row in range(len(words) * WORD, len(flags)):
        if flags[row]:
            rows[count] = row
            count += 1
    return count


@kernel
def count_waiting(rows: Integers, instrument_of: Integers, waiting: Integers) -> None:
    """How many rows wait for each instrument."""
    for position in range(len(rows)):
        waiting[instrument_of[rows[position]]] += 1


@kernel
def keep_turns(key: np.uint64, rows: Integers, instrument_of: Integers, chance: Floats) -> int:
    """Move the rows whose draw is below their instrument's chance to the front; returns how many."""
    count = 0
    for position in range(len(rows)):
        row = rows[position]
        if streams.uniform_at(key, row) < chance[instrument_of[row]]:
            rows[count] = row
            count += 1
    return count


class Turns:
    """Draws turns for queues of one length; keeps the room that takes."""

    def __init__(self, instrument_of: Integers, instruments: int) -> None:
        self._instrument_of = instrument_of
        self._instruments = instruments
        self._rows = np.empty(len(instrument_of), np.int64)

    def drawn(self, key: np.uint64, flags: NDArray[np.bool_], a_step: float) -> Integers:
        """Rows of the flagged whose turn it is in this step; `a_step` are expected for each instrument."""
        words = flags[: len(flags) // WORD * WORD].view(np.int64)
        rows = self._rows[: int(list_waiting(words, flags, self._rows))]
        waiting = np.zeros(self._instruments, np.int64)
        count_waiting(rows, self._instrument_of, waiting)
        chance = a_step / np.maximum(waiting, 1)
        return rows[: int(keep_turns(key, rows, self._instrument_of, chance))].copy()


def drawn_reference(
    draws: Floats, flags: NDArray[np.bool_], a_step: float, instrument_of: Integers, instruments: int
) -> Integers:
    """`Turns.drawn` in NumPy, from one draw for every row."""
    rows = np.flatnonzero(flags)
    waiting = np.bincount(instrument_of[rows], minlength=instruments)
    chance = a_step / np.maximum(waiting, 1)
    return rows[draws[rows] < chance[instrument_of[rows]]]
