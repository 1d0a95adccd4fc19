"""Patient money: a ladder on no grid, placed once, and hunters who post below the outside price.

Figures: the crowd's description 5 (dip) and 8 (empty book), modelling notes 4, 5 and 7.2.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from support.crowd_market import (
    ADA,
    BTC,
    START_TICKS,
    USDE,
    ToldDesk,
    make_gauges,
    make_market,
    make_view,
    usd_of,
)
from undertow.crowd.ladder import contract_distance, spot_distance
from undertow.crowd.patient import Patient
from undertow.crowd.rules_actors import PatientRules, RestingBid

FIRST = 100


def make_patient(seed: int = 1, step_seconds: float = 1.0, **changes: object) -> Patient:
    desk = ToldDesk()
    described = {"dip_usd_per_minute": 7e6, "patient_usd": 40e6, "dip_capital_usd": 1.5e9}
    rules = PatientRules(**{**described, **changes})
    patient = Patient(rules, make_market(), make_gauges(step_seconds), desk, seed)
    return desk.open(patient, FIRST)


def far(commands: NDArray[np.void], instrument: int, side: int) -> NDArray[np.void]:
    return commands[(commands["instrument"] == instrument) & (commands["side"] == side)]


@pytest.mark.parametrize("instrument", [BTC, ADA])
def test_the_ladder_holds_its_share_of_open_interest(instrument: int) -> None:
    commands = make_patient().act(make_view(1))
    interest = make_market().open_interest_usd[instrument]
    assert usd_of(far(commands, instrument, 1)).sum() == pytest.approx(0.10 * interest, rel=0.01)
    assert usd_of(far(commands, instrument, -1)).sum() == pytest.approx(0.02 * interest, rel=0.01)


def test_a_thin_ladder_has_fewer_levels_not_less_money() -> None:
    """Spot bids of a small asset: 160 levels of a few dollars each would all be below the least order."""
    market = make_market()._replace(turnover_usd=np.array([28.6e9, 0.85e9, 2e6]))
    patient = Patient(PatientRules(), market, make_gauges(), ToldDesk(), 1)
    mine = (patient._far_instrument == USDE) & (patient._far_side > 0)
    usd = (patient._far_lots * patient._far_price * market.unit[USDE] / 1e6)[mine]
    whole = 3e-5 * 2e6 * (0.95 / 0.10) ** 0.62
    assert usd.sum() == pytest.approx(whole, rel=0.15) and 0 < len(usd) < 20
    assert usd.min() >= 9.0


def test_hunters_of_a_small_coin_post_what_a_minute_brings() -> None:
    """An order of 2,000 dollars would wait a quarter of an hour for its money."""
    patient = make_patient(dip_usd_per_minute=300.0, patient_usd=0.0, fall_weight=0.0)
    patient.placed[0] = True
    rows = np.concatenate([patient.act(make_view(step, price=0.9)) for step in range(1, 601)])
    usd = usd_of(rows[rows["instrument"] == BTC])
    assert len(usd) >= 9 and usd.sum() == pytest.approx(300.0 * 28.6 / 29.45 * 10, rel=0.35)


def test_half_of_the_bids_are_met_by_the_median_fall_and_the_last_by_the_deepest() -> None:
    bids = far(make_patient().act(make_view(1)), BTC, 1)
    fall = 1.0 - bids["price"] / START_TICKS[BTC]
    assert np.median(fall) == pytest.approx(0.25, abs=0.02)
    assert 0.9 < fall.max() <= 0.9501
    assert (fall > 0.0).all()


def test_levels_stand_on_no_grid_and_differ_between_coins_and_seeds() -> None:
    bids = [far(make_patient(seed).act(make_view(1)), coin, 1) for seed in (1, 2) for coin in (BTC, ADA)]
    falls = [np.sort(rows["price"] / START_TICKS[rows["instrument"]]) for rows in bids]
    for number, one in enumerate(falls):
        steps = np.diff(one)
        assert len(np.unique(np.round(steps, 7))) > 0.8 * len(steps)
        for other in falls[number + 1 :]:
            assert len(np.intersect1d(np.round(one, 7), np.round(other, 7))) < 5


def test_spot_bids_follow_the_recorded_shape() -> None:
    """Cumulative depth of the recorded sweep: 2,062 within 10 %, 6,627 within 30 %: an exponent near 0.62."""
    rules = PatientRules()
    distance = spot_distance(rules, np.linspace(0.0005, 0.9995, 1_000))
    fall = -np.expm1(-distance)
    share = (fall <= 0.10).mean() / (fall <= 0.30).mean()
    assert share == pytest.approx((0.1 / 0.3) ** 0.62, abs=0.01)


def test_distances_rise_with_the_share_met() -> None:
    shares = np.linspace(0.0, 1.0, 101)
    for law in (contract_distance, spot_distance):
        assert (np.diff(law(PatientRules(), shares)) >= 0.0).all()


def test_a_known_bid_rests_at_its_price_with_its_size() -> None:
    bid = RestingBid(instrument="USDE", price_usd=0.9, notional_usd=20e6)
    patient = make_patient(resting_bids=(bid,))
    rows = far(patient.act(make_view(1)), USDE, 1)
    at_price = rows[rows["price"] == 9_000]
    assert usd_of(at_price).sum() == pytest.approx(20e6, rel=1e-6)


def test_a_known_bid_in_nothing_listed_is_refused() -> None:
    bid = RestingBid(instrument="USDT", price_usd=0.9, notional_usd=20e6)
    with pytest.raises(ValueError, match="'USDT' is not listed; one of BTC-PERP, ADA-PERP, USDE"):
        make_patient(resting_bids=(bid,))


def test_the_ladder_is_placed_once_and_can_be_paid() -> None:
    patient = make_patient()
    first = patient.act(make_view(1))
    assert len(first) > 300
    assert all(len(patient.act(make_view(step))) == 0 for step in range(2, 70))
    cash = patient.opening().cash_micros / 1e6
    spent = np.bincount(first["account"] - FIRST, usd_of(first) * (first["side"] > 0), len(cash))
    assert (spent <= cash).all()


def test_hunters_post_below_the_outside_price_and_their_pace_grows_with_the_discount() -> None:
    totals = []
    for discount in (0.05, 0.10):
        patient = make_patient()
        patient.placed[0] = True
        views = [make_view(step, price=1.0 - discount) for step in range(1, 601)]
        rows = np.concatenate([patient.act(view) for view in views])
        assert (rows["side"] == 1).all()
        assert (rows["price"] < START_TICKS[rows["instrument"]]).all()
        lifting = rows["price"] >= views[0].ask_ticks[rows["instrument"]]
        assert 0.1 < lifting.mean() < 0.9
        totals.append([usd_of(far(rows, coin, 1)).sum() for coin in (BTC, USDE)])
    contract, spot = np.array(totals[1]) / np.array(totals[0])
    # The square of the discount; in contracts the fall itself counts a quarter, in proportion:
    # (1 + 0.25) / (0.25 + 0.125).
    assert contract == pytest.approx(1.25 / 0.375, rel=0.15)
    assert spot == pytest.approx(4.0, rel=0.15)


@pytest.mark.parametrize("step_seconds", [1.0, 5.0])
def test_the_pace_does_not_depend_on_the_step(step_seconds: float) -> None:
    patient = make_patient(step_seconds=step_seconds, fall_weight=0.0)
    patient.placed[0] = True
    steps = range(1, 1 + round(600 / step_seconds))
    rows = np.concatenate([patient.act(make_view(s, price=0.9, step_seconds=step_seconds)) for s in steps])
    usd = usd_of(rows[rows["instrument"] < USDE]).sum() + patient.budget_usd[:USDE].sum()
    assert usd == pytest.approx(7e6 * 10, rel=0.05)


def test_an_empty_ask_side_lets_hunters_bid_up() -> None:
    patient = make_patient()
    patient.placed[0] = True
    view = make_view(1, price=0.7)
    none = np.zeros(3, np.int64)
    rows = np.concatenate([patient.act(view._replace(step=s, ask_ticks=none)) for s in range(1, 200)])
    assert (rows["price"] > 0.7 * START_TICKS[rows["instrument"]]).any()


def test_taken_bids_come_back_at_their_rate_below_the_market() -> None:
    patient = make_patient(dip_usd_per_minute=0.0, patient_usd=0.0)
    patient.placed[0] = True
    patient.desk.lots[(FIRST, BTC)] = 1_000_000
    rows = np.concatenate([patient.act(make_view(step)) for step in range(1, 61)])
    assert set(rows["instrument"].tolist()) == {BTC}
    assert usd_of(rows).sum() == pytest.approx(1_000_000 * 116.9 * (1 - np.exp(-0.01)), rel=0.01)
    assert (rows["price"] < START_TICKS[BTC]).all()


def test_failing_messages_keep_the_budget() -> None:
    patient = make_patient()
    patient.placed[0] = True
    rows = [patient.act(make_view(step, price=0.9, failure=0.7)) for step in range(1, 100)]
    assert sum(map(len, rows)) == 0 and patient.budget_usd.sum() > 1e6
