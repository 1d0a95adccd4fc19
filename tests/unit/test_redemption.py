"""Redemption: who buys below par, what leaves the venue and when, and how fast it is redeemed.

Figures: the crowd's description 4 (2 M a block of 12 s, 0.15 B able and willing, nothing in the stall).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from support.crowd_market import BTC, START_TICKS, USDE, ToldDesk, make_gauges, make_market, make_view, usd_of
from undertow.crowd.redemption import Redemption, redemption
from undertow.crowd.rules_actors import RedeemableAsset, RedemptionRules
from undertow.venue.records import CommandKind

FIRST = 100
LOT_USD = 0.1


def make_firms(worth_usd: float = 3.75e6, **changes: Any) -> Redemption:
    """Four firms with 15 of 150 million on the venue; keys of the asset and of the rules may be changed."""
    of_asset = {key: changes.pop(key) for key in list(changes) if key in RedeemableAsset.model_fields}
    asset = {"instrument": "USDE", "capital_usd": 0.15e9, "block_usd": 2e6, **of_asset}
    rules = RedemptionRules(assets=(RedeemableAsset(**asset),), **changes)
    desk = ToldDesk(worth_usd=worth_usd)
    firms = redemption(rules, make_market(), make_gauges(), desk, 1)[0]
    desk.open(firms, FIRST)
    desk.worth_usd.clear()
    return firms


def below(step: int, price: float, **changes: Any) -> Any:
    return make_view(step, price=[1.0, 1.0, price], **changes)


def test_a_tenth_of_the_capital_is_on_the_venue_and_the_rest_outside() -> None:
    firms = make_firms()
    assert firms.opening().cash_micros.sum() / 1e6 == pytest.approx(15e6)
    assert firms.outside_usd.sum() == pytest.approx(135e6)


def test_they_buy_what_is_offered_below_par_less_the_band() -> None:
    firms = make_firms(look_s=1.0)
    assert len(firms.act(below(1, 0.998))) == 0
    rows = firms.act(below(2, 0.95))
    assert (rows["instrument"] == USDE).all() and (rows["side"] == 1).all() and len(rows) == 4
    assert (rows["price"] == 9970).all()  # up to par less the band
    assert usd_of(rows).sum() == pytest.approx(0.02 * 15e6, rel=0.01)


def test_an_empty_book_is_bid_for_a_tick_better() -> None:
    firms = make_firms(look_s=1.0)
    view = below(1, 0.95)
    view.ask_ticks[USDE] = 0
    assert (firms.act(view)["price"] == view.bid_ticks[USDE] + 1).all()


@pytest.mark.parametrize(("far", "price"), [(6_486, 9_501), (8_600, 8_601), (0, 9_501)])
def test_a_bid_betters_the_last_price_where_the_best_bid_is_a_hole(far: int, price: int) -> None:
    """A far order a third below the last price is no rival of firms that redeem at par; one near it is."""
    firms = make_firms(look_s=1.0)
    view = below(1, 0.95)
    view.ask_ticks[USDE], view.bid_ticks[USDE] = 0, far
    assert (firms.act(view)["price"] == price).all()


def test_a_bid_is_replaced_not_added_to() -> None:
    firms = make_firms(look_s=1.0)
    firms.act(below(1, 0.95))
    kinds = firms.act(below(2, 0.95))["kind"].tolist()
    assert kinds.count(int(CommandKind.CANCEL_ALL)) == 4 and kinds.count(int(CommandKind.NEW)) == 4


def carried(firms: Redemption, seconds: int, transfers: float, code: int = 0) -> float:
    """Lots that leave the venue in a stretch of time at par, ten million lots held by each firm."""
    for place in range(4):
        firms.desk.lots[(FIRST + place, USDE)] = 10_000_000
    out = 0
    for step in range(1, seconds + 1):
        rows = firms.act(make_view(step, transfers=transfers))
        results = np.zeros(len(rows), [("code", np.int64)])
        results["code"] = code
        firms.heard(rows, results)
        out += int(rows["size"][rows["kind"] == int(CommandKind.WITHDRAW_ASSET)].sum())
    return out


def test_what_the_venue_keeps_is_not_redeemed() -> None:
    firms = make_firms(block_usd=1.0)
    assert carried(firms, 60, 1.0, code=13) > 0
    assert firms.waiting_lots.sum() == 0.0


def test_assets_leave_at_a_rate_and_not_at_all_in_a_stall() -> None:
    firms = make_firms(block_usd=1.0)
    lots = carried(firms, 60, 1.0)
    assert lots == pytest.approx(40_000_000 * -np.expm1(-0.05), abs=4)
    assert firms.waiting_lots.sum() == pytest.approx(lots, abs=5 / LOT_USD)
    assert carried(make_firms(), 300, 0.5) == 0


def test_money_comes_in_while_the_wallet_sends_and_there_is_something_to_buy() -> None:
    for transfers, moved, price in ((1.0, 1.0, 0.9), (0.95, 0.95, 0.9), (0.5, 0.0, 0.9), (1.0, 0.0, 1.0)):
        firms = make_firms()
        came = 0
        for step in range(1, 61):
            rows = firms.act(below(step, price, transfers=transfers))
            came += int(rows["size"][rows["kind"] == int(CommandKind.DEPOSIT)].sum())
        expected = 135e6 * -np.expm1(-0.05) * moved
        assert came / 1e6 == pytest.approx(expected, rel=1e-6)
        assert firms.outside_usd.sum() == pytest.approx(135e6 - expected, rel=1e-6)


@pytest.mark.parametrize("step_seconds", [1.0, 3.0])
def test_a_block_redeems_so_much_and_no_more(step_seconds: float) -> None:
    """2 M every 12 s: 10 M in a minute, whatever waits."""
    firms = make_firms(move_per_minute=0.0)
    firms.waiting_lots[:] = 1e9 / 4
    for step in range(1, round(60 / step_seconds) + 1):
        firms.act(make_view(step, step_seconds=step_seconds))
    redeemed_usd = (1e9 - firms.waiting_lots.sum()) * LOT_USD
    assert redeemed_usd == pytest.approx(10e6, rel=1e-6)
    assert firms.outside_usd.sum() + firms.coming_usd.sum() == pytest.approx(145e6, rel=1e-6)


@pytest.mark.parametrize(("delay_s", "back"), [(0.0, True), (120.0, True), (5 * 86_400.0, False)])
def test_money_returns_after_the_delay(delay_s: float, back: bool) -> None:
    firms = make_firms(move_per_minute=0.0, delay_s=delay_s)
    firms.waiting_lots[:] = 1_000.0
    arrived = []
    for step in range(1, 301):
        firms.act(make_view(step))
        arrived.append(float(firms.outside_usd.sum()))
    assert firms.waiting_lots.sum() == 0.0
    gains = np.flatnonzero(np.diff(arrived))
    assert (len(gains) == 1) == back
    if back:
        assert delay_s - 60.0 <= gains[0] <= delay_s + 60.0


def test_failing_messages_buy_nothing_and_nothing_moves_when_switched_off() -> None:
    assert len(make_firms(look_s=1.0).act(below(1, 0.9, failure=1.0))) == 0
    assert len(make_firms(look_s=1.0, active=False).act(below(1, 0.9))) == 0


def test_an_asset_that_is_not_spot_is_refused() -> None:
    assert START_TICKS[BTC] > 0
    with pytest.raises(ValueError, match="'BTC-PERP' is no spot asset; one of USDE"):
        make_firms(instrument="BTC-PERP")
