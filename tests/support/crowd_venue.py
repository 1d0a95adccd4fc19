"""A whole small venue for tests of the crowd: two contracts, a few hundred accounts, every actor.

Holds the assembly that a run does from a case, from constants. Units: as in the venue.
"""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow.crowd.crowd import Crowd
from undertow.crowd.population import generate_population
from undertow.crowd.rules import Listing as PopulationListing
from undertow.crowd.rules import PopulationRules
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
from undertow.crowd.view import Desk, Market, Opening, View
from undertow.rulebook.load import load_rulebook
from undertow.venue.compile import Listing
from undertow.venue.engine import Engine
from undertow.venue.inject import Holders, place_population
from undertow.venue.records import InstrumentKind

LISTINGS = (
    Listing("BTC-PERP", InstrumentKind.LINEAR, "BTC", Decimal("0.1"), Decimal("0.001"), Decimal(116_900)),
    Listing("ADA-PERP", InstrumentKind.LINEAR, "alt", Decimal("0.0001"), Decimal(1), Decimal("0.7736")),
)
OPEN_INTEREST_USD = np.array([1.57e9, 0.047e9])
TURNOVER_USD = np.array([2.86e9, 0.085e9])
VOLATILITY = np.array([7e-4, 9e-4])
PROFILES = ("single", "multi", "portfolio", "isolated")


class Venue(NamedTuple):
    """An engine with its crowd."""

    engine: Engine
    crowd: Crowd


def make_venue(accounts: int = 500, seed: int = 1, **rules: Any) -> Venue:
    """A tenth of the published size, so that few accounts carry it; `rules` replace an actor's."""
    engine = Engine(load_rulebook("binance-2025"), instruments=2, accounts=accounts + 256, seed=seed)
    for listing in LISTINGS:
        engine.list(listing)
    engine.pricing.first_funding(28_800)
    state = engine.state
    market = Market(
        name=tuple(listing.name for listing in LISTINGS),
        perpetual=np.array([True, True]),
        unit=state.instruments["unit"][:2].copy(),
        tick_usd=np.array([float(listing.tick) for listing in LISTINGS]),
        maximum_ticks=state.instruments["maximum_ticks"][:2].copy(),
        open_interest_usd=OPEN_INTEREST_USD,
        turnover_usd=TURNOVER_USD,
        volatility=VOLATILITY,
        spot=np.array([-1, -1]),
    )
    start_ticks = state.markets["mark"][:2].copy()
    described = PopulationListing(
        prices_ticks=start_ticks,
        unit_micros=market.unit,
        open_interest_micros=np.rint(OPEN_INTEREST_USD * 1e6).astype(np.int64),
        collateral_share=np.zeros(2),
    )
    population = generate_population(described, accounts, seed, described_people())
    first = engine.open(len(population.cash_micros))
    numbers = np.array([engine.profiles[name] for name in PROFILES], np.int8)
    state.accounts["profile"][first : first + len(population.cash_micros)] = numbers[population.profile]
    fields = population._fields[5:13]
    wide = [np.ascontiguousarray(getattr(population, name), np.int64) for name in fields]
    place_population(state, first, Holders(*wide))
    chosen = SimpleNamespace(
        makers=rules.get("makers", MakerRules(capital_usd=1e8)),
        hedges=rules.get("hedges", HedgeRules()),
        patient=rules.get(
            "patient", PatientRules(dip_usd_per_minute=7e6, patient_usd=40e6, dip_capital_usd=1.5e9)
        ),
        arbitrage=rules.get("arbitrage", ArbitrageRules(capital_usd=0.8e8)),
        basis=rules.get("basis", BasisRules()),
        traders=rules.get("traders", TraderRules(people_per_second=3_300.0, message_weight=0.012)),
        noise=rules.get("noise", NoiseRules()),
        sellers=rules.get("sellers", SellerRules()),
        holders=rules.get("holders", HolderRules()),
    )
    crowd = Crowd(chosen, market, Desk(engine), seed, population, first, start_ticks)
    for place, actor in enumerate(crowd.actors):
        opening = actor.opening()
        if opening.count:
            crowd.opened(place, _opened(engine, opening))
    return Venue(engine, crowd)


def described_people() -> PopulationRules:
    """A tenth of the people that the crowd's description has, with its largest account."""
    return PopulationRules(reference_accounts=166_000, tail_cap_usd=300e6)


def _opened(engine: Engine, opening: Opening) -> int:
    first = engine.open(opening.count, profile=opening.profile)
    none, flat = np.zeros(0, np.int64), np.zeros(opening.count + 1, np.int64)
    holders = Holders(opening.cash_micros, flat, none, none, none, flat, none, none)
    place_population(engine.state, first, holders)
    return first


def view_of(engine: Engine, step: int, outside: NDArray[np.float64], failure: float = 0.0) -> View:
    """What the crowd sees before a step."""
    markets = engine.state.markets[:2]
    asks = markets["best_ask"].copy()
    asks[asks >= engine.state.instruments["maximum_ticks"][:2]] = 0
    return View(
        step=step,
        time_s=step,
        step_seconds=1.0,
        outside_ticks=outside,
        bid_ticks=markets["best_bid"].copy(),
        ask_ticks=asks,
        last_ticks=markets["last"].copy(),
        mark_ticks=markets["mark"].copy(),
        failure=failure,
        transfers=1.0,
    )


def play(venue: Venue, outside: NDArray[np.float64], failure: float = 0.0) -> NDArray[np.float64]:
    """Run along outside prices (steps, 2); returns the own price after every step."""
    engine, crowd = venue
    own = np.empty_like(outside)
    for row, prices in enumerate(outside):
        commands = crowd.act(view_of(engine, row + 1, prices, failure))
        crowd.heard(commands, engine.submit(commands))
        engine.step((row + 1) * 1000, np.rint(prices).astype(np.int64))
        engine.drain()
        own[row] = crowd.gauges.own
    return own
