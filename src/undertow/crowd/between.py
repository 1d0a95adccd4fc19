"""Arbitrage between two venues: firms with an account on each, which net nowhere.

    open    buy on one, sell on the other, where bid over ask exceeds the fees of four trades plus a band
    close   both legs, when closing costs no more than the edge; or in part, when an account holds more than
            its leverage allows: equity won on one venue is no margin on the other
    hedge   a leg that stands alone (a message failed, a book was empty, one leg was liquidated or closed
            among winners) is closed at once, where it stands
    money   goes from the richer account to the poorer, a share a minute; it is withdrawn here, is on its way,
            and is deposited there. Either venue's weather slows it

Both markets are seen as they stood at the end of the last second, so it does not matter which venue moves
first. Orders are immediate: nothing rests. A leg is an actor of its venue's crowd and only says what was
decided for both.

Source: crowd description 4; form own. Units: coins and USD (floats) until the commands, lots, micro-dollars
in transit, seconds. Invariants: no leg's gross notional is increased beyond leverage x its own equity; what
is deposited on one venue was withdrawn on the other before.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow import streams
from undertow.crowd.firms import IDS_PER_FIRM
from undertow.crowd.gauges import Gauges
from undertow.crowd.rules_between import BetweenRules
from undertow.crowd.scale import amount_of
from undertow.crowd.view import (
    Commands,
    Desk,
    Floats,
    Market,
    Opening,
    View,
    deposits,
    new_orders,
    nothing,
    together,
    withdrawals,
)
from undertow.exact import floats
from undertow.units import MICROS
from undertow.venue.records import CommandKind, TimeInForce

LEAST_ORDER_USD = 100.0
MINUTE_S = 60.0
LEAST_LACK = 0.01  # of a firm's money: below it nothing is sent


class Leg:
    """The firms' accounts on one venue, as an actor of its crowd."""

    name = "between"
    group = "two-venue firm"

    def __init__(
        self, market: Market, gauges: Gauges, desk: Desk, fees: Floats, usd: float, firms: int, seed: int
    ) -> None:
        self.market, self.gauges, self.desk, self.fees = market, gauges, desk, fees
        self.usd, self.firms, self.seed = usd, firms, seed
        self.attempts = 0
        self.accounts = np.zeros(firms, np.int64)
        self.said: Commands = nothing()
        self.lot_coins = market.unit / (market.tick_usd * MICROS)

    def opening(self) -> Opening:
        """One wallet a firm, equal ones."""
        cash = np.full(self.firms, round(self.usd / self.firms * MICROS), np.int64)
        return Opening(self.firms, "single", cash, [])

    def opened(self, first_account: int) -> None:
        """The firms' wallets begin at `first_account`."""
        self.accounts = first_account + np.arange(self.firms, dtype=np.int64)

    def act(self, view: View) -> Commands:
        """What `Between.look` decided for this venue."""
        said, self.said = self.said, nothing()
        return said

    def memory(self) -> dict[str, NDArray[Any]]:
        """Nothing: what carries over is the pair's."""
        return {}


class Quotes(NamedTuple):
    """One venue as the firms see it."""

    bid: Floats  # USD, by contract; 0: none
    ask: Floats
    held: Floats  # coins, firms x contracts
    equity: Floats  # USD, by firm
    gross: Floats  # USD, by firm


class Trade(NamedTuple):
    """What the firms want to do with both legs at once, firms x contracts."""

    coins: Floats  # bought on the first venue, sold on the second
    reach: Floats  # how far beyond the touch, share of price


Pair = tuple[Quotes, Quotes]
Views = tuple[View, View]


