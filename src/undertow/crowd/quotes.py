"""A maker's quotes as commands: prices and lots of every level, behind the cancellation of the old ones.

A hundred pairs of firm and coin renew their quotes in a second, a dozen orders each: most of what a crowd
says. Holds the loop that prices, sizes and writes them, and the same in array operations as the reference.
Holds no decision to quote and no distance (makers.py).

Units: ticks (floats until written), lots, USD. Invariant: a bid stands below the best ask, an ask above the
best bid; each pair's CANCEL_ALL comes first, then bids, then asks.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow._jit import kernel
from undertow.crowd.view import Commands, Floats, Integers
from undertow.units import MICROS
from undertow.venue.records import COMMAND, CommandKind

LEAST_ORDER_USD = 10.0
NEW = int(CommandKind.NEW)
CANCEL_ALL = int(CommandKind.CANCEL_ALL)


class Touch(NamedTuple):
    """Where quotes go, one entry an instrument."""

    bid_ticks: Integers  # 0: no bid
    ask_ticks: Integers  # 0: no ask
    unit: Integers
    maximum_ticks: Integers


class Pairs(NamedTuple):
    """Who quotes what, one entry a pair of firm and instrument."""

    account: Integers
    instrument: Integers
    reference: Floats  # ticks
    total_usd: Floats  # (pairs, 2): bids, asks
    distance: Floats  # (pairs, 2, levels): share of price
    part: Floats  # (pairs, levels): of the total


@kernel
def _write(touch: Touch, pairs: Pairs, usd: Floats, commands: NDArray[np.void]) -> int:
    """Write every pair's commands and the USD of every level; returns how many commands there are."""
    count = 0
    for row in range(len(pairs.account)):
        instrument = pairs.instrument[row]
        bid, ask, unit = touch.bid_ticks[instrument], touch.ask_ticks[instrument], touch.unit[instrument]
        commands[count].kind = CANCEL_ALL
        commands[count].account = pairs.account[row]
        commands[count].instrument = instrument
        commands[count].self_trade = -1
        count += 1
        for side in range(2):
            for level in range(pairs.part.shape[1]):
                worth = pairs.total_usd[row, side] * pairs.part[row, level]
                if worth < LEAST_ORDER_USD:
                    worth = 0.0
                usd[row, side, level] = worth
                if side == 0:
                    price = np.floor(pairs.reference[row] * (1.0 - pairs.distance[row, 0, level]))
                    price = min(price, float(ask - 1)) if ask > 0 else price
                else:
                    price = np.ceil(pairs.reference[row] * (1.0 + pairs.distance[row, 1, level]))
                    price = max(price, float(bid + 1))
                if price < 1.0 or price >= touch.maximum_ticks[instrument]:
                    continue
                lots = np.int64(np.floor(worth * MICROS / (price * unit)))
                if lots > 0:
                    command = commands[count]
                    command.kind = NEW
                    command.account = pairs.account[row]
                    command.instrument = instrument
                    command.side = 1 if side == 0 else -1
                    command.price = np.int64(price)
                    command.size = lots
                    command.self_trade = -1
                    count += 1
    return count


def quotes(touch: Touch, pairs: Pairs) -> tuple[Commands, Floats]:
    """CANCEL_ALL and the new orders of each pair, in this order; and the USD of each side, (pairs, 2)."""
    count, levels = pairs.part.shape
    usd = np.empty((count, 2, levels))
    commands = np.zeros(count * (1 + 2 * levels), COMMAND)
    return commands[: _write(touch, pairs, usd, commands)], usd.sum(axis=2)


def quotes_reference(touch: Touch, pairs: Pairs) -> tuple[Commands, Floats]:
    """`quotes` in array operations."""
    count, levels = pairs.part.shape
    instrument = pairs.instrument[:, None]
    usd = pairs.total_usd[:, :, None] * pairs.part[:, None, :]
    usd = np.where(usd < LEAST_ORDER_USD, 0.0, usd)
    bids = np.floor(pairs.reference[:, None] * (1.0 - pairs.distance[:, 0]))
    asks = np.ceil(pairs.reference[:, None] * (1.0 + pairs.distance[:, 1]))
    best_bid, best_ask = touch.bid_ticks[instrument], touch.ask_ticks[instrument]
    bids = np.where(best_ask > 0, np.minimum(bids, best_ask - 1), bids)
    prices = np.stack([bids, np.maximum(asks, best_bid + 1)], axis=1)
    inside = (prices >= 1.0) & (prices < touch.maximum_ticks[instrument[:, None]])
    lots = np.floor(usd * MICROS / (np.maximum(prices, 1.0) * touch.unit[instrument[:, None]]))
    lots = np.where(inside, lots, 0.0)
    block = np.zeros((count, 1 + 2 * levels), COMMAND)
    block["account"] = pairs.account[:, None]
    block["instrument"] = instrument
    block["self_trade"] = -1
    block["kind"] = NEW
    block["kind"][:, 0] = CANCEL_ALL
    block["side"][:, 1 : 1 + levels] = 1
    block["side"][:, 1 + levels :] = -1
    block["price"][:, 1:] = prices.astype(np.int64).reshape(count, 2 * levels)
    block["size"][:, 1:] = lots.astype(np.int64).reshape(count, 2 * levels)
    keep = block["size"] > 0
    keep[:, 0] = True
    return block[keep], usd.sum(axis=2)
