"""Depth behind the best prices: what the books show around them, side by side with the general walk."""

from __future__ import annotations

import numpy as np
import pytest

from support.small_venue import ASSET, OTHER, PERPETUAL, quote, small_venue
from undertow.venue.depth import depth_behind_best, depth_near, impact_price, impact_prices
from undertow.venue.records import InstrumentKind
from undertow.venue.state import State

INSTRUMENTS = 3
MID = 1_000_000


def around_best(state: State, band_ppm: int) -> list[list[int]]:
    """By two general walks, one around the bids' best and one around the asks'."""
    depth = np.zeros((INSTRUMENTS, 2), np.int64)
    for column, name in enumerate(("best_bid", "best_ask")):
        best = state.markets[name][:INSTRUMENTS].copy()
        best[best >= state.instruments["maximum_ticks"][:INSTRUMENTS]] = 0
        out = np.zeros((INSTRUMENTS, 1, 2), np.int64)
        depth_near(state, best, np.array([band_ppm], np.int64), out)
        depth[:, column] = out[:, 0, column]
    return [[int(cell) for cell in row] for row in depth]


def behind_best(state: State, band_ppm: int) -> list[list[int]]:
    depth = np.zeros((INSTRUMENTS, 2), np.int64)
    depth_behind_best(state, band_ppm, depth)
    return [[int(cell) for cell in row] for row in depth]


@pytest.fixture
def books() -> State:
    """A deep book, one with a single order a side, one with bids only."""
    state = small_venue(MID)
    draw = np.random.default_rng(3)
    for distance in draw.integers(100, 60_000, 60):
        quote(state, 1, int(draw.integers(1, 500)), MID - int(distance))
        quote(state, -1, int(draw.integers(1, 500)), MID + int(distance))
    quote(state, 1, 7, 999_000, OTHER)
    quote(state, -1, 11, 1_020_000, OTHER)
    quote(state, 1, 5, 900_000, ASSET)
    return state


@pytest.mark.parametrize("band_ppm", [0, 1, 500, 10_000, 40_000, 900_000])
def test_two_walks_and_one_agree(books: State, band_ppm: int) -> None:
    """For any band; a side without orders shows nothing."""
    found = behind_best(books, band_ppm)
    assert found == around_best(books, band_ppm)
    assert found[OTHER] == [7 * 999_000, 11 * 1_020_000]
    assert found[ASSET] == [5 * 900_000, 0]


def test_a_wider_band_shows_more(books: State) -> None:
    """And the widest shows everything."""
    shown = [behind_best(books, band_ppm)[PERPETUAL] for band_ppm in (0, 10_000, 900_000)]
    assert shown[0] < shown[1] < shown[2]
    live = books.orders[books.orders["size"] > 0]
    for side, total in ((1, shown[2][0]), (-1, shown[2][1])):
        mine = live[(live["side"] == side) & (live["instrument"] == PERPETUAL)]
        assert total == int((mine["size"] * mine["price"]).sum())


def test_the_impact_price_is_that_of_walking_the_notional() -> None:
    """1,000 dollars against 5 coins at 100 and more at 200: 500 / 200 = 2.5 of these, 1,000 / 7.5 a coin.

    Of a size fixed at the index, 10 coins, the average would be 150.
    """
    state = small_venue(100)
    coin, dollar = 10_000, 1_000_000  # a tick is a cent, a lot a ten-thousandth of a coin
    quote(state, -1, 5 * coin, 10_000)
    quote(state, -1, 100 * coin, 20_000)
    assert int(impact_price(state, PERPETUAL, 1, 500 * dollar)) == 10_000
    assert int(impact_price(state, PERPETUAL, 1, 1_000 * dollar)) == 13_333
    assert int(impact_price(state, PERPETUAL, 1, 20_500 * dollar)) == 19_524
    assert int(impact_price(state, PERPETUAL, 1, 20_501 * dollar)) == 0  # too thin
    assert int(impact_price(state, PERPETUAL, -1, 1)) == 0
    bids, asks = impact_prices(state, np.array([1_000 * dollar, 0, 0], np.int64))
    assert (bids.tolist(), asks.tolist()) == ([0, 0, 0], [13_333, 0, 0])


def test_the_impact_price_of_an_inverse_contract_is_contracts_over_coins() -> None:
    """Half a coin at 100 is 50 contracts of a dollar, the other half at 200 is 100: 150 a coin."""
    state = small_venue(100, kind=int(InstrumentKind.INVERSE), unit=100_000_000)
    quote(state, -1, 50, 100)
    quote(state, -1, 1_000, 200)
    assert int(impact_price(state, PERPETUAL, 1, 100_000_000)) == 150
