"""Redemption: firms that buy an asset below its par on the venue, carry it off and have it redeemed.

    buy     while it is offered below par less the band, or bid a tick better than the best while it is not;
            than the last price where the best bid is a hole
    carry   a share of what they hold leaves the venue in a minute, if the asset's wallet sends at all
    redeem  off the venue at par, so much a block and no more, all firms together
    bring   the money returns after the redemption's delay; of what is outside a share a minute comes in
            while there is something to buy

Nobody brings money to what cannot be carried off: with the wallet shut they spend what they had placed on the
venue and are done. That is how a stall lets an asset fall that is worth a dollar next door. A delay of days
(staked assets) means that nothing comes back. Who buys to hold is in patient.py, who sells elsewhere in
arbitrage.py.

Source: crowd description 4. Units: USD (floats) until the commands, lots, ticks, seconds. Invariant: a firm
spends no more than it has; lots carried off equal lots redeemed plus lots waiting.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from undertow import streams
from undertow.crowd.gauges import WAITS_BELOW, Gauges
from undertow.crowd.rules_actors import RedemptionRules
from undertow.crowd.view import (
    Commands,
    Desk,
    Floats,
    Integers,
    Market,
    Opening,
    View,
    asset_moves,
    cancel_all,
    deposits,
    new_orders,
    nothing,
    together,
)
from undertow.exact import floats
from undertow.units import MICROS
from undertow.venue.records import CommandKind

MOVE_S = 60.0
LEAST_ORDER_USD = 100.0
TRANSFER_FAILURE_WEIGHT = 2.0
LONGEST_DELAY_S = 86_400.0  # money that takes longer comes back in no run


class Redemption:
    """Firms by asset; arrays are (assets, firms), wallets in that order."""

    name = "redemption"
    group = "redemption"

    def __init__(self, rules: RedemptionRules, market: Market, gauges: Gauges, desk: Desk, seed: int) -> None:
        self.rules, self.market, self.gauges, self.desk, self.seed = rules, market, gauges, desk, seed
        self.attempts = 0
        rows, firms = len(rules.assets), rules.firms
        self._instrument = np.array([market.name.index(row.instrument) for row in rules.assets], np.int64)
        self._where = np.repeat(self._instrument, firms)
        self._ids = np.arange(rows * firms, dtype=np.int64)
        self.accounts = np.zeros(rows * firms, np.int64)
        capital = np.array([[row.capital_usd / firms] * firms for row in rules.assets]).reshape(rows, firms)
        placed = np.array([row.placed_share for row in rules.assets]).reshape(rows, 1)
        self._placed_usd = capital * placed
        self.outside_usd = capital - self._placed_usd  # waiting to be brought in
        self.waiting_lots = np.zeros((rows, firms))  # carried off, not yet redeemed
        slots = [int(min(row.delay_s, LONGEST_DELAY_S) // MOVE_S) + 1 for row in rules.assets]
        self.coming_usd = np.zeros((max(slots, default=1), rows, firms))  # by minute of arrival, a ring
        self._slots = np.array(slots, np.int64)
        self.bid = np.zeros(rows * firms, np.bool_)

    def opening(self) -> Opening:
        """A wallet for each firm and asset, with the cash it has placed."""
        cash = np.rint(self._placed_usd.ravel() * MICROS).astype(np.int64)
        return Opening(len(cash), self.rules.profile, cash, [])

    def opened(self, first_account: int) -> None:
        """The wallets begin at `first_account`."""
        self.accounts = first_account + self._ids

    def act(self, view: View) -> Commands:
        """Redeem, move what is due to move, and bid."""
        self.gauges.see(view)
        self.attempts = 0
        if not self.rules.active or len(self._ids) == 0:
            return nothing()
        self._redeem(view)
        return together([self._bids(view), self._moves(view)])

    # ---- on the venue

    def _bids(self, view: View) -> Commands:
        """The old bid out and a new one in, for the firms whose turn it is and whose messages get through."""
        rules, where = self.rules, self._where
        turn = (view.step + self._ids) % self._every(view) == 0
        if not turn.any():
            return nothing()
        limit = self._limit(view)
        bid, ask = view.bid_ticks[where], view.ask_ticks[where]
        # In a hole the last price is what has to be bettered: whoever bid a tick over a far order would be
        # outbid by rivals who redeem at the same par.
        own = np.floor(self.gauges.own[where]).astype(np.int64)
        better = 1 + np.where(bid < WAITS_BELOW * own, own, bid)
        price = np.where((ask > 0) & (ask <= limit), limit, np.minimum(limit, better))
        lots = self.gauges.lots_for(self._spendable_usd(view), price.astype(np.float64), where)
        worth = lots * price * self.market.unit[where] / MICROS
        wanted = turn & (self.gauges.own[where] <= limit) & (price > 0) & (worth >= LEAST_ORDER_USD)
        active = turn & (wanted | self.bid)
        if not active.any():
            return nothing()
        draws = streams.uniform(self.seed, "redemption: messages", view.step, self._ids)
        through = active & (draws >= rules.failure_weight * view.failure)
        self.attempts += int(active.sum())
        out, send = through & self.bid, through & wanted
        self.bid[:] = (self.bid & ~through) | send
        side = np.ones(int(send.sum()), np.int64)
        orders = new_orders(self.accounts[send], where[send], side, price[send], lots[send])
        return together([cancel_all(self.accounts[out], where[out]), orders])

    def _every(self, view: View) -> int:
        """Steps between a firm's looks."""
        return max(1, round(self.rules.look_s / view.step_seconds))

    def _limit(self, view: View) -> Integers:
        """The highest price each firm pays."""
        return np.floor(view.outside_ticks[self._where] * (1.0 - self.rules.band)).astype(np.int64)

    def _spendable_usd(self, view: View) -> Floats:
        """Of its cash, what a firm commits until its next look."""
        cash = self._cash_usd(view)
        seconds = self._every(view) * view.step_seconds
        pace = -floats.expm1(floats.log1p(-min(self.rules.pace_per_s, 0.999)) * seconds)
        spendable: Floats = np.maximum(cash, 0.0) * pace
        return spendable

    def _cash_usd(self, view: View) -> Floats:
        held = self.desk.sizes(self.accounts, self._where)
        mark = view.mark_ticks[self._where] * self.market.unit[self._where]
        cash: Floats = (self.desk.worths(self.accounts) - held * mark) / MICROS
        return cash

    # ---- between the venue and elsewhere

    def _moves(self, view: View) -> Commands:
        """Once a minute and firm: assets out, money in."""
        every = max(1, round(MOVE_S / view.step_seconds))
        due = (view.step + self._ids) % every == 0
        if not due.any():
            return nothing()
        draws = streams.uniform(self.seed, "redemption: transfers", view.step, self._ids)
        due &= draws >= min(1.0, TRANSFER_FAILURE_WEIGHT * view.failure)
        share = float(
            -floats.expm1(-self.rules.move_per_minute * every * view.step_seconds / 60.0) * view.transfers
        )
        if not due.any() or share <= 0.0:
            return nothing()
        least = np.repeat([row.least_transfers for row in self.rules.assets], self.rules.firms)
        held = self.desk.sizes(self.accounts, self._where)
        lots = np.floor(held * share).astype(np.int64)
        due &= view.transfers >= least
        out = due & (lots > 0)
        coming = self.outside_usd.ravel() * share
        enter = due & (coming >= LEAST_ORDER_USD) & (self.gauges.own[self._where] <= self._limit(view))
        self.outside_usd.ravel()[enter] -= coming[enter]
        self.attempts += int(out.sum()) + int(enter.sum())
        moved = asset_moves(self.accounts[out], self._where[out], -lots[out])
        return together(
            [moved, deposits(self.accounts[enter], np.floor(coming[enter] * MICROS).astype(np.int64))]
        )

    def heard(self, commands: Commands, results: NDArray[np.void]) -> None:
        """What the venue let go waits to be redeemed."""
        moves = np.flatnonzero(commands["kind"] == int(CommandKind.WITHDRAW_ASSET))
        row = commands["account"][moves].astype(np.int64) - self.accounts[0] if len(self.accounts) else moves
        mine = (row >= 0) & (row < len(self.accounts)) & (results["code"][moves] == 0)
        np.add.at(self.waiting_lots.reshape(-1), row[mine], commands["size"][moves[mine]])

    def _redeem(self, view: View) -> None:
        """Blocks that passed since the last step, each up to its maximum; money on its way arrives."""
        minute = int(view.time_s // MOVE_S)
        for row, asset in enumerate(self.rules.assets):
            slots = int(self._slots[row])
            arriving = self.coming_usd[minute % slots, row]
            self.outside_usd[row] += arriving
            arriving[:] = 0.0
            before = np.floor((view.time_s - view.step_seconds) / asset.block_s)
            blocks = float(np.floor(view.time_s / asset.block_s) - before)
            waiting = self.waiting_lots[row]
            instrument = self._instrument[row]
            lot_usd = view.outside_ticks[instrument] * self.market.unit[instrument] / MICROS
            most = blocks * asset.block_usd / lot_usd
            if most <= 0.0 or waiting.sum() <= 0.0:
                continue
            lots = waiting * min(1.0, most / float(waiting.sum()))
            waiting -= lots
            if asset.delay_s <= LONGEST_DELAY_S:
                self.coming_usd[(minute + slots - 1) % slots, row] += lots * lot_usd

    def memory(self) -> dict[str, NDArray[Any]]:
        """Every array that carries over."""
        names = ("outside_usd", "waiting_lots", "coming_usd", "bid")
        return {name: getattr(self, name) for name in names}


def redemption(
    rules: RedemptionRules, market: Market, gauges: Gauges, desk: Desk, seed: int
) -> list[Redemption]:
    """The actor, or none where nothing is redeemed. ValueError for an asset that is no listed spot asset."""
    spot = [name for name, contract in zip(market.name, market.perpetual, strict=True) if not contract]
    for row in rules.assets:
        if row.instrument not in spot:
            raise ValueError(f"redemption: {row.instrument!r} is no spot asset; one of {', '.join(spot)}")
    return [Redemption(rules, market, gauges, desk, seed)] if rules.assets else []
