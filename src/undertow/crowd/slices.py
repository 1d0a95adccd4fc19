"""The slices that noise books send in a second, compiled: turns, sizes, limits and the commands themselves.

Two hundred books each decide every second; in array operations that was forty passes over two hundred
numbers. Holds the loop, and the same in array operations as the reference. Holds no draw of sizes and no
growth (they are taken with exp and power, in noise.py) and nothing that carries over but the sides.

Units: USD, lots, ticks, shares of one. Invariant: the commands, and the sides afterwards, are those of the
reference, to the byte.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow import streams
from undertow._jit import kernel
from undertow.crowd.gauges import WAITS_BELOW
from undertow.crowd.view import Commands, Floats, Integers, new_orders
from undertow.units import MICROS
from undertow.venue.records import COMMAND, CommandKind, TimeInForce

LEAST_ORDER_USD = 10.0
PREMIUM = 1.02  # over the outside price: nobody pays more here for what is sold elsewhere
TURNING = 0.9  # how sure a book at its limit turns back
ENDS, NEW_SIDE, MESSAGES = "noise: parent ends", "noise: new side", "noise: messages"
NEW = int(CommandKind.NEW)
IMMEDIATE = int(TimeInForce.IMMEDIATE_OR_CANCEL)


class Books(NamedTuple):
    """The noise books, one entry each."""

    account: Integers
    instrument: Integers
    identity: Integers
    limit_usd: Floats  # of inventory
    side: Integers  # of the parent order; turned here


class Seen(NamedTuple):
    """The market, one entry an instrument."""

    bid_ticks: Integers
    ask_ticks: Integers
    own: Floats
    outside: Floats
    depth: Integers  # visible money, (instruments, 2)
    unit: Integers
    maximum_ticks: Integers


class Manner(NamedTuple):
    """How books trade in this step, all the same."""

    ends: float  # chance that a parent order ends
    most: float  # share of the visible depth in one slice
    collar: float
    failing: float  # share of messages
    every: int  # steps between two slices of a book
    step: int


@kernel
def _side(book_side: int, full: float, ends: bool, draw: float) -> int:
    """The side of a parent order after this step's turn; `full` is inventory over its limit."""
    if full < -1.0:
        full = -1.0
    elif full > 1.0:
        full = 1.0
    if not ends and not abs(full) >= 1.0:
        return book_side
    return 1 if draw < 0.5 * (1.0 - TURNING * full) else -1


@kernel
def _write(
    books: Books,
    seen: Seen,
    manner: Manner,
    keys: NDArray[np.uint64],
    held: Integers,
    usd: Floats,
    commands: NDArray[np.void],
) -> tuple[int, int]:
    """Turn the sides and write the slices; how many were wanted, and how many get through."""
    wanted, sent = 0, 0
    for row in range(len(held)):
        instrument, identity = books.instrument[row], books.identity[row]
        own, unit = seen.own[instrument], seen.unit[instrument]
        full = held[row] * own * unit / MICROS / books.limit_usd[row]
        ends = streams.uniform_at(keys[0], identity) < manner.ends
        side = _side(books.side[row], full, ends, streams.uniform_at(keys[1], identity))
        books.side[row] = side
        best = seen.ask_ticks[instrument] if side > 0 else seen.bid_ticks[instrument]
        facing = seen.depth[instrument, 1 if side > 0 else 0] / MICROS
        worth = min(usd[row], manner.most * facing)
        lots = np.int64(np.floor(worth * MICROS / (max(own, 1.0) * unit)))
        if lots <= 0 or worth < LEAST_ORDER_USD or best <= 0:
            continue
        if (manner.step + row) % manner.every or best < WAITS_BELOW * own or best > own / WAITS_BELOW:
            continue
        if side > 0 and best > PREMIUM * seen.outside[instrument]:
            continue
        price = max(np.int64(np.rint(best * (1.0 + side * manner.collar))), 1)
        if price >= seen.maximum_ticks[instrument]:
            continue
        wanted += 1
        if streams.uniform_at(keys[2], identity) >= manner.failing:
            command = commands[sent]
            command.kind = NEW
            command.account = books.account[row]
            command.instrument = instrument
            command.side = side
            command.price = price
            command.size = lots
            command.time_in_force = IMMEDIATE
            command.self_trade = -1
            sent += 1
    return wanted, sent


def slices(
    books: Books, seen: Seen, manner: Manner, draw: tuple[int, int], held: Integers, usd: Floats
) -> tuple[Commands, int]:
    """What gets through, and how many messages were tried; `draw` is seed and step, `usd` before any cap."""
    keys = np.array([streams.stream_key(draw[0], name, draw[1]) for name in (ENDS, NEW_SIDE, MESSAGES)])
    commands = np.zeros(len(held), COMMAND)
    wanted, sent = _write(books, seen, manner, keys, held, usd, commands)
    return commands[:sent], int(wanted)


def slices_reference(
    books: Books, seen: Seen, manner: Manner, draw: tuple[int, int], held: Integers, usd: Floats
) -> tuple[Commands, int]:
    """`slices` in array operations."""
    instrument, side = books.instrument, books.side
    first, second, third = (
        streams.uniform(draw[0], name, draw[1], books.identity) for name in (ENDS, NEW_SIDE, MESSAGES)
    )
    worth = held * seen.own[instrument] * seen.unit[instrument] / MICROS
    full = np.clip(worth / books.limit_usd, -1.0, 1.0)
    ending = (first < manner.ends) | (np.abs(full) >= 1.0)
    side[ending] = np.where(second < 0.5 * (1.0 - TURNING * full), 1, -1)[ending]
    depth = seen.depth / MICROS
    facing = np.where(side > 0, depth[instrument, 1], depth[instrument, 0])
    capped = np.minimum(usd, manner.most * facing)
    best = np.where(side > 0, seen.ask_ticks[instrument], seen.bid_ticks[instrument])
    reach = np.rint(best * (1.0 + side * manner.collar)).astype(np.int64)
    price = np.where(best > 0, np.maximum(reach, 1), 0)
    lot_micros = np.maximum(seen.own[instrument], 1.0) * seen.unit[instrument]
    lots = np.floor(capped * MICROS / lot_micros).astype(np.int64)
    wanted = (lots > 0) & (capped >= LEAST_ORDER_USD) & (price > 0)
    wanted &= price < seen.maximum_ticks[instrument]
    wanted &= (manner.step + np.arange(len(held))) % manner.every == 0
    near = seen.own[instrument]
    wanted &= (best >= WAITS_BELOW * near) & (best <= near / WAITS_BELOW)
    wanted &= (side < 0) | (best <= PREMIUM * seen.outside[instrument])
    send = np.flatnonzero(wanted & (third >= manner.failing))
    what = (books.account[send], instrument[send], side[send], price[send], lots[send])
    return new_orders(*what, TimeInForce.IMMEDIATE_OR_CANCEL), int(wanted.sum())
