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
from undertow.crowd.gauges import Gauges
from undertow.crowd.rules_actors import NoiseRules
from undertow.crowd.slices import Books, Manner, Seen, slices
from undertow.crowd.view import ACTS_EVERY_S, Commands, Desk, Floats, Market, Opening, View, nothing
from undertow.exact import floats
from undertow.units import MICROS

SECONDS_A_DAY = 86_400.0
IDS_PER_BOOK = 1024
# A book whose mean slice would be less sends one less often: orders have a least size, turnover must not.
LEAST_MEAN_USD = 30.0
LEAST_MEAN_LOTS = 10.0  # of fewer, rounding down to whole lots takes too much


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
        lot_usd = start * market.unit[self.instrument] / MICROS
        self._least_mean_usd = np.maximum(LEAST_MEAN_USD, LEAST_MEAN_LOTS * lot_usd)
        self._start_lots = np.where(market.perpetual[self.instrument], 0, lots)
        self.side = np.where(streams.uniform(seed, "noise: side", 0, self._identity) < 0.5, 1, -1)

    def opening(self) -> Opening:
        """One wallet a book."""
        cash_micros = np.rint((2.0 * self._limit_usd + 1_000.0) * MICROS).astype(np.int64)
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
        market, own = self.market, self.gauges.own
        held = self.desk.sizes(self.accounts, self.instrument) - self._start_lots
        depth = self.desk.visible(self.rules.visible_band)
        books = Books(self.accounts, self.instrument, self._identity, self._limit_usd, self.side)
        seen = Seen(
            view.bid_ticks, view.ask_ticks, own, view.outside_ticks, depth, market.unit, market.maximum_ticks
        )
        draw = (self.seed, view.step)
        every = max(1, round(ACTS_EVERY_S / view.step_seconds))
        usd = self._wishes(view, every * view.step_seconds)
        commands, self.attempts = slices(books, seen, self._manner(view, every), draw, held, usd)
        return commands

    def _manner(self, view: View, every: int) -> Manner:
        rules = self.rules
        return Manner(
            ends=float(-floats.expm1(-view.step_seconds / rules.parent_s)),
            most=rules.visible_share * every * view.step_seconds,
            collar=rules.collar,
            failing=rules.failure_weight * view.failure,
            every=every,
            step=view.step,
        )

    def _wishes(self, view: View, seconds: float) -> Floats:
        """USD of each slice before it is held against the depth: heavy-tailed, growing with volatility."""
        rules = self.rules
        spread = rules.size_spread
        draws = streams.normal(self.seed, "noise: size", view.step, self._identity)
        size = floats.exp(spread * draws - 0.5 * spread * spread)
        growth = np.clip(floats.power(self.gauges.volatility, rules.growth), 1.0, rules.growth_cap)
        usd: Floats = self._flow_usd_per_s * seconds * growth[self.instrument] * size
        often = self._flow_usd_per_s * seconds / self._least_mean_usd
        if (often < 1.0).any():
            turn = streams.uniform(self.seed, "noise: turn of a small coin", view.step, self._identity)
            usd *= np.where(often >= 1.0, 1.0, (turn < often) / np.minimum(often, 1.0))
        return usd

    def memory(self) -> dict[str, NDArray[Any]]:
        """Every array that carries over."""
        return {"side": self.side}
