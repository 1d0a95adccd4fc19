"""A trading desk over the bare kernels: three contracts, a few accounts, the books proved at every command.

Contracts: 0 linear (10 units a tick and lot, initial margin 10 %, maintenance 5 %), 1 inverse (settled in
asset 1, 10^6 atoms of notional per lot at one tick), 2 spot (10 units a tick and lot). All start at 100
ticks. Units: ticks, lots, settlement units.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from support.books import command
from undertow.errors import Rejection
from undertow.venue.audit import audit, clearing_balance
from undertow.venue.execution import execute
from undertow.venue.records import RESULT, CommandKind, InstrumentKind
from undertow.venue.setup import list_instrument, open_account, open_house
from undertow.venue.state import (
    COLLATERAL_WEIGHTED,
    COUNT_HOLDINGS,
    FREE_HOLDING,
    HOUSE_FEES,
    HOUSE_STRIDE,
    LEDGER_DETAIL,
    MARGIN_FLAT,
    MAXIMUM_ORDERS,
    State,
    allocate,
)

LINEAR, INVERSE, SPOT = 0, 1, 2
START = 100
FEES = HOUSE_FEES  # the fee account of settlement asset 0
COIN_FEES = HOUSE_STRIDE + HOUSE_FEES
ACCEPTED = int(Rejection.NONE)

COMMON = {"maximum_ticks": 1000, "maximum_lots": 1_000_000, "lots_per_coin": 1}
MARGINS = {"margin_rule": MARGIN_FLAT, "rate_floor_ppm": 50_000, "rate_initial_floor_ppm": 100_000}
FIGURES = (
    {**COMMON, **MARGINS, "kind": int(InstrumentKind.LINEAR), "unit": 10},
    {**COMMON, **MARGINS, "kind": int(InstrumentKind.INVERSE), "unit": 1_000_000, "settlement": 1},
    {**COMMON, "kind": int(InstrumentKind.SPOT), "unit": 10},
)


class Answer(NamedTuple):
    """A RESULT as plain integers."""

    code: int
    order: int
    filled: int
    value: int
    resting: int


class Desk:
    """A state with its accounts; `audited` commands prove the books after each one."""

    def __init__(self, customers: int = 4, cash: int = 1_000_000, **figures: int) -> None:
        """`figures` override those of all three contracts (fees, bands, notional)."""
        self.state: State = allocate(3, 64, 64, 64)
        self.state.profiles[0]["maintenance_multiplier_ppm"] = 1_000_000
        self.state.profiles[0]["collateral"] = COLLATERAL_WEIGHTED
        self.state.counters[MAXIMUM_ORDERS] = 200
        self.state.counters[LEDGER_DETAIL] = 1
        open_house(self.state, 2)
        for number, own in enumerate(FIGURES):
            list_instrument(self.state, number, {**own, **figures}, START)
        self.wallets = [open_account(self.state, 0, 0) for _ in range(customers)]
        self.coins = [open_account(self.state, 1, 0, owner=wallet) for wallet in self.wallets]
        for account in (*self.wallets, *self.coins):
            self.do(CommandKind.DEPOSIT, account=account, size=cash)

    def do(self, kind: int = CommandKind.NEW, **fields: int) -> Answer:
        """Carry out one command and prove the books."""
        results = np.zeros(1, RESULT)
        execute(self.state, command(kind, **{"self_trade": -1, **fields}), results)
        self.check()
        row = results[0]
        return Answer(*(int(row[name]) for name in Answer._fields))

    def buy(self, account: int, size: int, price: int, instrument: int = LINEAR, **fields: int) -> Answer:
        """A buy order; good till cancelled unless said otherwise."""
        return self.do(account=account, side=1, size=size, price=price, instrument=instrument, **fields)

    def sell(self, account: int, size: int, price: int, instrument: int = LINEAR, **fields: int) -> Answer:
        """A sell order."""
        return self.do(account=account, side=-1, size=size, price=price, instrument=instrument, **fields)

    def trade(self, buyer: int, seller: int, size: int, price: int, instrument: int = LINEAR) -> None:
        """Both sides of one trade; the seller takes."""
        assert self.buy(buyer, size, price, instrument).code == ACCEPTED
        assert self.sell(seller, size, price, instrument).filled == size

    def cash(self, account: int) -> int:
        """Cash of a wallet."""
        return int(self.state.accounts[account]["cash"])

    def row(self, account: int, instrument: int = LINEAR) -> tuple[int, int, int, int]:
        """(size, quote, open_buy, open_sell) of a holding; zeros if there is none."""
        holding = int(self.state.accounts[account]["first_holding"])
        while holding >= 0:
            row = self.state.holdings[holding]
            if row["instrument"] == instrument:
                return tuple(int(row[name]) for name in ("size", "quote", "open_buy", "open_sell"))
            holding = int(row["next"])
        return 0, 0, 0, 0

    def orders(self, account: int) -> list[int]:
        """Slots of an account's own orders, newest first."""
        slots, slot = [], int(self.state.accounts[account]["first_order"])
        while slot >= 0:
            slots.append(slot)
            slot = int(self.state.orders[slot]["own_next"])
        return slots

    def check(self) -> None:
        """Sums, reservations, own-order lists and free lists, from scratch."""
        state = self.state
        audit(state)
        assert clearing_balance(state, 0) == clearing_balance(state, 1) == 0
        used = []
        for account in range(state.counters[0]):
            self._check_orders(account)
            holding = int(state.accounts[account]["first_holding"])
            while holding >= 0:
                assert state.holdings[holding]["account"] == account
                used.append(holding)
                holding = int(state.holdings[holding]["next"])
        free = int(state.counters[FREE_HOLDING])
        while free >= 0:
            used.append(free)
            free = int(state.holdings[free]["next"])
        assert sorted(used) == list(range(state.counters[COUNT_HOLDINGS]))

    def _check_orders(self, account: int) -> None:
        state, owner = self.state, self.state.accounts[account]
        reserved: dict[tuple[int, int], int] = {}
        slots = self.orders(account)
        for position, slot in enumerate(slots):
            order = state.orders[slot]
            assert order["account"] == account and order["size"] > 0
            assert order["own_previous"] == (slots[position - 1] if position else -1)
            lots = int(order["size"])
            if order["side"] > 0 and order["instrument"] == SPOT:
                lots *= int(order["price"]) * int(state.instruments[SPOT]["unit"])
            key = (int(order["instrument"]), int(order["side"]))
            reserved[key] = reserved.get(key, 0) + lots
        assert owner["order_count"] == len(slots)
        assert owner["reduce_only_count"] == sum(int(state.orders[slot]["flags"]) & 1 for slot in slots)
        for instrument in (LINEAR, INVERSE, SPOT):
            _, _, open_buy, open_sell = self.row(account, instrument)
            assert (open_buy, open_sell) == (
                reserved.get((instrument, 1), 0),
                reserved.get((instrument, -1), 0),
            )
