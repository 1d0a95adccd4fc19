"""What a backstop does elsewhere: it lays off what it took over on another venue, at a cost.

Holds the books of that other venue (sizes, quotes, costs of each house account) and the profit of a house
account over both venues. Holds nothing that this venue's ledger knows: money elsewhere is not money here.

Units: lots, settlement units, outside prices in this venue's ticks. Rounding: costs up, the part laid off
up. Invariant: with a share of one the position here and the position elsewhere cancel after every call;
profit is what is there, here and elsewhere, less capital put in and costs paid.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow._jit import kernel
from undertow.units import mul_ppm_ceil
from undertow.venue.integers import wide
from undertow.venue.ledger import find_holding
from undertow.venue.margin import SPOT, notional, position_value, worth
from undertow.venue.state import State


class HedgeRule(NamedTuple):
    """Figures of laying off."""

    cost_ppm: int  # of the notional traded elsewhere: fees, spread, impact
    share_ppm: int  # of what is not yet laid off, each call


class Hedge(NamedTuple):
    """Books elsewhere, one row a house account; sizes and quotes are [row, instrument]."""

    account: NDArray[np.int64]
    capital: NDArray[np.int64]  # put into the account here
    size: NDArray[np.int64]
    quote: NDArray[np.int64]
    cost: NDArray[np.int64]  # paid so far


def open_hedge(state: State, accounts: Sequence[int], capital: Sequence[int]) -> Hedge:
    """Empty books for these accounts, which were given this much money here."""
    shape = (len(accounts), len(state.instruments))
    return Hedge(
        np.array(accounts, np.int64),
        np.array(capital, np.int64),
        np.zeros(shape, np.int64),
        np.zeros(shape, np.int64),
        np.zeros(len(accounts), np.int64),
    )


@kernel
def lay_off(state: State, rule: HedgeRule, hedge: Hedge, outside: NDArray[np.int64]) -> None:
    """Trade elsewhere at the outside price (0: none) towards the opposite of what is held here."""
    for row in range(len(hedge.account)):
        for instrument in range(len(outside)):
            record = state.instruments[instrument]
            if outside[instrument] <= 0 or record.kind == SPOT:
                continue
            held = 0
            holding = wide(find_holding(state, wide(hedge.account[row]), instrument))
            if holding >= 0:
                held = wide(state.holdings[holding].size)
            gap = -held - wide(hedge.size[row, instrument])
            if gap == 0:
                continue
            lots = mul_ppm_ceil(abs(gap), rule.share_ppm)
            trade = lots if gap > 0 else -lots
            price = wide(outside[instrument])
            hedge.size[row, instrument] += trade
            hedge.quote[row, instrument] -= position_value(record.kind, record.unit, trade, price)
            value = notional(record.kind, record.unit, lots, price)
            hedge.cost[row] += mul_ppm_ceil(value, rule.cost_ppm)


@kernel
def write_profits(state: State, hedge: Hedge, outside: NDArray[np.int64], out: NDArray[np.int64]) -> None:
    """Profit of each row so far, into `out`: worth here and elsewhere, less capital and costs."""
    for row in range(len(hedge.account)):
        total = worth(state, wide(hedge.account[row]))
        for instrument in range(len(outside)):
            size = wide(hedge.size[row, instrument])
            price = wide(outside[instrument])
            if price <= 0:
                price = wide(state.markets[instrument].mark)
            record = state.instruments[instrument]
            if size != 0:
                total += position_value(record.kind, record.unit, size, price)
            total += wide(hedge.quote[row, instrument])
        out[row] = total - wide(hedge.capital[row] + hedge.cost[row])


def profits(state: State, hedge: Hedge, outside: NDArray[np.int64]) -> NDArray[np.int64]:
    """Profit of each house account over both venues, now: int64 [rows], settlement units."""
    out = np.zeros(len(hedge.account), np.int64)
    write_profits(state, hedge, outside, out)
    return out
