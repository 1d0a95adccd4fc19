"""Noise: two-sided taker flow from many small books, so that last prices and volumes live.

Every coin has a few books. Each works a parent order on one side for half a minute or so, a slice a second,
then draws a new side; the more it holds, the likelier it turns back. Sizes are heavy-tailed, but no slice is
larger than a share of the depth it can see, and none reaches far through the market. Flow grows with
volatility.

Source: crowd description 1.1 (turnover), 5 (impact), modelling notes, trap 5.
Units: USD (floats) until the commands, lots, ticks, seconds. Invariant: expected turnover a second does not
depend on the length of a step.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from undertow import streams
from undertow.crowd.gauges import WAITS_BELOW, Gauges
from undertow.crowd.rules_actors import NoiseRules
from undertow.crowd.view import Commands, Desk, Floats, Integers, Market, Opening, View, new_orders, nothing
from undertow.units import MICROS
from undertow.venue.records import TimeInForce

SECONDS_A_DAY = 86_400.0
IDS_PER_BOOK = 1024
LEAST_ORDER_USD = 10.0
SLICE_S = 1.0  # between two slices of a parent order
TURNING = 0.9  # how sure a book at its limit turns back


class Noise:
    """All noise books: one wallet a book, each trading one instrument."""

    name = "noise"
    group = "noise"

    def __init__(self, rules: NoiseRules, market: Market, gauges: Gauges, desk: Desk, seed: int) -> None:
        self.rules, self.market, self.gauges, self.desk, self.seed = rules, market, gauges, desk, seed
        traded = np.flatnonzero(market.turnover_usd > 0.0).astype(np.int64)
        self.instrument = np.repeat(traded, rules.books)
        book = np.tile(np.arange(rules.books, dtype=np.int64), len(traded))
        self._identity = book * IDS_PER_BOOK + self.instrument
        flow = rules.share * market.turnover_usd[self.instrument] / rules.books / SECONDS_A_DAY
        self._flow_usd_per_s = flow
        self._limit_usd = flow * rules.inventory_minutes * 60.0
        self.attempts = 0
        self.accounts = np.zeros(len(book), np.int64)
        start = gauges.start_ticks[self.instrument]
        lots = gauges.lots_for(2.0 * self._limit_usd, start, self.instrument)
        self._start_lots = np.where(market.perpetual[self.instrument], 0, lots)
        self.side = np.where(streams.uniform(seed, "noise: side", 0, self._identity) < 0.5, 1, -1)

    def opening(self) -> Opening:
        """One wallet a book."""
        cash = np.maximum(2.0 * self._limit_usd, 2.0 * self._limit_usd / self.rules.leverage)
        cash_micros = np.rint((cash + 1_000.0) * MICROS).astype(np.int64)
        assets = []
        for instrument in np.flatnonzero(~self.market.perpetual):
            assets.append((int(instrument), np.where(self.instrument == instrument, self._start_lots, 0)))
        return Opening(len(self.accounts), self.rules.profile, cash_micros, assets)

    def opened(self, first_account: int) -> None:
        """The books' wallets begin at `first_account`."""
        self.accounts = first_account + np.arange(len(self.accounts), dtype=np.int64)

    def act(self, view: View) -> Commands:
        """One slice of every parent order."""
        self.gauges.see(view)
        self.attempts = 0
        if not self.rules.active:
            return nothing()
        held = self.desk.sizes(self.accounts, self.instrument) - self._start_lots
        self._turn(view, held)
        every = max(1, round(SLICE_S / view.step_seconds))
        usd = self._slices(view, every * view.step_seconds)
        price = self._limits(view)
        lots = self.gauges.lots_for(usd, self.gauges.own[self.instrument], self.instrument)
        draws = streams.uniform(self.seed, "noise: messages", view.step, self._identity)
        wanted = (lots > 0) & (usd >= LEAST_ORDER_USD) & (price > 0)
        wanted &= (view.step + np.arange(len(lots))) % every == 0
        wanted &= price < self.market.maximum_ticks[self.instrument]
        self.attempts = int(wanted.sum())
        send = np.flatnonzero(wanted & (draws >= self.rules.failure_weight * view.failure))
        return new_orders(
            self.accounts[send],
            self.instrument[send],
            self.side[send],
            price[send],
            lots[send],
            TimeInForce.IMMEDIATE_OR_CANCEL,
        )

    def _turn(self, view: View, held: Integers) -> None:
        """Some parent orders end; a new one takes the side that the book's inventory makes likely."""
        ends = -np.expm1(-view.step_seconds / self.rules.parent_s)
        first = streams.uniform(self.seed, "noise: parent ends", view.step, self._identity)
        second = streams.uniform(self.seed, "noise: new side", view.step, self._identity)
        worth = held * self.gauges.own[self.instrument] * self.market.unit[self.instrument] / MICROS
        full = np.clip(worth / self._limit_usd, -1.0, 1.0)
        chance = 0.5 * (1.0 - TURNING * full)
        ending = (first < ends) | (np.abs(full) >= 1.0)
        self.side[ending] = np.where(second < chance, 1, -1)[ending]

    def _slices(self, view: View, seconds: float) -> Floats:
        """USD of each slice: heavy-tailed, growing with volatility, small against what can be seen."""
        rules = self.rules
        spread = rules.size_spread
        draws = streams.normal(self.seed, "noise: size", view.step, self._identity)
        size = np.exp(spread * draws - 0.5 * spread * spread)
        growth = np.clip(self.gauges.volatility**rules.growth, 1.0, rules.growth_cap)
        usd = self._flow_usd_per_s * seconds * growth[self.instrument] * size
        depth = self.desk.visible(rules.visible_band) / MICROS
        facing = np.where(self.side > 0, depth[self.instrument, 1], depth[self.instrument, 0])
        capped: Floats = np.minimum(usd, rules.visible_share * seconds * facing)
        return capped

    def _limits(self, view: View) -> Integers:
        """The furthest price each slice may reach; 0 where there is nobody to trade with."""
        best = np.where(self.side > 0, view.ask_ticks[self.instrument], view.bid_ticks[self.instrument])
        reach = np.rint(best * (1.0 + self.side * self.rules.collar)).astype(np.int64)
        own = self.gauges.own[self.instrument]
        fair = (best >= WAITS_BELOW * own) & (best <= own / WAITS_BELOW)
        return np.where((best > 0) & fair, np.maximum(reach, 1), 0)

    def memory(self) -> dict[str, NDArray[Any]]:
        """Every array that carries over."""
        return {"side": self.side}
