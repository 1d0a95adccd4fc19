"""Firms between two venues: both legs or none, each within its own equity, and money that takes its time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from support.crowd_market import ADA, BTC, START_TICKS, ToldDesk, make_gauges, make_market, make_view
from undertow.crowd.between import Between
from undertow.crowd.rules_between import BetweenRules
from undertow.venue.records import RESULT, CommandKind, TimeInForce

FIRST = 100
NEW, DEPOSIT, WITHDRAW = (int(kind) for kind in (CommandKind.NEW, CommandKind.DEPOSIT, CommandKind.WITHDRAW))
LOT_USD = START_TICKS * make_market().unit / 1e6
EQUITY = 25e6


class Pair:
    """Two equal venues with six firms, and desks that answer as told."""

    def __init__(self, **changes: Any) -> None:
        plain = {"first_usd": 150e6, "second_usd": 100e6, "edge_spread": 0.0, "edge_sigmas": 0.0}
        self.between = Between(BetweenRules(**{**plain, **changes}), 1)
        self.desks = [ToldDesk(), ToldDesk()]
        for desk in self.desks:
            desk.usual_value_usd = (EQUITY, 0.0, 0.0)
            told: Any = desk
            desk.open(self.between.leg(make_market(), make_gauges(), told, np.full(3, 5e-4)), FIRST)

    def hold(self, side: int, lots: int, instrument: int = BTC, gross: float | None = None) -> None:
        """Give the first firm a position, and the gross notional that goes with it."""
        desk = self.desks[side]
        desk.lots[(FIRST, instrument)] = lots
        usd = abs(lots) * LOT_USD[instrument] if gross is None else gross
        desk.value_usd[FIRST] = (EQUITY, 0.0, usd)

    def said(
        self, step: int = 1, first: Any = 1.0, second: Any = 1.0, **sky: float
    ) -> list[NDArray[np.void]]:
        """What both legs say when the two venues stand at these multiples of the start."""
        views = make_view(step, price=first, **sky), make_view(step, price=second)
        self.between.look(views)
        return [leg.act(view) for leg, view in zip(self.between.legs, views, strict=True)]


def orders(commands: NDArray[np.void], instrument: int = BTC) -> NDArray[np.void]:
    return commands[(commands["kind"] == NEW) & (commands["instrument"] == instrument)]


def test_a_gap_within_fees_and_edge_is_left_alone() -> None:
    # Four fees of 5 bp and twice an edge of 2 bp: 24 bp.
    assert all(len(said) == 0 for said in Pair().said(first=1.0, second=1.002))


def test_both_legs_are_as_large_as_the_thinner_book_allows() -> None:
    pair = Pair()
    pair.desks[0].visible_usd = 40_000.0
    legs = [orders(said) for said in pair.said(first=1.0, second=1.004)]
    assert legs[0]["size"].tolist() == legs[1]["size"].tolist()
    share = BetweenRules().visible_share
    assert legs[0]["size"] * LOT_USD[BTC] == pytest.approx(40_000.0 * share, rel=0.01)


@pytest.mark.parametrize(("first", "second", "side"), [(1.0, 1.004, 1), (1.004, 1.0, -1)])
def test_a_wide_gap_is_bought_where_it_is_cheap_and_sold_where_it_is_dear(
    first: float, second: float, side: int
) -> None:
    legs = [orders(said) for said in Pair().said(first=first, second=second)]
    for rows, way in zip(legs, (side, -side), strict=True):
        assert len(rows) == 6 and (rows["side"] == way).all()
        assert (rows["time_in_force"] == int(TimeInForce.IMMEDIATE_OR_CANCEL)).all()
    assert legs[0]["size"].tolist() == legs[1]["size"].tolist()
    cheap, dear = legs[::side]
    assert dear["price"][0] / cheap["price"][0] == pytest.approx(1.0 + 24e-4, abs=3e-5)


def test_spot_assets_and_unlisted_contracts_are_not_traded() -> None:
    said = Pair().said(second=[1.01, 1.01, 1.5])
    assert {int(instrument) for leg in said for instrument in leg["instrument"]} == {BTC, ADA}


def test_each_venue_has_its_own_margin() -> None:
    """What is held against each other nets nowhere: a firm that is full on one side opens no more."""
    pair = Pair()
    full = round(5.0 * EQUITY / LOT_USD[BTC])
    pair.hold(0, full)
    pair.hold(1, -full)
    free = [set(orders(said)["account"].tolist()) for said in pair.said(second=1.02)]
    assert free == [set(range(FIRST + 1, FIRST + 6))] * 2


def test_both_legs_are_closed_when_the_gap_is_gone() -> None:
    pair = Pair()
    pair.hold(0, 10_000)
    pair.hold(1, -10_000)
    first, second = (orders(said) for said in pair.said())
    assert (first["side"].tolist(), second["side"].tolist()) == ([-1], [1])
    assert first["size"][0] == second["size"][0] == 2_000  # a fifth a second


def test_a_leg_that_stands_alone_is_closed_where_it_stands() -> None:
    pair = Pair()
    pair.hold(1, -500)
    first, second = pair.said(second=1.02)
    assert FIRST not in orders(first)["account"]
    row = orders(second)[orders(second)["account"] == FIRST][0]
    assert (row["side"], row["size"]) == (1, 500)


def test_equity_lost_on_one_venue_shrinks_both_legs() -> None:
    pair = Pair()
    pair.hold(0, 10_000)
    pair.hold(1, -10_000, gross=5.0 * EQUITY / 0.9)
    first, second = pair.said(first=0.99)  # closing costs a per cent, but a tenth must go
    assert orders(first)["size"].tolist()[:1] == orders(second)["size"].tolist()[:1] == [1_000]


def test_a_lost_message_leaves_one_leg() -> None:
    first, second = Pair().said(second=1.01, failure=1.0)
    assert len(orders(first)) == 0 and len(orders(second)) == 6


def money_of(said: NDArray[np.void], kind: int) -> list[int]:
    return [int(size) for size in said["size"][said["kind"] == kind]]


def test_money_is_withdrawn_then_on_its_way_then_there() -> None:
    pair = Pair(transfer_s=90.0)
    pair.desks[1].usual_value_usd = (5e6, 0.0, 0.0)
    first, _ = pair.said(step=60)  # the minute of the first firm
    sent = money_of(first, WITHDRAW)
    lack = 30e6 * 0.4 - 5e6
    assert sent == [pytest.approx(lack * -np.expm1(-0.05) * 1e6, rel=1e-6)]
    results = np.zeros(len(first), RESULT)
    pair.between.heard(0, first, results)
    pair.desks[1].usual_value_usd = (EQUITY, 0.0, 0.0)
    arrived = {step: money_of(pair.said(step=step)[1], DEPOSIT) for step in range(61, 155)}
    assert {step: money for step, money in arrived.items() if money} == {150: sent}


def test_a_refused_withdrawal_sends_nothing() -> None:
    pair = Pair()
    pair.desks[1].usual_value_usd = (5e6, 0.0, 0.0)
    first, _ = pair.said(step=60)
    results = np.zeros(len(first), RESULT)
    results["code"] = 1
    pair.between.heard(0, first, results)
    assert not pair.between.transit.any()


@pytest.mark.parametrize("sky", [{"transfers": 0.0}, {"failure": 1.0}])
def test_the_first_venues_weather_holds_money_up(sky: dict[str, float]) -> None:
    pair = Pair()
    pair.desks[0].usual_value_usd = (5e6, 0.0, 0.0)  # it would come from the second venue
    assert money_of(pair.said(step=60)[1], WITHDRAW)
    assert not money_of(pair.said(step=120, **sky)[1], WITHDRAW)


def test_firms_that_never_act_say_nothing() -> None:
    assert all(len(said) == 0 for said in Pair(active=False).said(second=1.05))
