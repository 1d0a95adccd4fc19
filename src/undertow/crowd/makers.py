"""Makers: firms that quote several coins from one cross account, and leave for reasons of their own.

    reference   outside price (delayed) blended with the smoothed own price, weights differ by firm
    half width  fee + k sigma sqrt(life), at least a tick
    skew        both quotes shifted by g sigma (inventory / limit)
    size        calm depth x volatility^-eta x room x drawdown x alive x share refilled since the last fills
    levels      cumulative depth ~ distance^0.7 out to 5 %, at distances that differ by firm and by quote

A firm's limits (loss, move, gap, refused or late messages, cut hedges) differ from the next firm's; beyond
one it pulls its quotes, waits, and comes back small. Replacing a quote is CANCEL_ALL and new orders in one
batch; when the batch fails, the old quotes stand. The capital comes back only through transfers.

Source of the forms: crowd description 3.2; modelling notes, section 4 and traps 1, 2, 6, 7, 8.
Units: ticks, lots, USD (floats) until the commands; seconds. Invariant: what returns to a quote in a second
does not depend on the length of a step or on how often a quote is replaced.
"""

from __future__ import annotations

from enum import IntEnum
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow import streams
from undertow.crowd.firms import draw_plan, largest
from undertow.crowd.gauges import Gauges
from undertow.crowd.hedges import Hedges, regrown
from undertow.crowd.quotes import Pairs, Touch, quotes
from undertow.crowd.rules_actors import MakerRules
from undertow.crowd.view import (
    ACTS_EVERY_S,
    Commands,
    Desk,
    Floats,
    Integers,
    Market,
    Opening,
    View,
    deposits,
    nothing,
    together,
)
from undertow.exact import floats
from undertow.units import MICROS

NEVER = -1e12
SIZE_CHANGE = 0.25
GAP_OPENS = 0.1  # of the limit of gaps: so much wider than a minute ago
STOCK_COVER = 1.5
REJECTION_MEMORY_S = 10.0
LOSS_MEMORY_S = 600.0
TOP_UP_S = 60.0
TRANSFER_FAILURE_WEIGHT = 2.0
SIDES = np.array([1.0, -1.0])


class MakerCause(IntEnum):
    """Why depth that stands in calm hours is not there now."""

    VOLATILITY = 0
    INVENTORY = 1
    LOSS = 2
    MOVE = 3
    GAP = 4
    REJECTION = 5
    REFILL = 6  # taken and not yet quoted again
    HEDGE = 7  # its hedge was cut


class Target(NamedTuple):
    """What every pair would quote now."""

    reference: Floats  # ticks, skewed
    half_width: Floats  # share of price
    full_usd: Floats  # (pairs, 2): without the part not refilled
    total_usd: Floats  # (pairs, 2): bids, asks