class Between:
    """All firms over both venues; arrays are (firms, contracts that both list)."""

    def __init__(self, rules: BetweenRules, seed: int, step_seconds: float = 1.0) -> None:
        self.rules, self.seed, self.step_seconds = rules, seed, step_seconds
        self.legs: list[Leg] = []
        firms = np.arange(rules.firms, dtype=np.int64)
        spread = streams.normal(seed, "between: bands", 0, firms)
        self._factor = floats.exp(rules.edge_spread * spread)[:, None]
        self._slots = 1 + max(1, round(rules.transfer_s / step_seconds))
        self.transit = np.zeros((2, self._slots, rules.firms), np.int64)  # micros, by venue of arrival
        self._step = 0

    def leg(self, market: Market, gauges: Gauges, desk: Desk, fees: Floats) -> Leg:
        """The accounts on the first venue, then on the second. `fees`: a taker's, share of notional."""
        usd = amount_of(self.rules, ("first_usd", "second_usd")[len(self.legs)], market.scale())
        leg = Leg(market, gauges, desk, fees, usd, self.rules.firms, self.seed)
        self.legs.append(leg)
        if len(self.legs) == 2:
            self._match()
        return leg

    def _match(self) -> None:
        """Contracts of the same name on both venues, and each one's part of a firm's room."""
        first, second = (leg.market for leg in self.legs)
        names = [
            name
            for name, perpetual in zip(first.name, first.perpetual, strict=True)
            if perpetual and name in second.name and second.perpetual[second.name.index(name)]
        ]
        self.places = [
            np.array([leg.market.name.index(name) for name in names], np.int64) for leg in self.legs
        ]
        least = np.minimum(first.turnover_usd[self.places[0]], second.turnover_usd[self.places[1]])
        weights = floats.power(least, self.rules.room_exponent)
        self._share = weights / max(float(weights.sum()), 1e-12)
        self._fees = sum(
            leg.fees[places] for leg, places in zip(self.legs, self.places, strict=True)
        )  # of one trade on each
        shape = (self.rules.firms, len(names))
        self._firm, self._pair = (grid.astype(np.int64) for grid in np.indices(shape))
        self._ids = self._firm * IDS_PER_FIRM + self._pair

    # ---- the step

    def look(self, views: Views) -> None:
        """Decide what both legs say in this step."""
        self._step = views[0].step
        for leg, view in zip(self.legs, views, strict=True):
            leg.gauges.see(view)
            leg.attempts = 0
        said = [[commands] for commands in self._arrived()]
        if self.rules.active and len(self.places[0]):
            pair = (self._quotes(0, views[0]), self._quotes(1, views[1]))
            for commands, more in zip(said, self._sent(pair, views), strict=True):
                commands.append(more)
            for commands, more in zip(said, self._orders(pair, views), strict=True):
                commands.append(more)
        for leg, parts in zip(self.legs, said, strict=True):
            leg.said = together(parts)

    def _quotes(self, side: int, view: View) -> Quotes:
        leg, places = self.legs[side], self.places[side]
        tick = leg.market.tick_usd[places]
        lots = leg.desk.sizes(leg.accounts[self._firm.ravel()], places[self._pair.ravel()])
        held = lots.reshape(self._firm.shape) * leg.lot_coins[places]
        values = leg.desk.values(leg.accounts) / MICROS
        return Quotes(
            view.bid_ticks[places] * tick, view.ask_ticks[places] * tick, held, values[:, 0], values[:, 2]
        )

    def _orders(self, pair: Pair, views: Views) -> tuple[Commands, Commands]:
        """Orders of both legs. A contract with a leg that stands alone closes that before anything else."""
        first, second = pair
        price = np.maximum(first.bid, second.bid)
        unpaired = first.held + second.held
        alone = np.abs(unpaired) * price >= LEAST_ORDER_USD
        trade = self._visible(pair, self._trade(pair, views, price))
        on_first = alone & (np.abs(first.held) >= np.abs(second.held))
        orders = []
        for side, direction, here in ((0, 1.0, on_first), (1, -1.0, alone & ~on_first)):
            coins = np.where(alone, np.where(here, -unpaired, 0.0), direction * trade.coins)
            reach = np.where(alone, self.rules.hedge_collar, trade.reach)
            orders.append(self._immediate(side, views[side], pair[side], coins, reach))
        return orders[0], orders[1]

    def _trade(self, pair: Pair, views: Views, price: Floats) -> Trade:
        """Both legs opened, closed, or reduced because one venue's equity carries them no longer."""
        rules, (first, second) = self.rules, pair
        least = 2.0 * self._fees + 2.0 * rules.edge + self._band(pair, views, price)
        free = np.minimum(self._free(first, price), self._free(second, price)) / np.maximum(price, 1e-12)
        pace = -floats.expm1(floats.log1p(-min(rules.pace_per_s, 0.999)) * self.step_seconds)
        opposite = first.held * second.held < 0.0
        paired = np.where(opposite, np.minimum(np.abs(first.held), np.abs(second.held)), 0.0)
        forced = np.maximum(_excess(first, rules.leverage), _excess(second, rules.leverage))[:, None] * paired
        coins, reach = np.zeros(paired.shape), np.zeros(paired.shape)
        for direction, bid, ask in ((1.0, second.bid, first.ask), (-1.0, first.bid, second.ask)):
            both = (bid > 0.0) & (ask > 0.0)
            gap = np.where(both, bid / np.where(both, ask, 1.0) - 1.0, -1.0)
            against = opposite & (np.sign(first.held) == -direction)  # this trade closes what is held
            opening = both & (gap >= least) & ~against
            closing = both & (gap >= -rules.edge) & against
            called = both & against & ~closing & (forced > 0.0)
            wanted = np.select([opening, closing, called], [free * pace, paired * pace, forced], 0.0)
            coins += direction * wanted
            reach += np.where(opening, 0.5 * (gap - least), np.where(called, rules.hedge_collar, 0.0))
        return Trade(coins, reach)

    def _band(self, pair: Pair, views: Views, price: Floats) -> Floats:
        """Gap asked for beyond fees and edge: wider as the tighter account is used up, and in a stall."""
        rules = self.rules
        used = np.zeros(self._firm.shape)
        for side in pair:
            room = np.maximum(rules.leverage * np.maximum(side.equity, 0.0)[:, None] * self._share, 1.0)
            used = np.maximum(used, np.abs(side.held) * price / room)
        slow = rules.slow_settlement_s / max(min(view.transfers for view in views), 1e-6)
        slow = min(slow, max(rules.stalled_settlement_s, rules.slow_settlement_s))
        weight = np.clip(2.0 * used - 1.0, 0.0, 1.0)
        settle_s = rules.fast_settlement_s + weight * (slow - rules.fast_settlement_s)
        sigma = np.maximum.reduce(
            [
                (leg.gauges.volatility * leg.market.volatility)[places]
                for leg, places in zip(self.legs, self.places, strict=True)
            ]
        )
        band: Floats = rules.edge_sigmas * sigma * np.sqrt(settle_s / MINUTE_S) * self._factor
        return band

    def _free(self, side: Quotes, price: Floats) -> Floats:
        """USD of each contract that each firm may still add on a venue."""
        room = self.rules.leverage * np.maximum(side.equity, 0.0)
        own = room[:, None] * self._share - np.abs(side.held) * price
        free: Floats = np.maximum(np.minimum(own, (room - side.gross)[:, None] * self._share), 0.0)
        return free

    def _visible(self, pair: Pair, trade: Trade) -> Trade:
        """A trade no larger than the thinner book shows to one firm, the same on both venues."""
        most = np.abs(trade.coins)
        for side, direction in ((0, 1.0), (1, -1.0)):
            bought = direction * trade.coins > 0.0
            touch = np.where(bought, pair[side].ask, pair[side].bid)
            most = np.minimum(most, self._depth_usd(side, bought) / np.maximum(touch, 1e-12))
        return trade._replace(coins=np.sign(trade.coins) * most)

    def _depth_usd(self, side: int, bought: NDArray[np.bool_]) -> Floats:
        """USD of what stands near the touch that a firm takes in one step."""
        visible = self.legs[side].desk.visible(self.rules.visible_band)[self.places[side]] / MICROS
        share = min(1.0, self.rules.visible_share * self.step_seconds)
        depth: Floats = np.where(bought, visible[:, 1], visible[:, 0]) * share
        return depth

    def _immediate(self, side: int, view: View, quotes: Quotes, coins: Floats, reach: Floats) -> Commands:
        """Immediate orders for signed coins, limited at the touch and `reach` beyond it."""
        leg, places = self.legs[side], self.places[side]
        sign = np.sign(coins).astype(np.int64)
        touch = np.where(sign > 0, quotes.ask, quotes.bid)
        wanted = (sign != 0) & (touch > 0.0) & (np.abs(coins) * touch >= LEAST_ORDER_USD)
        if not wanted.any():
            return nothing()
        most = np.minimum(np.abs(coins), self._depth_usd(side, sign > 0) / np.maximum(touch, 1e-12))
        lots = np.floor(most / leg.lot_coins[places] + 1e-6).astype(np.int64)
        limit = touch * (1.0 + sign * reach) / leg.market.tick_usd[places]
        ticks = np.where(sign > 0, np.floor(limit + 1e-6), np.ceil(limit - 1e-6)).astype(np.int64)
        wanted &= (lots > 0) & (ticks >= 1) & (ticks < leg.market.maximum_ticks[places])
        leg.attempts += int(wanted.sum())
        draws = streams.uniform(leg.seed, f"between: messages {side}", view.step, self._ids.ravel())
        wanted &= draws.reshape(wanted.shape) >= view.failure
        return new_orders(
            leg.accounts[self._firm[wanted]],
            places[self._pair[wanted]],
            sign[wanted],
            ticks[wanted],
            lots[wanted],
            TimeInForce.IMMEDIATE_OR_CANCEL,
        )

    # ---- money on its way

    def _arrived(self) -> tuple[Commands, Commands]:
        """Money that reaches each venue now."""
        due = self.transit[:, self._step % self._slots]
        arrived = []
        for side, leg in enumerate(self.legs):
            firms = np.flatnonzero(due[side] > 0)
            arrived.append(deposits(leg.accounts[firms], due[side, firms]))
        due[:] = 0
        return arrived[0], arrived[1]

    def _sent(self, pair: Pair, views: Views) -> tuple[Commands, Commands]:
        """Withdrawals from the account that has more than its part of a firm's money."""
        every = max(1, round(MINUTE_S / self.step_seconds))
        firms = np.arange(self.rules.firms, dtype=np.int64)
        works = min(view.transfers for view in views)
        draws = streams.uniform(self.legs[0].seed, "between: transfers", self._step, firms)
        failing = min(1.0, self.rules.failure_weight * max(view.failure for view in views))
        due = ((self._step + firms) % every == 0) & (draws >= failing)
        share = -floats.expm1(-self.rules.transfer_share * every * self.step_seconds / MINUTE_S) * works
        on_its_way = self.transit.sum(axis=1) / MICROS
        money = pair[0].equity + pair[1].equity + on_its_way.sum(axis=0)
        part = np.array([leg.usd for leg in self.legs])
        part /= part.sum()
        sent = []
        for side, leg in enumerate(self.legs):
            other = 1 - side
            lack = money * part[other] - pair[other].equity - on_its_way[other]
            spare = pair[side].equity - pair[side].gross / self.rules.leverage
            amount = np.floor(np.minimum(lack * share, spare) * MICROS).astype(np.int64)
            goes = due & (lack > LEAST_LACK * money) & (amount > 0)
            leg.attempts += int(goes.sum())
            sent.append(withdrawals(leg.accounts[goes], amount[goes]))
        return sent[0], sent[1]

    def heard(self, side: int, commands: Commands, results: NDArray[np.void]) -> None:
        """What a venue answered: money that left it is on its way to the other."""
        first = self.legs[side].accounts[0]
        firm = commands["account"].astype(np.int64) - first
        left = (commands["kind"] == int(CommandKind.WITHDRAW)) & (firm >= 0) & (firm < self.rules.firms)
        left &= results["code"][: len(commands)] == 0
        slot = (self._step + self._slots - 1) % self._slots
        np.add.at(self.transit[1 - side, slot], firm[left], commands["size"][left])

    def memory(self) -> dict[str, NDArray[Any]]:
        """Money on its way; positions are the venues'."""
        return {"transit": self.transit}


def _excess(side: Quotes, leverage: float) -> Floats:
    """Share of each firm's gross notional that its equity on a venue no longer carries."""
    room = leverage * np.maximum(side.equity, 0.0)
    excess: Floats = np.clip(1.0 - room / np.maximum(side.gross, 1e-9), 0.0, 1.0)
    return excess
