"""People who want out and post asks instead of hitting bids: the part of the ask side that follows a fall.

Makers withdraw and far asks stay where they were, so without these the middle of a broken book would stand
still far above its trades, and with it every mark that averages the middle. Their bids do not follow: whoever
waits for a lower price is `patient`.

Holds the re-posting of a thin ladder of asks above the venue's own price. Holds no view of the outside.

Source: crowd description 3.2 (`sticky`: depth of people's limit orders, a share of calm depth within 4 %; 45
of 401 million dollars at the trough is its ceiling). Units: USD, ticks, lots, seconds. Invariant: what rests
per coin never exceeds the share, nor what is left to sell; the pace of re-posting does not depend on the
length of a step.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from undertow import streams
from undertow.crowd.gauges import Gauges
from undertow.crowd.rules_actors import MakerRules
from undertow.crowd.rules_people import SellerRules
from undertow.crowd.view import (
    Commands,
    Desk,
    Integers,
    Market,
    Opening,
    View,
    cancel_all,
    new_orders,
    nothing,
    together,
)
from undertow.exact import floats
from undertow.units import MICROS

FUNDING = 1.0  # cash over what they can sell in all
MOST = 0.3  # of open interest, whatever arrives
PERCENT = 0.01
TEN_PERCENT = 0.1


class Sellers:
    """A few wallets that stand for everybody with a limit order to sell, in every contract."""

    name = "sellers"
    group = "seller"

    def __init__(
        self,
        rules: SellerRules,
        makers: MakerRules,
        market: Market,
        gauges: Gauges,
        desk: Desk,
        seed: int,
    ) -> None:
        self.rules, self.market, self.gauges, self.desk, self.seed = rules, market, gauges, desk, seed
        self._interest_usd = market.open_interest_usd / rules.accounts
        self.stock_usd = (
            rules.stock_share * self._interest_usd
        )  # by instrument, of each wallet, at the start's price
        self.attempts = 0
        self.accounts = np.zeros(rules.accounts, np.int64)
        calm = (
            makers.depth_share
            * market.turnover_usd
            * floats.power(rules.reach / PERCENT, makers.depth_exponent)
        )
        self._usd = rules.share * calm * market.perpetual
        self._pairs = np.array(
            [
                (account, instrument)
                for account in range(rules.accounts)
                for instrument in np.flatnonzero(self._usd)
            ],
            np.int64,
        ).reshape(-1, 2)
        self._wallet, self._where = (np.ascontiguousarray(column) for column in self._pairs.T)
        self._ids = np.arange(len(self._pairs), dtype=np.int64)
        levels = np.arange(rules.levels)
        self._identity = ((self._wallet * 1024 + self._where) * 64)[:, None] + levels

    def opening(self) -> Opening:
        """One wallet each, with cash for everything it may ever sell."""
        each = round(FUNDING * MOST * float(self._interest_usd.sum()) * MICROS)
        return Opening(
            self.rules.accounts, self.rules.profile, np.full(self.rules.accounts, each, np.int64), []
        )

    def opened(self, first_account: int) -> None:
        """The wallets exist from this number on."""
        self.accounts = first_account + np.arange(self.rules.accounts, dtype=np.int64)

    def act(self, view: View) -> Commands:
        """Re-post the asks of those pairs of wallet and coin whose turn it is."""
        self.attempts = 0
        rules = self.rules
        if not rules.active or len(self._pairs) == 0:
            return nothing()
        self._arrive(view)
        chance = -floats.expm1(-view.step_seconds / rules.turn_s) if view.step > 1 else 1.0
        turn = self._ids[streams.uniform(self.seed, "sellers: turn", view.step, self._ids) < chance]
        self.attempts = len(turn)
        heard = streams.uniform(self.seed, "sellers: messages", view.step, turn)
        rows = turn[heard >= rules.failure_weight * view.failure]
        if len(rows) == 0:
            return nothing()
        accounts, instruments = self.accounts[self._wallet[rows]], self._where[rows]
        return together([cancel_all(accounts, instruments), self._asks(view, rows, accounts, instruments)])

    def _arrive(self, view: View) -> None:
        """More people want out while the price falls: by its fall in the last minute."""
        fall = np.maximum(-floats.expm1(self.gauges.own_move), 0.0) / TEN_PERCENT
        pace = self.rules.arrivals_per_minute * self._interest_usd * fall / 60.0
        self.stock_usd += pace * view.step_seconds
        np.minimum(self.stock_usd, MOST * self._interest_usd, out=self.stock_usd)

    def _asks(self, view: View, rows: Integers, accounts: Integers, instruments: Integers) -> Commands:
        """A jittered ladder above the own price, even in log distance, equal in dollars."""
        rules, levels = self.rules, self.rules.levels
        identity = self._identity[rows]
        inside = streams.uniform(self.seed, "sellers: prices", view.step, identity.reshape(-1))
        share = (np.arange(levels) + inside.reshape(identity.shape)) / levels
        distance = rules.nearest * floats.power(rules.reach / rules.nearest, share)
        own = self.gauges.own[instruments][:, None]
        prices = np.ceil(own * (1.0 + distance)).astype(np.int64)
        # Everybody sells once: what is gone is not offered again.
        sold = -self.desk.sizes(accounts, instruments) * self.market.unit[instruments] / MICROS
        left = np.maximum(self.stock_usd[instruments] - sold * self.gauges.start_ticks[instruments], 0.0)
        each = np.minimum(self._usd[instruments] / rules.accounts, left)
        usd, where = (each / levels)[:, None], instruments[:, None]
        lots = self.gauges.lots_for(usd, prices.astype(np.float64), where)
        keep = (lots > 0) & (prices < self.market.maximum_ticks[where])
        row = np.nonzero(keep)[0]
        sides = np.full(len(row), -1)
        return new_orders(accounts[row], instruments[row], sides, prices[keep], lots[keep])

    def memory(self) -> dict[str, NDArray[Any]]:
        """What they may still come to sell; the rest are the orders themselves."""
        return {"stock_usd": self.stock_usd}
