"""Makers' hedges on this venue: what auto-deleveraging cuts of them, and which quotes that costs.

Firm f keeps its hedge in hedge book f modulo the number of books. A short hedge stands against coins held
elsewhere, a long one against a short elsewhere. When the hedge is cut the firm holds the other leg naked: it
stops the side on which it would get more of it first (bids when a short was cut, asks when a long), and both
sides after a deeper cut; then it waits, and comes back small. What was cut is built again slowly, with
immediate orders.

Holds the cut, the stop and the rebuilding. Holds no other reason to leave (`makers`) and no unhedged view. A
hedge that was liquidated counts as cut: to the firm it is the same.

Source: crowd description 3.2 (`trip_adl`, `rebuild`), 3.1 (hedges cut by ADL, own count). Units: lots, ticks,
seconds, shares of one. Invariant: a firm reacts to each part of a cut once; rebuilding never takes a book
beyond what it held at the start.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from undertow import streams
from undertow.crowd.firms import IDS_PER_FIRM, Plan, spread_normals
from undertow.crowd.population import Population
from undertow.crowd.rules import Holder
from undertow.crowd.rules_actors import MakerRules
from undertow.crowd.rules_hedges import HedgeRules
from undertow.crowd.view import (
    Commands,
    Desk,
    Floats,
    Integers,
    Market,
    Opening,
    View,
    new_orders,
    no_opening,
    nothing,
)
from undertow.exact import floats
from undertow.units import MICROS
from undertow.venue.records import TimeInForce

NEVER = -1e12
NO_HEDGE = -1
REBUILD_S = 300.0
LEAST_ORDER_USD = 100.0
BIDS, ASKS = 0, 1
LN_2 = 0.6931471805599453


def regrown(since_s: Floats, makers: MakerRules) -> Floats:
    """Share of full size so long after the end of a cool-off: 0 before it, then doubling up to 1.

    Most have been back for long, or were never out; only the others are worth a power of two.
    """
    share = np.ones(since_s.shape)
    growing = since_s < makers.doubling_s * (1.0 - floats.log(makers.reentry) / LN_2)
    if growing.any():
        since = since_s[growing]
        grown = makers.reentry * floats.power(2.0, np.clip(since / makers.doubling_s, 0.0, 60.0))
        share[growing] = np.where(since < 0.0, 0.0, np.minimum(grown, 1.0))
    return share


class Hedges:
    """The population's hedge books, for the firms behind them. Account i is wallet `first` + i."""

    name = "hedges"
    group = "hedge book"

    def __init__(
        self,
        rules: HedgeRules,
        makers: MakerRules,
        plan: Plan,
        market: Market,
        desk: Desk,
        seed: int,
        population: Population,
        first: int,
    ) -> None:
        self.rules, self.makers, self.plan = rules, makers, plan
        self.market, self.desk, self.seed = market, desk, seed
        self.attempts = 0
        counts = np.diff(population.position_offsets)
        owner = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
        mine = (population.kind[owner] == int(Holder.HEDGE_BOOK)) & (population.position_lots != 0)
        self.account = first + owner[mine]
        self.instrument = population.position_instrument[mine].astype(np.int64)
        self.start = population.position_lots[mine].astype(np.int64)
        self.held = self.start.copy()
        self.position = self._tied(first + np.flatnonzero(population.kind == int(Holder.HEDGE_BOOK)))
        pairs = len(plan.firm)
        self.reviewed = np.abs(self.start[self.position]) if len(self.start) else np.zeros(pairs, np.int64)
        self.resume_s = np.full((pairs, 2), NEVER)
        limits = spread_normals(seed, "hedges: limits", len(plan.capital_usd), 1).ravel()
        self._calm = (np.zeros(0, np.int64), np.zeros(0, np.int64))  # held and reviewed that tripped nobody
        self._limit = rules.trip_cut * floats.exp(rules.trip_spread * limits)[plan.firm]

    def _tied(self, books: Integers) -> Integers:
        """The position of each pair of firm and coin, NO_HEDGE where its book holds none."""
        place = {
            (int(account), int(coin)): row
            for row, (account, coin) in enumerate(zip(self.account, self.instrument, strict=True))
        }
        if len(books) == 0:
            return np.full(len(self.plan.firm), NO_HEDGE, np.int64)
        book = books[self.plan.firm % len(books)]
        pairs = zip(book.tolist(), self.plan.instrument.tolist(), strict=True)
        return np.array([place.get(pair, NO_HEDGE) for pair in pairs], np.int64)

    def opening(self) -> Opening:
        """None: the population is placed before the actors."""
        return no_opening()

    def opened(self, first_account: int) -> None:
        """Nothing was opened."""

    def act(self, view: View) -> Commands:
        """See what was cut, and build a part of it again."""
        self.attempts = 0
        if not self.rules.active or len(self.start) == 0:
            return nothing()
        self.held[:] = self.desk.sizes(self.account, self.instrument)
        held, reviewed = self._calm  # what tripped nobody trips nobody now
        if not (np.array_equal(self.held, held) and np.array_equal(self.reviewed, reviewed)):
            self._trip(view)
        return self._rebuilt(view)

    # ---- what makers see

    def quoted(self, time_s: float) -> Floats:
        """Share of its size that each pair still quotes, (pairs, 2): bids, asks."""
        return regrown(time_s - self.resume_s, self.makers)

    def _cut(self, before: Integers) -> Floats:
        """Share lost of what stood `before`, in lots, by pair."""
        start, held = self.start[self.position], self.held[self.position]
        left = np.maximum(held * np.sign(start), 0)
        lost = 1.0 - left / np.maximum(before, 1)
        share: Floats = np.where(self.position >= 0, np.maximum(lost, 0.0), 0.0)
        return share

    def _trip(self, view: View) -> None:
        """Pairs whose hedge was cut beyond their limit since they last looked stop, and look anew."""
        cut = self._cut(self.reviewed)
        deep = cut > self.rules.both_sides * self._limit
        tripped = cut > self._limit
        if not tripped.any():
            self._calm = (self.held.copy(), self.reviewed.copy())
            return
        identity = self.plan.firm * IDS_PER_FIRM + self.plan.instrument
        wait = 0.5 + streams.uniform(self.seed, "hedges: cool-off", view.step, identity)
        until = view.time_s + self.rules.cool_off_s * wait
        short = self.start[self.position] < 0
        for side, exposed in ((BIDS, short), (ASKS, ~short)):
            stops = tripped & (exposed | deep)
            self.resume_s[stops, side] = np.maximum(self.resume_s[stops, side], until[stops])
        self.reviewed[tripped] = np.abs(self.held[self.position])[tripped]

    def _rebuilt(self, view: View) -> Commands:
        """Immediate orders for a part of what is missing, from those books whose turn it is."""
        rules = self.rules
        every = max(1, round(rules.turn_s / view.step_seconds))
        rows = np.arange(len(self.start), dtype=np.int64)
        missing = (self.start - self.held) * np.sign(self.start)
        due = np.flatnonzero(((view.step + rows) % every == 0) & (missing > 0))
        if len(due) == 0 or rules.rebuild_share == 0.0:
            return nothing()
        due = due[self.desk.values(self.account[due])[:, 0] > 0]  # a book that was taken over is no more
        pace = -floats.log1p(-rules.rebuild_share) / REBUILD_S
        share = -floats.expm1(-pace * every * view.step_seconds)
        lots = np.floor(missing[due] * share).astype(np.int64)
        instrument, side = self.instrument[due], np.sign(self.start[due])
        touch = np.where(side > 0, view.ask_ticks[instrument], view.bid_ticks[instrument])
        price = np.floor(touch * (1.0 + side * rules.collar)).astype(np.int64)
        worth = lots * touch * (self.market.unit[instrument] / MICROS)
        fits = (price > 0) & (price < self.market.maximum_ticks[instrument]) & (worth >= LEAST_ORDER_USD)
        self.attempts = int(fits.sum())
        draws = streams.uniform(self.seed, "hedges: messages", view.step, due)
        fits &= draws >= rules.failure_weight * view.failure
        return new_orders(
            self.account[due][fits],
            instrument[fits],
            side[fits],
            price[fits],
            lots[fits],
            TimeInForce.IMMEDIATE_OR_CANCEL,
        )

    def memory(self) -> dict[str, NDArray[Any]]:
        """Every array that carries over."""
        return {"held": self.held, "reviewed": self.reviewed, "resume_s": self.resume_s}
