"""People with coins and no debt: how many sell, when, and never twice.

Figures: crowd description 5, `panic`: 0.15 % of holdings per ten per cent of fall in half an hour. The asset
of the test market plays ADA's spot book.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from support.crowd_market import START_TICKS, USDE, ToldDesk, make_gauges, make_market, make_view, usd_of
from undertow.crowd.holders import Holders
from undertow.crowd.rules_people import HolderRules
from undertow.venue.records import TimeInForce

COIN = USDE


def make_open(step_seconds: float = 1.0, **changes: object) -> Holders:
    """Holders whose desk knows what they hold."""
    market, desk = make_market()._replace(spot=np.array([-1, COIN, -1])), ToldDesk()
    holders = Holders(HolderRules(**changes), market, make_gauges(step_seconds), desk, 1)
    opened: Holders = desk.open(holders)
    return opened


def sold(
    holders: Holders,
    price: float | list[float],
    seconds: int,
    step_seconds: float = 1.0,
    fills: bool = True,
    first: int = 1,
) -> NDArray[np.void]:
    """Everything they send while the price stands there; what they send is sold, if `fills`."""
    rows = []
    for step in range(first, first + round(seconds / step_seconds)):
        sent = holders.act(make_view(step, price=price, step_seconds=step_seconds))
        for row in sent if fills else []:
            holders.desk.lots[(int(row["account"]), int(row["instrument"]))] -= int(row["size"])
        rows.append(sent)
    return np.concatenate(rows)


def share_of_holdings(rows: NDArray[np.void]) -> float:
    market = make_market()
    usd = float((rows["size"] * START_TICKS[COIN] * market.unit[COIN] / 1e6).sum())
    return usd / (HolderRules().holdings_days * float(market.turnover_usd[COIN]))


def test_a_quiet_price_sells_nothing() -> None:
    assert len(sold(make_open(), 1.0, 120)) == 0


@pytest.mark.parametrize("step_seconds", [1.0, 5.0])
def test_ten_per_cent_of_fall_sell_the_share(step_seconds: float) -> None:
    """0.15 % of what is held, within some minutes, at any length of step; and not once more."""
    holders = make_open(step_seconds)
    rows = sold(holders, 0.9, 900, step_seconds)
    assert share_of_holdings(rows) == pytest.approx(0.0015, rel=0.03)
    assert (rows["side"] == -1).all() and set(rows["instrument"].tolist()) == {COIN}
    assert (rows["time_in_force"] == int(TimeInForce.IMMEDIATE_OR_CANCEL)).all()


@pytest.mark.parametrize("step_seconds", [0.5, 1.0, 5.0])
def test_the_pace_does_not_depend_on_the_step(step_seconds: float) -> None:
    """Decided in the first ten seconds, of which 1 - exp(-60 / 60) is sold a minute later."""
    holders = make_open(step_seconds, accounts=64)
    first = sold(holders, 0.9, 70, step_seconds)
    assert share_of_holdings(first) / 0.0015 == pytest.approx(1.0 - np.exp(-1.0), abs=0.06)


def test_who_sold_in_a_fall_does_not_sell_again_in_the_same() -> None:
    """Down by a tenth, up, and down as far: little of the old fall is forgotten, none sold twice."""
    holders = make_open()
    sold(holders, 0.9, 600)
    sold(holders, 1.0, 120, first=601)
    again = share_of_holdings(sold(holders, 0.9, 600, first=721))
    assert again < 0.15 * 0.0015
    deeper = share_of_holdings(sold(holders, 0.8, 900, first=1321))
    assert deeper == pytest.approx(0.0015, rel=0.1)


def test_a_print_of_one_second_frightens_few() -> None:
    """One trade at 0.4 and back: a tenth of what a fall to 0.4 would sell, at most."""
    holders = make_open()
    sold(holders, 1.0, 60)
    sold(holders, 0.4, 1, first=61)
    assert share_of_holdings(sold(holders, 1.0, 900, first=62)) <= 0.1 * 6 * 0.0015


def test_memory_restores_what_was_decided() -> None:
    one, other = make_open(), make_open()
    sold(one, 0.85, 30)
    for name, array in one.gauges.memory().items():
        other.gauges.memory()[name][...] = array
    for name, array in one.memory().items():
        other.memory()[name][...] = array
    other.desk.lots.update(one.desk.lots)
    going_on = [sold(holders, 0.85, 120, first=31) for holders in (one, other)]
    assert len(going_on[0]) > 0 and going_on[0].tobytes() == going_on[1].tobytes()


def test_the_fall_of_the_contract_alone_sells_the_coin() -> None:
    """The contract falls by 20 %, the coin stands: twice the share is sold."""
    rows = sold(make_open(), [1.0, 0.8, 1.0], 900)
    assert share_of_holdings(rows) == pytest.approx(0.003, rel=0.03)


def test_what_finds_no_bid_is_offered_again_and_never_more_than_decided() -> None:
    holders = make_open()
    unsold = sold(holders, 0.9, 300, fills=False)
    assert share_of_holdings(unsold) > 0.0015
    assert share_of_holdings(sold(holders, 0.9, 900, first=301)) == pytest.approx(0.0015, rel=0.03)


def test_orders_reach_a_collar_through_the_bid() -> None:
    rows = sold(make_open(collar=0.03), 0.9, 60)
    bid = round(0.9 * START_TICKS[COIN]) - 1
    assert (rows["price"] == int(np.floor(bid * 0.97))).all()
    assert usd_of(rows).min() > 0.0


def test_in_an_empty_book_nobody_sells() -> None:
    holders = make_open()
    bids = np.zeros(3, np.int64)
    assert len(holders.act(make_view(1, price=0.5, bid_ticks=bids))) == 0


def test_messages_that_fail_sell_nothing_and_switched_off_they_hold() -> None:
    holders = make_open()
    assert all(len(holders.act(make_view(step, price=0.8, failure=1.0))) == 0 for step in range(1, 40))
    assert len(sold(make_open(active=False), 0.5, 60)) == 0


def test_a_venue_without_spot_books_has_no_holders_who_sell() -> None:
    desk = ToldDesk()
    holders = desk.open(Holders(HolderRules(), make_market(), make_gauges(), desk, 1))
    assert len(sold(holders, 0.5, 30)) == 0


@pytest.mark.parametrize(("bid", "sells"), [(0.79, True), (0.70, False)])
def test_nobody_who_need_not_sell_takes_a_bid_far_below_the_price(bid: float, sells: bool) -> None:
    """The price is 0.8 and people want to sell; a bid a tenth below it is left alone."""
    holders = make_open()
    sold(holders, 0.8, 60, fills=False)
    bids = np.floor(START_TICKS * bid).astype(np.int64)
    prices = np.floor(START_TICKS * 0.8).astype(np.int64)
    rows = [
        holders.act(make_view(step, price=0.8, bid_ticks=bids, last_ticks=prices)) for step in range(61, 90)
    ]
    assert any(len(row) for row in rows) == sells
