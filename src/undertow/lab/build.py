"""From a case to a venue with people in it, ready for its first step.

Holds the assembly: outside prices, instruments, house money, population, actors. Holds no step (`run`) and no
record keeping (`recorder`).

Units: dollars in the case, ticks, lots and micro-dollars in the venue. Invariant: the same case, seed and
data give the same venue to the byte.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow.case.facts import as_utc
from undertow.case.load import rulebook_of
from undertow.case.model import Case, InstrumentRow
from undertow.crowd.between import Between
from undertow.crowd.crowd import Crowd
from undertow.crowd.loopers import all_loopers
from undertow.crowd.population import Population
from undertow.crowd.population_file import Listed, read_population
from undertow.crowd.population_store import drawn_once
from undertow.crowd.redemption import redemption
from undertow.crowd.rules import Listing as PopulationListing
from undertow.crowd.rules import MarginProfile
from undertow.crowd.view import Desk, Market, Opening
from undertow.errors import CaseError, DataError
from undertow.feeds.manifest import load_manifest
from undertow.feeds.outside import LARGEST_RATIO, load_outside
from undertow.lab.countable import endow
from undertow.rulebook.model import Rulebook
from undertow.units import MICROS, PPM
from undertow.venue.allocation import Policy
from undertow.venue.compile import Listing
from undertow.venue.dollars import money
from undertow.venue.engine import Engine
from undertow.venue.inject import Holders
from undertow.venue.paced import SlicesStage
from undertow.venue.records import InstrumentKind
from undertow.venue.state import HOUSE_VAULT
from undertow.world.prices import paths_from_anchors
from undertow.world.weather import Weather

KINDS = {
    "linear": InstrumentKind.LINEAR,
    "inverse": InstrumentKind.INVERSE,
    "spot": InstrumentKind.SPOT,
}
PROFILES = {
    MarginProfile.CROSS: "single",
    MarginProfile.MULTI: "multi",
    MarginProfile.PORTFOLIO: "portfolio",
    MarginProfile.ISOLATED: "isolated",
}
HOURS_A_YEAR = 8766
PPB = 1_000_000_000


class Built(NamedTuple):
    """A case made ready."""

    case: Case
    rulebook: Rulebook
    engine: Engine
    crowd: Crowd
    weather: Weather
    outside_usd: NDArray[np.float64]  # steps + 1 x instruments
    outside_ticks: NDArray[np.int64]
    groups: tuple[str, ...]  # names of the kinds of account
    group_of: NDArray[np.int8]  # per account
    people: NDArray[np.int64]  # whom each account stands for; 0: the house
    recorded: tuple[str, ...]  # coins whose outside price was recorded, not written


class Outside(NamedTuple):
    """Prices off every venue of a case, and which coins were recorded, not written."""

    coins: tuple[str, ...]
    usd: NDArray[np.float64]  # steps + 1 x coins
    recorded: tuple[str, ...]

    def seen_by(self, case: Case) -> NDArray[np.float64]:
        """Dollars by instrument of a venue in this world, (steps + 1, instruments)."""
        columns = [self.coins.index(row.coin) for row in case.instruments]
        ratios = np.array([row.per_coin for row in case.instruments])
        return np.ascontiguousarray(self.usd[:, columns] * ratios)


def outside_of(case: Case, data: Path | None, seed: int) -> Outside:
    """Prices off the venue: every coin follows its anchors; with data the feed's tapes replace those it
    holds.
    """
    steps, step_ms = case.steps, case.step_ms
    coins = [row.coin for row in case.world.coin]
    try:
        prices = paths_from_anchors(case.world.paths(case.start), steps, step_ms, seed)
    except ValueError as error:
        raise CaseError(f"{case.name}: world: {error}") from None
    recorded: tuple[str, ...] = ()
    if data is not None:
        if not case.world.feed:
            raise CaseError(f"{case.name}: world.feed: names no recording; run it without --data")
        manifest = load_manifest(case.world.feed)
        recorded = tuple(coin for coin in coins if coin in manifest.coins())
        start_ms = round(as_utc(case.start).timestamp() * 1000)
        found = load_outside(data, recorded, start_ms, start_ms + steps * step_ms, step_ms, manifest)
        for column, coin in enumerate(recorded):
            written = float(prices[0, coins.index(coin)])
            _refuse_unit(case, coin, float(found.prices[0, column]), written)
            prices[:, coins.index(coin)] = found.prices[:, column]
    return Outside(tuple(coins), prices, recorded)


def _refuse_unit(case: Case, coin: str, recorded_usd: float, written_usd: float) -> None:
    """DataError where the recordings begin many times off the price that the case gives for its start."""
    ratio = recorded_usd / written_usd
    if not 1.0 / LARGEST_RATIO < ratio < LARGEST_RATIO:
        raise DataError(
            f"{case.name}: world.feed: {coin} is {recorded_usd:,.6g} at the start in the recordings and "
            f"{written_usd:,.6g} by the case's anchors; every tape is in US dollars a coin"
        )


class Choices(NamedTuple):
    """What a run chooses beside its case: its tape's detail, who pays, and who is there."""

    every_posting: bool = False  # those of trades and fees too, which are only summed by cause otherwise
    policy: Policy | str | None = None  # of loss allocation, instead of the rulebook's
    population: Path | None = None  # a user's file, instead of the drawn one


