"""Coins that firms carry between the venue and the outside, each move in two halves.

What leaves first is only asked for: coins to be sold outside, cash to buy with. The venue may refuse it
(coins stand in an order, cash is spent), so the other half follows in the step after the venue's answer:
money for the coins that left, coins for the money that was paid.

Holds moves on their way. Holds no reason to move anything. Units: lots; prices in ticks of the outside: coins
are sold at the price when the second half comes, bought at the one that was asked for. Invariants: nothing
arrives for what never left; a firm asks for cash once at a time, for all its coins together.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from undertow.crowd.view import Commands, Integers, Market, asset_moves, deposits, together, withdrawals
from undertow.venue.records import CommandKind


class Carried:
    """Moves of all firms; firm f's wallet is `first` + f; arrays are (firms, instruments)."""

    def __init__(self, firms: int, market: Market) -> None:
        self.market, self.first = market, 0
        shape = (firms, len(market.name))
        self.sold = np.zeros(shape, np.int64)  # lots that left, unpaid
        self.bought = np.zeros(shape, np.int64)  # lots that are paid, not here
        self.asked = np.zeros(shape, np.int64)  # lots whose price was asked for

    def ask(self, lots: Integers, price_ticks: Integers) -> Commands:
        """First halves: positive lots leave, and the price of negative ones, in one sum a firm."""
        lots = np.where(self._waiting()[:, None], np.maximum(lots, 0), lots)
        firm, instrument = np.nonzero(lots > 0)
        leaving = asset_moves(self.first + firm, instrument, -lots[firm, instrument])
        bought = np.maximum(-lots, 0)
        money = (bought * (price_ticks * self.market.unit)).sum(axis=1)
        buyers = np.flatnonzero(money > 0)
        self.asked[buyers] = bought[buyers]
        return together([leaving, withdrawals(self.first + buyers, money[buyers])])

    def _waiting(self) -> NDArray[np.bool_]:
        """Firms that have asked for cash and not heard, or whose coins have not come."""
        return np.asarray((self.asked + self.bought).any(axis=1))

    def heard(self, commands: Commands, results: NDArray[np.void]) -> None:
        """Which first halves the venue carried out."""
        kind = commands["kind"]
        moves = np.flatnonzero(
            (kind == int(CommandKind.WITHDRAW_ASSET)) | (kind == int(CommandKind.WITHDRAW))
        )
        firm = commands["account"][moves].astype(np.int64) - self.first
        mine = (firm >= 0) & (firm < len(self.asked))
        moves, firm = moves[mine], firm[mine]
        done = results["code"][moves] == 0
        coins = kind[moves] == int(CommandKind.WITHDRAW_ASSET)
        left = moves[done & coins]
        np.add.at(self.sold, (firm[done & coins], commands["instrument"][left]), commands["size"][left])
        paid = firm[done & ~coins]
        self.bought[paid] += self.asked[paid]
        self.asked[firm[~coins]] = 0

    def settle(self, outside_ticks: NDArray[np.float64]) -> Commands:
        """Second halves of what was carried out: money for coins, and coins for money."""
        price = np.rint(outside_ticks).astype(np.int64)
        firm, instrument = np.nonzero(self.sold)
        money = self.sold[firm, instrument] * (price * self.market.unit)[instrument]
        buyer, what = np.nonzero(self.bought)
        parts = [
            deposits(self.first + firm, money),
            asset_moves(self.first + buyer, what, self.bought[buyer, what]),
        ]
        self.sold[:] = 0
        self.bought[:] = 0
        return together(parts)

    def memory(self) -> dict[str, NDArray[Any]]:
        """Every array that carries over."""
        return {"carried_sold": self.sold, "carried_bought": self.bought, "carried_asked": self.asked}
