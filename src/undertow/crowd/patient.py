"""Patient money: orders that rest far away, placed once, and hunters who post bids when a price has fallen.

The far ladder is what a falling price meets when makers are gone; taken bids come back slowly. Hunters bid
below the outside price at a pace that grows with the discount; they post, because a taker does nothing when a
book is empty, and the return of posted quotes is the recovery. Large single bids are the case's.

Source: crowd description 4 (patient capital), 5 (dip), 8 (empty book); modelling notes 3 to 5.
Units: USD (floats) until the commands, lots, ticks, seconds. Invariant: far orders are never cancelled; the
pace of new bids does not depend on the length of a step.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from undertow import streams
from undertow.crowd.gauges import Gauges
from undertow.crowd.ladder import contract_distance, sizes, spot_distance, strata
from undertow.crowd.rules_actors import PatientRules
from undertow.crowd.scale import amount_of
from undertow.crowd.view import (
    Commands,
    Desk,
    Floats,
    Integers,
    Market,
    Opening,
    View,
    new_orders,
    nothing,
    together,
)
from undertow.exact import floats
from undertow.units import MICROS

LEAST_ORDER_USD = 10.0
LEAST_MEAN_USD = 20.0  # of the orders of a ladder: a thin one has fewer levels, not less money
FUNDING = 1.25  # cash over the notional of the far bids, at their own prices
TURN_S = 60.0  # taken bids are looked at so often
POST_USD = 2_000.0
TEN_PERCENT = 0.10
TEN_MINUTES = 10.0


class Patient:
    """The far ladder's wallets first, then as many hunters."""

    name = "patient"
    group = "patient"

    def __init__(self, rules: PatientRules, market: Market, gauges: Gauges, desk: Desk, seed: int) -> None:
        self.rules, self.market, self.gauges, self.desk, self.seed = rules, market, gauges, desk, seed
        self.attempts = 0
        self.accounts = np.zeros(2 * rules.accounts, np.int64)
        self._instruments = np.arange(len(market.name), dtype=np.int64)
        rows = self._far_orders()
        self._far_account, self._far_instrument, self._far_side, self._far_price, self._far_lots = rows
        asks = self._far_side < 0
        self._start_lots = np.zeros((rules.accounts, len(market.name)), np.int64)
        spot = asks & ~market.perpetual[self._far_instrument]
        places = (self._far_account[spot], self._far_instrument[spot])
        np.add.at(self._start_lots, places, self._far_lots[spot])
        self.placed = np.zeros(1, np.bool_)
        self.budget_usd = np.zeros(len(market.name))
        self._bargain_usd = self._at_ten_percent()
        # An order a second is enough: where a minute brings less than an order, it is smaller.
        self._post_usd = np.clip(self._bargain_usd, LEAST_ORDER_USD, POST_USD)

    def _at_ten_percent(self) -> Floats:
        """USD of new bids a minute in each instrument, at 10 % below the outside."""
        rules, market, scale = self.rules, self.market, self.market.scale()
        weights = market.turnover_usd * market.perpetual
        contracts = amount_of(rules, "dip_usd_per_minute", scale) * (weights / max(float(weights.sum()), 1.0))
        coins = amount_of(rules, "patient_usd", scale) / TEN_MINUTES
        found: Floats = np.where(market.perpetual, contracts, coins)
        return found

    # ---- opening

    def _ladder_usd(self, instrument: int) -> tuple[float, float]:
        """USD of far bids and of far asks."""
        rules, market = self.rules, self.market
        if market.perpetual[instrument]:
            interest = float(market.open_interest_usd[instrument])
            return rules.bids_share * interest, rules.asks_share * interest
        near = max(rules.stale_share * float(market.turnover_usd[instrument]), rules.stale_least_usd)
        total = near * floats.power(rules.deepest / TEN_PERCENT, rules.stale_exponent)
        return total, total

    def _far_orders(self) -> tuple[Integers, Integers, Integers, Integers, Integers]:
        """Account (0 ..), instrument, side, ticks and lots of every far order."""
        rules, gauges = self.rules, self.gauges
        parts: list[tuple[Integers, ...]] = []
        for instrument in self._instruments:
            law = contract_distance if self.market.perpetual[instrument] else spot_distance
            usd_by_side = self._ladder_usd(int(instrument))
            for side, levels, usd in zip((1, -1), (rules.levels, rules.ask_levels), usd_by_side, strict=True):
                levels = min(levels, int(usd / LEAST_MEAN_USD))
                if levels == 0:
                    continue
                stream = f"patient: {'bids' if side > 0 else 'asks'}"
                distance = law(rules, strata(self.seed, stream, levels, int(instrument)), side)
                start = float(gauges.start_ticks[instrument])
                ticks = np.rint(start * floats.exp(-side * distance)).astype(np.int64)
                amount = sizes(self.seed, f"{stream}, size", usd, levels, int(instrument))
                parts.append(self._rows(int(instrument), side, ticks, amount))
        parts += self._known_bids()
        columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
        keep = (columns[4] > 0) & (columns[3] > 0) & (columns[3] < self.market.maximum_ticks[columns[1]])
        account, instrument_of, side_of, ticks_of, lots_of = (column[keep] for column in columns)
        return account, instrument_of, side_of, ticks_of, lots_of

    def _rows(self, instrument: int, side: int, ticks: Integers, usd: Floats) -> tuple[Integers, ...]:
        count = len(ticks)
        where = np.full(count, instrument, np.int64)
        lots = self.gauges.lots_for(usd, ticks.astype(np.float64), where)
        lots[usd < LEAST_ORDER_USD] = 0
        account = np.arange(count, dtype=np.int64) % self.rules.accounts
        return account, where, np.full(count, side, np.int64), ticks, lots

    def _known_bids(self) -> list[tuple[Integers, ...]]:
        """The case's large bids, shared by all wallets. ValueError for an instrument that is not listed."""
        parts = []
        for bid in self.rules.resting_bids:
            if bid.instrument not in self.market.name:
                listed = ", ".join(self.market.name)
                raise ValueError(f"resting_bids: {bid.instrument!r} is not listed; one of {listed}")
            instrument = self.market.name.index(bid.instrument)
            ticks = round(bid.price_usd / float(self.market.tick_usd[instrument]))
            count = self.rules.accounts
            usd = np.full(count, bid.notional_usd / count)
            parts.append(self._rows(instrument, 1, np.full(count, ticks, np.int64), usd))
        return parts

    def opening(self) -> Opening:
        """Wallets with enough cash for every bid at its own price."""
        rules = self.rules
        worth = self._far_lots * self._far_price * self.market.unit[self._far_instrument]
        cash = FUNDING * np.bincount(self._far_account, worth, rules.accounts) + 1e9
        capital_usd = amount_of(rules, "dip_capital_usd", self.market.scale())
        hunters = np.full(rules.accounts, capital_usd / rules.accounts * MICROS)
        none = np.zeros(rules.accounts, np.int64)
        assets = [
            (int(instrument), np.concatenate([self._start_lots[:, instrument], none]))
            for instrument in np.flatnonzero(~self.market.perpetual)
        ]
        everybody = np.rint(np.concatenate([cash, hunters])).astype(np.int64)
        return Opening(2 * rules.accounts, rules.profile, everybody, assets)

    def opened(self, first_account: int) -> None:
        """The wallets begin at `first_account`."""
        self.accounts = first_account + np.arange(len(self.accounts), dtype=np.int64)

    # ---- the step

    def act(self, view: View) -> Commands:
        """The whole ladder in the first step; afterwards what comes back and what hunters post."""
        self.gauges.see(view)
        self.attempts = 0
        if not self.rules.active:
            return nothing()
        if not self.placed[0]:
            self.placed[0] = True
            account = self.accounts[self._far_account]
            return new_orders(account, self._far_instrument, self._far_side, self._far_price, self._far_lots)
        return together([self._returning(view), self._hunting(view)])

    def _returning(self, view: View) -> Commands:
        """Once a minute and coin: a share of the bids that were taken rests again, at a new far price."""
        rules, every = self.rules, max(1, round(TURN_S / view.step_seconds))
        due = self._instruments[(view.step + self._instruments) % every == 0]
        if len(due) == 0 or rules.refill_per_minute <= 0.0:
            return nothing()
        ladder = self.accounts[: rules.accounts]
        held = self.desk.sizes(np.tile(ladder, len(due)), np.repeat(due, rules.accounts))
        taken = held.reshape(len(due), rules.accounts) - self._start_lots[:, due].T
        usd = np.maximum(taken, 0).sum(axis=1) * self.gauges.own[due] * self.market.unit[due] / MICROS
        usd *= -floats.expm1(-rules.refill_per_minute * every * view.step_seconds / 60.0)
        share = streams.uniform(self.seed, "patient: returning", view.step, due)
        ticks = np.floor(self.gauges.own[due] * floats.exp(-self._law(due, share))).astype(np.int64)
        who = streams.integers(self.seed, "patient: who returns", view.step, due, rules.accounts)
        return self._posted(view, "returning", ladder[who], due, ticks, usd, 1.0)[0]

    def _law(self, instruments: Integers, share: Floats) -> Floats:
        """Log distances by the law of each instrument; mostly one of a kind is asked for."""
        perpetual = self.market.perpetual[instruments]
        if perpetual.all():
            return contract_distance(self.rules, share)
        if not perpetual.any():
            return spot_distance(self.rules, share)
        return np.where(perpetual, contract_distance(self.rules, share), spot_distance(self.rules, share))

    def _hunting(self, view: View) -> Commands:
        """Bids below the outside price, at a pace that grows with the discount."""
        gauges, due = self.gauges, self._instruments
        self.budget_usd += self._pace(view) * view.step_seconds
        ready = self.budget_usd >= self._post_usd
        if not ready.any():
            return nothing()
        due = due[ready]
        depth = streams.uniform(self.seed, "patient: hunters' distance", view.step, due)
        # Some wait a little lower, some bid up towards the outside price and lift what is offered on the
        # way: so an empty book fills again.
        own, outside = gauges.own[due], view.outside_ticks[due]
        up = streams.uniform(self.seed, "patient: hunters' haste", view.step, due)
        price = np.where(own < outside, own * floats.power(outside / own, 0.5 * up), outside)
        ticks = np.floor(price * (1.0 - self.rules.dip_depth * depth)).astype(np.int64)
        who = streams.integers(self.seed, "patient: who hunts", view.step, due, self.rules.accounts)
        account = self.accounts[self.rules.accounts + who]
        weight = self.rules.failure_weight
        commands, sent = self._posted(view, "hunters", account, due, ticks, self.budget_usd[due], weight)
        self.budget_usd[sent] = 0.0
        return commands

    def _pace(self, view: View) -> Floats:
        """USD of new bids a second in each instrument."""
        rules, gauges = self.rules, self.gauges
        below = np.maximum(1.0 - gauges.own / view.outside_ticks, 0.0)
        fallen = rules.fall_weight * np.maximum(-floats.expm1(gauges.long_move), 0.0)
        bargain = floats.power(below / TEN_PERCENT, rules.discount_power)
        reason = np.where(self.market.perpetual, bargain + fallen / TEN_PERCENT, bargain)
        pace: Floats = self._bargain_usd * reason / 60.0
        return pace

    def _posted(
        self,
        view: View,
        who: str,
        account: Integers,
        instrument: Integers,
        ticks: Integers,
        usd: Floats,
        weight: float,
    ) -> tuple[Commands, Integers]:
        """Bids that are worth sending and get through; with the instruments they are in."""
        lots = self.gauges.lots_for(usd, ticks.astype(np.float64), instrument)
        wanted = (usd >= LEAST_ORDER_USD) & (lots > 0) & (ticks > 0)
        wanted &= ticks < self.market.maximum_ticks[instrument]
        self.attempts += int(wanted.sum())
        draws = streams.uniform(self.seed, f"patient: messages of {who}", view.step, instrument)
        send = wanted & (draws >= weight * view.failure)
        side = np.ones(int(send.sum()), np.int64)
        orders = new_orders(account[send], instrument[send], side, ticks[send], lots[send])
        return orders, instrument[send]

    def memory(self) -> dict[str, NDArray[Any]]:
        """Every array that carries over."""
        return {"placed": self.placed, "budget_usd": self.budget_usd}