AS_THE_CASE = Choices()


def build(
    case: Case, outside: Outside, seed: int, between: Between | None = None, choices: Choices = AS_THE_CASE
) -> Built:
    """Make a case ready for its first step; firms that trade between venues join its crowd last."""
    rulebook = rulebook_of(case)
    outside_usd = outside.seen_by(case)
    engine = Engine(
        rulebook,
        instruments=len(case.instruments),
        accounts=case.accounts + 1024,
        seed=seed + case.draws.flow,
        step_ms=case.step_ms,
        ledger_detail=choices.every_posting,
        keep_reports=False,
        policy=choices.policy,
    )
    for row, start in zip(case.instruments, outside_usd[0], strict=True):
        engine.list(_listing(row, float(start)))
    ticks_usd = np.array([float(row.tick_usd) for row in case.instruments])
    outside_ticks = np.maximum(1, np.rint(outside_usd / ticks_usd)).astype(np.int64)
    until_funding = as_utc(case.house.first_funding) - as_utc(case.start)
    engine.pricing.first_funding(round(until_funding.total_seconds()))
    yearly = case.house.interest_percent_a_year / 100
    engine.interest_ppb_per_hour = round(yearly * PPB / HOURS_A_YEAR)
    _endow_house(case, rulebook, engine, outside_ticks[0])
    if choices.population is None:
        population = _population(case, rulebook, engine, seed + case.draws.crowd)
    else:
        population = _given_population(choices.population, case, engine)
    first = _open_population(engine, population)
    market = _market(case, engine)
    crowd = Crowd(
        case.crowd,
        market,
        Desk(engine),
        seed + case.draws.crowd,
        population,
        first,
        outside_ticks[0],
        float(case.step_seconds),
    )
    interest = case.house.interest_percent_a_year
    drawn = seed + case.draws.crowd
    try:
        crowd.join(all_loopers(case.crowd.loopers, interest, market, crowd.gauges, Desk(engine), drawn))
        crowd.join(redemption(case.crowd.redemption, market, crowd.gauges, Desk(engine), drawn))
    except ValueError as error:
        raise CaseError(f"{case.name}: crowd: {error}") from None
    if between is not None:
        crowd.join([between.leg(market, crowd.gauges, Desk(engine), _taker_fees(case, rulebook))])
    groups, group_of = _open_actors(engine, crowd, population, first)
    crowd.draw_from(flow=seed + case.draws.flow, order=seed + case.draws.order)
    engine.audit()
    weather = Weather(
        case.weather,
        market.volatility,
        market.turnover_usd,
        outside_ticks[0].astype(np.float64),
        int(population.members.sum()),
        float(case.step_seconds),
    )
    prices = (outside_usd, outside_ticks)
    people = np.minimum(group_of, 1).astype(np.int64)
    people[first : first + len(population.members)] = population.members
    return Built(case, rulebook, engine, crowd, weather, *prices, groups, group_of, people, outside.recorded)


