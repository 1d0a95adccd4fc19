"""Whose turn it is: two walks over the flags give what NumPy gives from one draw a row."""

from __future__ import annotations

import numpy as np
import pytest

from undertow import streams
from undertow.crowd.turns import Turns, drawn_reference

INSTRUMENTS = 7


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 1_000, 4_099])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 1.0])
def test_turns_equal_reference(length: int, share: float) -> None:
    """Queues of any length, empty to full; the same room serves step after step."""
    draw = np.random.default_rng(length)
    instrument_of = draw.integers(0, INSTRUMENTS, length)
    turns = Turns(instrument_of, INSTRUMENTS)
    for step in range(3):
        flags = draw.random(length) < share
        draws = streams.uniform(5, "turns", step, np.arange(length, dtype=np.int64))
        key = streams.stream_key(5, "turns", step)
        expected = drawn_reference(draws, flags, 20.0, instrument_of, INSTRUMENTS)
        found = turns.drawn(key, flags, 20.0)
        assert found.dtype == np.int64
        assert np.array_equal(found, expected)


def test_about_so_many_come_through() -> None:
    """The number expected a step does not depend on how many wait."""
    instrument_of = np.zeros(10_000, np.int64)
    turns = Turns(instrument_of, 1)
    for waiting in (100, 10_000):
        flags = np.arange(10_000) < waiting
        taken = [len(turns.drawn(streams.stream_key(1, "turns", step), flags, 30.0)) for step in range(100)]
        assert 28 < np.mean(taken) < 32
