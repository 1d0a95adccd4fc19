"""Loopers: who borrowed against an asset to buy more of it, and who holds it without debt.

    carry  (m - 1) (yield - rate) points a year over holding: it grows with m, so who loops at all loops at
           the multiple his product gives him, and who does not holds his own money's worth
    entry  m from the product's largest multiple downwards; a loop if it carries more than the threshold
    assets m E, debt (m - 1) E, in the settlement asset or in the asset that it is staked from
    exit   by rule: the carry has turned negative, or the own price stands below the exit price; who looks in
           time and would not lose too much of his equity sells
           by force: with unit collateral at p* = (m - 1) / m x level, on whatever price the rulebook values
           the asset at
    holder without debt: sells with a hazard per point below the outside price

The prices of force are arithmetic and no figure here moves them. Sizes are lognormal with a Pareto tail,
taken at quantile midpoints. One actor is one product of one asset.

Source: crowd description 2; modelling notes 5. Units: lots, micro-dollars, shares of one, % a year; seconds.
Invariant: what the accounts would hold if all looped sums to the asset's figure, up to a lot an account.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow import streams
from undertow.crowd.collar import Door, Held, collared
from undertow.crowd.gauges import Gauges
from undertow.crowd.quantiles import SizeLaw, stratified, thinned_ranks
from undertow.crowd.rules_actors import LoopedAsset, LooperRules, LoopProduct
from undertow.crowd.view import Commands, Desk, Floats, Integers, Market, Opening, View, nothing
from undertow.exact import floats
from undertow.exact.normal import normal_quantile
from undertow.venue.records import OrderFlag

SIZE_SPREAD = 2.5  # of accounts in general (1.4), as are the tail's exponent and start
TAIL_EXPONENT = 0.80
TAIL_START_USD = 250_000.0
LEAST_USD = 50.0
TEN_MINUTES = 10.0
EVERYBODY = slice(None)


class Terms(NamedTuple):
    """What an actor is: one product of one asset."""

    product: LoopProduct
    asset: LoopedAsset
    instrument: int
    debt: int  # instrument owed; -1: the settlement asset
    rate_percent: float  # a year on what is owed


class Loopers:
    """The accounts of one product and one asset."""

    group = "looper"

    def __init__(
        self, rules: LooperRules, terms: Terms, market: Market, gauges: Gauges, desk: Desk, seed: int
    ) -> None:
        self.name = f"loopers: {terms.product.name} {market.name[terms.instrument]}"
        self.rules, self.terms = rules, terms
        self.market, self.gauges, self.desk, self.seed = market, gauges, desk, seed
        self.attempts = 0
        self._door = Door(rules.collar, rules.visible_share)
        full = self._full_multiples()
        self.rate = self._rates()
        points = carry_points(full, terms.asset.yield_percent, self.rate)
        self.multiple: Floats = np.where(points > rules.least_points, full, 1.0)
        self._loops = self.multiple > 1.0
        # Whose carry is negative, before and after the asset's yield has changed.
        self._unpaid = [
            self._loops & (carry_points(self.multiple, pays, self.rate) < 0.0)
            for pays in (terms.asset.yield_percent, terms.asset.changed_percent)
        ]
        self._anybody = [bool(unpaid.any()) for unpaid in self._unpaid]
        # Own over outside from which on nobody looks at the price: loops at the exit price, holders at par.
        self._content = float(max(rules.exit_price * self._loops.any(), 1.0 - self._loops.all()))
        self._lots = self._holdings(full)
        self.accounts = np.zeros(rules.accounts, np.int64)
        self._where = np.full(rules.accounts, terms.instrument, np.int64)
        self.leaving = np.zeros(rules.accounts, np.bool_)

    def _full_multiples(self) -> Floats:
        """Assets over equity if a loop pays: the product's, less a half-normal in the logarithm."""
        largest, accounts = self.terms.product.multiple, self.rules.accounts
        if largest <= 1.0:
            return np.ones(accounts)
        shock = np.abs(normal_quantile(stratified(self.seed, f"{self.name}: multiple", accounts)))
        multiple: Floats = np.maximum(largest * floats.exp(-self.rules.multiple_spread * shock), 1.0)
        return multiple

    def _rates(self) -> Floats:
        """What each account pays for what it owes, % a year."""
        shock = normal_quantile(stratified(self.seed, f"{self.name}: rate", self.rules.accounts))
        rates: Floats = self.terms.rate_percent * floats.exp(self.rules.rate_spread * shock)
        return rates

    def _holdings(self, full: Floats) -> Integers:
        """Lots of each account: its multiple times its equity, which makes full loops sum to the figure."""
        rules, asset, product = self.rules, self.terms.asset, self.terms.product
        law = SizeLaw(
            rules.median_equity_usd,
            SIZE_SPREAD,
            TAIL_EXPONENT,
            max(TAIL_START_USD, 2.0 * rules.median_equity_usd),
            rules.largest_usd,
            min(LEAST_USD, rules.median_equity_usd),
        )
        crowd = thinned_ranks(law, max(rules.people, rules.accounts), rules.accounts)
        raw = crowd.members * crowd.member_equity
        total = product.share * (asset.loops_usd if product.multiple > 1.0 else asset.holders_usd)
        usd = total * raw * self.multiple / (raw * full).sum()
        where = np.full(rules.accounts, self.terms.instrument, np.int64)
        return self.gauges.lots_for(usd, self.gauges.start_ticks[where], where)

    def opening(self) -> Opening:
        """Assets and the debt that paid for a part of them, at the outside prices of the start."""
        start, unit, debt = self.gauges.start_ticks, self.market.unit, self.terms.debt
        worth = self._lots * start[self.terms.instrument] * unit[self.terms.instrument]
        owed = worth * (1.0 - 1.0 / self.multiple)
        held = [(self.terms.instrument, self._lots.copy())]
        if debt < 0:
            cash = -np.rint(owed).astype(np.int64)
            return Opening(len(cash), self.terms.product.profile, cash, held)
        lots = np.rint(owed / (start[debt] * unit[debt])).astype(np.int64)
        none = np.zeros(len(lots), np.int64)
        return Opening(len(lots), self.terms.product.profile, none, [*held, (debt, -lots)])

    def opened(self, first_account: int) -> None:
        """The wallets begin at `first_account`."""
        self.accounts = first_account + np.arange(self.rules.accounts, dtype=np.int64)

    def act(self, view: View) -> Commands:
        """Some start to leave; those who leave sell, then buy back what they owe, until nothing is left."""
        self.gauges.see(view)
        self.attempts = 0
        if not self.rules.active:
            return nothing()
        self._decide(view)
        rows = self.leaving.nonzero()[0]
        if len(rows) == 0:
            return nothing()
        chance = self.rules.orders_per_step * view.step_seconds / len(rows)
        rows = rows[streams.uniform(self.seed, f"{self.name}: turn", view.step, rows) < chance]
        self.attempts = len(rows)
        if len(rows) == 0:
            return nothing()
        draws = streams.uniform(self.seed, f"{self.name}: messages", view.step, rows)
        rows = rows[draws >= self.rules.failure_weight * view.failure]
        held = self._to_close(rows)
        has = held.lots != 0
        self.leaving[rows[~has]] = False
        held = Held(held.account[has], held.instrument[has], held.lots[has])
        if len(held.lots) == 0:
            return nothing()
        depth = self.desk.visible(self.rules.visible_band)
        return collared(view, self.market, depth, self._door, held, OrderFlag.NONE)

    def _to_close(self, rows: Integers) -> Held:
        """What each of these accounts trades away next: its asset, and when that is gone what it owes."""
        accounts, where = self.accounts[rows], self._where[rows]
        lots = np.maximum(self.desk.sizes(accounts, where), 0)
        if self.terms.debt < 0:
            return Held(accounts, where, lots)
        sold = lots == 0
        owed = np.full(len(rows), self.terms.debt, np.int64)
        where = np.where(sold, owed, where)
        lots = np.where(sold, np.minimum(self.desk.sizes(accounts, owed), 0), lots)
        return Held(accounts, where, lots)

    def _decide(self, view: View) -> None:
        """Who of this step's part of the accounts starts to leave."""
        if self._quiet(view):
            return
        every = max(1, round(self.rules.round_s / view.step_seconds))
        hazard = self._hazards(view, slice(view.step % every, None, every))
        if not hazard.any():
            return
        looking = np.arange(view.step % every, len(self.leaving), every, dtype=np.int64)
        chance = -floats.expm1(-hazard * every * view.step_seconds / 60.0)
        draws = streams.uniform(self.seed, f"{self.name}: leaving", view.step, looking)
        self.leaving[looking[draws < chance]] = True

    def _own_over_outside(self, view: View) -> float:
        instrument = self.terms.instrument
        return float(self.gauges.own[instrument] / view.outside_ticks[instrument])

    def _changed(self, view: View) -> bool:
        """Whether the asset's yield is no longer the one that loops were built on."""
        return 0.0 < self.terms.asset.change_s <= view.time_s

    def _quiet(self, view: View) -> bool:
        """Whether nobody has a reason to leave, as in most steps; found without looking at an account."""
        return self._own_over_outside(view) >= self._content and not self._anybody[self._changed(view)]

    def _hazards(self, view: View, accounts: slice = EVERYBODY) -> Floats:
        """Of some accounts that they start to leave, a minute."""
        rules, ratio = self.rules, self._own_over_outside(view)
        looks = -float(floats.log1p(-rules.exit_share)) / TEN_MINUTES
        holding = min(rules.holder_per_minute * max(1.0 - ratio, 0.0) * 100.0, rules.holder_cap_per_minute)
        leaves = self._unpaid[self._changed(view)][accounts]
        if ratio < rules.exit_price:
            leaves = leaves | (self.multiple[accounts] * (1.0 - ratio) <= rules.exit_loss)
        hazards: Floats = np.where(self._loops[accounts], looks * leaves, holding)
        return hazards

    def memory(self) -> dict[str, NDArray[Any]]:
        """Every array that carries over."""
        return {"leaving": self.leaving}


