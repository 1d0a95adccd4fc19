"""Arbitrage: the compiled loop writes the commands, and keeps what rests, as array operations do."""

from __future__ import annotations

import numpy as np
import pytest

from undertow.crowd.offers import Books, Manner, Pairs, offers, offers_reference

FIRMS, COINS = 6, 9


def books_of(draw: np.random.Generator) -> Books:
    """Prices about the outside's, some far off, some books with an empty side."""
    outside = draw.random(COINS) * 10.0 ** draw.integers(0, 5, COINS) + 1.0
    near = outside * (1.0 + 0.02 * draw.standard_normal((3, COINS)))
    sides = np.rint(near[:2]).astype(np.int64) * (draw.random((2, COINS)) < 0.8)
    share = draw.random(COINS) * 0.9
    lot_usd, most = near[2] * draw.integers(1, 10**4, COINS) / 1e6, draw.integers(90_000, 10**6, COINS)
    perpetual = draw.random(COINS) < 0.7
    return Books(outside, sides[0], sides[1], near[2], lot_usd, most, perpetual, share, 0.3 * share)


def pairs_of(draw: np.random.Generator) -> Pairs:
    shape = (FIRMS, COINS)
    firm, instrument = (grid.astype(np.int64) for grid in np.indices(shape))
    held = draw.integers(-(10**6), 10**6, shape) * (draw.random(shape) < 0.7)
    start = draw.integers(0, 10**6, shape)
    band, opening = 0.02 * draw.random(shape), draw.random(shape) * 10.0 ** draw.integers(0, 7, shape)
    flags = draw.random((2, *shape)) < 0.5
    return Pairs(100 + firm, instrument, firm * 1024 + instrument, held, start, band, opening, *flags)


@pytest.mark.parametrize("seed", range(60))
def test_offers_equal_reference(seed: int) -> None:
    draw = np.random.default_rng(seed)
    books, first = books_of(draw), pairs_of(draw)
    second = first._replace(resting=first.resting.copy(), standing=first.standing.copy())
    manner = Manner(seed, 1 + seed % 3, 5, 0.2, 0.3 * (seed % 2), seed % 5 > 0)
    found, tried = offers(books, first, manner, 3)
    expected, expected_tried = offers_reference(books, second, manner, 3)
    assert found.dtype == expected.dtype
    assert found.tobytes() == expected.tobytes()
    assert tried == expected_tried
    assert np.array_equal(first.resting, second.resting)
    assert np.array_equal(first.standing, second.standing)
