"""Everybody on the venue: the actors, and what they say together in a second.

Holds the assembly of the actors. Holds no behaviour; the order in which commands arrive is in `arrivals`.

Units: commands, steps. Invariant: every actor is asked once a step, in the same order.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from undertow.crowd.arbitrage import Arbitrage
from undertow.crowd.arrivals import in_random_order
from undertow.crowd.basis import BasisBooks
from undertow.crowd.gauges import Gauges
from undertow.crowd.hedges import Hedges
from undertow.crowd.holders import Holders
from undertow.crowd.makers import Makers
from undertow.crowd.noise import Noise
from undertow.crowd.patient import Patient
from undertow.crowd.population import Population
from undertow.crowd.post import Post
from undertow.crowd.rules_actors import (
    ArbitrageRules,
    BasisRules,
    MakerRules,
    NoiseRules,
    PatientRules,
    TraderRules,
)
from undertow.crowd.rules_hedges import HedgeRules
from undertow.crowd.rules_people import HolderRules, SellerRules
from undertow.crowd.sellers import Sellers
from undertow.crowd.traders import Traders
from undertow.crowd.view import Actor, Commands, Desk, Integers, Market, View


class CrowdRules(Protocol):
    """What a case says about its crowd."""

    @property
    def makers(self) -> MakerRules: ...
    @property
    def hedges(self) -> HedgeRules: ...
    @property
    def patient(self) -> PatientRules: ...
    @property
    def arbitrage(self) -> ArbitrageRules: ...
    @property
    def basis(self) -> BasisRules: ...
    @property
    def traders(self) -> TraderRules: ...
    @property
    def noise(self) -> NoiseRules: ...
    @property
    def sellers(self) -> SellerRules: ...
    @property
    def holders(self) -> HolderRules: ...


@runtime_checkable
class Listener(Protocol):
    """An actor that goes on from what the venue answered."""

    def heard(self, commands: Commands, results: NDArray[np.void]) -> None:
        """The commands of everybody in this step, and an answer for each."""
        ...


class Crowd:
    """The actors of a run. The population's wallets exist and begin at `first`."""

    def __init__(
        self,
        rules: CrowdRules,
        market: Market,
        desk: Desk,
        seed: int,
        population: Population,
        first: int,
        start_ticks: Integers,
        step_seconds: float = 1.0,
    ) -> None:
        self.seed = seed
        self.gauges = Gauges(market, start_ticks, step_seconds)
        self.traders = Traders(rules.traders, market, self.gauges, desk, seed, population, first)
        self.makers = Makers(rules.makers, market, self.gauges, desk, seed)
        self.hedges = Hedges(
            rules.hedges, rules.makers, self.makers.plan, market, desk, seed, population, first
        )
        self.makers.hedges = self.hedges
        self.basis = BasisBooks(rules.basis, market, self.gauges, desk, seed, population, first)
        self.arbitrage = Arbitrage(rules.arbitrage, market, self.gauges, desk, seed)
        self.patient = Patient(rules.patient, market, self.gauges, desk, seed)
        self.noise = Noise(rules.noise, market, self.gauges, desk, seed)
        self.sellers = Sellers(rules.sellers, rules.makers, market, self.gauges, desk, seed)
        self.holders = Holders(rules.holders, market, self.gauges, desk, seed)
        self.actors: tuple[Actor, ...] = (
            self.traders,
            self.hedges,  # before the makers, who look at them
            self.makers,
            self.arbitrage,
            self.basis,
            self.patient,
            self.noise,
            self.sellers,
            self.holders,
        )
        self.firsts = [first] * len(self.actors)  # where each actor's wallets begin, or the population's
        self.messages = 0
        self.post = Post()

    def join(self, actors: Iterable[Actor]) -> None:
        """More actors, before the wallets are opened."""
        joining = tuple(actors)
        self.actors += joining
        self.firsts += [self.firsts[0]] * len(joining)

    def opened(self, place: int, first_account: int) -> None:
        """Tell an actor where its wallets begin."""
        self.firsts[place] = first_account
        self.actors[place].opened(first_account)

    def draw_from(self, flow: int, order: int) -> None:
        """Seeds of what is drawn from now on: what actors do, and in which order their commands arrive.

        Who they are and what they hold was drawn when they were made and opened.
        """
        self.seed = order
        for actor in self.actors:
            actor.seed = flow

    def act(self, view: View) -> Commands:
        """The commands that arrive in this step, in order; those sent in a long queue arrive later."""
        spoken = [actor.act(view) for actor in self.actors]
        self.messages = round(sum(actor.attempts for actor in self.actors))
        who = [(actor.name, first) for actor, first in zip(self.actors, self.firsts, strict=True)]
        return self.post.passed(in_random_order(who, spoken, self.seed, view.step), view)

    def heard(self, commands: Commands, results: NDArray[np.void]) -> None:
        """What the venue answered."""
        for actor in self.actors:
            if isinstance(actor, Listener):
                actor.heard(commands, results)

    def depth_removed(self) -> Integers:
        """Money of maker depth missing now, (instruments, MakerCause)."""
        return self.makers.depth_removed()

    def maker_depth(self) -> Integers:
        """Money of maker depth in calm, both sides, by instrument."""
        return self.makers.calm_depth()

    def memory(self) -> dict[str, NDArray[Any]]:
        """Everything that carries over, as live arrays, and the messages on their way."""
        parts: dict[str, NDArray[Any]] = {f"gauges.{k}": v for k, v in self.gauges.memory().items()}
        for actor in self.actors:
            parts |= {f"{actor.name}.{key}": array for key, array in actor.memory().items()}
        return parts | {f"post.{key}": array for key, array in self.post.memory().items()}
