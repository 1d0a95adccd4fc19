"""Makers' quotes: the compiled loop writes the commands that array operations write."""

from __future__ import annotations

import numpy as np
import pytest

from undertow.crowd.quotes import Pairs, Touch, quotes, quotes_reference

COINS = 4


@pytest.mark.parametrize("seed", range(40))
def test_quotes_equal_reference(seed: int) -> None:
    """Prices from a tick to beyond the largest, sizes from nothing, books with an empty side."""
    draw = np.random.default_rng(seed)
    count, levels = int(draw.integers(0, 30)), int(draw.integers(1, 12))
    touch = Touch(
        draw.integers(0, 2, COINS) * draw.integers(1, 9_000, COINS),
        draw.integers(0, 2, COINS) * draw.integers(1, 9_000, COINS),
        draw.integers(1, 10**6, COINS),
        draw.integers(5_000, 20_000, COINS),
    )
    pairs = Pairs(
        draw.integers(0, 500, count),
        draw.integers(0, COINS, count),
        draw.random(count) * 10.0 ** draw.integers(0, 5, count),
        draw.random((count, 2)) * 10.0 ** draw.integers(0, 7, (count, 2)),
        draw.random((count, 2, levels)) ** 3,
        draw.random((count, levels)),
    )
    found, usd = quotes(touch, pairs)
    expected, expected_usd = quotes_reference(touch, pairs)
    assert found.dtype == expected.dtype
    assert found.tobytes() == expected.tobytes()
    assert usd.tobytes() == expected_usd.tobytes()
