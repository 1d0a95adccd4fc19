"""Hedged shorts: bids below the outside price, at a pace that grows with the discount.

Figures: the crowd's description, sections 1.6 and 4.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from support.crowd_market import ADA, BTC, START_TICKS, USDE, ToldDesk, make_gauges, make_market, make_view
from undertow.crowd.basis import BasisBooks
from undertow.crowd.population import Population, generate_population
from undertow.crowd.rules import Holder, Listing, PopulationRules
from undertow.crowd.rules_actors import BasisRules
from undertow.venue.records import CommandKind, OrderFlag

NEW, CANCEL_ALL = int(CommandKind.NEW), int(CommandKind.CANCEL_ALL)
FIRST = 100


@pytest.fixture(scope="module")
def population() -> Population:
    market = make_market()
    interest = np.where(market.perpetual, market.open_interest_usd * 1e6, 0.0).astype(np.int64)
    listing = Listing(START_TICKS.astype(np.int64), market.unit, interest, np.zeros(3))
    return generate_population(listing, 500, 1, PopulationRules())


def make_basis(population: Population, step_seconds: float = 1.0, **changes: object) -> BasisBooks:
    desk = ToldDesk()
    plain = {
        "band_spread": 0.0,
        "close_per_minute": 0.02,
        "most_per_minute": 0.10,
        "largest_most_per_minute": 0.10,
    }
    rules = BasisRules(**{**plain, **changes})
    books = BasisBooks(rules, make_market(), make_gauges(step_seconds), desk, 1, population, FIRST)
    owner = np.repeat(np.arange(len(population.kind)), np.diff(population.position_offsets))
    for row in np.flatnonzero(population.kind[owner] == int(Holder.BASIS_BOOK)):
        place = (FIRST + int(owner[row]), int(population.position_instrument[row]))
        desk.lots[place] = int(population.position_lots[row])
    assert (
        len(books.act(make_view(0))) == 0
    )  # in the first step they bring coins: this market has no spot book
    return books


def spoken(books: BasisBooks, price: float, seconds: int, step_seconds: float = 1.0) -> NDArray[np.void]:
    steps = range(1, 1 + round(seconds / step_seconds))
    return np.concatenate([books.act(make_view(s, price=price, step_seconds=step_seconds)) for s in steps])


def test_inside_the_band_they_hold_on(population: Population) -> None:
    assert len(spoken(make_basis(population), 0.997, 10)) == 0


def test_bids_stand_at_the_band_and_only_reduce(population: Population) -> None:
    rows = spoken(make_basis(population), 0.98, 5)
    assert (rows["kind"] == NEW).all() and set(rows["instrument"].tolist()) == {BTC, ADA}
    assert (rows["side"] == 1).all() and (rows["flags"] == int(OrderFlag.REDUCE_ONLY)).all()
    assert rows["price"] / START_TICKS[rows["instrument"]] == pytest.approx(0.996, abs=1e-4)


@pytest.mark.parametrize("step_seconds", [1.0, 5.0])
@pytest.mark.parametrize(("price", "a_minute"), [(0.976, 0.04), (0.5, 0.10)])
def test_the_pace_grows_with_the_discount_up_to_its_limit(
    population: Population, step_seconds: float, price: float, a_minute: float
) -> None:
    """Two points beyond a band of 0.4: 2 x 2 % a minute; half price: the limit."""
    books = make_basis(population, step_seconds)
    rows = spoken(books, price, 60, step_seconds)
    asked = int(rows["size"][(rows["kind"] == NEW) & (rows["instrument"] == BTC)].sum())
    short = -sum(lots for (_account, coin), lots in books.desk.lots.items() if coin == BTC)
    assert asked / short == pytest.approx(a_minute, rel=0.06)


def test_bids_are_withdrawn_when_the_discount_is_gone(population: Population) -> None:
    books = make_basis(population)
    first = spoken(books, 0.9, 5)
    gone = np.concatenate([books.act(make_view(step)) for step in range(6, 11)])
    assert (gone["kind"] == CANCEL_ALL).all() and len(gone) == len(first)


def test_failing_messages_leave_what_rests(population: Population) -> None:
    books = make_basis(population)
    spoken(books, 0.9, 5)
    before = books.resting.copy()
    rows = np.concatenate([books.act(make_view(step, price=0.9, failure=1.0)) for step in range(6, 11)])
    assert len(rows) == 0 and (books.resting == before).all() and before.any()


def test_coins_of_shorts_that_are_gone_are_sold_here(population: Population) -> None:
    """A market where the second coin has a spot book: 30 % of the hedge is here, and goes with the short."""
    market = make_market()._replace(spot=np.array([-1, USDE, -1]))
    desk = ToldDesk()
    books = BasisBooks(BasisRules(coins_here=0.3), market, make_gauges(), desk, 1, population, FIRST)
    brought = books.act(make_view(0))
    assert (brought["kind"] == int(CommandKind.DEPOSIT_ASSET)).all()
    assert set(brought["instrument"].tolist()) == {USDE}
    usd = float((brought["size"] * START_TICKS[USDE] * market.unit[USDE] / 1e6).sum())
    owner = np.repeat(np.arange(len(population.kind)), np.diff(population.position_offsets))
    mine = (population.kind[owner] == int(Holder.BASIS_BOOK)) & (population.position_instrument == ADA)
    short_usd = -float((population.position_lots[mine] * START_TICKS[ADA] * market.unit[ADA] / 1e6).sum())
    assert usd == pytest.approx(0.3 * short_usd, rel=1e-3)
    for row in np.flatnonzero(mine):
        desk.lots[(FIRST + int(owner[row]), ADA)] = int(population.position_lots[row]) // 2
    for row in brought:
        desk.lots[(int(row["account"]), USDE)] = int(row["size"])
    sold = np.concatenate([books.act(make_view(step)) for step in range(1, 6)])
    sold = sold[sold["instrument"] == USDE]
    assert (sold["side"] == -1).all()
    assert int(sold["size"].sum()) == pytest.approx(int(brought["size"].sum()) / 2, rel=1e-3)


def test_switched_off_they_hold_on(population: Population) -> None:
    assert len(spoken(make_basis(population, active=False), 0.9, 5)) == 0
