"""Getting out: immediate orders against what is held, collared, and small against the depth that can be seen.

Holds the sizing and the orders that leavers of every kind share. Holds no decision to leave.

Source: modelling notes, trap 5. Units: lots, ticks, micro-dollars. Invariant: all leavers of one side of one
book together use no more than their share of what is visible, and nobody sells more than he holds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from undertow.crowd.view import Commands, Floats, Integers, Market, View, new_orders
from undertow.venue.records import OrderFlag, TimeInForce


class Door(NamedTuple):
    """How leavers trade."""

    collar: float  # how far through the market an order may reach, share of price
    visible_share: float  # of the visible depth, a second, all leavers of a book's side together


class Held(NamedTuple):
    """What leavers have, one row each."""

    account: Integers
    instrument: Integers
    lots: Integers  # signed


def collared(
    view: View, market: Market, depth: Integers, door: Door, held: Held, flags: OrderFlag
) -> Commands:
    """Orders against `held`; `depth` is the visible money of each instrument, (bids, asks)."""
    instrument = held.instrument
    selling = held.lots > 0
    best = np.where(selling, view.bid_ticks[instrument], view.ask_ticks[instrument])
    reach = np.where(selling, 1.0 - door.collar, 1.0 + door.collar)
    price = np.maximum(np.rint(best * reach), 1.0).astype(np.int64)
    money = np.where(selling, depth[instrument, 0], depth[instrument, 1]) * door.visible_share
    lot = np.maximum(best, 1) * market.unit[instrument]
    budget = np.floor(money * view.step_seconds / lot)
    lots = shared(np.abs(held.lots), budget, instrument * 2 + selling)
    send = (lots > 0) & (best > 0) & (price < market.maximum_ticks[instrument])
    return new_orders(
        held.account[send],
        instrument[send],
        np.where(selling, -1, 1)[send],
        price[send],
        lots[send],
        TimeInForce.IMMEDIATE_OR_CANCEL,
        flags,
    )


def shared(lots: Integers, budget: Floats, group: Integers) -> Integers:
    """Lots cut to each group's budget in lots, one at least, first come first served."""
    order = np.argsort(group, kind="stable")
    sorted_group, sorted_lots = group[order], lots[order].astype(np.float64)
    running = np.cumsum(sorted_lots) - sorted_lots
    before = running - running[np.searchsorted(sorted_group, sorted_group)]
    allowed = np.clip(np.maximum(budget[order], 1.0) - before, 0.0, sorted_lots)
    cut = np.zeros(len(lots), np.int64)
    cut[order] = allowed.astype(np.int64)
    return cut
