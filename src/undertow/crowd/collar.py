"""The orders of leavers, compiled: `exits.collared` for the few rows at a time that leave in a second.

Sizing a handful of orders in array operations cost thirty times the work itself, and a dozen actors do it
every second. Holds the loop; `exits.collared` is the same in array operations and the reference.

Units: as in `exits`. Invariant: the commands are those of the reference, to the byte.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow._jit import kernel
from undertow.crowd.exits import Door, Held
from undertow.crowd.view import Commands, Floats, Integers, Market, View
from undertow.venue.records import COMMAND, CommandKind, OrderFlag, TimeInForce

NEW = int(CommandKind.NEW)
IMMEDIATE = int(TimeInForce.IMMEDIATE_OR_CANCEL)


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
