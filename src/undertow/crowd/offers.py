"""What arbitrage firms offer at a look, compiled: taking and bidding beyond the band, closing, what waits.

Every pair of firm and instrument decides at every look; in array operations that was eighty passes over eight
hundred numbers. Holds the loop, and the same in array operations as the reference. Holds no band and no room
(they are taken with roots and sums, in arbitrage.py) and nothing that carries over but what rests.

Units: ticks, lots, USD, shares of one. Invariant: the commands, and what rests afterwards, are those of the
reference, to the byte.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow import streams
from undertow._jit import kernel
from undertow.crowd.firms import KINDS
from undertow.crowd.view import Commands, Floats, Integers, cancel_all, new_orders, together
from undertow.venue.records import COMMAND, CommandKind

LEAST_ORDER_USD = 100.0
MESSAGES = "arbitrage: messages"
NEW = int(CommandKind.NEW)
CANCEL_ALL = int(CommandKind.CANCEL_ALL)
Flags = NDArray[np.bool_]


class Books(NamedTuple):
    """The market and what is kept waiting in it, one entry an instrument."""

    outside: Floats
    bid: Integers
    ask: Integers
    own: Floats
    lot_usd: Floats
    maximum_ticks: Integers
    perpetual: Flags
    share: Floats  # of free room that waits at either edge of the band
    empty_share: Floats  # the same at a look, where nobody stands


class Pairs(NamedTuple):
    """Firms in instruments; arrays are (firms, instruments)."""

    wallet: Integers
    instrument: Integers
    identity: Integers
    held: Integers  # lots above the starting stock
    start_lots: Integers
    band: Floats
    opening_usd: Floats  # that it would still open
    resting: Flags  # changed here
    standing: Flags  # changed here: what rests waits at the edges of the band


class Manner(NamedTuple):
    """How firms act in this step, all the same."""

    step: int
    look: int  # steps between two looks of a firm
    every: int  # looks after which a waiting order is renewed
    pace: float  # share of what is wanted that is sent at a look
    failing: float  # share of messages
    waits: bool  # whether anything is kept waiting


class Said(NamedTuple):
    """Room for the commands: cancellations, first orders, second orders."""

    cancels: Commands
    first: Commands
    second: Commands


@kernel
def _order(command: Any, wallet: int, instrument: int, side: int, limit: float, lots: int) -> None:
    command.kind = NEW
    command.account = wallet
    command.instrument = instrument
    command.side = side
    command.price = np.int64(limit)
    command.size = lots
    command.self_trade = -1


@kernel
def _lots(books: Books, instrument: int, side: int, usd: float, limit: float, stock: int) -> int:
    """Whole lots of an order, of a coin no more than is there; 0: not worth sending."""
    lots = int(np.floor(usd / books.lot_usd[instrument]))
    if side < 0 and not books.perpetual[instrument]:
        lots = min(lots, max(stock, 0))
    if lots <= 0 or lots * books.lot_usd[instrument] < LEAST_ORDER_USD:
        return 0
    if limit < 1.0 or limit >= books.maximum_ticks[instrument]:
        return 0
    return lots


@kernel
def _side_and_limit(
    books: Books, instrument: int, held: int, cheap: float, dear: float
) -> tuple[int, float, bool]:
    """Which way a pair trades and at which limit, and whether it opens; side 0: not at all."""
    outside, own = books.outside[instrument], books.own[instrument]
    bid, ask = books.bid[instrument], books.ask[instrument]
    # A position is closed when the gap that paid for it is gone.
    shut_long, shut_short = np.ceil(outside), np.floor(outside)
    buying = own <= cheap or (ask > 0 and ask <= cheap)
    selling = (own >= dear or (bid > 0 and bid >= dear)) and not buying
    covering = ask > 0 and ask <= shut_short and held < 0 and not buying
    leaving = bid > 0 and bid >= shut_long and held > 0 and not selling
    side = 1 if buying or covering else -1 if selling or leaving else 0
    limit = shut_short if covering else shut_long if leaving else 0.0
    limit = cheap if buying else dear if selling else limit
    return side, limit, buying or selling


@kernel
def _write(
    books: Books, pairs: Pairs, manner: Manner, key: np.uint64, said: Said
) -> tuple[int, int, int, int]:
    """Decide for every pair and write what gets through; how many were tried, and how many of each kind."""
    tried, cancels, first, second = 0, 0, 0, 0
    firms, instruments = pairs.held.shape
    for firm in range(firms):
        if (manner.step + firm // KINDS) % manner.look:
            continue
        for instrument in range(instruments):
            held = pairs.held[firm, instrument]
            opening, lot_usd = pairs.opening_usd[firm, instrument], books.lot_usd[instrument]
            band = min(pairs.band[firm, instrument], 0.9)
            cheap = np.floor(books.outside[instrument] * (1.0 - band))
            dear = np.ceil(books.outside[instrument] * (1.0 + band))
            side, limit, opens = _side_and_limit(books, instrument, held, cheap, dear)
            against = abs(held * lot_usd) if side * held < 0 else 0.0
            usd = opening + against if opens else against
            acting = side != 0 and usd * manner.pace >= LEAST_ORDER_USD
            # Who does nothing else leaves a small order at either edge, renewed at times, or where nobody is.
            ask = books.ask[instrument]
            empty = books.bid[instrument] < cheap or ask == 0 or ask > dear
            turn = (manner.step // manner.look + pairs.identity[firm, instrument]) % manner.every == 0
            standing = not acting and (turn or empty) and manner.waits
            if acting:
                pairs.standing[firm, instrument] = False
            resting = pairs.resting[firm, instrument]
            if not (acting or standing or (resting and not pairs.standing[firm, instrument])):
                continue
            # Where nobody stands, each second brings its share, however long a step is.
            waiting = opening * (books.empty_share[instrument] if empty else books.share[instrument])
            stock = held + pairs.start_lots[firm, instrument]
            lots, other = 0, 0
            if acting:
                lots = _lots(books, instrument, side, usd * manner.pace, limit, stock)
            elif standing:
                side, limit = 1, cheap
                lots = _lots(books, instrument, 1, waiting, cheap, stock)
                other = _lots(books, instrument, -1, waiting, dear, stock)
            tried += int(lots > 0) + int(other > 0) + int(resting)
            if streams.uniform_at(key, pairs.identity[firm, instrument]) < manner.failing:
                continue
            wallet = pairs.wallet[firm, instrument]
            if resting:
                said.cancels[cancels].kind = CANCEL_ALL
                said.cancels[cancels].account = wallet
                said.cancels[cancels].instrument = instrument
                cancels += 1
            if lots > 0:
                _order(said.first[first], wallet, instrument, side, limit, lots)
                first += 1
            if other > 0:
                _order(said.second[second], wallet, instrument, -1, dear, other)
                second += 1
            pairs.resting[firm, instrument] = lots > 0 or other > 0
            pairs.standing[firm, instrument] = standing
    return tried, cancels, first, second


def offers(books: Books, pairs: Pairs, manner: Manner, seed: int) -> tuple[Commands, int]:
    """The old orders out and the new ones in, where messages get through; and how many were tried."""
    said = Said(*(np.zeros(pairs.held.size, COMMAND) for _ in range(3)))
    key = streams.stream_key(seed, MESSAGES, manner.step)
    tried, *counts = _write(books, pairs, manner, key, said)
    return together([room[:count] for room, count in zip(said, counts, strict=True)]), int(tried)


def offers_reference(books: Books, pairs: Pairs, manner: Manner, seed: int) -> tuple[Commands, int]:
    """`offers` in array operations."""
    held, bid, ask, own = pairs.held, books.bid, books.ask, books.own
    band = np.minimum(pairs.band, 0.9)
    cheap, dear = np.floor(books.outside * (1.0 - band)), np.ceil(books.outside * (1.0 + band))
    shut_long, shut_short = np.ceil(books.outside), np.floor(books.outside)
    buying = (own <= cheap) | ((ask > 0) & (ask <= cheap))
    selling = ((own >= dear) | ((bid > 0) & (bid >= dear))) & ~buying
    covering = (ask > 0) & (ask <= shut_short) & (held < 0) & ~buying
    leaving = (bid > 0) & (bid >= shut_long) & (held > 0) & ~selling
    side = np.where(buying | covering, 1, np.where(selling | leaving, -1, 0)).astype(np.int64)
    limit = np.select([buying, selling, covering, leaving], [cheap, dear, shut_short, shut_long], 0.0)
    against = np.where(side * held < 0, np.abs(held * books.lot_usd), 0.0)
    usd = np.where(buying | selling, pairs.opening_usd + against, against)
    looking = ((manner.step + np.arange(len(held)) // KINDS) % manner.look == 0)[:, None]
    acting = looking & (side != 0) & (usd * manner.pace >= LEAST_ORDER_USD)
    turn = (manner.step // manner.look + pairs.identity) % manner.every == 0
    empty = (bid < cheap) | (ask == 0) | (ask > dear)
    standing = looking & ~acting & (turn | empty) & manner.waits
    sides = np.stack([np.where(acting, side, 1), np.where(standing, -1, 0)])
    limits = np.stack([np.where(acting, limit, cheap), np.where(standing, dear, 0.0)])
    waiting = pairs.opening_usd * np.where(empty, books.empty_share, books.share)
    amounts = np.stack([np.where(acting, usd * manner.pace, waiting), waiting])
    lots = np.floor(amounts / books.lot_usd).astype(np.int64)
    stock = np.maximum(held + pairs.start_lots, 0)
    lots = np.where(~books.perpetual & (sides < 0), np.minimum(lots, stock), lots)
    wanted = (lots > 0) & (lots * books.lot_usd >= LEAST_ORDER_USD) & (limits >= 1.0)
    wanted &= (limits < books.maximum_ticks) & np.stack([acting | standing, standing])
    # An order whose reason is gone is withdrawn; a standing one waits for its turn.
    pairs.standing[:] &= ~acting
    touched = acting | standing | (looking & pairs.resting & ~pairs.standing)
    draws = streams.uniform(seed, MESSAGES, manner.step, pairs.identity.ravel()).reshape(held.shape)
    through = touched & (draws >= manner.failing)
    tried = int(wanted.sum()) + int((touched & pairs.resting).sum())
    out, send = through & pairs.resting, wanted & through
    pairs.resting[:] = (pairs.resting & ~through) | send.any(axis=0)
    pairs.standing[:] = (pairs.standing & ~through) | (standing & through)
    ticks = limits.astype(np.int64)
    orders = [
        new_orders(pairs.wallet[way], pairs.instrument[way], sides[row][way], ticks[row][way], lots[row][way])
        for row, way in enumerate(send)
    ]
    return together([cancel_all(pairs.wallet[out], pairs.instrument[out]), *orders]), tried
