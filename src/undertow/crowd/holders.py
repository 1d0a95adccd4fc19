"""People who hold coins here without debt, and sell some of them when the price falls.

They look at this venue's charts, the coin's and its contract's: whenever the deeper of the two falls reaches
a new depth, some more of them sell at market. So the fall of a contract reaches the coin although nobody who
sells has a margin call. Assets without a contract here have holders of their own kind (loopers.py).

Holds the decision and the market orders. Holds no view of the outside.

Source: crowd description 5 (`panic`: share of holdings per ten per cent of fall in half an hour; the venue's
spot turnover of 11.8 billion in 51 minutes). Units: lots, ticks, shares of one, seconds. Invariant: nobody
sells a coin twice; the pace does not depend on the length of a step.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from undertow import streams
from undertow.crowd.gauges import WAITS_BELOW, Gauges
from undertow.crowd.rules_people import HolderRules
from undertow.crowd.view import Commands, Desk, Market, Opening, View, new_orders, nothing
from undertow.exact import floats
from undertow.venue.records import TimeInForce

MOST = 10.0  # ten-per-cent falls that wallets are filled for; the rest of the coins never move
TEN_PERCENT = 0.1
MEMORY_S = 1800.0  # of the deepest fall: half an hour, as the fall itself
IDS_PER_WALLET = 1024


class Holders:
    """A few wallets that stand for everybody who holds coins, with what they may ever sell of each."""

    name = "holders"
    group = "coin holder"

    def __init__(self, rules: HolderRules, market: Market, gauges: Gauges, desk: Desk, seed: int) -> None:
        self.rules, self.market, self.gauges, self.desk, self.seed = rules, market, gauges, desk, seed
        listed = np.flatnonzero(market.spot >= 0).astype(np.int64)
        self._coin, first = np.unique(market.spot[listed], return_index=True)
        self._contract = listed[first]
        usd = rules.holdings_days * market.turnover_usd[self._coin] / rules.accounts
        self._held_lots = gauges.lots_for(usd, gauges.start_ticks[self._coin], self._coin)
        self._start_lots = np.floor(MOST * rules.share * self._held_lots).astype(np.int64)
        self.deepest = np.zeros(len(self._coin))
        self.decided_lots = np.zeros(len(self._coin))  # of each wallet, since the start
        self.attempts = 0
        self.accounts = np.zeros(rules.accounts, np.int64)
        wallets, coins = np.indices((rules.accounts, len(self._coin)))
        self._wallet, self._row = wallets.ravel(), coins.ravel()
        self._ids = self._wallet * IDS_PER_WALLET + self._coin[self._row]

    def opening(self) -> Opening:
        """One wallet each, without cash."""
        count = self.rules.accounts
        assets = [(int(c), np.full(count, n)) for c, n in zip(self._coin, self._start_lots, strict=True)]
        return Opening(count, self.rules.profile, np.zeros(count, np.int64), assets)

    def opened(self, first_account: int) -> None:
        """The wallets exist from this number on."""
        self.accounts = first_account + np.arange(self.rules.accounts, dtype=np.int64)

    def act(self, view: View) -> Commands:
        """Those whose turn it is sell a part of what they have decided to sell."""
        self.gauges.see(view)
        self.attempts = 0
        if not self.rules.active or len(self._coin) == 0:
            return nothing()
        self._decide(view)
        chance = -floats.expm1(-view.step_seconds / self.rules.turn_s)
        part = min(-floats.expm1(-view.step_seconds / self.rules.pace_s) / chance, 1.0)
        turn = np.flatnonzero(streams.uniform(self.seed, "holders: turn", view.step, self._ids) < chance)
        account, row = self.accounts[self._wallet[turn]], self._row[turn]
        coin = self._coin[row]
        left = self.desk.sizes(account, coin)
        owed = np.minimum(self.decided_lots[row] - (self._start_lots[row] - left), left)
        lots = np.where(owed >= 1.0, np.maximum(np.floor(owed * part), 1.0), 0.0)
        price = np.floor(view.bid_ticks[coin] * (1.0 - self.rules.collar)).astype(np.int64)
        wanted = (lots >= 1.0) & (price > 0) & (view.bid_ticks[coin] >= WAITS_BELOW * self.gauges.own[coin])
        self.attempts = int(wanted.sum())
        heard = streams.uniform(self.seed, "holders: messages", view.step, self._ids[turn])
        send = wanted & (heard >= self.rules.failure_weight * view.failure)
        sell = np.full(int(send.sum()), -1)
        what = (account[send], coin[send], sell, price[send], lots[send].astype(np.int64))
        return new_orders(*what, TimeInForce.IMMEDIATE_OR_CANCEL)

    def _decide(self, view: View) -> None:
        """Some more sell with every new depth of the fall; an old fall is forgotten."""
        gauges = self.gauges
        # Of the smoothed price: one order in an empty book frightens few.
        moves = gauges.long_move + floats.log(gauges.smooth / gauges.own)
        fall = np.maximum(-floats.expm1(np.minimum(moves[self._coin], moves[self._contract])), 0.0)
        deeper = np.maximum(fall - self.deepest, 0.0) / TEN_PERCENT
        self.decided_lots += self.rules.share * self._held_lots * deeper
        self.deepest += np.where(deeper > 0.0, fall - self.deepest, 0.0)
        self.deepest += (fall - self.deepest) * -floats.expm1(-view.step_seconds / MEMORY_S)

    def memory(self) -> dict[str, NDArray[Any]]:
        """Every array that carries over."""
        return {"deepest": self.deepest, "decided_lots": self.decided_lots}
