"""Hedged shorts that go home: books short here against spot elsewhere buy back when this venue is cheap.

Who is short the contract and long the coin on another venue closes both legs at a profit as soon as the
contract trades below the coin, and needs no transfer for it: only a working door. That makes the hedged share
of open interest one of the largest bids of a crash, as long as its pace and its messages last.

Holds the buying back of the population's basis books. Holds no new short (in the window nobody opens one) and
no view of margin: a book that is cut by auto-deleveraging has less to buy back.

Source: crowd description 1.6 (`f_basis`) and 4 (`K_basis`); modelling notes 4 (shorts that take profit are
one of the largest bids). Units: USD, lots, ticks, seconds. Invariant: a bid only reduces the short; the pace
does not depend on the length of a step.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from undertow import streams
from undertow.crowd.gauges import Gauges
from undertow.crowd.population import Population
from undertow.crowd.rules import Holder
from undertow.crowd.rules_actors import BasisRules
from undertow.crowd.view import (
    Commands,
    Desk,
    Market,
    Opening,
    View,
    cancel_all,
    new_orders,
    no_opening,
    nothing,
    together,
)
from undertow.units import MICROS
from undertow.venue.records import OrderFlag

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
        self.resting = np.zeros(len(self._account), np.bool_)
        ids = np.arange(len(self._account), dtype=np.int64)
        self._band = rules.band * np.exp(rules.band_spread * streams.normal(seed, "basis: bands", 0, ids))

    def opening(self) -> Opening:
        """None: the population is placed before the actors."""
        return no_opening()

    def opened(self, first_account: int) -> None:
        """Nothing was opened."""

    def act(self, view: View) -> Commands:
        """Renew the bids of those positions whose turn it is."""
        self.gauges.see(view)
        self.attempts = 0
        rules = self.rules
        if not rules.active or len(self._account) == 0:
            return nothing()
        cheap = 1.0 - self.gauges.own[self._instrument] / view.outside_ticks[self._instrument] - self._band
        every = max(1, round(rules.turn_s / view.step_seconds))
        ids = np.arange(len(self._account), dtype=np.int64)
        due = np.flatnonzero(((view.step + ids) % every == 0) & ((cheap > 0.0) | self.resting))
        if len(due) == 0:
            return nothing()
        self.attempts = len(due)
        draws = streams.uniform(self.seed, "basis: messages", view.step, due)
        due = due[draws >= rules.failure_weight * view.failure]
        pace = np.minimum(rules.close_per_minute * np.maximum(cheap[due], 0.0) / POINT, rules.most_per_minute)
        share = -np.expm1(-pace * every * view.step_seconds / 60.0)
        account, instrument = self._account[due], self._instrument[due]
        short = -np.minimum(self.desk.sizes(account, instrument), 0)
        lots = np.floor(short * share).astype(np.int64)
        price = np.floor(view.outside_ticks[instrument] * (1.0 - self._band[due])).astype(np.int64)
        worth = lots * price * (self.market.unit[instrument] / MICROS)
        keep = (worth >= LEAST_ORDER_USD) & (price > 0)
        out = self.resting[due]
        cancelled = cancel_all(account[out], instrument[out])
        self.resting[due] = keep
        orders = new_orders(
            account[keep],
            instrument[keep],
            np.ones(int(keep.sum()), np.int64),
            price[keep],
            lots[keep],
            flags=OrderFlag.REDUCE_ONLY,
        )
        return together([cancelled, orders])

    def memory(self) -> dict[str, NDArray[Any]]:
        """Every array that carries over."""
        return {"resting": self.resting}
