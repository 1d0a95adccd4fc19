"""Noise: the compiled loop turns the sides and writes the commands that array operations write."""

from __future__ import annotations

import numpy as np
import pytest

from undertow.crowd.slices import Books, Manner, Seen, slices, slices_reference

COINS = 5


@pytest.mark.parametrize("seed", range(30))
def test_slices_equal_reference(seed: int) -> None:
    """Books at and beyond their limits, empty sides, holes, messages that fail, short steps."""
    draw = np.random.default_rng(seed)
    count = int(draw.integers(0, 60))
    side = draw.integers(0, 2, count) * 2 - 1
    own = 1_000.0 + draw.random(COINS) * 60_000.0
    near = np.rint(own * (1.0 + 0.06 * draw.standard_normal((2, COINS)))).astype(np.int64)
    bids, asks = near * (draw.random((2, COINS)) < 0.85)
    outside = own * (1.0 + 0.03 * draw.standard_normal(COINS))
    depth, unit = draw.integers(0, 10**12, (COINS, 2)), draw.integers(1, 10**5, COINS)
    seen = Seen(bids, asks, own, outside, depth, unit, draw.integers(30_000, 100_000, COINS))
    manner = Manner(0.04, 0.2, 0.01, 0.3 * float(draw.integers(0, 2)), 1 + seed % 3, seed)
    usd = draw.random(count) * 10.0 ** draw.integers(0, 6, count)
    held = draw.integers(-(10**6), 10**6, count)
    who = (draw.integers(0, 900, count), draw.integers(0, COINS, count), draw.integers(0, 10**6, count))
    limit = draw.random(count) * 10.0 ** draw.integers(1, 8, count)
    first, second = (Books(*who, limit, side.copy()) for _ in range(2))
    found, tried = slices(first, seen, manner, (3, seed), held, usd)
    expected, expected_tried = slices_reference(second, seen, manner, (3, seed), held, usd)
    assert found.dtype == expected.dtype
    assert found.tobytes() == expected.tobytes()
    assert tried == expected_tried
    assert np.array_equal(first.side, second.side)
