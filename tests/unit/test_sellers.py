"""Sellers who post: a thin ladder above the own price that follows it down, at a pace of its own."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from support.crowd_market import ADA, BTC, START_TICKS, ToldDesk, make_gauges, make_market, make_view, usd_of
from undertow.crowd.rules_actors import MakerRules
from undertow.crowd.rules_people import SellerRules
from undertow.crowd.sellers import Sellers
from undertow.venue.records import CommandKind

NEW, CANCEL_ALL = int(CommandKind.NEW), int(CommandKind.CANCEL_ALL)


def make_sellers(step_seconds: float = 1.0, **changes: object) -> Sellers:
    rules = SellerRules(**changes)
    sellers = Sellers(rules, MakerRules(), make_market(), make_gauges(step_seconds), ToldDesk(), 1)
    sellers.opened(100)
    return sellers


def act(sellers: Sellers, step: int, **changes: object) -> NDArray[np.void]:
    view = make_view(step, **changes)
    sellers.gauges.see(view)
    return sellers.act(view)


def test_the_ladder_is_the_sticky_share_of_calm_depth() -> None:
    rows = act(make_sellers(), 1)
    asks = rows[rows["kind"] == NEW]
    assert (asks["side"] == -1).all() and set(asks["instrument"].tolist()) == {BTC, ADA}
    calm = 0.0095 * make_market().turnover_usd * 4.0**0.7
    for coin in (BTC, ADA):
        assert usd_of(asks[asks["instrument"] == coin]).sum() == pytest.approx(0.08 * calm[coin], rel=0.01)


def test_asks_stand_within_reach_above_the_own_price_on_no_grid() -> None:
    rows = act(make_sellers(), 1)
    asks = rows[rows["kind"] == NEW]
    distance = asks["price"] / START_TICKS[asks["instrument"]] - 1.0
    assert distance.min() >= 0.002 and distance.max() <= 0.0402
    assert len(np.unique(np.round(distance, 6))) > 0.9 * len(distance)


def test_asks_follow_the_price_down() -> None:
    sellers = make_sellers()
    act(sellers, 1)
    rows = np.concatenate([act(sellers, step, price=0.7) for step in range(2, 60)])
    asks = rows[rows["kind"] == NEW]
    assert (asks["price"] < 0.75 * START_TICKS[asks["instrument"]]).all() and len(asks) > 0
    assert (rows["kind"] == CANCEL_ALL).any()


def test_what_is_sold_is_not_offered_again() -> None:
    """Half a ladder left to sell: that half is offered; nothing left: nothing."""
    sellers, market = make_sellers(stock_share=0.02), make_market()
    stock_usd = 0.02 * market.open_interest_usd[BTC] / 4
    ladder_usd = 0.08 * 0.0095 * market.turnover_usd[BTC] * 4.0**0.7 / 4
    lot_usd = market.unit[BTC] * START_TICKS[BTC] / 1e6
    sellers.desk.lots[100, BTC] = -round((stock_usd - ladder_usd / 2) / lot_usd)
    sellers.desk.lots[101, BTC] = -round(stock_usd / lot_usd) - 1
    rows = act(sellers, 1)
    asks = rows[(rows["kind"] == NEW) & (rows["instrument"] == BTC)]
    offered = [float(usd_of(asks[asks["account"] == account]).sum()) for account in range(100, 104)]
    assert offered == pytest.approx([ladder_usd / 2, 0.0, ladder_usd, ladder_usd], rel=0.01)


@pytest.mark.parametrize("step_seconds", [1.0, 4.0])
def test_more_arrive_while_the_price_falls(step_seconds: float) -> None:
    """A fall of a tenth stays in the minute's memory for a minute: 2 % of open interest join, once."""
    sellers, market = make_sellers(step_seconds), make_market()
    before = sellers.stock_usd.copy()
    act(sellers, 1, step_seconds=step_seconds)
    for step in range(2, 2 + round(180 / step_seconds)):
        act(sellers, step, price=0.9, step_seconds=step_seconds)
    arrived = 4 * float((sellers.stock_usd - before)[BTC]) / market.open_interest_usd[BTC]
    assert arrived == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize("step_seconds", [1.0, 4.0])
def test_turns_do_not_depend_on_the_step(step_seconds: float) -> None:
    sellers = make_sellers(step_seconds, turn_s=20.0)
    act(sellers, 1, step_seconds=step_seconds)
    steps = range(2, 2 + round(2_000 / step_seconds))
    rows = np.concatenate([act(sellers, step, step_seconds=step_seconds) for step in steps])
    turns = int((rows["kind"] == CANCEL_ALL).sum())
    expected = 8 * 2_000 / step_seconds * (1.0 - np.exp(-step_seconds / 20.0))
    assert turns == pytest.approx(expected, rel=0.12)


def test_failing_messages_leave_the_old_asks() -> None:
    sellers = make_sellers()
    assert len(act(sellers, 1, failure=1.0)) == 0 and sellers.attempts == 8