def _taker_fees(case: Case, rulebook: Rulebook) -> NDArray[np.float64]:
    """What a taker pays, share of notional, by instrument."""
    return np.array([rulebook.fees.of(row.margin_class)[0] / PPM for row in case.instruments])


def _open_actors(
    engine: Engine, crowd: Crowd, population: Population, first: int
) -> tuple[tuple[str, ...], NDArray[np.int8]]:
    """Open every actor's wallets; the names of the kinds of account, and the kind of each account."""
    groups = ["house", "trader", "basis book", "hedge book"]
    group_of = np.zeros(first + len(population.cash_micros), np.int8)
    group_of[first:] = 1 + population.kind
    for place, actor in enumerate(crowd.actors):
        opening = actor.opening()
        if opening.count == 0:
            continue
        crowd.opened(place, _open_actor(engine, opening))
        if actor.group not in groups:
            groups.append(actor.group)
        group_of = np.concatenate([group_of, np.full(opening.count, groups.index(actor.group), np.int8)])
    return tuple(groups), group_of


def _endow_house(case: Case, rulebook: Rulebook, engine: Engine, start_ticks: NDArray[np.int64]) -> None:
    """The fund's money, the vault's capital, providers with their limits, daily volumes."""
    fund = _cash_only(round(case.house.fund_usd * MICROS))
    endow(engine.state, engine.fund_account(), fund)
    if rulebook.backstop.kind == "vault":
        capital = _cash_only(money(rulebook.backstop.capital_usd))
        endow(engine.state, HOUSE_VAULT, capital)
    if isinstance(engine.liquidate, SlicesStage):
        lot_micros = start_ticks * engine.state.instruments["unit"][: len(start_ticks)]
        turnover = np.array([row.turnover_usd for row in case.instruments]) * MICROS
        volumes = np.zeros(len(engine.state.instruments), np.int64)
        volumes[: len(start_ticks)] = np.floor(turnover / lot_micros).astype(np.int64)
        engine.liquidate.give_volumes(volumes)
        if case.house.provider_count:
            hour = money(rulebook.backstop.per_hour_usd)
            engine.liquidate.provide(engine.state, case.house.provider_count, hour)


def _listing(row: InstrumentRow, start_usd: float) -> Listing:
    """A case's instrument at its first outside price, to the nearest tick; CaseError for a tick above it."""
    if start_usd < float(row.tick_usd):
        wrong = f"instruments: {row.name}: tick_usd is {row.tick_usd:f}, above its first price, {start_usd:g}"
        raise CaseError(f"{wrong}; choose a smaller tick")
    ticks = max(1, round(start_usd / float(row.tick_usd)))
    return Listing(
        row.name,
        KINDS[row.kind],
        row.margin_class,
        row.tick_usd,
        row.lot,
        ticks * row.tick_usd,
        asset=row.coin if row.kind != "spot" else row.name,
    )


def _market(case: Case, engine: Engine) -> Market:
    rows, state, count = case.instruments, engine.state, len(case.instruments)
    spot = {row.coin: place for place, row in enumerate(rows) if row.kind == "spot" and row.name == row.coin}
    return Market(
        name=tuple(row.name for row in rows),
        perpetual=np.array([row.kind != "spot" for row in rows]),
        unit=state.instruments["unit"][:count].copy(),
        tick_usd=np.array([float(row.tick_usd) for row in rows]),
        maximum_ticks=state.instruments["maximum_ticks"][:count].copy(),
        open_interest_usd=np.array([row.open_interest_usd for row in rows]),
        turnover_usd=np.array([row.turnover_usd for row in rows]),
        volatility=np.array([row.volatility_bp * 1e-4 for row in rows]),
        spot=np.array([spot.get(row.coin, -1) if row.kind != "spot" else -1 for row in rows], np.int64),
    )


