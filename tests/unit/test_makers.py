"""Makers: the shape of their depth, what shrinks it, when they leave and how they come back.

Figures: the crowd's description 3.2 (forms and limits) and 3.1 (elasticity), modelling notes 4 and 7.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from numpy.typing import NDArray

from support.crowd_market import ADA, BTC, START_TICKS, ToldDesk, make_gauges, make_market, make_view, usd_of
from undertow.crowd.firms import draw_plan, firm_weights, spread_normals
from undertow.crowd.makers import MakerCause, Makers
from undertow.crowd.rules_actors import MakerRules
from undertow.venue.records import CommandKind

NEW, CANCEL_ALL, DEPOSIT = int(CommandKind.NEW), int(CommandKind.CANCEL_ALL), int(CommandKind.DEPOSIT)
FIRST = 100


def make_makers(seed: int = 1, step_seconds: float = 1.0, **changes: object) -> Makers:
    desk = ToldDesk()
    rules = MakerRules(**changes)
    makers = Makers(rules, make_market(), make_gauges(step_seconds), desk, seed)
    return desk.open(makers, FIRST)


def quotes(commands: NDArray[np.void], instrument: int, side: int) -> NDArray[np.void]:
    wanted = (commands["kind"] == NEW) & (commands["instrument"] == instrument) & (commands["side"] == side)
    return commands[wanted]


def depth_within(commands: NDArray[np.void], instrument: int, side: int, distance: float) -> float:
    rows = quotes(commands, instrument, side)
    near = np.abs(rows["price"] / START_TICKS[instrument] - 1.0) <= distance
    return float(usd_of(rows)[near].sum())


def hold(makers: Makers, firm: int, instrument: int, share: float) -> None:
    """Give a firm a position of so many inventory limits."""
    pair = np.flatnonzero((makers.plan.firm == firm) & (makers.plan.instrument == instrument))[0]
    lots = share * makers._limit_usd[pair] / makers._lot_usd()[pair]
    makers.desk.lots[(FIRST + firm, instrument)] = round(lots)


@pytest.mark.parametrize(("instrument", "side"), [(BTC, 1), (BTC, -1), (ADA, 1), (ADA, -1)])
def test_depth_grows_with_distance_to_the_power_of_seven_tenths(instrument: int, side: int) -> None:
    rules = MakerRules()
    crowds = [make_makers(seed).act(make_view(1)) for seed in range(1, 7)]
    one_percent = rules.depth_share * make_market().turnover_usd[instrument]
    # Beyond the furthest quote there is nothing: take distances inside.
    for distance in (0.01, 0.02, 0.03):
        expected = one_percent * (distance / 0.01) ** 0.7
        mean = np.mean([depth_within(commands, instrument, side, distance) for commands in crowds])
        assert mean == pytest.approx(expected, rel=0.15)


def test_five_largest_firms_hold_the_concentration() -> None:
    weights = firm_weights(12, 0.65)
    assert weights[:5].sum() == pytest.approx(0.65)
    assert (np.diff(weights) < 0.0).all()
    assert firm_weights(4, 0.65).tolist() == [0.25] * 4


@pytest.mark.parametrize("count", [1, 7, 12])
def test_normals_of_few_firms_hold_one_of_each_range(count: int) -> None:
    draws = spread_normals(3, "test", count, 2)
    ranks = np.array([[NormalDist().cdf(value) for value in row] for row in draws])
    expected = np.tile(np.arange(count), (2, 1)).T
    assert np.array_equal(np.sort(np.floor(ranks * count), axis=0), expected)


def test_quotes_share_no_grid() -> None:
    prices = quotes(make_makers().act(make_view(1)), BTC, 1)["price"]
    assert len(np.unique(prices)) > 0.9 * len(prices)


def test_large_coins_have_more_firms() -> None:
    plan = draw_plan(MakerRules(), make_market(), 1, 1.0)
    assert np.bincount(plan.instrument).tolist() == [12, 12, 4]
    assert np.bincount(plan.instrument, plan.depth_usd) == pytest.approx(
        MakerRules().depth_share * make_market().turnover_usd
    )


@pytest.mark.parametrize("share", [0.5, -0.5])
def test_inventory_moves_both_quotes_against_it_and_shrinks_its_side(share: float) -> None:
    flat, full = make_makers(), make_makers()
    hold(full, 0, BTC, share)
    targets = []
    for makers in (flat, full):
        view = make_view(1)
        makers.gauges.see(view)
        makers._look(view)
        makers.stock[:] = 1.0
        targets.append(makers._target(view, makers._alive(1.0)))
    pair = int(np.flatnonzero((flat.plan.firm == 0) & (flat.plan.instrument == BTC))[0])
    before, after = targets
    shift = after.reference[pair] / before.reference[pair] - 1.0
    assert shift == pytest.approx(-share * 7e-4, rel=0.05)  # one sigma a root minute at full inventory
    bids, asks = after.total_usd[pair] / before.total_usd[pair]
    assert (bids, asks) == pytest.approx((0.5, 1.0) if share > 0 else (1.0, 0.5), rel=0.01)


def test_size_falls_with_volatility_to_the_measured_power() -> None:
    makers = make_makers()
    view = make_view(1)
    makers.gauges.see(view)
    calm = makers._target(view, makers._alive(1.0)).total_usd.copy()
    makers.gauges.volatility[:] = 16.0
    wild = makers._target(view, makers._alive(1.0))
    assert wild.total_usd / calm == pytest.approx(np.full_like(calm, 16.0**-0.25))
    assert (wild.half_width > 1e-4 + 0.6 * 16 * 0.5e-4 * (0.25 / 60) ** 0.5 - 1e-9).all()


def test_limits_differ_so_a_gap_empties_the_book_firm_by_firm() -> None:
    out = []
    for gap in (0.0, 0.015, 0.02, 0.03, 0.08):
        makers = make_makers()
        makers.gauges.see(make_view(1))
        makers.gauges.gap[:] = -gap
        makers._trip(make_view(1))
        out.append(int((makers._alive(1.0) == 0.0)[makers.plan.instrument == BTC].sum()))
    assert out[0] == 0 and out[-1] == 12
    assert 0 < out[2] < out[3]
    assert out == sorted(out)


@pytest.mark.parametrize(("before", "out"), [(0.0, True), (-0.05, False), (-0.09, False)])
def test_only_a_gap_that_opens_keeps_firms_out(before: float, out: bool) -> None:
    makers = make_makers(trip_spread=0.0)
    makers.gauges.see(make_view(1))
    makers.gauges.gap[:] = -0.05
    makers.gauges.slow_gap[:] = before
    makers._trip(make_view(1))
    assert ((makers._alive(1.0) == 0.0) == out).all()


def test_a_tripped_firm_waits_then_returns_small_and_doubles() -> None:
    makers = make_makers(trip_spread=0.0)
    makers.gauges.see(make_view(1))
    makers.gauges.gap[BTC] = -0.03
    makers._trip(make_view(1))
    pairs = makers.plan.instrument == BTC
    assert (makers.cause[pairs] == MakerCause.GAP).all()
    makers.gauges.gap[:] = 0.0
    wait = makers.resume_s[pairs] - 1.0
    assert wait.min() >= 120.0 and wait.max() <= 360.0 and len(np.unique(wait)) == pairs.sum()
    back = makers.resume_s[pairs].max()
    assert (makers._alive(back)[pairs] >= 0.1).all()
    last = int(np.flatnonzero(pairs)[np.argmax(makers.resume_s[pairs])])
    sizes = [makers._alive(back + minutes * 60)[last] for minutes in (0, 6, 12, 60)]
    assert sizes == pytest.approx([0.1, 0.2, 0.4, 1.0])
    assert (makers._alive(1.0)[~pairs] == 1.0).all()


def test_the_cool_off_begins_anew_while_a_limit_is_passed_with_the_patience_of_the_trip() -> None:
    """However long a firm stays beyond its limit, it waits as long after that."""
    makers = make_makers(trip_spread=0.0)
    makers.gauges.see(make_view(1))
    pairs = makers.plan.instrument == BTC
    for step in range(1, 61):
        makers.gauges.gap[BTC], makers.gauges.slow_gap[BTC] = -0.03 - 0.002 * step, -0.002 * step
        makers._trip(make_view(step))
        if step == 1:
            first = makers.resume_s[pairs] - 1.0
    assert makers.resume_s[pairs] - 60.0 == pytest.approx(first)


def test_a_loss_stops_all_coins_of_the_firm() -> None:
    makers = make_makers(trip_spread=0.0)
    makers.desk.worth_usd[FIRST] *= 0.95
    makers.act(make_view(1))
    out = makers._alive(1.0) == 0.0
    assert (out == (makers.plan.firm == 0)).all()
    assert (makers.cause[out] == MakerCause.LOSS).all()


def test_a_failed_message_leaves_the_old_quotes() -> None:
    makers = make_makers()
    makers.act(make_view(1))
    before = makers.standing_usd.copy()
    assert len(makers.act(make_view(20, failure=1.0, outside=0.95))) == 0
    assert makers.attempts > 0
    assert (makers.standing_usd == before).all() and (makers.quoted[:, 1] == 1.0).all()


def test_refused_messages_drive_a_firm_out() -> None:
    makers = make_makers(trip_spread=0.0)
    for step in range(1, 30):
        makers.act(make_view(step, failure=0.9, outside=1.0 - 0.0005 * step))
    assert (makers._alive(30.0) == 0.0).any()
    assert (makers.cause[makers._alive(30.0) == 0.0] == MakerCause.REJECTION).any()


def test_a_firm_that_left_cancels_and_nothing_more() -> None:
    makers = make_makers(trip_spread=0.0)
    makers.act(make_view(1))
    makers.gauges.gap[:] = -0.2
    makers.gauges._seen[0] = 2
    commands = makers.act(make_view(2))
    assert (commands["kind"] == CANCEL_ALL).all() and len(commands) == len(makers.plan.firm)
    makers.gauges._seen[0] = 3
    assert len(makers.act(make_view(3))) == 0


@pytest.mark.parametrize("step_seconds", [1.0, 5.0])
def test_refill_does_not_depend_on_the_step(step_seconds: float) -> None:
    makers = make_makers(step_seconds=step_seconds)
    makers.act(make_view(1, step_seconds=step_seconds))
    makers.stock[:] = 0.2
    for step in range(2, 2 + round(20 / step_seconds)):
        makers._look(make_view(step, step_seconds=step_seconds))
    expected = 1.0 - 0.8 * np.exp(-0.10 * 20)
    assert makers.stock == pytest.approx(np.full_like(makers.stock, expected))


def test_a_fill_leaves_the_stock_and_the_standing_quotes() -> None:
    makers = make_makers()
    makers.act(make_view(1))
    pair = int(np.flatnonzero((makers.plan.firm == 0) & (makers.plan.instrument == BTC))[0])
    half = 0.5 * makers.standing_usd[pair, 0]
    makers.desk.lots[(FIRST, BTC)] = round(half / makers._lot_usd()[pair])
    before = makers.standing_usd[pair].copy()
    makers._look(make_view(2))
    assert makers.standing_usd[pair] == pytest.approx([before[0] - half, before[1]], rel=1e-3)
    assert makers.stock[pair] == pytest.approx([0.5 + 0.5 * (1 - np.exp(-0.1)), 1.0], rel=1e-3)


def test_removed_depth_and_quoted_depth_add_up_to_calm_depth() -> None:
    makers = make_makers()
    hold(makers, 0, BTC, 0.7)
    makers.gauges.see(make_view(1))
    makers.gauges.volatility[:] = 9.0
    makers.gauges.gap[ADA] = -0.04
    makers.act(make_view(1))
    target = makers._target(make_view(1), makers._alive(1.0))
    removed = makers.depth_removed() / 1e6
    for instrument in range(3):
        mine = makers.plan.instrument == instrument
        calm = 2.0 * makers.plan.reach_usd[mine].sum()
        assert removed[instrument].sum() + target.total_usd[mine].sum() == pytest.approx(calm)
    assert removed[BTC, MakerCause.VOLATILITY] > 0 and removed[BTC, MakerCause.INVENTORY] > 0
    assert removed[ADA, MakerCause.GAP] > 0 and removed[BTC, MakerCause.GAP] == 0


def test_capital_returns_only_through_transfers() -> None:
    makers = make_makers()
    makers.desk.worth_usd[FIRST] -= 1e6
    stalled = [makers.act(make_view(step, transfers=0.0)) for step in range(1, 61)]
    assert not any((commands["kind"] == DEPOSIT).any() for commands in stalled)
    working = np.concatenate([makers.act(make_view(step)) for step in range(61, 121)])
    paid = working[working["kind"] == DEPOSIT]
    assert paid["account"].tolist() == [FIRST]
    assert paid["size"][0] / 1e6 == pytest.approx(1e6 * (1 - np.exp(-0.05)), rel=1e-3)


def test_quotes_never_ask_for_more_than_the_room_left() -> None:
    makers = make_makers()
    for firm in range(12):
        hold(makers, firm, BTC, 0.97)
    makers.act(make_view(1))
    mine = makers.plan.instrument == BTC
    assert (makers.standing_usd[mine, 0] <= 0.031 * makers._limit_usd[mine]).all()


def test_the_same_seed_says_the_same_and_another_does_not() -> None:
    first, second, other = (make_makers(seed).act(make_view(1)) for seed in (1, 1, 2))
    assert first.tobytes() == second.tobytes()
    assert first.tobytes() != other.tobytes()


def test_an_inactive_actor_has_wallets_and_says_nothing() -> None:
    makers = make_makers(active=False)
    assert makers.opening().count == 12
    assert len(makers.act(make_view(1))) == 0 and makers.attempts == 0


def test_late_acknowledgements_make_firms_leave() -> None:
    """Two seconds over ten are the limit; 0.2 seconds are borne."""
    for latency_s, leaves in ((0.2, False), (6.0, True)):
        makers = make_makers(trip_spread=0.0)
        for step in range(1, 12):
            makers.act(make_view(step)._replace(latency_s=latency_s))
        out = makers._alive(11.0) == 0.0
        assert out.all() == leaves
        assert (makers.cause[out] == MakerCause.REJECTION).all()


@pytest.mark.parametrize("failure", [0.0, 1.0])
@pytest.mark.parametrize("step_seconds", [0.1, 0.2, 0.25, 1.0])
def test_a_quote_stands_a_second_however_short_a_step(step_seconds: float, failure: float) -> None:
    """So that it is as stale when somebody else looks; a refused one is tried no sooner again."""
    makers, gaps = make_makers(step_seconds=step_seconds), []
    for step in range(round(20 / step_seconds)):
        before = makers.tried_s.copy()
        view = make_view(step, price=1.0 + 0.0005 * step * step_seconds, step_seconds=step_seconds)
        makers.act(view._replace(failure=failure if step else 0.0))
        again = (makers.tried_s > before) & (before >= 0.0)
        gaps.append((makers.tried_s - before)[again])
    found = np.concatenate(gaps)
    assert len(found) > 5 * len(makers.tried_s)
    assert found.min() == pytest.approx(1.0)