def carry_points(multiple: Floats, yield_percent: float, rate_percent: Floats) -> Floats:
    """Points a year that a loop pays more than holding: yield m - rate (m - 1) - yield. (2.3)"""
    points: Floats = (multiple - 1.0) * (yield_percent - rate_percent)
    return points


def all_loopers(
    rules: LooperRules, interest_percent: float, market: Market, gauges: Gauges, desk: Desk, seed: int
) -> list[Loopers]:
    """An actor for every product of every asset; `interest_percent` is the house's rate on borrowed cash.

    ValueError for an asset, owned or owed, that is no listed spot asset.
    """
    spot = [name for name, contract in zip(market.name, market.perpetual, strict=True) if not contract]
    found = []
    for asset in rules.assets:
        for name in (asset.instrument, asset.debt or asset.instrument):
            if name not in spot:
                raise ValueError(f"loopers: {name!r} is no spot asset; one of {', '.join(spot)}")
        instrument = market.name.index(asset.instrument)
        debt = market.name.index(asset.debt) if asset.debt else -1
        rate = asset.borrow_percent or interest_percent
        for product in rules.products:
            total = asset.loops_usd if product.multiple > 1.0 else asset.holders_usd
            if product.share * total > 0.0:
                terms = Terms(product, asset, instrument, debt, rate)
                found.append(Loopers(rules, terms, market, gauges, desk, seed))
    return found