def _population(case: Case, rulebook: Rulebook, engine: Engine, seed: int) -> Population:
    rows, state, count = case.instruments, engine.state, len(case.instruments)
    offsets, ends, leverages = [0], [], []
    for row in rows:
        tiers = [] if row.kind == "spot" else rulebook.margin_class(row.margin_class).tiers()
        ends += [float(tier.floor_micros) for tier in tiers[1:]] + ([np.inf] if tiers else [])
        leverages += [1e6 / tier.initial_ppm for tier in tiers]
        offsets.append(len(ends))
    listing = PopulationListing(
        prices_ticks=state.markets["mark"][:count].copy(),
        unit_micros=state.instruments["unit"][:count].copy(),
        open_interest_micros=np.array([round(row.open_interest_usd * MICROS) for row in rows], np.int64),
        collateral_share=np.array([row.collateral_share for row in rows]),
        collateral_micros=np.array([round(row.collateral_usd * MICROS) for row in rows], np.int64),
        bracket_offsets=np.array(offsets, np.int64) if leverages else None,
        bracket_ends_micros=np.array(ends) if leverages else None,
        bracket_leverages=np.array(leverages) if leverages else None,
    )
    try:
        return drawn_once(listing, case.accounts, seed, case.crowd.population)
    except ValueError as error:
        raise CaseError(f"{case.name}: instruments: {error}") from None


def _given_population(path: Path, case: Case, engine: Engine) -> Population:
    rows, state, count = case.instruments, engine.state, len(case.instruments)
    listed = Listed(
        names=tuple(row.name for row in rows),
        spot=np.array([row.kind == "spot" for row in rows]),
        prices_ticks=state.markets["mark"][:count].copy(),
        unit_micros=state.instruments["unit"][:count].copy(),
        tick_usd=np.array([float(row.tick_usd) for row in rows]),
        lot_coins=np.array([float(row.lot) for row in rows]),
    )
    return read_population(path, listed, case.crowd.population)


def _open_population(engine: Engine, population: Population) -> int:
    """Open a wallet for every member of the population and give it what it holds."""
    first = engine.open(len(population.cash_micros))
    fallback = next(iter(engine.profiles.values()))
    numbers = [engine.profiles.get(PROFILES[MarginProfile(code)], fallback) for code in range(len(PROFILES))]
    accounts = engine.state.accounts[first : first + len(population.cash_micros)]
    accounts["profile"] = np.array(numbers, np.int8)[population.profile]
    held = population._fields[5:13]  # the columns of Holders
    columns = [np.ascontiguousarray(getattr(population, name), np.int64) for name in held]
    endow(engine.state, first, Holders(*columns))
    return first


def _open_actor(engine: Engine, opening: Opening) -> int:
    profile = opening.profile if opening.profile in engine.profiles else None
    first = engine.open(opening.count, profile=profile)
    held = len(opening.assets)
    assets = np.array([asset for asset, _lots in opening.assets], np.int64)
    lots = np.zeros((opening.count, held), np.int64)
    for column, (_asset, amounts) in enumerate(opening.assets):
        lots[:, column] = amounts
    holders = _cash_only(*opening.cash_micros.tolist())._replace(
        asset_offsets=np.arange(opening.count + 1, dtype=np.int64) * held,
        asset_instrument=np.tile(assets, opening.count),
        asset_lots=lots.reshape(-1),
    )
    endow(engine.state, first, holders)
    return first


def _cash_only(*cash_micros: int) -> Holders:
    none = np.zeros(0, np.int64)
    flat = np.zeros(len(cash_micros) + 1, np.int64)
    return Holders(np.array(cash_micros, np.int64), flat, none, none, none, flat, none, none)
