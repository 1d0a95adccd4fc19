"""Two order books behind one door: the compiled one and the plain reference, for tests of both.

Every method takes and gives plain integers. Units: ticks, lots.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from undertow.errors import Rejection
from undertow.venue.book import add_book, level_above, level_below, order_id
from undertow.venue.book_alone import execute_book
from undertow.venue.book_reference import Fill, Outcome, ReferenceBooks
from undertow.venue.records import COMMAND, RESULT, CommandKind, OrderFlag, SelfTrade, TimeInForce
from undertow.venue.state import (
    BLOCK_PAGES,
    COUNT_BLOCKS,
    COUNT_FILLS,
    COUNT_ORDERS,
    LIVE_ORDERS,
    SELF_TRADE_RULE,
    USED_PAGES,
    allocate,
)

Resting = list[tuple[int, list[tuple[int, int]]]]


def command(kind: int = CommandKind.NEW, **fields: int) -> NDArray[np.void]:
    """One COMMAND record; fields not named are zero."""
    record = np.zeros(1, COMMAND)
    record["kind"] = kind
    for name, value in fields.items():
        record[name] = value
    return record


class Books(Protocol):
    """What both books offer."""

    fills: list[Fill]

    def execute(self, commands: NDArray[np.void]) -> list[Outcome]: ...

    def resting(self, instrument: int, side: int) -> Resting: ...


class FastBooks:
    """The kernels' books: a state without accounts."""

    def __init__(self, maximum_ticks: Sequence[int], self_trade_rule: int = SelfTrade.ALLOW) -> None:
        self.state = allocate(len(maximum_ticks), 1, 1, 1)
        self.maximum_ticks = maximum_ticks
        for instrument, ticks in enumerate(maximum_ticks):
            add_book(self.state, instrument, ticks)
        self.state.counters[SELF_TRADE_RULE] = self_trade_rule

    def execute(self, commands: NDArray[np.void]) -> list[Outcome]:
        results = np.zeros(len(commands), RESULT)
        execute_book(self.state, commands, results)
        names = Outcome._fields
        return [Outcome(*(int(row[name]) for name in names)) for row in results]

    @property
    def fills(self) -> list[Fill]:
        names = Fill._fields
        rows = self.state.fills[: self.state.counters[COUNT_FILLS]]
        return [Fill(*(int(row[name]) for name in names)) for row in rows]

    def resting(self, instrument: int, side: int) -> Resting:
        """Walks the bitmaps and the queues, checking both as it goes."""
        state = self.state
        maximum = self.maximum_ticks[instrument]
        market = state.markets[instrument]
        price = int(
            level_below(state, instrument, maximum - 1) if side > 0 else level_above(state, instrument, 1)
        )
        assert price == market["best_bid" if side > 0 else "best_ask"]
        levels: Resting = []
        while 0 < price < maximum:
            levels.append((price, self._queue(instrument, price, side)))
            if side > 0:
                price = int(level_below(state, instrument, price - 1))
            else:
                price = int(level_above(state, instrument, price + 1))
        return levels

    def _queue(self, instrument: int, price: int, side: int) -> list[tuple[int, int]]:
        state = self.state
        block = int(state.block_table[state.books[instrument]["blocks"] + price // 64 // BLOCK_PAGES])
        assert block >= 0
        page = int(state.page_table[block * BLOCK_PAGES + price // 64 % BLOCK_PAGES])
        assert page >= 0
        level = state.pages[page * 64 + price % 64]
        queue, before, slot = [], -1, int(level["head"])
        while slot >= 0:
            order = state.orders[slot]
            assert (order["price"], order["side"], order["instrument"]) == (price, side, instrument)
            assert (order["previous"], order["level"]) == (before, page * 64 + price % 64)
            queue.append((int(order_id(state, slot)), int(order["size"])))
            before, slot = slot, int(order["next"])
        assert before == level["tail"] and sum(size for _, size in queue) == level["size"]
        return queue

    def check_pools(self) -> None:
        """Every page in use holds an order, and the live orders are those that are not free."""
        state, counters = self.state, self.state.counters
        live = state.orders[: counters[COUNT_ORDERS]]
        live = live[live["size"] > 0]
        assert len(live) == counters[LIVE_ORDERS]
        pages = {(int(order["instrument"]), int(order["price"]) // 64) for order in live}
        table = state.page_table[: BLOCK_PAGES * counters[COUNT_BLOCKS]]
        assert counters[USED_PAGES] == len(pages) == int((table >= 0).sum())
        if not pages:
            assert not (state.bits.any() or state.block_bits.any() or state.page_bits.any())


def new_books(fast: bool, maximum_ticks: Sequence[int], self_trade_rule: int = SelfTrade.ALLOW) -> Any:
    """Books of one or the other kind."""
    return (FastBooks if fast else ReferenceBooks)(maximum_ticks, self_trade_rule)


class Trader:
    """Orders in words for one instrument of either book; each call gives back the outcome."""

    def __init__(self, books: Books, instrument: int = 0) -> None:
        self.books = books
        self.instrument = instrument

    def send(self, kind: int = CommandKind.NEW, **fields: int) -> Outcome:
        """Any command, -1 (the books' rule) for self-trade unless said otherwise."""
        fields = {"instrument": self.instrument, "self_trade": -1, **fields}
        return self.books.execute(command(kind, **fields))[0]

    def buy(self, size: int, price: int, account: int = 1, **fields: int) -> Outcome:
        return self.send(side=1, size=size, price=price, account=account, **fields)

    def sell(self, size: int, price: int, account: int = 2, **fields: int) -> Outcome:
        return self.send(side=-1, size=size, price=price, account=account, **fields)

    def cancel(self, order: int) -> Outcome:
        return self.send(CommandKind.CANCEL, order=order)

    def amend(self, order: int, size: int, price: int) -> Outcome:
        return self.send(CommandKind.AMEND, order=order, size=size, price=price)

    def bids(self) -> Resting:
        return self.books.resting(self.instrument, 1)

    def asks(self) -> Resting:
        return self.books.resting(self.instrument, -1)

    def trades(self) -> list[tuple[int, int, int]]:
        """(price, lots, maker's order) of every trade so far."""
        return [(fill.price, fill.size, fill.maker_order) for fill in self.books.fills]


IOC = int(TimeInForce.IMMEDIATE_OR_CANCEL)
FOK = int(TimeInForce.FILL_OR_KILL)
POST_ONLY = int(TimeInForce.POST_ONLY)
MARKET = int(OrderFlag.MARKET)
ACCEPTED = int(Rejection.NONE)
