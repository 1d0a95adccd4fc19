"""Loopers: what they own and owe, at which price they die, and who sells before.

Figures: the crowd's description 2.2 (liquidation prices are arithmetic) and 2.3.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from support.crowd_market import START_TICKS, USDE, ToldDesk, make_gauges, make_market, make_view, usd_of
from undertow.crowd.loopers import Loopers, all_loopers
from undertow.crowd.rules_actors import LoopedAsset, LooperRules

FIRST = 100


def make_loopers(step_seconds: float = 1.0, **changes: Any) -> list[Loopers]:
    asset = LoopedAsset(instrument="USDE", loops_usd=0.9e9, holders_usd=1.0e9)
    rules = LooperRules(**{"assets": (asset,), "accounts": 200, **changes})
    desk = ToldDesk()
    found = all_loopers(rules, make_market(), make_gauges(step_seconds), desk, 1)
    for number, loopers in enumerate(found):
        desk.open(loopers, FIRST + 1_000 * number)
    return found


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
            view = make_view(step, price=[1.0, 1.0, price])
            margin.gauges._seen[0] = -1
            margin.gauges.see(view)
            margin._decide(view)
        assert margin.leaving.mean() == pytest.approx(expected, abs=0.05)


def test_holders_sell_with_a_hazard_per_point_up_to_a_cap() -> None:
    holder = make_loopers()[3]
    hazards = []
    for price in (1.01, 0.95, 0.5):
        holder.gauges._seen[0] = -1
        view = make_view(1, price=[1.0, 1.0, price])
        holder.gauges.see(view)
        hazards.append(holder._hazard(view))
    assert hazards == pytest.approx([0.0, 0.01, 0.05])


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
    with pytest.raises(ValueError, match="'ADA-PERP' is no spot asset; one of USDE"):
        make_loopers(assets=(LoopedAsset(instrument="ADA-PERP", loops_usd=1e6),))
