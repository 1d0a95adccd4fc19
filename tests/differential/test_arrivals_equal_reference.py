"""The order of arrival: the compiled cut and move give what array operations give."""

from __future__ import annotations

import numpy as np
import pytest

from undertow import streams
from undertow.crowd.arrivals import in_random_order, in_random_order_reference
from undertow.crowd.view import Commands, cancel_all, deposits, nothing


def spoken_by(draw: np.random.Generator, length: int) -> Commands:
    """Commands of few accounts in few coins, so that neighbours often share a block."""
    commands = cancel_all(draw.integers(0, 4, length), draw.integers(0, 3, length))
    commands["price"] = np.arange(length)
    return commands


@pytest.mark.parametrize("step", range(20))
def test_arrivals_equal_reference(step: int) -> None:
    draw = np.random.default_rng(step)
    actors = [("makers", 0), ("noise", 0), ("traders", 0), ("nobody", 0), ("sellers", 0)]
    spoken = [spoken_by(draw, int(length)) for length in draw.integers(0, 40, len(actors))]
    spoken[3] = nothing()
    found = in_random_order(actors, spoken, 7, step)
    expected = in_random_order_reference(actors, spoken, 7, step)
    assert found.dtype == expected.dtype
    assert found.tobytes() == expected.tobytes()


def test_cash_of_a_first_wallet_has_a_place_in_the_order() -> None:
    """Cash belongs to no instrument: the first wallet's id is below zero."""
    spoken = [deposits(np.array([5, 6, 7]), np.array([1, 2, 3])), nothing()]
    actors = [("a", 5), ("b", 0)]
    expected = in_random_order_reference(actors, spoken, 1, 2)
    assert in_random_order(actors, spoken, 1, 2).tobytes() == expected.tobytes()
    key = streams.stream_key(1, "a", 2)
    with np.errstate(over="ignore"):
        assert streams.word_at.py_func(key, -1, 0) == streams.word_at(key, -1, 0)


def test_strided_commands_are_taken_as_well() -> None:
    whole = spoken_by(np.random.default_rng(1), 30)
    spoken = [whole[::3], nothing()]
    expected = in_random_order_reference([("a", 0), ("b", 0)], spoken, 1, 2)
    assert in_random_order([("a", 0), ("b", 0)], spoken, 1, 2).tobytes() == expected.tobytes()
