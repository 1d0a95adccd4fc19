"""Loopers: who borrowed against an asset to buy more of it, and who holds it without debt.

    assets m E, debt (m - 1) E, m at the product's largest multiple or somewhat below
    a loop leaves by rule when the own price stands below the exit price, if its owner looks in time;
    otherwise the rulebook decides: with unit collateral it dies at p* = (m - 1) / m x level, on whatever
    price the rulebook values the asset at
    a holder without debt sells with a hazard per point below the outside price

Those prices are arithmetic and no figure here moves them. Sizes are lognormal with a Pareto tail, taken at
quantile midpoints. One actor is one product of one asset.

Source: crowd description 2; modelling notes 5. Units: lots, micro-dollars, shares of one; seconds.
Invariant: what the accounts hold at the start sums to the asset's figure, up to a lot an account.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from undertow import streams
from undertow.crowd.exits import Door, Held, collared
from undertow.crowd.gauges import Gauges
from undertow.crowd.quantiles import SizeLaw, normal_quantile, stratified, thinned_ranks
from undertow.crowd.rules_actors import LooperRules, LoopProduct
from undertow.crowd.view import Commands, Desk, Floats, Market, Opening, View, nothing
from undertow.venue.records import OrderFlag

SIZE_SPREAD = 2.5  # of accounts in general (1.4), as are the tail's exponent and start
TAIL_EXPONENT = 0.80
TAIL_START_USD = 250_000.0
LEAST_USD = 50.0
TEN_MINUTES = 10.0


class Loopers:
    """The accounts of one product and one asset."""

    group = "looper"

    def __init__(
        self,
        rules: LooperRules,
        product: LoopProduct,
        instrument: int,
        assets_usd: float,
        market: Market,
        gauges: Gauges,
        desk: Desk,
        seed: int,
    ) -> None:
        self.name = f"loopers: {product.name} {market.name[instrument]}"
        self.rules, self.product, self.instrument = rules, product, instrument
        self.market, self.gauges, self.desk, self.seed = market, gauges, desk, seed
        self.attempts = 0
        self._door = Door(rules.collar, rules.visible_share)
        self._multiple = self._multiples()
        self._lots = self._holdings(assets_usd)
        self.accounts = np.zeros(rules.accounts, np.int64)
        self._where = np.full(rules.accounts, instrument, np.int64)
        self.leaving = np.zeros(rules.accounts, np.bool_)

    def _multiples(self) -> Floats:
        """Assets over equity: at most the product's, below it by a half-normal in the logarithm."""
        if self.product.multiple <= 1.0:
            return np.ones(self.rules.accounts)
        shock = np.abs(normal_quantile(stratified(self.seed, f"{self.name}: multiple", self.rules.accounts)))
        low = np.exp(-self.rules.multiple_spread * shock) * self.product.multiple
        multiple: Floats = np.maximum(low, 1.0)
        return multiple

    def _holdings(self, assets_usd: float) -> NDArray[np.int64]:
        """Lots of each account, in proportion to its equity and multiple."""
        rules = self.rules
        law = SizeLaw(
            rules.median_equity_usd,
            SIZE_SPREAD,
            TAIL_EXPONENT,
            max(TAIL_START_USD, 2.0 * rules.median_equity_usd),
            rules.largest_usd,
            min(LEAST_USD, rules.median_equity_usd),
        )
        crowd = thinned_ranks(law, max(rules.people, rules.accounts), rules.accounts)
        raw = crowd.members * crowd.member_equity * self._multiple
        usd = assets_usd * raw / raw.sum()
        where = np.full(rules.accounts, self.instrument, np.int64)
        return self.gauges.lots_for(usd, self.gauges.start_ticks[where], where)

    def opening(self) -> Opening:
        """Assets and the debt that paid for a part of them, at the outside price of the start."""
        worth = self._lots * self.gauges.start_ticks[self.instrument] * self.market.unit[self.instrument]
        debt = np.rint(worth * (1.0 - 1.0 / self._multiple)).astype(np.int64)
        return Opening(len(debt), self.product.profile, -debt, [(self.instrument, self._lots.copy())])

    def opened(self, first_account: int) -> None:
        """The wallets begin at `first_account`."""
        self.accounts = first_account + np.arange(self.rules.accounts, dtype=np.int64)

    def act(self, view: View) -> Commands:
        """Some start to leave; those who leave sell, debt or not, until nothing is left."""
        self.gauges.see(view)
        self.attempts = 0
        if not self.rules.active:
            return nothing()
        self._decide(view)
        rows = np.flatnonzero(self.leaving)
        if len(rows) == 0:
            return nothing()
        chance = self.rules.orders_per_step * view.step_seconds / len(rows)
        rows = rows[streams.uniform(self.seed, f"{self.name}: turn", view.step, rows) < chance]
        self.attempts = len(rows)
        draws = streams.uniform(self.seed, f"{self.name}: messages", view.step, rows)
        rows = rows[draws >= self.rules.failure_weight * view.failure]
        lots = self.desk.sizes(self.accounts[rows], self._where[rows])
        self.leaving[rows[lots <= 0]] = False
        rows, lots = rows[lots > 0], lots[lots > 0]
        depth = self.desk.visible(self.rules.visible_band)
        held = Held(self.accounts[rows], self._where[rows], lots)
        return collared(view, self.market, depth, self._door, held, OrderFlag.NONE)

    def _decide(self, view: View) -> None:
        """Who of this step's part of the accounts starts to leave."""
        hazard = self._hazard(view)
        if hazard <= 0.0:
            return
        every = max(1, round(self.rules.round_s / view.step_seconds))
        looking = np.arange(view.step % every, len(self.leaving), every, dtype=np.int64)
        chance = -np.expm1(-hazard * every * view.step_seconds / 60.0)
        draws = streams.uniform(self.seed, f"{self.name}: leaving", view.step, looking)
        self.leaving[looking[draws < chance]] = True

    def _hazard(self, view: View) -> float:
        """Of an account that starts to leave, a minute."""
        rules = self.rules
        ratio = float(self.gauges.own[self.instrument] / view.outside_ticks[self.instrument])
        if self.product.multiple > 1.0:
            return -float(np.log1p(-rules.exit_share)) / TEN_MINUTES if ratio < rules.exit_price else 0.0
        return min(rules.holder_per_minute * max(1.0 - ratio, 0.0) * 100.0, rules.holder_cap_per_minute)

    def memory(self) -> dict[str, NDArray[Any]]:
        """Every array that carries over."""
        return {"leaving": self.leaving}


def all_loopers(rules: LooperRules, market: Market, gauges: Gauges, desk: Desk, seed: int) -> list[Loopers]:
    """An actor for every product of every asset. ValueError for an asset that is no listed spot asset."""
    found = []
    for asset in rules.assets:
        spot = [name for name, contract in zip(market.name, market.perpetual, strict=True) if not contract]
        if asset.instrument not in spot:
            raise ValueError(f"loopers: {asset.instrument!r} is no spot asset; one of {', '.join(spot)}")
        instrument = market.name.index(asset.instrument)
        for product in rules.products:
            usd = product.share * (asset.loops_usd if product.multiple > 1.0 else asset.holders_usd)
            if usd > 0.0:
                found.append(Loopers(rules, product, instrument, usd, market, gauges, desk, seed))
    return found
