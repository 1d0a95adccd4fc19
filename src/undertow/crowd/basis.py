"""Hedged shorts that go home: books short here against spot elsewhere buy back when this venue is cheap.

Who is short the contract and long the coin closes both legs at a profit as soon as the contract trades below
the coin, and needs no transfer for it: only a working door. That makes the hedged share of open interest one
of the largest bids of a crash, as long as its pace and its messages last. Part of the coins lies on this
venue; when a short is gone, bought back or closed by auto-deleveraging, its coins are sold in the spot book
here, and so the fall of the contract reaches the coin.

Holds the buying back and the sales of coins of the population's basis books. Holds no new short (in the
window nobody opens one) and no view of margin.

Source: crowd description 1.6 (`f_basis`) and 4 (`K_basis`); modelling notes 4 (shorts that take profit are
one of the largest bids). Units: USD, lots, ticks, seconds. Invariant: a bid only reduces the short; the pace
does not depend on the length of a step.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from undertow import streams
from undertow.crowd.firms import largest
from undertow.crowd.gauges import WAITS_BELOW, Gauges
from undertow.crowd.population import Population
from undertow.crowd.rules import Holder
from undertow.crowd.rules_actors import BasisRules
from undertow.crowd.view import (
    Commands,
    Desk,
    Integers,
    Market,
    Opening,
    View,
    asset_moves,
    cancel_all,
    new_orders,
    no_opening,
    nothing,
    together,
)
from undertow.exact import floats
from undertow.units import MICROS
from undertow.venue.records import OrderFlag, TimeInForce

POINT = 0.01
LEAST_ORDER_USD = 100.0


class BasisBooks:
    """The population's basis books. Account i of the population is wallet `first` + i."""

    name = "basis"
    group = "basis book"

    def __init__(
        self,
        rules: BasisRules,
        market: Market,
        gauges: Gauges,
        desk: Desk,
        seed: int,
        population: Population,
        first: int,
    ) -> None:
        self.rules, self.market, self.gauges, self.desk, self.seed = rules, market, gauges, desk, seed
        self.attempts = 0
        counts = np.diff(population.position_offsets)
        owner = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
        mine = (population.kind[owner] == int(Holder.BASIS_BOOK)) & (population.position_lots < 0)
        self._account = first + owner[mine]
        self._instrument = population.position_instrument[mine].astype(np.int64)
        big = largest(market)[self._instrument]
        self._most = np.where(big, rules.largest_most_per_minute, rules.most_per_minute)
        self.resting = np.zeros(len(self._account), np.bool_)
        ids = np.arange(len(self._account), dtype=np.int64)
        self._short_start = -population.position_lots[mine]
        self._spot = market.spot[self._instrument]
        self.brought = np.zeros(1, np.bool_)
        self._band = rules.band * floats.exp(rules.band_spread * streams.normal(seed, "basis: bands", 0, ids))

    def opening(self) -> Opening:
        """None: the population is placed before the actors."""
        return no_opening()

    def opened(self, first_account: int) -> None:
        """Nothing was opened."""

    def act(self, view: View) -> Commands:
        """Renew the bids of those positions whose turn it is, and sell the coins of shorts that are gone."""
        self.gauges.see(view)
        self.attempts = 0
        rules = self.rules
        if not rules.active or len(self._account) == 0:
            return nothing()
        if not self.brought[0]:
            self.brought[0] = True
            return self._coins_brought()
        every = max(1, round(rules.turn_s / view.step_seconds))
        turn = np.flatnonzero((view.step + np.arange(len(self._account))) % every == 0)
        short = -np.minimum(self.desk.sizes(self._account[turn], self._instrument[turn]), 0)
        bids = self._bids(view, turn, short, every)
        return together([bids, self._sales(view, turn, short)])

    def _coins(self, rows: Integers, short: Integers) -> Integers:
        """Lots of spot that hedge so much of a short here; perpetual and spot lots differ in size."""
        spot, contract = self._spot[rows], self._instrument[rows]
        start = self.gauges.start_ticks
        usd = short * start[contract] * self.market.unit[contract] / MICROS * self.rules.coins_here
        return self.gauges.lots_for(usd, start[spot], spot)

    def _coins_brought(self) -> Commands:
        """The coins that are here when the case begins."""
        rows = np.flatnonzero(self._spot >= 0)
        lots = self._coins(rows, self._short_start[rows])
        rows, lots = rows[lots > 0], lots[lots > 0]
        return asset_moves(self._account[rows], self._spot[rows], lots)

    def _bids(self, view: View, turn: Integers, short: Integers, every: int) -> Commands:
        rules = self.rules
        outside = view.outside_ticks[self._instrument[turn]]
        cheap = 1.0 - self.gauges.own[self._instrument[turn]] / outside - self._band[turn]
        active = (cheap > 0.0) | self.resting[turn]
        active &= self._through(view, turn, active, "bids")
        due, cheap, short = turn[active], cheap[active], short[active]
        pace = np.minimum(rules.close_per_minute * np.maximum(cheap, 0.0) / POINT, self._most[due])
        share = -floats.expm1(-pace * every * view.step_seconds / 60.0)
        account, instrument = self._account[due], self._instrument[due]
        lots = np.floor(short * share).astype(np.int64)
        price = np.floor(view.outside_ticks[instrument] * (1.0 - self._band[due])).astype(np.int64)
        worth = lots * price * (self.market.unit[instrument] / MICROS)
        keep = (worth >= LEAST_ORDER_USD) & (price > 0)
        out = self.resting[due]
        cancelled = cancel_all(account[out], instrument[out])
        self.resting[due] = keep
        buy = np.ones(int(keep.sum()), np.int64)
        what = (account[keep], instrument[keep], buy, price[keep], lots[keep])
        return together([cancelled, new_orders(*what, flags=OrderFlag.REDUCE_ONLY)])

    def _sales(self, view: View, turn: Integers, short: Integers) -> Commands:
        """Coins whose short is gone, into what bids there are."""
        here = self._spot[turn] >= 0
        rows, short = turn[here], short[here]
        account, spot = self._account[rows], self._spot[rows]
        spare = self.desk.sizes(account, spot) - self._coins(rows, short)
        bid = view.bid_ticks[spot]
        price = np.floor(bid * (1.0 - self.rules.collar)).astype(np.int64)
        wanted = (spare * bid * (self.market.unit[spot] / MICROS) >= LEAST_ORDER_USD) & (price > 0)
        wanted &= bid >= WAITS_BELOW * self.gauges.own[spot]
        wanted &= self._through(view, rows, wanted, "sales")
        sell = np.full(int(wanted.sum()), -1, np.int64)
        what = (account[wanted], spot[wanted], sell, price[wanted], spare[wanted])
        return new_orders(*what, TimeInForce.IMMEDIATE_OR_CANCEL)

    def _through(self, view: View, rows: Integers, wanted: NDArray[np.bool_], what: str) -> NDArray[np.bool_]:
        """Whose message arrives; counts the attempts."""
        self.attempts += int(wanted.sum())
        draws = streams.uniform(self.seed, f"basis: messages of {what}", view.step, rows)
        return draws >= self.rules.failure_weight * view.failure

    def memory(self) -> dict[str, NDArray[Any]]:
        """Every array that carries over."""
        return {"resting": self.resting, "brought": self.brought}
