"""Whose turn it is: heaps by moment give what a walk over everybody gives, and everybody the same chance."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from undertow import streams
from undertow.crowd.turns import Turns, TurnsReference

INSTRUMENTS = 7


def uniforms(name: str, step: int, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    return streams.uniform(5, name, step, rows)


@pytest.mark.parametrize("length", [0, 1, 9, 1_000, 4_099])
@pytest.mark.parametrize("share", [0.01, 0.5, 1.0])
def test_turns_equal_reference(length: int, share: float) -> None:
    """Rows join, some twice; most of those whose turn came join again."""
    draw = np.random.default_rng(length)
    instrument_of = draw.integers(0, INSTRUMENTS, length)
    turns, reference = Turns(instrument_of, INSTRUMENTS), TurnsReference(instrument_of, INSTRUMENTS)
    for step in range(60):
        rows = np.flatnonzero(draw.random(length) < (share if step % 20 == 0 else 0.001))
        for queue in (turns, reference):
            queue.join(rows, uniforms("join", step, rows))
        found, expected = turns.drawn(20.0), reference.drawn(20.0)
        assert found.dtype == np.int64
        assert np.array_equal(found, expected)
        again = found[draw.random(len(found)) < 0.8]
        for queue in (turns, reference):
            queue.join(again, uniforms("again", step, again))
        assert np.array_equal(turns.queued, reference.queued)
        assert len(turns) == turns.queued.sum()


def test_the_order_of_joining_does_not_matter() -> None:
    rows = np.arange(2_000, dtype=np.int64)
    draws = uniforms("join", 0, rows)
    forwards, backwards = (Turns(rows % INSTRUMENTS, INSTRUMENTS) for _ in range(2))
    forwards.join(rows, draws)
    backwards.join(rows[::-1], draws[::-1])
    for _ in range(30):
        assert np.array_equal(forwards.drawn(20.0), backwards.drawn(20.0))


@pytest.mark.parametrize("waiting", [100, 10_000])
def test_everybody_has_the_same_chance_in_every_step(waiting: int) -> None:
    """About 30 turns a step, however many wait, and as many turns a row as chance gives, first or last."""
    rows = np.arange(waiting, dtype=np.int64)
    turns = Turns(np.zeros(waiting, np.int64), 1)
    turns.join(rows, uniforms("join", 0, rows))
    counts, taken = np.zeros(waiting), []
    for step in range(600):
        found = turns.drawn(30.0)
        taken.append(len(found))
        counts[found] += 1
        turns.join(found, uniforms("again", step, found))
    chance = 30.0 / waiting
    mean, spread = 600 * chance, (600 * chance * (1.0 - chance)) ** 0.5
    assert 29 < np.mean(taken) < 31
    assert np.var(taken) == pytest.approx(30.0 * (1.0 - chance), rel=0.2)
    assert np.var(counts) == pytest.approx(spread**2, rel=0.4)
    assert counts[: waiting // 2].mean() == pytest.approx(mean, rel=0.05)


def test_where_few_wait_all_have_their_turn() -> None:
    rows = np.arange(20, dtype=np.int64)
    turns = Turns(np.zeros(20, np.int64), 1)
    turns.join(rows, uniforms("join", 0, rows))
    assert len(turns.drawn(20.0)) == 20 and len(turns) == 0
