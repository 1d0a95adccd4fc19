"""Getting out: immediate orders against what is held, collared, and small against the depth that can be seen.

Holds the sizing and the orders that leavers of every kind share, compiled (a dozen actors size a handful of
rows every second), and the same in array operations as the reference. Holds no decision to leave.

Source: modelling notes, trap 5. Units: lots (sums below 2^53), ticks, micro-dollars. Invariants: all leavers
of one side of one book together use no more than their share of what is visible, and nobody sells more than
he holds; the commands are those of the reference, to the byte.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow._jit import kernel
from undertow.crowd.view import Commands, Floats, Integers, Market, View, new_orders
from undertow.venue.records import COMMAND, CommandKind, OrderFlag, TimeInForce

NEW = int(CommandKind.NEW)
IMMEDIATE = int(TimeInForce.IMMEDIATE_OR_CANCEL)


class Door(NamedTuple):
    """How leavers trade."""

    collar: float  # how far through the market an order may reach, share of price
    visible_share: float  # of the visible depth, a second, all leavers of a book's side together


class Held(NamedTuple):
    """What leavers have, one row each."""

    account: Integers
    instrument: Integers
    lots: Integers  # signed


class Books(NamedTuple):
    """What leavers see, one entry an instrument."""

    bid_ticks: Integers
    ask_ticks: Integers
    depth: Integers  # visible money, (instruments, 2): bids, asks
    unit: Integers
    maximum_ticks: Integers


@kernel
def _write(
    books: Books,
    held: Held,
    door: Door,
    seconds: float,
    flags: int,
    used: Floats,
    commands: NDArray[np.void],
) -> int:
    """Write the orders that are worth sending; returns how many. `used`: lots asked for by book and side."""
    count = 0
    for row in range(len(held.lots)):
        instrument, lots = held.instrument[row], held.lots[row]
        selling = lots > 0
        side = 0 if selling else 1
        best = books.bid_ticks[instrument] if selling else books.ask_ticks[instrument]
        reach = 1.0 - door.collar if selling else 1.0 + door.collar
        price = np.int64(max(np.rint(best * reach), 1.0))
        money = books.depth[instrument, side] * door.visible_share
        budget = np.floor(money * seconds / (max(best, 1) * books.unit[instrument]))
        left = max(budget, 1.0) - used[instrument, side]
        used[instrument, side] += float(abs(lots))
        cut = np.int64(min(max(left, 0.0), float(abs(lots))))
        if cut > 0 and best > 0 and price < books.maximum_ticks[instrument]:
            command = commands[count]
            command.kind = NEW
            command.account = held.account[row]
            command.instrument = instrument
            command.side = -1 if selling else 1
            command.price = price
            command.size = cut
            command.time_in_force = IMMEDIATE
            command.flags = flags
            command.self_trade = -1
            count += 1
    return count


def collared(
    view: View, market: Market, depth: Integers, door: Door, held: Held, flags: OrderFlag
) -> Commands:
    """Orders against `held`; `depth` is the visible money of each instrument, (bids, asks)."""
    commands = np.zeros(len(held.lots), COMMAND)
    if len(commands) == 0:
        return commands
    books = Books(view.bid_ticks, view.ask_ticks, depth, market.unit, market.maximum_ticks)
    used = np.zeros(depth.shape)
    return commands[: _write(books, held, door, view.step_seconds, int(flags), used, commands)]


def collared_reference(
    view: View, market: Market, depth: Integers, door: Door, held: Held, flags: OrderFlag
) -> Commands:
    """`collared` in array operations."""
    instrument = held.instrument
    selling = held.lots > 0
    best = np.where(selling, view.bid_ticks[instrument], view.ask_ticks[instrument])
    reach = np.where(selling, 1.0 - door.collar, 1.0 + door.collar)
    price = np.maximum(np.rint(best * reach), 1.0).astype(np.int64)
    money = np.where(selling, depth[instrument, 0], depth[instrument, 1]) * door.visible_share
    lot = np.maximum(best, 1) * market.unit[instrument]
    budget = np.floor(money * view.step_seconds / lot)
    lots = _shared(np.abs(held.lots), budget, instrument * 2 + selling)
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


def _shared(lots: Integers, budget: Floats, group: Integers) -> Integers:
    """Lots cut to each group's budget in lots, one at least, first come first served."""
    order = np.argsort(group, kind="stable")
    sorted_group, sorted_lots = group[order], lots[order].astype(np.float64)
    running = np.cumsum(sorted_lots) - sorted_lots
    before = running - running[np.searchsorted(sorted_group, sorted_group)]
    allowed = np.clip(np.maximum(budget[order], 1.0) - before, 0.0, sorted_lots)
    cut = np.zeros(len(lots), np.int64)
    cut[order] = allowed.astype(np.int64)
    return cut