class Makers:
    """All quoting firms."""

    name = "makers"
    group = "maker"

    def __init__(self, rules: MakerRules, market: Market, gauges: Gauges, desk: Desk, seed: int) -> None:
        self.rules, self.market, self.gauges, self.desk, self.seed = rules, market, gauges, desk, seed
        self.plan = draw_plan(rules, market, seed, gauges.step_seconds)
        self.attempts = 0
        self.accounts = np.zeros(rules.firms, np.int64)
        pairs, firms = len(self.plan.firm), rules.firms
        self._limit_usd = rules.inventory_depths * self.plan.depth_usd
        self._factor = np.where(largest(market), 1.0, rules.small_coin_factor)[self.plan.instrument]
        self._start_lots = self._asset_lots()
        limits = self.plan.limit_factor[self.plan.firm]
        self._trip_move = rules.trip_move * self._factor * limits[:, 1]
        self._trip_gap = rules.trip_gap * self._factor * limits[:, 2]
        self._trip_loss = rules.trip_loss * limits[:, 0]
        self._trip_refused = np.minimum(rules.trip_rejections * limits[:, 3], 0.95)
        self._trip_age_s = rules.trip_age_s * limits[:, 3]
        self._outside_weight = self.plan.outside_weight[self.plan.firm]
        self._reach_usd = np.repeat(self.plan.reach_usd[:, None], 2, axis=1)
        self.stock = np.ones((pairs, 2))
        self.inventory = np.zeros(pairs, np.int64)
        self.resume_s = np.full(pairs, NEVER)
        self.patience = np.ones(pairs)  # of the last trip: cool-off over its mean
        self.cause = np.zeros(pairs, np.int64)
        self.quoted = np.zeros((pairs, 2))  # reference, time of the standing quotes
        self.quoted[:, 1] = NEVER
        self.tried_s = np.full(pairs, NEVER)
        self.standing_usd = np.zeros((pairs, 2))
        self.quoting = np.zeros(pairs, np.bool_)
        self.capital = self.plan.capital_usd.copy()
        self.capital_before = self.plan.capital_usd.copy()
        self.refused = np.zeros(firms)
        self.age_s = np.zeros(1)  # of acknowledgements, over some seconds
        self.hedges: Hedges | None = None
        self._stages = [self._reach_usd] * 7
        # Where the levels stand, in powers of the reach: each pair has its own grid between the same edges.
        rank = np.arange(rules.levels)
        self._ids = self.plan.identity[:, None] * 64 + np.arange(2 * rules.levels)
        self._place = np.where(rank == 0, 0.0, (rank + self.plan.phase[:, None]) / rules.levels)
        self._edges = np.arange(rules.levels + 1) / rules.levels - 1.0

    # ---- opening

    def _asset_lots(self) -> Integers:
        """Spot assets each pair starts with: enough for its asks."""
        plan = self.plan
        lots = self.gauges.lots_for(
            STOCK_COVER * plan.reach_usd, self.gauges.start_ticks[plan.instrument], plan.instrument
        )
        return np.where(self.market.perpetual[plan.instrument], 0, lots)

    def opening(self) -> Opening:
        """One wallet a firm; spot assets come on top of its capital in cash."""
        cash = np.rint(self.plan.capital_usd * MICROS).astype(np.int64)
        assets = []
        for instrument in np.flatnonzero(~self.market.perpetual):
            mine = self.plan.instrument == instrument
            lots = np.zeros(len(cash), np.int64)
            lots[self.plan.firm[mine]] = self._start_lots[mine]
            assets.append((int(instrument), lots))
        return Opening(len(cash), self.rules.profile, cash, assets)

    def opened(self, first_account: int) -> None:
        """The firms' wallets begin at `first_account`."""
        self.accounts = first_account + np.arange(self.rules.firms, dtype=np.int64)
        self.capital[:] = self.desk.worths(self.accounts) / MICROS
        self.capital_before[:] = self.capital
        self._capital_start = self.capital.copy()

    # ---- the step

    def act(self, view: View) -> Commands:
        """Look, decide, and replace the quotes that have to be replaced."""
        self.gauges.see(view)
        self.attempts = 0
        if not self.rules.active:
            return nothing()
        self._look(view)
        self._trip(view)
        alive = self._alive(view.time_s)
        target = self._target(view, alive)
        chosen = self._chosen(view, target, alive)
        failed = self._failed(view, chosen)
        self._remember_refusals(view, chosen, failed)
        sent = chosen[~failed]
        quotes = self._quotes(view, target, sent)
        return together([quotes, self._top_ups(view)])

    def _look(self, view: View) -> None:
        """Inventory and capital as they are; what was filled is no longer in stock nor standing."""
        plan, rules = self.plan, self.rules
        held = self.desk.sizes(self.accounts[plan.firm], plan.instrument) - self._start_lots
        bought = (held - self.inventory) * self._lot_usd()
        self.inventory[:] = held
        filled = np.maximum(bought[:, None] * SIDES, 0.0)
        scale = np.maximum(self.standing_usd, plan.reach_usd[:, None] * 0.02)
        self.stock -= np.minimum(filled / scale, 1.0) * self.stock
        self.stock += (1.0 - self.stock) * -floats.expm1(-rules.refill_per_s * view.step_seconds)
        self.standing_usd -= np.minimum(filled, self.standing_usd)
        self.capital[:] = self.desk.worths(self.accounts) / MICROS
        share = -floats.expm1(-view.step_seconds / LOSS_MEMORY_S)
        self.capital_before += (self.capital - self.capital_before) * share

    def _lot_usd(self) -> Floats:
        return (self.gauges.own * self.market.unit / MICROS)[self.plan.instrument]

    def _loss(self) -> Floats:
        """Loss of each firm over its capital of the last minutes, 0 or more."""
        return np.maximum(1.0 - self.capital / np.maximum(self.capital_before, 1.0), 0.0)

    def _trip(self, view: View) -> None:
        """Pairs beyond one of their firm's limits stop until the cool-off is over."""
        rules, plan = self.rules, self.plan
        move = np.abs(self.gauges.move)[plan.instrument] > self._trip_move
        # A gap that stands still or closes keeps nobody out: it is what a returning firm earns.
        size, before = np.abs(self.gauges.gap), np.abs(self.gauges.slow_gap)
        opening = (size > before + GAP_OPENS * rules.trip_gap)[plan.instrument]
        gap = opening & (size[plan.instrument] > self._trip_gap)
        loss = self._loss()[plan.firm] > self._trip_loss
        self.age_s += (view.latency_s - self.age_s) * -floats.expm1(-view.step_seconds / REJECTION_MEMORY_S)
        refused = self.refused[plan.firm] > self._trip_refused
        refused |= self.age_s[0] > self._trip_age_s
        tripped = move | gap | loss | refused
        if not tripped.any():
            return
        causes = [MakerCause.LOSS, MakerCause.REJECTION, MakerCause.GAP, MakerCause.MOVE]
        fresh = tripped & (self.resume_s <= view.time_s)
        found = np.select([loss, refused, gap, move], [int(cause) for cause in causes])
        self.cause[fresh] = found[fresh]
        # One draw a trip: while a limit is passed its cool-off begins anew, with the same patience.
        draws = streams.uniform(self.seed, "makers: cool-off", view.step, plan.identity[fresh])
        self.patience[fresh] = 0.5 + draws
        until = view.time_s + rules.cool_off_s * self.patience[tripped]
        self.resume_s[tripped] = np.maximum(self.resume_s[tripped], until)

    def _alive(self, time_s: float) -> Floats:
        """0 while a pair is out, then its share of full size."""
        return regrown(time_s - self.resume_s, self.rules)

    def _target(self, view: View, alive: Floats) -> Target:
        rules, plan, gauges = self.rules, self.plan, self.gauges
        instrument = plan.instrument
        outside = gauges.outside_before(view, plan.delay_steps)[plan.firm, instrument]
        weight, smooth = self._outside_weight, floats.log(gauges.smooth)[instrument]
        reference = floats.exp(weight * floats.log(outside) + (1.0 - weight) * smooth)
        volatility = np.minimum(gauges.volatility, rules.volatility_cap)
        sigma = volatility * self.market.volatility
        width = rules.fee_width + rules.width_sigmas * sigma * np.sqrt(rules.quote_life_s / 60.0)
        width = np.minimum(np.maximum(width[instrument], 1.0 / reference), rules.reach / 3.0)
        full = self.inventory * self._lot_usd() / self._limit_usd
        skew = (rules.skew_sigmas * sigma)[instrument] * np.clip(full, -1.5, 1.5)
        reference = reference * (1.0 - skew)
        calm = self._reach_usd
        eased = np.minimum(1.0, floats.power(volatility / rules.knee, -rules.size_elasticity))
        quiet = eased[instrument, None] * calm
        room = self._roomy(quiet, full)
        loss = self._loss() / (rules.trip_loss * plan.limit_factor[:, 0])
        wealth = np.minimum(self.capital / self._capital_start, 1.0) * (1.0 - 0.5 * np.minimum(loss, 1.0))
        sound = room * np.maximum(wealth, 0.0)[plan.firm, None]
        present = sound * alive[:, None]
        exposed = present if self.hedges is None else present * self.hedges.quoted(view.time_s)
        total = exposed * self.stock
        self._stages = [calm, quiet, room, sound, present, exposed, total]
        return Target(reference, width, exposed, total)

    def _roomy(self, quiet: Floats, full: Floats) -> Floats:
        """Size a side that inventory and the firm's leverage leave room for."""
        plan = self.plan
        taken = np.maximum(full[:, None] * SIDES, 0.0)
        left = np.maximum(1.0 - taken, 0.0)
        gross = np.bincount(plan.firm, np.abs(self.inventory) * self._lot_usd(), self.rules.firms)
        firm_left = np.maximum(self.rules.leverage * self.capital - gross, 0.0)
        cap = np.minimum(left * self._limit_usd[:, None], (firm_left[plan.firm] * plan.share)[:, None])
        closing = np.maximum(-full[:, None] * SIDES, 0.0) * self._limit_usd[:, None]
        size: Floats = np.minimum(quiet * left, cap + closing)
        return size

    def depth_removed(self) -> Integers:
        """Money of depth, both sides, that each cause takes away now, (instruments, MakerCause)."""
        shape = (len(self.market.name), len(MakerCause))
        removed = np.zeros(shape[0] * shape[1])
        causes = [MakerCause.VOLATILITY, MakerCause.INVENTORY, MakerCause.LOSS, self.cause]
        causes += [MakerCause.HEDGE, MakerCause.REFILL]
        for (before, after), cause in zip(pairwise(self._stages), causes, strict=True):
            place = self.plan.instrument * len(MakerCause) + np.asarray(cause)
            removed += np.bincount(place, np.sum(before - after, axis=1), len(removed))
        return np.rint(removed * MICROS).astype(np.int64).reshape(shape)

    def calm_depth(self) -> Integers:
        """Money of depth, both sides, that all causes together could take away, by instrument."""
        usd = np.bincount(self.plan.instrument, 2.0 * self.plan.reach_usd, len(self.market.name))
        return np.rint(usd * MICROS).astype(np.int64)

    def _chosen(self, view: View, target: Target, alive: Floats) -> Integers:
        """Pairs that replace their quotes: moved, resized, old, or out."""
        rules = self.rules
        age = view.time_s - self.quoted[:, 1]
        moved = np.abs(target.reference - self.quoted[:, 0]) > (
            rules.requote_widths * target.half_width * target.reference
        )
        change = np.abs(target.total_usd - self.standing_usd)
        resized = (change > SIZE_CHANGE * np.maximum(target.total_usd, self.standing_usd)).any(axis=1)
        # A quote has its own round, so that they do not all come in one second.
        old = age >= rules.refresh_s * (0.75 + 0.5 * self.plan.phase)
        wanted = np.where(alive > 0.0, old | moved | resized, self.quoting)
        # In short steps a quote is no fresher, and a refused message is tried no sooner again.
        rested = view.time_s - self.tried_s > ACTS_EVERY_S - 0.5 * view.step_seconds
        chosen = np.flatnonzero(wanted & rested)
        self.tried_s[chosen] = view.time_s
        return chosen

    def _failed(self, view: View, chosen: Integers) -> NDArray[np.bool_]:
        draws = streams.uniform(self.seed, "makers: messages", view.step, self.plan.identity[chosen])
        return draws < view.failure

    def _remember_refusals(self, view: View, chosen: Integers, failed: NDArray[np.bool_]) -> None:
        firm = self.plan.firm[chosen]
        tried = np.bincount(firm, minlength=self.rules.firms)
        lost = np.bincount(firm, failed.astype(np.float64), self.rules.firms)
        share = -floats.expm1(-view.step_seconds / REJECTION_MEMORY_S)
        now = lost / np.maximum(tried, 1)  # a firm that sends nothing forgets
        self.refused += (now - self.refused) * share
        self.attempts += len(chosen) * (1 + 2 * self.rules.levels)

    def _quotes(self, view: View, target: Target, sent: Integers) -> Commands:
        """CANCEL_ALL and the new orders of each pair that gets through, in this order."""
        plan, market = self.plan, self.market
        distance, part = self._ladder(view, target, sent)
        accounts, total = self.accounts[plan.firm[sent]], target.total_usd[sent]
        pairs = Pairs(accounts, plan.instrument[sent], target.reference[sent], total, distance, part)
        touch = Touch(view.bid_ticks, view.ask_ticks, market.unit, market.maximum_ticks)
        commands, usd = quotes(touch, pairs)
        self.quoted[sent, 0] = pairs.reference
        self.quoted[sent, 1] = view.time_s
        self.standing_usd[sent] = usd
        self.quoting[sent] = usd.sum(axis=1) > 0.0
        return commands

    def _ladder(self, view: View, target: Target, sent: Integers) -> tuple[Floats, Floats]:
        """Distances of the levels (pairs, 2, levels), and the part of a side on each (pairs, levels)."""
        rules, levels = self.rules, self.rules.levels
        ids = self._ids[sent]
        noise = streams.normal(self.seed, "makers: distances", view.step, ids.ravel())
        noise = floats.exp(rules.level_jitter * noise).reshape(len(sent), 2, levels)
        width = target.half_width[sent, None]
        ratio = rules.reach / width
        distance = (width * floats.power(ratio, self._place[sent]))[:, None, :] * noise
        cumulative = floats.power(floats.power(ratio, self._edges), rules.depth_exponent)
        cumulative[:, 0] = 0.0
        return distance, cumulative[:, 1:] - cumulative[:, :-1]

    def _top_ups(self, view: View) -> Commands:
        """Capital lost here and won elsewhere comes back through transfers, a minute's share at a time."""
        firms = np.arange(self.rules.firms)
        every = max(1, round(TOP_UP_S / view.step_seconds))
        lack = self._capital_start - self.capital
        due = np.flatnonzero(((view.step + firms) % every == 0) & (lack > 1.0))
        if view.transfers <= 0.0 or len(due) == 0:
            return nothing()
        draws = streams.uniform(self.seed, "makers: transfers", view.step, due)
        due = due[draws >= min(1.0, TRANSFER_FAILURE_WEIGHT * view.failure)]
        minutes = every * view.step_seconds / 60.0
        share = -floats.expm1(-self.rules.top_up_per_minute * minutes) * view.transfers
        amounts = np.floor(lack[due] * share * MICROS).astype(np.int64)
        self.capital_before[due] += amounts / MICROS
        self.attempts += len(due)
        return deposits(self.accounts[due], np.maximum(amounts, 1))

    def memory(self) -> dict[str, NDArray[Any]]:
        """Every array that carries over."""
        names = (
            "stock",
            "inventory",
            "resume_s",
            "patience",
            "cause",
            "quoted",
            "tried_s",
            "standing_usd",
            "quoting",
        )
        more = ("capital", "capital_before", "refused", "age_s")
        return {name: getattr(self, name) for name in (*names, *more)}
