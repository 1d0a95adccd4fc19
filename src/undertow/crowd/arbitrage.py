"""Arbitrage: firms that buy here and sell elsewhere, or the reverse, until their money is stuck.

    band   b = fees + lambda sigma sqrt(time to settle); that time is a second while stock lasts on both
           sides, then a transfer's, and in a stall what people expect of it
    room   leverage x equity on this venue, shared over contracts; a hedge elsewhere frees nothing here; less
           of it is used while transfers are slower than a firm needs
    coins  are bought for cash in a wallet of its own, which losses in contracts do not touch
    money  lost here and won elsewhere returns a share a minute, while transfers work
    spot   assets can be carried off and sold outside, or bought outside and brought in, at the same pace

Orders have the band as their limit: what is not cheap enough is not taken, and what is not offered is bid for
until the next look. Where nobody offers, it is these bids that bring the price back. In quiet moments a small
order waits at either edge.

Source: crowd description 4; modelling notes, section 3. Units: ticks, lots, USD (floats) until the commands,
seconds. Invariant: no firm's notional in contracts is increased beyond leverage x its worth there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from undertow import streams
from undertow.crowd.carried import Carried
from undertow.crowd.firms import IDS_PER_FIRM, KINDS, largest, spread_normals
from undertow.crowd.gauges import Gauges
from undertow.crowd.offers import Books, Manner, Pairs, offers
from undertow.crowd.rules_actors import ArbitrageRules
from undertow.crowd.scale import amount_of
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

RETURN_S = 60.0
STANDING_S = 5.0
TRANSFER_FAILURE_WEIGHT = 2.0


class Arbitrage:
    """All firms; arrays are (firms, instruments)."""

    name = "arbitrage"
    group = "arbitrage"

    def __init__(self, rules: ArbitrageRules, market: Market, gauges: Gauges, desk: Desk, seed: int) -> None:
        self.rules, self.market, self.gauges, self.desk, self.seed = rules, market, gauges, desk, seed
        count = len(market.name)
        self.attempts = 0
        self.accounts = np.zeros(rules.firms, np.int64)  # wallets for contracts; those for coins come next
        self._firm, self._instrument = (grid.astype(np.int64) for grid in np.indices((rules.firms, count)))
        self._identity = self._firm * IDS_PER_FIRM + self._instrument
        self._wallet = self._firm.copy()
        self._capital_usd = self._capital()
        self._share = self._shares()
        turnover = market.turnover_usd * market.perpetual
        slow = np.full(count, rules.slow_settlement_s)
        slow[int(np.argmax(turnover))] = rules.largest_settlement_s
        self._slow_s = slow
        self._band_factor = floats.exp(rules.band_spread * self._drawn("arbitrage: bands"))[:, None]
        self._loss_limit = rules.loss_limit * floats.exp(rules.band_spread * self._drawn("arbitrage: limits"))
        stock_usd = rules.stock_turnover * market.turnover_usd / rules.firms
        lots = gauges.lots_for(stock_usd, gauges.start_ticks, np.arange(count, dtype=np.int64))
        kept = market.perpetual | np.isin(market.name, rules.leaves)
        self._start_lots = np.tile(np.where(kept, 0, lots), (rules.firms, 1))
        self.resting = np.zeros((rules.firms, count), np.bool_)
        self.standing = np.zeros((rules.firms, count), np.bool_)  # what rests waits at the edges of the band
        self.worth = self._capital_usd.copy()
        self.nerve = np.ones(rules.firms)
        self._worth_start = self.worth.copy()
        self.carried = Carried(rules.firms, market)

    def _drawn(self, stream: str) -> Floats:
        """A normal of each firm, spread evenly over the firms of either kind of coin."""
        kinds = spread_normals(self.seed, stream, -(-self.rules.firms // KINDS), KINDS)
        return kinds.ravel()[: self.rules.firms]

    def _capital(self) -> Floats:
        """USD of each firm: every second one trades the smaller coins, together their share of it all."""
        small = np.arange(self.rules.firms) % KINDS == 1
        part = np.where(small, self.rules.small_coin_share, 1.0 - self.rules.small_coin_share)
        capital_usd = amount_of(self.rules, "capital_usd", self.market.scale())
        each: Floats = capital_usd * part / np.where(small, small.sum(), (~small).sum())
        return each

    def _shares(self) -> Floats:
        """Each instrument's part of a firm's room for contracts, or of its cash for coins, by turnover.

        Firms keep to the two largest coins or to the others, so that a rout in one does not ruin the other.
        """
        market, big = self.market, largest(self.market)
        left = np.isin(market.name, self.rules.leaves)
        share: Floats = np.zeros((self.rules.firms, len(market.name)))
        small = (np.arange(self.rules.firms) % KINDS == 1)[:, None]
        contracts = market.perpetual & (big != small)
        draws = streams.normal(self.seed, "arbitrage: coins", 0, self._identity.ravel()).reshape(share.shape)
        taste = floats.exp(self.rules.taste_spread * draws)
        coins = ~(market.perpetual | left)[None, :]
        for members, power in (
            (contracts, self.rules.room_exponent),
            (coins, self.rules.spot_room_exponent),
        ):
            weights = floats.power(market.turnover_usd, power) * members * taste
            share += weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
        return share

    def opening(self) -> Opening:
        """Two wallets a firm: for contracts, and for coins, with their stock on top of the cash."""
        firms = self.rules.firms
        shares = np.repeat([1.0, self.rules.spot_capital_share], firms)
        cash = np.rint(np.tile(self._capital_usd, 2) * shares * MICROS).astype(np.int64)
        spot = np.flatnonzero(~self.market.perpetual)
        none = np.zeros(firms, np.int64)
        assets = [(int(place), np.concatenate([none, self._start_lots[:, place]])) for place in spot]
        return Opening(2 * firms, self.rules.profile, cash, assets)

    def opened(self, first_account: int) -> None:
        """The firms' wallets begin at `first_account`."""
        self.accounts = first_account + np.arange(self.rules.firms, dtype=np.int64)
        self._wallet = self.accounts[self._firm] + np.where(self.market.perpetual, 0, self.rules.firms)
        self.carried.first = first_account + self.rules.firms
        self.worth[:] = self.desk.worths(self.accounts) / MICROS
        self._worth_start = self.worth.copy()

    # ---- the step

    def act(self, view: View) -> Commands:
        """Take what stands beyond the band, close what no longer pays, move what can be moved."""
        self.gauges.see(view)
        self.attempts = 0
        if not self.rules.active:
            return nothing()
        shape = self._firm.shape
        held = self.desk.sizes(self._wallet.ravel(), self._instrument.ravel()).reshape(shape)
        held = held - self._start_lots
        self.worth[:] = self.desk.worths(self.accounts) / MICROS
        self._take_heart(view)
        lot_usd = self.gauges.own * self.market.unit / MICROS
        position = held * lot_usd
        orders = self._orders(view, held, position, lot_usd)
        moves = [self.carried.settle(view.outside_ticks), self._netting(view, held), self._returning(view)]
        return together([orders, *moves])

    def _band(self, view: View, used: Floats) -> Floats:
        """Gap beyond which a firm opens, as a share of price; wider as its stock is used up."""
        rules = self.rules
        slow = self._slow_s / max(view.transfers, 1e-6)
        slow = np.minimum(slow, np.maximum(rules.stalled_settlement_s, self._slow_s))
        weight = np.clip(2.0 * used - 1.0, 0.0, 1.0)  # the first half of the stock settles at once
        settle_s = rules.fast_settlement_s + weight * (slow - rules.fast_settlement_s)
        # A coin is sold outside; a contract can be left only here.
        moves = np.where(self.market.perpetual, self.gauges.volatility, self.gauges.outside_volatility)
        sigma = moves * self.market.volatility
        # Nobody opens inside the fees, or firms would hand positions round among themselves.
        risk: Floats = rules.band_sigmas * sigma * np.sqrt(settle_s / 60.0) * self._band_factor
        return rules.fee_band + risk

    def _room(self, view: View, held: Integers, position: Floats) -> tuple[Floats, Floats]:
        """Share of its room each pair has used, and USD it would still open.

        Room is margin for contracts and cash for coins.
        """
        contracts = self.market.perpetual[None, :]
        room = (self.rules.leverage * np.maximum(self.worth, 0.0))[:, None]
        cash = (self.rules.spot_capital_share * self._capital_usd)[:, None]
        own_room = np.maximum(np.where(contracts, room, cash) * self._share, 1.0)
        spent = np.abs(position * contracts).sum(axis=1, keepdims=True)
        free = own_room - np.abs(position)
        free = np.where(contracts, np.minimum(free, (room - spent) * self._share), free)
        free = np.maximum(free, 0.0) * np.where(contracts, 1.0, self._affordable(view, held, free)[:, None])
        # Coins bought for cash cost no margin, so losses take no nerve there.
        nerve = np.where(contracts, self.nerve[:, None], 1.0)
        used = np.clip(np.abs(position) / own_room, 0.0, 1.0)
        return used, free * nerve * self._way_out(view)

    def _affordable(self, view: View, held: Integers, free: Floats) -> Floats:
        """Share of what a firm would spend on coins that its cash pays: those it has may be worth less."""
        coins = ~self.market.perpetual
        stock = (held + self._start_lots)[:, coins] * (view.mark_ticks * self.market.unit)[coins]
        cash = (self.desk.worths(self.accounts + self.rules.firms) - stock.sum(axis=1)) / MICROS
        wanted = np.maximum(free[:, coins], 0.0).sum(axis=1)
        paid: Floats = np.clip(cash / np.maximum(wanted, 1.0), 0.0, 1.0)
        return paid

    def _orders(self, view: View, held: Integers, position: Floats, lot_usd: Floats) -> Commands:
        """Taking and bidding beyond the band, closing at the outside price, and what waits in quiet."""
        rules, market = self.rules, self.market
        look = max(1, round(ACTS_EVERY_S / view.step_seconds))
        seconds = look * view.step_seconds  # in short steps a firm looks no more often
        used, opening = self._room(view, held, position)
        pace = -floats.expm1(floats.log1p(-min(rules.pace_per_s, 0.999)) * seconds)
        every = max(1, round(STANDING_S / seconds))
        share = np.minimum(np.where(market.perpetual, rules.standing_share, rules.standing_share_spot), 0.999)
        books = Books(
            view.outside_ticks,
            view.bid_ticks,
            view.ask_ticks,
            self.gauges.own,
            lot_usd,
            market.maximum_ticks,
            market.perpetual,
            share,
            -floats.expm1(floats.log1p(-share) * seconds),
        )
        who, stock = (self._wallet, self._instrument, self._identity), (held, self._start_lots)
        pairs = Pairs(*who, *stock, self._band(view, used), opening, self.resting, self.standing)
        manner = Manner(view.step, look, every, float(pace), view.failure, bool((share > 0.0).any()))
        commands, tried = offers(books, pairs, manner, self.seed)
        self.attempts += tried
        return commands

    def _take_heart(self, view: View) -> None:
        """Move the share of its free room that a firm still uses: from half its limit of losses here less, at
        it nothing.

        What it won elsewhere cannot be brought in time. Nerve is lost at once and comes back slowly: a desk
        that was stopped is not let loose again by the first good minute.
        """
        loss = np.maximum(1.0 - self.worth / self._worth_start, 0.0)
        now = np.clip(2.0 - 2.0 * loss / self._loss_limit, 0.0, 1.0)
        back = -floats.expm1(-view.step_seconds / self.rules.nerve_s)
        self.nerve += np.minimum(now - self.nerve, 0.0) + np.maximum(now - self.nerve, 0.0) * back

    def _way_out(self, view: View) -> float:
        """Share of its free room a firm uses when what it buys here cannot be carried off as usual."""
        needed = self.rules.needed_transfers
        return min(1.0, view.transfers / needed) if needed > 0.0 else 1.0

    # ---- money and coins in transit

    def _through(self, view: View, ids: Integers, what: str) -> NDArray[np.bool_]:
        draws = streams.uniform(self.seed, f"arbitrage: {what}", view.step, ids)
        return draws >= min(1.0, TRANSFER_FAILURE_WEIGHT * view.failure)

    def _returned_share(self, view: View, every: int) -> float:
        minutes = every * view.step_seconds / 60.0
        return float(-floats.expm1(-self.rules.return_per_minute * minutes) * view.transfers)

    def _netting(self, view: View, held: Integers) -> Commands:
        """Spot assets above or below the starting stock are carried over and sold or bought outside."""
        every = max(1, round(RETURN_S / view.step_seconds))
        share = self._returned_share(view, every)
        if not self.rules.redeeming or share <= 0.0:
            return nothing()
        lots = np.rint(held * share).astype(np.int64)
        due = ~self.market.perpetual & ((view.step + self._firm) % every == 0) & (lots != 0)
        due &= self._through(view, self._identity.ravel(), "coins").reshape(due.shape)
        if not due.any():
            return nothing()
        self.attempts += 2 * int(due.sum())
        price = np.rint(view.outside_ticks).astype(np.int64)
        return self.carried.ask(np.where(due, lots, 0), price)

    def heard(self, commands: Commands, results: NDArray[np.void]) -> None:
        """What the venue answered to the moves of coins."""
        self.carried.heard(commands, results)

    def _returning(self, view: View) -> Commands:
        """A share of the capital lost here comes back from where it was won."""
        every = max(1, round(RETURN_S / view.step_seconds))
        firms = np.arange(self.rules.firms, dtype=np.int64)
        lack = self._worth_start - self.worth
        due = firms[((view.step + firms) % every == 0) & (lack > 1.0)]
        if view.transfers <= 0.0 or len(due) == 0:
            return nothing()
        due = due[self._through(view, due, "cash")]
        amounts = np.floor(lack[due] * self._returned_share(view, every) * MICROS).astype(np.int64)
        self.attempts += len(due)
        return deposits(self.accounts[due], np.maximum(amounts, 1))

    def memory(self) -> dict[str, NDArray[Any]]:
        """Every array that carries over."""
        mine = {"worth": self.worth, "nerve": self.nerve, "resting": self.resting, "standing": self.standing}
        return mine | self.carried.memory()
