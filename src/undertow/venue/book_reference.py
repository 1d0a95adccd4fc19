"""The books in plain Python: what `execution.execute_book` must do, written to be read.

Holds price-time books of deques and sorted prices, driven by the same command records and giving the same
results, fills and order ids as the kernels. Holds no account and no money. Used by tests as the oracle
and by the benchmark as the plain baseline; use `execution` for everything else.

Units: prices in ticks, sizes in lots. Invariants: as in `book`; ids are the slot plus the slot's
generation, slots are reused last freed first.
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

    __slots__ = ("account", "identifier", "instrument", "price", "side", "size")

    def __init__(self, account: int, instrument: int, side: int, price: int, size: int) -> None:
        self.account = account
        self.instrument = instrument
        self.side = side
        self.price = price
        self.size = size
        self.identifier = -1


class Fill(NamedTuple):
    """One trade; `taker_order` is the id under which the taker's remainder rests, -1 if nothing does."""

    price: int
    size: int
    taker: int
    maker: int
    taker_order: int
    maker_order: int
    instrument: int
    side: int


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
    code: int


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
            return Outcome(-1, 0, Rejection.BAD_COMMAND)
        order = self.orders.get(command.order)
        if order is None:
            return Outcome(-1, 0, Rejection.UNKNOWN_ORDER)
        if command.kind == CommandKind.CANCEL:
            self._withdraw(order)
            return Outcome(-1, 0, Rejection.NONE)
        return self._amend(order, command)

    def _refusal(self, instrument: int, price: int, size: int) -> int:
        if size <= 0:
            return Rejection.BAD_SIZE
        if not 0 < price < self.maximum_ticks[instrument]:
            return Rejection.BAD_PRICE
        return Rejection.NONE

    def _place(self, command: Command) -> Outcome:
        side, instrument = command.side, command.instrument
        if side not in (1, -1):
            return Outcome(-1, 0, Rejection.BAD_COMMAND)
        if not 0 <= instrument < len(self.sides):
            return Outcome(-1, 0, Rejection.UNKNOWN_INSTRUMENT)
        code = self._refusal(instrument, command.price, command.size)
        if code != Rejection.NONE:
            return Outcome(-1, 0, code)
        taker = Order(command.account, instrument, side, command.price, command.size)
        force = command.time_in_force
        if command.flags & OrderFlag.MARKET and force != TimeInForce.FILL_OR_KILL:
            force = TimeInForce.IMMEDIATE_OR_CANCEL
        return self._trade(taker, force, self._rule(command))

    def _amend(self, order: Order, command: Command) -> Outcome:
        price, size = command.price, command.size
        code = self._refusal(order.instrument, price, size)
        if code != Rejection.NONE:
            return Outcome(-1, 0, code)
        if price == order.price and size <= order.size:
            order.size = size
            return Outcome(order.identifier, 0, Rejection.NONE)
        self._withdraw(order)
        taker = Order(order.account, order.instrument, order.side, price, size)
        return self._trade(taker, TimeInForce.GOOD_TILL_CANCELLED, self._rule(command))

    def _rule(self, command: Command) -> int:
        rule = command.self_trade
        return rule if rule >= 0 else self.self_trade_rule

    def _trade(self, taker: Order, force: int, rule: int) -> Outcome:
        wanted = taker.size
        best = self.sides[taker.instrument][-taker.side].best()
        crosses = best is not None and (best - taker.price) * taker.side <= 0
        if force == TimeInForce.POST_ONLY and crosses:
            return Outcome(-1, 0, Rejection.POST_ONLY_WOULD_TAKE)
        if force == TimeInForce.FILL_OR_KILL and self._fillable(taker, rule) < wanted:
            return Outcome(-1, 0, Rejection.FOK_NOT_FILLABLE)
        first_fill = len(self.fills)
        stopped = self._cross(taker, rule)
        filled = wanted - taker.size
        if stopped:
            return Outcome(-1, filled, Rejection.SELF_TRADE)
        if taker.size == 0:
            return Outcome(-1, filled, Rejection.NONE)
        if force in (TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.FILL_OR_KILL):
            return Outcome(-1, filled, Rejection.NONE if filled else Rejection.NO_LIQUIDITY)
        self._rest(taker)
        for position in range(first_fill, len(self.fills)):
            self.fills[position] = self.fills[position]._replace(taker_order=taker.identifier)
        return Outcome(taker.identifier, filled, Rejection.NONE)

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
            names = (taker.account, maker.account, -1, maker.identifier, taker.instrument, taker.side)
            self.fills.append(Fill(price, size, *names))
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

    def _rest(self, order: Order) -> None:
        if self.free:
            slot = self.free.pop()
        else:
            slot = len(self.generations)
            self.generations.append(0)
        order.identifier = self.generations[slot] << 32 | slot
        self.orders[order.identifier] = order
        self.sides[order.instrument][order.side].append(order)

    def _withdraw(self, order: Order) -> None:
        self.sides[order.instrument][order.side].remove(order)
        del self.orders[order.identifier]
        slot = order.identifier & 0xFFFFFFFF
        self.generations[slot] = (self.generations[slot] + 1) % GENERATIONS
        self.free.append(slot)

    def resting(self, instrument: int, side: int) -> list[tuple[int, list[tuple[int, int]]]]:
        """(price, [(order id, lots), ...]) of one side, best price first, queues first in first out."""
        one = self.sides[instrument][side]
        prices = reversed(one.prices) if side > 0 else one.prices
        return [(price, [(order.identifier, order.size) for order in one.queues[price]]) for price in prices]
