"""Makers' hedges: which side stops when one is cut, how it comes back, how slowly it is built again.

Figures: the crowd's description, section 3.2 (`trip_adl`, `rebuild`).
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from support.crowd_market import BTC, START_TICKS, ToldDesk, make_gauges, make_market, make_view, usd_of
from undertow.crowd.hedges import ASKS, BIDS, NO_HEDGE, Hedges
from undertow.crowd.makers import MakerCause, Makers
from undertow.crowd.population import Population, generate_population
from undertow.crowd.rules import Listing, PopulationRules
from undertow.crowd.rules_actors import MakerRules
from undertow.crowd.rules_hedges import HedgeRules
from undertow.venue.records import CommandKind

FIRST, MAKERS = 100, 5_000


@pytest.fixture(scope="module")
def population() -> Population:
    market = make_market()
    interest = np.where(market.perpetual, market.open_interest_usd * 1e6, 0.0).astype(np.int64)
    listing = Listing(START_TICKS.astype(np.int64), market.unit, interest, np.zeros(3))
    return generate_population(listing, 500, 1, PopulationRules())


def make_both(population: Population, step_seconds: float = 1.0, **changes: object) -> Makers:
    """Makers with their hedges, each firm's limit at exactly a tenth."""
    desk, market = ToldDesk(), make_market()
    makers = Makers(MakerRules(), market, make_gauges(step_seconds), desk, 1)
    rules = HedgeRules(**{"trip_spread": 0.0, **changes})
    makers.hedges = Hedges(rules, makers.rules, makers.plan, market, desk, 1, population, FIRST)
    cut(makers.hedges, 0.0)
    made: Makers = desk.open(makers, MAKERS)
    return made


def hedges_of(makers: Makers) -> Hedges:
    assert makers.hedges is not None
    return makers.hedges


def cut(hedges: Hedges, share: float) -> None:
    """Take a share of what every book held at the start."""
    for account, coin, lots in zip(hedges.account, hedges.instrument, hedges.start, strict=True):
        hedges.desk.lots[(int(account), int(coin))] = round(int(lots) * (1.0 - share))


def act(makers: Makers, step: int, **changes: object) -> NDArray[np.void]:
    view = make_view(step, **changes)
    rebuilt = hedges_of(makers).act(view)
    makers.act(view)
    return rebuilt


def test_every_pair_of_a_contract_is_tied_to_a_book(population: Population) -> None:
    hedges = hedges_of(make_both(population))
    perpetual = make_market().perpetual[hedges.plan.instrument]
    assert (hedges.position[perpetual] >= 0).all() and (hedges.position[~perpetual] == NO_HEDGE).all()


def test_a_short_that_is_cut_stops_bids_and_a_long_one_asks(population: Population) -> None:
    makers = make_both(population)
    hedges = hedges_of(makers)
    act(makers, 1)
    assert (hedges.quoted(1.0) == 1.0).all()
    cut(hedges, 0.15)
    act(makers, 2)
    tied = hedges.position >= 0
    short = tied & (hedges.start[hedges.position] < 0)
    long = tied & ~short
    quoted = hedges.quoted(2.0)
    assert short.any() and long.any()
    assert (quoted[short, BIDS] == 0.0).all() and (quoted[short, ASKS] == 1.0).all()
    assert (quoted[long, ASKS] == 0.0).all() and (quoted[long, BIDS] == 1.0).all()
    assert (quoted[~tied] == 1.0).all()


def test_a_deep_cut_stops_both_sides_and_a_small_one_none(population: Population) -> None:
    for share, stopped in ((0.25, True), (0.09, False)):
        makers = make_both(population)
        cut(hedges_of(makers), share)
        act(makers, 1)
        tied = hedges_of(makers).position >= 0
        assert (hedges_of(makers).quoted(1.0)[tied] == 0.0).all() == stopped


def test_a_cut_is_reacted_to_once_and_the_size_comes_back(population: Population) -> None:
    makers = make_both(population)
    hedges = hedges_of(makers)
    cut(hedges, 0.3)
    act(makers, 1)
    until = hedges.resume_s.copy()
    act(makers, 5)
    assert (hedges.resume_s == until).all()
    tied = hedges.position >= 0
    back = hedges.quoted(float(until.max()))[tied]
    assert (back > 0.0).all() and (back < 0.2).all()
    assert (hedges.quoted(float(until.max()) + 4 * 360.0)[tied] == 1.0).all()


def test_the_report_of_depth_names_the_hedge(population: Population) -> None:
    makers = make_both(population)
    cut(hedges_of(makers), 0.3)
    act(makers, 1)
    removed = makers.depth_removed()
    assert removed[BTC, MakerCause.HEDGE] > 0.9 * makers.calm_depth()[BTC]
    assert removed[BTC].sum() == pytest.approx(makers.calm_depth()[BTC], rel=1e-6)


@pytest.mark.parametrize("step_seconds", [1.0, 5.0])
def test_two_hundredths_of_a_cut_are_built_again_in_five_minutes(
    population: Population, step_seconds: float
) -> None:
    makers = make_both(population, step_seconds)
    hedges = hedges_of(makers)
    cut(hedges, 0.5)
    orders = [
        hedges.act(make_view(step, step_seconds=step_seconds))
        for step in range(1, 1 + round(300 / step_seconds))
    ]
    rows = np.concatenate(orders)
    assert (rows["kind"] == int(CommandKind.NEW)).all()
    in_btc = hedges.instrument == BTC
    missing = usd_of(rows[rows["instrument"] == BTC]).sum()
    lost = np.abs(hedges.start[in_btc]).sum() * 0.5 * START_TICKS[BTC] * make_market().unit[BTC] / 1e6
    assert missing / lost == pytest.approx(0.02, rel=0.02)
    for account, side in zip(rows["account"], rows["side"], strict=True):
        own = hedges.start[(hedges.account == account)]
        assert side in np.sign(own)


def test_a_book_that_is_gone_sends_nothing_and_nobody_acts_when_off(population: Population) -> None:
    makers = make_both(population)
    hedges = hedges_of(makers)
    cut(hedges, 1.0)
    for account in set(hedges.account.tolist()):
        hedges.desk.value_usd[account] = (0.0, 0.0, 0.0)
    assert sum(len(hedges.act(make_view(step))) for step in range(1, 12)) == 0
    off = make_both(population, active=False)
    cut(hedges_of(off), 1.0)
    assert len(act(off, 1)) == 0 and (hedges_of(off).quoted(1.0) == 1.0).all()
