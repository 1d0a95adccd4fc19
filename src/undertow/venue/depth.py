"""What the books show: average prices for a notional, and notional resting near a price.

Holds read-only walks over the order books for funding, for behaviours and for the tape. Changes nothing.

Units: ticks, lots, settlement units. Invariant: a walk never visits more levels than the distance it was
asked for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from undertow._jit import kernel
from undertow.venue.book import level_above, level_at, level_below
from undertow.venue.fixed_point import divide_nearest, mul_div_nearest
from undertow.venue.margin import INVERSE, fill_value
from undertow.venue.state import State

Int64s = NDArray[np.int64]


@kernel
def impact_price(state: State, instrument: int, side: int, amount: int) -> int:
    """Average price, to the nearest tick, of trading `amount` (settlement units) against one side.

    `side` +1: from the asks. The last level is taken in part, to a fraction of a lot; 0 if the book is too
    thin. Source: dydxprotocol/v4-chain, x/clob/memclob (impact price = impact notional / size that it buys).
    """
    record = state.instruments[instrument]
    market = state.markets[instrument]
    maximum = state.books[instrument].maximum_ticks
    lots = 0
    left = amount
    price: int = market.best_ask if side > 0 else market.best_bid
    while amount > 0 and 0 < price < maximum:
        size = state.pages[level_at(state, instrument, price)].size
        worth = fill_value(record.kind, record.unit, size, price)
        if worth >= left:
            if record.kind == INVERSE:
                return divide_nearest(lots * record.unit + left * price, amount)
            return mul_div_nearest(amount, price, lots * price * record.unit + left)
        lots += size
        left -= worth
        if side > 0:
            price = level_above(state, instrument, price + 1)
        else:
            price = level_below(state, instrument, price - 1)
    return 0


@kernel
def _impact(state: State, amounts: Int64s, bids: Int64s, asks: Int64s) -> None:
    for instrument in range(len(amounts)):
        bids[instrument] = impact_price(state, instrument, -1, amounts[instrument])
        asks[instrument] = impact_price(state, instrument, 1, amounts[instrument])


def impact_prices(state: State, amounts: Int64s) -> tuple[Int64s, Int64s]:
    """(bid, ask) of every instrument for its impact notional; 0 where the book is too thin, or for none."""
    bids, asks = np.zeros(len(amounts), np.int64), np.zeros(len(amounts), np.int64)
    _impact(state, amounts, bids, asks)
    return bids, asks


@kernel
def depth_near(
    state: State, around: NDArray[np.int64], bands_ppm: NDArray[np.int64], out: NDArray[np.int64]
) -> None:
    """Notional resting within each band of a price, per instrument: out[instrument, band, 0 bids | 1 asks].

    `around` is one price an instrument (0: left out); `bands_ppm` rise.
    """
    for instrument in range(len(around)):
        if around[instrument] <= 0:
            continue
        record = state.instruments[instrument]
        maximum = state.books[instrument].maximum_ticks
        for side in range(2):
            total = 0
            market = state.markets[instrument]
            price: int = market.best_bid if side == 0 else market.best_ask
            for band in range(len(bands_ppm)):
                width = around[instrument] * bands_ppm[band] // 1_000_000
                limit = around[instrument] - width if side == 0 else around[instrument] + width
                while 0 < price < maximum and (
                    (side == 0 and price >= limit) or (side == 1 and price <= limit)
                ):
                    lots = state.pages[level_at(state, instrument, price)].size
                    total += fill_value(record.kind, record.unit, lots, price)
                    if side == 0:
                        price = level_below(state, instrument, price - 1)
                    else:
                        price = level_above(state, instrument, price + 1)
                out[instrument, band, side] = total


@kernel
def depth_behind_best(state: State, band_ppm: int, out: NDArray[np.int64]) -> None:
    """Notional resting within a band of the best price of its own side: out[instrument, 0 bids | 1 asks].

    The same as `depth_near` around the best bid, its bids, and around the best ask, its asks.
    """
    for instrument in range(len(out)):
        record = state.instruments[instrument]
        maximum = state.books[instrument].maximum_ticks
        for side in range(2):
            market = state.markets[instrument]
            price: int = market.best_bid if side == 0 else market.best_ask
            width = price * band_ppm // 1_000_000
            limit = price - width if side == 0 else price + width
            total = 0
            while 0 < price < maximum and ((side == 0 and price >= limit) or (side == 1 and price <= limit)):
                lots = state.pages[level_at(state, instrument, price)].size
                total += fill_value(record.kind, record.unit, lots, price)
                if side == 0:
                    price = level_below(state, instrument, price - 1)
                else:
                    price = level_above(state, instrument, price + 1)
            out[instrument, side] = total
