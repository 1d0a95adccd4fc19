"""Traders: what the population does of its own accord, as far as the venue lets it.

* Shorts have resting bids below the market that take their profit; they are placed once.
* Longs have stops: a mark below them makes the trader leave.
* Anybody may leave: hazard lam_0 exp(-k D), D the distance to the margin call in daily sigmas, less what it
  was at the start (in calm hours newcomers replace who leaves); after a fall longs leave in panic, shorts
  with their profit.
* Some add margin when it runs short, once; holders of spot assets sell below the outside price.
* Who leaves sends collared orders against the depth that can be seen, until flat or liquidated.

Nobody is looked at more often than once a round. Who leaves is found by thinning: one draw an account,
and only the few below the highest possible hazard are valued.

Source: crowd description 2.3 and 5; modelling notes, traps 5 and 12. Units: ticks, lots, micro-dollars,
seconds. Invariant: an order of a trader only reduces what he has; chances do not depend on the step.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from undertow import streams
from undertow.crowd.collar import Door, Held, collared
from undertow.crowd.gauges import Gauges
from undertow.crowd.population import Population
from undertow.crowd.rules import Holder
from undertow.crowd.rules_actors import TraderRules
from undertow.crowd.scale import amount_of
from undertow.crowd.triggers import Triggers, far_prices
from undertow.crowd.turns import Turns
from undertow.crowd.view import (
    Commands,
    Desk,
    Floats,
    Integers,
    Market,
    Opening,
    View,
    cancel_all,
    deposits,
    new_orders,
    no_opening,
    nothing,
    together,
)
from undertow.exact import floats
from undertow.units import MICROS
from undertow.venue.records import OrderFlag

DAY_ROOT_MINUTES = math.sqrt(1440.0)


class Traders:
    """The population's own decisions. Account i of the population is wallet `first` + i."""

    name = "traders"
    group = "trader"

    def __init__(
        self,
        rules: TraderRules,
        market: Market,
        gauges: Gauges,
        desk: Desk,
        seed: int,
        population: Population,
        first: int,
    ) -> None:
        self.rules, self.market, self.gauges, self.desk, self.seed = rules, market, gauges, desk, seed
        self.attempts = 0.0
        self.first = first
        self._door = Door(rules.collar, rules.visible_share)
        trader = np.flatnonzero(population.kind == int(Holder.TRADER)).astype(np.int64)
        self._count = len(trader)  # traders stand first
        counts = np.diff(population.position_offsets)
        owner = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
        mine = owner < self._count
        self._row_owner = owner[mine]
        self._row_instrument = population.position_instrument[mine].astype(np.int64)
        self._row_lots = population.position_lots[mine]
        self._row_start = population.position_offsets[: self._count + 1]
        self._equity_start = population.equity_micros[: self._count]
        self._people = population.members[: self._count]
        # A row is as many people as it stands for, so the queue moves as fast however a crowd is cut; beyond
        # 200,000 rows it moves more slowly, because so many turns would cost too much.
        people = max(int(self._people.sum()), 1)
        scale = market.scale(people)
        self._message_weight = amount_of(rules, "message_weight", scale)
        wanted = amount_of(rules, "people_per_second", scale) * self._count / people
        self._turns_per_s = min(wanted, rules.most_turns)
        self._crowding = wanted / self._turns_per_s  # people who try for one whose turn comes
        assets = np.diff(population.collateral_offsets)
        holder = np.repeat(np.arange(len(assets), dtype=np.int64), assets)
        self._asset_owner = holder[holder < self._count]
        self._asset_instrument = population.collateral_instrument[: len(self._asset_owner)].astype(np.int64)
        self.exits = Turns(self._row_instrument, len(market.name))  # positions that are to be closed
        self.sales = Turns(self._asset_instrument, len(market.name))  # assets that are to be sold
        self.topped_up = np.zeros(self._count, np.bool_)
        self.cancelled = np.zeros(len(self._row_owner), np.bool_)  # the profit bid of who leaves
        self.calm = np.ones(self._count)  # exp(-k D) at the start
        self.placed = np.zeros(1, np.bool_)
        draws = streams.uniform(seed, "traders: who adds margin", 0, trader)
        self._adders = np.flatnonzero(draws < rules.top_up_share).astype(np.int64)
        prices = far_prices(rules, market, gauges, seed, self._row_instrument)
        self._profit_ticks = np.where(self._row_lots < 0, prices.profit, 0)
        self._stops = Triggers(np.where(self._row_lots > 0, prices.stop, 0), self._row_instrument, market)

    def opening(self) -> Opening:
        """None: the population is placed before the actors."""
        return no_opening()

    def opened(self, first_account: int) -> None:
        """Nothing was opened."""

    # ---- the step

    def act(self, view: View) -> Commands:
        """Decide, then send what the decisions of this and earlier steps ask for."""
        self.gauges.see(view)
        self.attempts = 0.0
        if not self.rules.active:
            return nothing()
        parts = [self._begin()] if not self.placed[0] else []
        self._join(view, self.exits, self._stops.fired(view.mark_ticks), "stops")
        self._decide(view)
        self._holders(view)
        if len(self.exits) or len(self.sales):
            depth = self.desk.visible(self.rules.visible_band)
            parts += [self._exits(view, depth), self._sales(view, depth)]
        parts.append(self._top_ups(view))
        return together(parts)

    def _begin(self) -> Commands:
        """How far everybody is from a margin call, and the shorts' resting bids, at the start."""
        self.placed[0] = True
        self.calm[:] = self._nearness(np.arange(self._count, dtype=np.int64))
        rows = np.flatnonzero((self._profit_ticks > 0) & (self._row_lots < 0))
        return new_orders(
            self.first + self._row_owner[rows],
            self._row_instrument[rows],
            np.ones(len(rows), np.int64),
            self._profit_ticks[rows],
            -self._row_lots[rows],
            flags=OrderFlag.REDUCE_ONLY,
        )

    def _round(self, view: View) -> int:
        return max(1, round(self.rules.round_s / view.step_seconds))

    def _decide(self, view: View) -> None:
        """Who of this step's part of the accounts starts to leave."""
        rules, every = self.rules, self._round(view)
        looking = np.arange(view.step % every, self._count, every, dtype=np.int64)
        minutes = every * view.step_seconds / 60.0
        fall = np.maximum(-floats.expm1(self.gauges.long_move), 0.0) / 0.1
        after_fall = max(rules.panic_per_minute, rules.profit_per_minute)
        worst = rules.close_per_minute + after_fall * float(fall.max(initial=0.0))
        draws = streams.uniform(self.seed, "traders: leaving", view.step, looking)
        near = draws < -floats.expm1(-worst * minutes)
        few, draws = looking[near], draws[near]
        if len(few) == 0:
            return
        rows, owner = self._rows_of(few)
        nearer = np.maximum(self._nearness(few) - self.calm[few], 0.0)
        pull = np.where(self._row_lots[rows] > 0, rules.panic_per_minute, rules.profit_per_minute)
        hazard = rules.close_per_minute * nearer[owner] + pull * fall[self._row_instrument[rows]]
        self._join(view, self.exits, rows[draws[owner] < -floats.expm1(-hazard * minutes)], "leavers")

    def _rows_of(self, accounts: Integers) -> tuple[Integers, Integers]:
        """Position rows of some accounts, and the place of each row's account in `accounts`."""
        starts, ends = self._row_start[accounts], self._row_start[accounts + 1]
        lengths = ends - starts
        place = np.repeat(np.arange(len(accounts), dtype=np.int64), lengths)
        before = np.concatenate([[0], np.cumsum(lengths)])[:-1]
        return starts[place] + np.arange(len(place)) - before[place], place

    def _nearness(self, accounts: Integers) -> Floats:
        """exp(-k D): D is the distance to the margin call in daily sigmas of the wildest coin held."""
        values = self.desk.values(self.first + accounts).astype(np.float64)
        spare = (values[:, 0] - values[:, 1]) / np.maximum(values[:, 2], 1.0)
        rows, place = self._rows_of(accounts)
        calm = self.market.volatility * DAY_ROOT_MINUTES
        scale = self.rules.daily_volatility / max(float(calm[self._reference()]), 1e-9)
        sigma = np.zeros(len(accounts))
        np.maximum.at(sigma, place, calm[self._row_instrument[rows]] * scale)
        distance = np.maximum(spare / np.maximum(sigma, 1e-6), 0.0)
        nearness: Floats = floats.exp(-self.rules.close_slope * distance)
        return nearness

    def _reference(self) -> int:
        """The contract with the most turnover, whose daily volatility is given."""
        return int(np.argmax(self.market.turnover_usd * self.market.perpetual))

    def _holders(self, view: View) -> None:
        """Who of this step's part of the asset holders starts to sell."""
        rules, every = self.rules, self._round(view)
        below = np.maximum(1.0 - self.gauges.own / view.outside_ticks, 0.0) * 100.0
        below[self.market.perpetual] = 0.0
        hazard = np.minimum(rules.holder_per_minute * below, rules.holder_cap_per_minute)
        if not (hazard > 0.0).any():
            return
        rows = np.arange(view.step % every, len(self._asset_owner), every, dtype=np.int64)
        chance = -floats.expm1(-hazard * every * view.step_seconds / 60.0)[self._asset_instrument[rows]]
        draws = streams.uniform(self.seed, "traders: holders", view.step, rows)
        self._join(view, self.sales, rows[draws < chance], "sellers")

    # ---- sending

    def _exits(self, view: View, depth: Integers) -> Commands:
        """Orders of those who leave, as many as the depth they see can take."""
        rows = self._through(view, self.exits, self._row_owner, "exits")
        if len(rows) == 0:
            return nothing()
        owner, instrument = self.first + self._row_owner[rows], self._row_instrument[rows]
        held = self.desk.sizes(owner, instrument)
        gone = held * np.sign(self._row_lots[rows]) <= 0
        rows, held, owner, instrument = rows[~gone], held[~gone], owner[~gone], instrument[~gone]
        self._join(view, self.exits, rows, "exits")  # what this order leaves has another turn
        bound = (self._profit_ticks[rows] > 0) & ~self.cancelled[rows]
        self.cancelled[rows[bound]] = True
        # Whoever leaves takes the profit bid away: some rulebooks count it against a reduce-only order.
        freed = cancel_all(owner[bound], instrument[bound])
        orders = collared(
            view, self.market, depth, self._door, Held(owner, instrument, held), OrderFlag.REDUCE_ONLY
        )
        return together([freed, orders])

    def _sales(self, view: View, depth: Integers) -> Commands:
        """Orders of asset holders who sell."""
        rows = self._through(view, self.sales, self._asset_owner, "sales")
        if len(rows) == 0:
            return nothing()
        owner, instrument = self.first + self._asset_owner[rows], self._asset_instrument[rows]
        held = self.desk.sizes(owner, instrument)
        keep = held > 0
        self._join(view, self.sales, rows[keep], "sales")
        rest = Held(owner[keep], instrument[keep], held[keep])
        return collared(view, self.market, depth, self._door, rest, OrderFlag.NONE)

    def _join(self, view: View, queue: Turns, rows: Integers, what: str) -> None:
        """These wait for their turn from now on."""
        if len(rows):
            queue.join(rows, streams.uniform(self.seed, f"traders: turn of {what}", view.step, rows))

    def _through(self, view: View, queue: Turns, owner: Integers, what: str) -> Integers:
        """A random few of the queue, about so many a coin; those whose message fails wait again."""
        rows = queue.drawn(self._turns_per_s * view.step_seconds)
        self.attempts += self._messages(owner[rows]) * self._crowding
        draws = streams.uniform(self.seed, f"traders: messages of {what}", view.step, rows)
        failed = draws < self.rules.failure_weight * view.failure
        self._join(view, queue, rows[failed], what)
        return rows[~failed]

    def _messages(self, accounts: Integers) -> float:
        """What the messages of these people weigh in messages of the crowd's programs."""
        return self._message_weight * float(self._people[accounts].sum())

    def _top_ups(self, view: View) -> Commands:
        """Margin added by those who do, once each, when it runs short and transfers work."""
        rules, every = self.rules, 3 * self._round(view)
        looking = self._adders[view.step % every :: every]
        minutes = every * view.step_seconds / 60.0
        soon = -floats.expm1(-minutes / rules.top_up_minutes) * view.transfers
        draws = streams.uniform(self.seed, "traders: margin", view.step, looking)
        weight = max(0.0, 1.0 - rules.transfer_failure_weight * view.failure)
        looking = looking[(draws < soon * weight) & ~self.topped_up[looking]]
        if len(looking) == 0:
            return nothing()
        values = self.desk.values(self.first + looking).astype(np.float64)
        short = (values[:, 0] < rules.top_up_ratio * values[:, 1]) & (values[:, 0] > 0.0)
        looking = looking[short]
        self.topped_up[looking] = True
        self.attempts += self._messages(looking)
        low, high = rules.top_up_size
        size = low + (high - low) * streams.uniform(self.seed, "traders: margin added", 0, looking)
        amounts = np.floor(size * self._equity_start[looking]).astype(np.int64)
        return deposits(self.first + looking, np.maximum(amounts, MICROS))

    def memory(self) -> dict[str, NDArray[Any]]:
        """Every array that carries over."""
        memory = {
            "topped_up": self.topped_up,
            "cancelled": self.cancelled,
            "calm": self.calm,
            "placed": self.placed,
            "lowest": self._stops.lowest,
        }
        for name, queue in (("exits", self.exits), ("sales", self.sales)):
            memory |= {f"{name}.{key}": array for key, array in queue.memory().items()}
        return memory
