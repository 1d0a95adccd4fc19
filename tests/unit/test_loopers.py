"""Loopers: what they own and owe, at which price they die, and who sells before.

Figures: the crowd's description 2.2 (liquidation prices are arithmetic) and 2.3.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from support.crowd_market import ADA, START_TICKS, USDE, ToldDesk, make_gauges, make_market, make_view, usd_of
from undertow.crowd.loopers import Loopers, all_loopers, carry_points
from undertow.crowd.rules_actors import LoopedAsset, LooperRules
from undertow.crowd.view import View

FIRST = 100


def make_loopers(step_seconds: float = 1.0, interest: float = 7.0, **changes: Any) -> list[Loopers]:
    """Loopers of USDE by every product; keys of the asset and of the rules may be changed."""
    of_asset = {key: changes.pop(key) for key in list(changes) if key in LoopedAsset.model_fields}
    asset = LoopedAsset(**{"instrument": "USDE", "loops_usd": 0.9e9, "holders_usd": 1.0e9, **of_asset})
    rules = LooperRules(**{"assets": (asset,), "accounts": 200, **changes})
    market = make_market()._replace(perpetual=np.array([True, False, False]))
    desk = ToldDesk()
    found = all_loopers(rules, interest, market, make_gauges(step_seconds), desk, 1)
    for number, loopers in enumerate(found):
        desk.open(loopers, FIRST + 1_000 * number)
    return found


def see(loopers: Loopers, view: View) -> View:
    loopers.gauges._seen[0] = -1
    loopers.gauges.see(view)
    return view


def test_each_product_holds_its_share_of_the_assets() -> None:
    worth = []
    for loopers in make_loopers():
        lots = loopers.opening().assets[0][1]
        worth.append(float(lots.sum()) * START_TICKS[USDE] * 10 / 1e6)
    assert worth == pytest.approx([0.45 * 0.9e9, 0.35 * 0.9e9, 0.2 * 0.9e9, 1.0e9], rel=1e-5)


def test_debt_is_what_the_multiple_says_and_holders_owe_nothing() -> None:
    margin, loan, vip, holder = (loopers.opening() for loopers in make_loopers())
    for opening, largest in ((margin, 5.0), (loan, 3.5), (vip, 3.5)):
        worth = opening.assets[0][1] * START_TICKS[USDE] * 10
        multiple = worth / (worth + opening.cash_micros)
        assert multiple.max() <= largest + 1e-6
        assert np.median(multiple) == pytest.approx(largest * np.exp(-0.15 * 0.6745), rel=0.02)
    assert (holder.cash_micros == 0).all()
    assert (margin.profile, loan.profile, vip.profile) == ("spot-margin", "loan", "vip-loan")
    assert holder.profile == "single"


def test_a_full_loop_of_five_dies_at_eighty_eight_cents() -> None:
    """p* = (m - 1) / m x 1.10 for margin; 3.5 times at 91 % loan to value: 0.785."""
    margin, loan = (loopers.opening() for loopers in make_loopers(multiple_spread=0.0)[:2])
    for opening, level, expected in ((margin, 1.10, 0.880), (loan, 1 / 0.91, 0.785)):
        debt_per_unit = -opening.cash_micros / (opening.assets[0][1] * START_TICKS[USDE] * 10)
        assert debt_per_unit * level == pytest.approx(np.full(200, expected), abs=0.001)


def test_the_largest_hold_most() -> None:
    lots = np.sort(make_loopers()[0].opening().assets[0][1])[::-1]
    assert lots[:20].sum() > 0.35 * lots.sum()


def test_loops_leave_by_rule_below_the_exit_price_only() -> None:
    margin = make_loopers(accounts=1_000)[0]
    for price, expected in ((0.99, 0.0), (0.98, 0.3)):
        for step in range(1, 601):
            margin._decide(see(margin, make_view(step, price=[1.0, 1.0, price])))
        assert margin.leaving.mean() == pytest.approx(expected, abs=0.05)


def test_who_would_lose_too_much_by_leaving_waits() -> None:
    """At 0.97 a loop of 3.5 gives up a tenth of its equity and one of 5 gives up 15 per cent."""
    margin, loan = make_loopers(multiple_spread=0.0, exit_loss=0.11)[:2]
    hazards = [each._hazards(see(each, make_view(1, price=[1.0, 1.0, 0.97]))) for each in (margin, loan)]
    assert not hazards[0].any() and hazards[1].all()


def test_holders_sell_with_a_hazard_per_point_up_to_a_cap() -> None:
    holder = make_loopers(holder_per_minute=0.002)[3]
    hazards = [
        float(holder._hazards(see(holder, make_view(1, price=[1.0, 1.0, price])))[0])
        for price in (1.01, 0.95, 0.5)
    ]
    assert hazards == pytest.approx([0.0, 0.01, 0.05])


@pytest.mark.parametrize(
    ("interest", "margin", "loan"),
    [(7.0, 5.0, 3.5), (11.0, 5.0, 1.0), (11.3, 1.0, 1.0), (14.0, 1.0, 1.0)],
)
def test_who_loops_is_a_matter_of_yield_against_rate(interest: float, margin: float, loan: float) -> None:
    """12 m - rate (m - 1) - 12 > 3: at 11 % a loop of 5 still carries 4 points, one of 3.5 only 2.5."""
    made = make_loopers(interest=interest, multiple_spread=0.0, rate_spread=0.0)
    assert [float(each.multiple[0]) for each in made] == pytest.approx([margin, loan, loan, 1.0])
    assert carry_points(np.array([5.0]), 12.0, np.array([7.0]))[0] == pytest.approx(20.0)


def test_who_does_not_loop_holds_his_own_money_and_owes_nothing() -> None:
    looped, held = (
        make_loopers(interest=rate, multiple_spread=0.0, rate_spread=0.0)[0] for rate in (7.0, 14.0)
    )
    full, own = looped.opening(), held.opening()
    assert (own.cash_micros == 0).all() and (full.cash_micros < 0).all()
    assert own.assets[0][1] * 5 == pytest.approx(full.assets[0][1], abs=5)


def test_loops_leave_when_the_carry_turns_negative() -> None:
    """The campaign ends a minute in and 7 % a year remains, less than what is paid on the debt."""
    margin = make_loopers(interest=8.0, rate_spread=0.0, change_s=60.0, changed_percent=7.0)[0]
    before, after = (margin._hazards(see(margin, make_view(step))) for step in (59, 60))
    assert not before.any() and after.all()


def test_a_debt_in_the_asset_it_is_staked_from_is_bought_back_after_the_sale() -> None:
    staked = make_loopers(debt="ADA-PERP", multiple_spread=0.0)[0]
    opening = staked.opening()
    (_, owned), (instrument, owed) = opening.assets
    assert instrument == ADA and (opening.cash_micros == 0).all()
    owed_usd = -owed * START_TICKS[ADA] * make_market().unit[ADA] / 1e6
    assert owed_usd == pytest.approx(owned * START_TICKS[USDE] * 10 / 1e6 * 0.8, abs=1.0)
    staked.leaving[0] = True
    assert staked.act(make_view(1))["side"].tolist() == [-1]
    staked.desk.lots[(FIRST, USDE)] = 0
    rows = staked.act(make_view(2))
    assert (rows["side"].tolist(), rows["instrument"].tolist()) == ([1], [ADA])
    staked.desk.lots[(FIRST, ADA)] = 0
    assert len(staked.act(make_view(3))) == 0 and not staked.leaving.any()


def test_who_leaves_sells_little_at_a_time_and_is_done_when_empty() -> None:
    margin = make_loopers()[0]
    margin.desk.visible_usd = 1_000.0
    margin.leaving[:5] = True
    rows = margin.act(make_view(1))
    assert (rows["side"] == -1).all() and 0 < usd_of(rows).sum() <= 250.0
    for place in range(5):
        margin.desk.lots[(FIRST + place, USDE)] = 0
    assert len(margin.act(make_view(2))) == 0 and not margin.leaving.any()


def test_failing_messages_wait() -> None:
    margin = make_loopers()[0]
    margin.leaving[:5] = True
    assert len(margin.act(make_view(1, failure=1.0))) == 0 and margin.leaving.sum() == 5


def test_an_asset_that_is_not_spot_is_refused() -> None:
    with pytest.raises(ValueError, match="'BTC-PERP' is no spot asset; one of ADA-PERP, USDE"):
        make_loopers(instrument="BTC-PERP")
