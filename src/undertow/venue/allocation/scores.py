"""Rank keys of the auto-deleveraging queues: whole numbers, higher is closed first.

Holds one function per published ranking, each from `Winners` to an int64 key per row. Does not rank;
`queue` does, and breaks ties by account.

Units: ratio scores are parts per billion, each division rounded towards zero and held within +-SCORE_LIMIT
(about
2.25 million times), beyond which rows tie. Sizes rank by their lots.
Invariant: a key depends on its own row only, and equals Python's exact integers (`reference`).
"""

from __future__ import annotations

import numpy as np

from undertow._jit import kernel
from undertow.streams import integers
from undertow.units import MICROS, mul_div_floor
from undertow.venue.allocation.winners import Int64s, Winners

SCORE_SCALE = 1_000_000_000
SCORE_LIMIT = 1 << 51

# Halfway to where mul_div_floor ends: a float64 quotient this large is surely beyond SCORE_LIMIT, and a
# smaller one surely small enough to be divided exactly.
_SURELY_BEYOND = float(SCORE_LIMIT + (SCORE_LIMIT >> 1))


@kernel
def ratio_floor(left: int, right: int, divisor: int) -> int:
    """left * right / divisor rounded down and held at SCORE_LIMIT; exact.

    Needs left, right and divisor inside what `mul_div_floor` takes, none below zero, the divisor above it.
    """
    if float(left) * float(right) / float(divisor) >= _SURELY_BEYOND:
        return SCORE_LIMIT
    return min(mul_div_floor(left, right, divisor), SCORE_LIMIT)


@kernel
def _profit_margin_ratio(winners: Winners, keys: Int64s) -> None:
    for row in range(keys.shape[0]):
        equity = winners.equity_micros[row]
        if equity <= 0:
            keys[row] = 0
            continue
        ratio = ratio_floor(winners.maintenance_micros[row], SCORE_SCALE, equity)
        profit = max(winners.profit_micros[row], 0)
        keys[row] = ratio_floor(profit, ratio, max(winners.wallet_micros[row], MICROS))


@kernel
def _profit_leverage(winners: Winners, keys: Int64s) -> None:
    for row in range(keys.shape[0]):
        profit = winners.profit_micros[row]
        equity = winners.equity_micros[row]
        if equity <= 0:
            keys[row] = -SCORE_LIMIT
            continue
        # Magnitude and sign apart: the signs come in no order, and a branch on them would be guessed wrong.
        notional = max(winners.notional_micros[row], 1)
        share = ratio_floor(abs(profit), SCORE_SCALE, max(winners.entry_notional_micros[row], 1))
        upper = notional if profit >= 0 else equity
        lower = equity if profit >= 0 else notional
        magnitude = ratio_floor(share, upper, lower)
        keys[row] = magnitude if profit >= 0 else -magnitude


@kernel
def _price_ratio_leverage(winners: Winners, keys: Int64s) -> None:
    for row in range(keys.shape[0]):
        equity = winners.equity_micros[row]
        if equity <= 0:
            keys[row] = -SCORE_LIMIT
            continue
        notional = winners.notional_micros[row]
        entry = winners.entry_notional_micros[row]
        # Above one for whoever is in profit: mark/entry for longs, entry/mark for shorts.
        if (notional >= entry) == (winners.profit_micros[row] >= 0):
            ratio = ratio_floor(notional, SCORE_SCALE, max(entry, 1))
        else:
            ratio = ratio_floor(entry, SCORE_SCALE, max(notional, 1))
        keys[row] = ratio_floor(ratio, notional, equity)


def profit_margin_ratio(winners: Winners) -> Int64s:
    """max(0, profit) / max(1 dollar, wallet) * maintenance / equity, in ppb; 0 without profit or equity.

    Source: Binance FAQ 360033525471 (cross form), developer forum 17801. The margin ratio is rounded first.
    """
    keys = np.empty(len(winners.account), np.int64)
    _profit_margin_ratio(winners, keys)
    return keys


def profit_leverage(winners: Winners) -> Int64s:
    """Profit share times effective leverage (divided by it for losers), in ppb; lowest without equity.

    Profit share is profit / entry value, leverage is position value / (position value - bankrupt value),
    whose denominator is the equity behind the position. Source: BitMEX autoDeleveraging. The share is
    rounded first.
    """
    keys = np.empty(len(winners.account), np.int64)
    _profit_leverage(winners, keys)
    return keys


def price_ratio_leverage(winners: Winners) -> Int64s:
    """mark/entry (longs) or entry/mark (shorts) times notional / equity, in ppb; lowest without equity.

    Source: Hyperliquid docs, auto-deleveraging; the inversion for shorts is inferred, since the literal ratio
    falls as a short gains. The price ratio is rounded first.
    """
    keys = np.empty(len(winners.account), np.int64)
    _price_ratio_leverage(winners, keys)
    return keys


def opposing_size(winners: Winners) -> Int64s:
    """The position's lots: the largest go first. Source: FTX help 360027937831 (back-stop overflow)."""
    return winners.size_lots


def start_row(seed: int, step: int, count: int) -> int:
    """Where a random-start queue begins: a row in [0, count), a function of seed and step alone."""
    if count == 0:
        return 0
    return int(integers(seed, "deleveraging start", step, np.zeros(1, np.int64), count)[0])
