"""The books in plain Python: what `book_alone.execute_book` must do, written to be read.

Holds price-time books of deques and sorted prices, driven by the same command records and giving the same
results, fills and order ids as the kernels. Holds no account and no money. Used by tests as the oracle
and by the benchmark as the plain baseline; use `execution` for everything else.

Units: prices in ticks, sizes in lots. Invariants: as in `book`; ids are the slot plus the slot's
generation, slots are reused last freed first; an order has its id from when it trades or rests.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow.errors import Rejection
from undertow.venue.records import CommandKind, OrderFlag, SelfTrade, TimeInForce

GENERATIONS = 1 << 30


class Order:
    """A resting order; `size` is what is left of it."""

    __slots__ = ("account", "identifier", "instrument", "post_only", "price", "side", "size")

    def __init__(self, account: int, instrument: int, side: int, price: int, size: int) -> None:
        self.account = account
        self.instrument = instrument
        self.side = side
        self.price = price
        self.size = size
        self.post_only = False
        self.identifier = -1


class Fill(NamedTuple):
    """One trade, between two orders that have their ids."""

    price: int
    size: int
    taker: int
    maker: int
    taker_order: int
    maker_order: int
    instrument: int
    side: int
    trade: int


class Command(NamedTuple):
    """A COMMAND record, field by field."""

    kind: int
    side: int
    time_in_force: int
    flags: int
    instrument: int
    self_trade: int
    origin: int
    account: int
    counterparty: int
    price: int
    size: int
    order: int


class Outcome(NamedTuple):
    """What a command gets back: the fields of RESULT (`value` is always 0 without accounts)."""

    order: int
    filled: int
    resting: int
    code: int


REFUSED = (-1, 0, 0)  # what an outcome says beside the code of a refusal


class Side:
    """One side of one book: sorted prices, and a queue of orders at each."""

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.prices: list[int] = []
        self.queues: dict[int, deque[Order]] = {}

    def best(self) -> int | None:
        """The price that trades first."""
        if not self.prices:
            return None
        return self.prices[-1] if self.sign > 0 else self.prices[0]

    def reachable(self, limit: int) -> Iterable[int]:
        """Prices a taker with this limit meets, best first."""
        if self.sign > 0:
            return reversed(self.prices[bisect_left(self.prices, limit) :])
        return self.prices[: bisect_left(self.prices, limit + 1)]

    def append(self, order: Order) -> None:
        """Queue an order last at its price."""
        if order.price not in self.queues:
            insort(self.prices, order.price)
            self.queues[order.price] = deque()
        self.queues[order.price].append(order)

    def remove(self, order: Order) -> None:
        """Take an order out of its queue."""
        queue = self.queues[order.price]
        queue.remove(order)
        if not queue:
            del self.queues[order.price]
            del self.prices[bisect_left(self.prices, order.price)]


class ReferenceBooks:
    """Books of several instruments under one numbering of orders, as one arena holds them."""

    def __init__(self, maximum_ticks: Sequence[int], self_trade_rule: int = SelfTrade.ALLOW) -> None:
        self.maximum_ticks = maximum_ticks
        self.self_trade_rule = self_trade_rule
        self.sides = [{1: Side(1), -1: Side(-1)} for _ in maximum_ticks]
        self.orders: dict[int, Order] = {}
        self.fills: list[Fill] = []
        self.free: list[int] = []
        self.generations: list[int] = []

    def execute(self, commands: NDArray[np.void]) -> list[Outcome]:
        """Carry out an array of COMMAND records in order."""
        return [self.carry_out(Command(*row)) for row in commands.tolist()]

    def carry_out(self, command: Command) -> Outcome:
        """Carry out one command: NEW, CANCEL or AMEND."""
        if command.kind == CommandKind.NEW:
            return self._place(command)
        if command.kind not in (CommandKind.CANCEL, CommandKind.AMEND):
            return Outcome(*REFUSED, Rejection.BAD_COMMAND)
        order = self.orders.get(command.order)
        if order is None:
            return Outcome(*REFUSED, Rejection.UNKNOWN_ORDER)
        if command.kind == CommandKind.CANCEL:
            self._withdraw(order)
            return Outcome(*REFUSED, Rejection.NONE)
        return self._amend(order, command)

    def _refusal(self, instrument: int, price: int, size: int) -> int:
        if size <= 0:
            return Rejection.BAD_SIZE
        if not 0 < price < self.maximum_ticks[instrument]:
            return Rejection.BAD_PRICE
        return Rejection.NONE

    def _place(self, command: Command) -> Outcome:
        side, instrument, force = command.side, command.instrument, command.time_in_force
        known = force in list(TimeInForce) and command.self_trade in (-1, *SelfTrade)
        if side not in (1, -1) or not known or not 0 <= command.flags <= sum(OrderFlag):
            return Outcome(*REFUSED, Rejection.BAD_COMMAND)
        if not 0 <= instrument < len(self.sides):
            return Outcome(*REFUSED, Rejection.UNKNOWN_INSTRUMENT)
        code = self._refusal(instrument, command.price, command.size)
        if code != Rejection.NONE:
            return Outcome(*REFUSED, code)
        if command.flags & OrderFlag.MARKET:
            if force == TimeInForce.POST_ONLY:
                return Outcome(*REFUSED, Rejection.POST_ONLY_WOULD_TAKE)
            if force != TimeInForce.FILL_OR_KILL:
                force = TimeInForce.IMMEDIATE_OR_CANCEL
        taker = Order(command.account, instrument, side, command.price, command.size)
        return self._trade(taker, force, self._rule(command), None)

    def _amend(self, order: Order, command: Command) -> Outcome:
        price, size = command.price, command.size
        if command.self_trade not in (-1, *SelfTrade):
            return Outcome(*REFUSED, Rejection.BAD_COMMAND)
        code = self._refusal(order.instrument, price, size)
        if code != Rejection.NONE:
            return Outcome(*REFUSED, code)
        if price == order.price and size <= order.size:
            order.size = size
            return Outcome(order.identifier, 0, size, Rejection.NONE)
        taker = Order(order.account, order.instrument, order.side, price, size)
        force = TimeInForce.POST_ONLY if order.post_only else TimeInForce.GOOD_TILL_CANCELLED
        return self._trade(taker, force, self._rule(command), order)

    def _rule(self, command: Command) -> int:
        rule = command.self_trade
        return rule if rule >= 0 else self.self_trade_rule

    def _trade(self, taker: Order, force: int, rule: int, amended: Order | None) -> Outcome:
        """Trade and rest a new order, or what an order becomes that is amended and keeps its id."""
        wanted = taker.size
        code = self._why_not(taker, force, rule)
        if code != Rejection.NONE:
            return Outcome(*REFUSED, code)
        if amended is None:
            taker.identifier = self._new_identifier()
        else:
            self._lift(amended)
            taker.identifier = amended.identifier
        stopped = self._cross(taker, rule)
        filled = wanted - taker.size
        gone = force in (TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.FILL_OR_KILL)
        if stopped or gone or taker.size == 0:
            self._free(taker.identifier)
            return Outcome(taker.identifier, filled, 0, Rejection.SELF_TRADE if stopped else Rejection.NONE)
        taker.post_only = force == TimeInForce.POST_ONLY
        self.orders[taker.identifier] = taker
        self.sides[taker.instrument][taker.side].append(taker)
        return Outcome(taker.identifier, filled, taker.size, Rejection.NONE)

    def _why_not(self, taker: Order, force: int, rule: int) -> int:
        """Why an order may not go to the book as it stands; every refusal comes before anything changes."""
        met = [
            order
            for price in self.sides[taker.instrument][-taker.side].reachable(taker.price)
            for order in self.sides[taker.instrument][-taker.side].queues[price]
        ]
        own = [order.account == taker.account and rule != SelfTrade.ALLOW for order in met]
        if force == TimeInForce.POST_ONLY and met:
            return Rejection.POST_ONLY_WOULD_TAKE
        if force == TimeInForce.FILL_OR_KILL and self._fillable(taker, rule) < taker.size:
            return Rejection.FOK_NOT_FILLABLE
        if rule == SelfTrade.CANCEL_TAKER and own and own[0]:
            return Rejection.SELF_TRADE
        if force == TimeInForce.IMMEDIATE_OR_CANCEL and all(own):
            return Rejection.NO_LIQUIDITY
        return Rejection.NONE

    def _cross(self, taker: Order, rule: int) -> bool:
        """Trade down to the limit; true if self-trade prevention stopped the taker."""
        opposite = self.sides[taker.instrument][-taker.side]
        while taker.size > 0:
            price = opposite.best()
            if price is None or (price - taker.price) * taker.side > 0:
                return False
            maker = opposite.queues[price][0]
            if maker.account == taker.account and rule != SelfTrade.ALLOW:
                if rule == SelfTrade.CANCEL_TAKER:
                    return True
                self._withdraw(maker)
                continue
            size = min(taker.size, maker.size)
            names = (taker.account, maker.account, taker.identifier, maker.identifier)
            self.fills.append(Fill(price, size, *names, taker.instrument, taker.side, len(self.fills) + 1))
            taker.size -= size
            maker.size -= size
            if maker.size == 0:
                self._withdraw(maker)
        return False

    def _fillable(self, taker: Order, rule: int) -> int:
        """Lots within reach; own orders do not count, and stop the count where they would stop the taker."""
        opposite = self.sides[taker.instrument][-taker.side]
        lots = 0
        for price in opposite.reachable(taker.price):
            for order in opposite.queues[price]:
                if lots >= taker.size:
                    return lots
                if order.account != taker.account or rule == SelfTrade.ALLOW:
                    lots += order.size
                elif rule == SelfTrade.CANCEL_TAKER:
                    return lots
        return lots

    def _new_identifier(self) -> int:
        if self.free:
            slot = self.free.pop()
        else:
            slot = len(self.generations)
            self.generations.append(0)
        return self.generations[slot] << 32 | slot

    def _free(self, identifier: int) -> None:
        slot = identifier & 0xFFFFFFFF
        self.generations[slot] = (self.generations[slot] + 1) % GENERATIONS
        self.free.append(slot)

    def _lift(self, order: Order) -> None:
        """Take an order out of the book; its id stays its own."""
        self.sides[order.instrument][order.side].remove(order)
        del self.orders[order.identifier]

    def _withdraw(self, order: Order) -> None:
        self._lift(order)
        self._free(order.identifier)

    def resting(self, instrument: int, side: int) -> list[tuple[int, list[tuple[int, int]]]]:
        """(price, [(order id, lots), ...]) of one side, best price first, queues first in first out."""
        one = self.sides[instrument][side]
        prices = reversed(one.prices) if side > 0 else one.prices
        return [(price, [(order.identifier, order.size) for order in one.queues[price]]) for price in prices]
