"""Noise: its turnover, its two sides, and orders that are small against what can be seen."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from support.crowd_market import ADA, BTC, START_TICKS, ToldDesk, make_gauges, make_market, make_view, usd_of
from undertow.crowd.noise import Noise
from undertow.crowd.rules_actors import NoiseRules

FIRST = 100
DAY_S = 86_400.0


def make_noise(
    seed: int = 1, step_seconds: float = 1.0, visible_usd: float = 1e12, **changes: object
) -> Noise:
    desk = ToldDesk(visible_usd=visible_usd)
    rules = NoiseRules(**changes)
    noise = Noise(rules, make_market(), make_gauges(step_seconds), desk, seed)
    return desk.open(noise, FIRST)


def spoken(noise: Noise, steps: int, **view: object) -> NDArray[np.void]:
    return np.concatenate([noise.act(make_view(step, **view)) for step in range(1, steps + 1)])


@pytest.mark.parametrize("step_seconds", [1.0, 5.0])
def test_turnover_is_the_noise_share_whatever_the_step(step_seconds: float) -> None:
    noise = make_noise(step_seconds=step_seconds)
    seconds = 3_000.0
    commands = spoken(noise, round(seconds / step_seconds), step_seconds=step_seconds)
    for instrument in (BTC, ADA):
        usd = usd_of(commands[commands["instrument"] == instrument]).sum()
        expected = 0.6 * make_market().turnover_usd[instrument] * seconds / DAY_S
        assert usd == pytest.approx(expected, rel=0.2)


@pytest.mark.parametrize("turnover_usd", [5e6, 20e6, 80e6])
def test_a_small_coin_trades_its_share_in_fewer_slices(turnover_usd: float) -> None:
    """A lot of the large coin is 117 dollars here: slices of one second would mean 9 to 140."""
    desk = ToldDesk(visible_usd=1e12)
    market = make_market()._replace(turnover_usd=np.full(3, turnover_usd))
    noise = desk.open(Noise(NoiseRules(), market, make_gauges(), desk, 1), FIRST)
    seconds = 3_000
    commands = spoken(noise, seconds)
    for instrument in (BTC, ADA):
        usd = usd_of(commands[commands["instrument"] == instrument])
        assert usd.sum() == pytest.approx(0.6 * turnover_usd * seconds / DAY_S, rel=0.35)
        assert len(usd) <= 4 * seconds and usd.min() >= 9.0


def test_both_sides_trade_and_sides_persist() -> None:
    commands = spoken(make_noise(books=1), 600)
    side = commands["side"][commands["instrument"] == BTC].astype(np.int64)
    assert 0.3 < (side > 0).mean() < 0.7
    kept = (side[1:] == side[:-1]).mean()
    assert kept == pytest.approx(1.0 - 0.5 * (1.0 - np.exp(-1.0 / 25.0)), abs=0.02)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_full_book_turns_back(sign: int) -> None:
    noise = make_noise()
    lot_usd = START_TICKS[BTC] * 100 / 1e6
    for place in np.flatnonzero(noise.instrument == BTC):
        noise.desk.lots[(FIRST + int(place), BTC)] = round(sign * noise._limit_usd[place] / lot_usd)
    commands = spoken(noise, 50)
    side = commands["side"][commands["instrument"] == BTC]
    assert (side == -sign).mean() > 0.9


def test_flow_grows_with_volatility_up_to_a_cap() -> None:
    totals = []
    for volatility in (1.0, 8.0, 1e6):
        noise = make_noise()
        noise.gauges.see(make_view(1))
        noise.gauges.volatility[:] = volatility
        totals.append(usd_of(noise.act(make_view(1))).sum())
    assert totals[1] / totals[0] == pytest.approx(8.0**1.4, rel=0.02)
    assert totals[2] / totals[0] == pytest.approx(60.0, rel=0.02)


def test_no_order_is_large_against_the_visible_depth_or_reaches_far() -> None:
    noise = make_noise(visible_usd=50_000.0)
    commands = spoken(noise, 100)
    assert usd_of(commands).max() <= 0.203 * 50_000.0
    reach = commands["price"] / START_TICKS[commands["instrument"]] - 1.0
    assert np.abs(reach).max() <= 0.0102
    assert len(np.unique(np.round(usd_of(commands), 2))) > 50


def test_nobody_to_trade_with_means_no_order() -> None:
    noise = make_noise()
    empty = np.zeros(3, np.int64)
    assert len(noise.act(make_view(1, bid_ticks=empty, ask_ticks=empty))) == 0


def test_failing_messages_are_tried_and_not_sent() -> None:
    noise = make_noise()
    assert len(noise.act(make_view(1, failure=1.0))) == 0 and noise.attempts == len(noise.accounts)


def test_spot_books_start_with_what_they_may_sell() -> None:
    noise = make_noise()
    opening = noise.opening()
    assert [instrument for instrument, _lots in opening.assets] == [2]
    lots = opening.assets[0][1]
    assert (lots[noise.instrument == 2] > 0).all() and (lots[noise.instrument != 2] == 0).all()


def test_in_half_steps_a_book_still_sends_one_slice_a_second() -> None:
    noise, whole = make_noise(step_seconds=0.5, size_spread=0.0), make_noise(size_spread=0.0)
    halves = [noise.act(make_view(step, step_seconds=0.5)) for step in (2, 3)]
    accounts = [set(half["account"].tolist()) for half in halves]
    assert accounts[0] and accounts[1] and not accounts[0] & accounts[1]
    second = usd_of(whole.act(make_view(1))).sum()
    assert sum(usd_of(half).sum() for half in halves) == pytest.approx(second, rel=0.05)


@pytest.mark.parametrize(("bid", "sells"), [(0.95, True), (0.85, False)])
def test_a_hole_is_no_price_to_sell_at(bid: float, sells: bool) -> None:
    """The last price stands, the best bid is far below it: nobody who need not sell takes it."""
    noise = make_noise()
    bids = np.floor(START_TICKS * bid).astype(np.int64)
    asks = np.ceil(START_TICKS * 1.01).astype(np.int64)
    commands = np.concatenate(
        [noise.act(make_view(step, bid_ticks=bids, ask_ticks=asks)) for step in range(1, 20)]
    )
    assert (commands["side"] < 0).any() == sells and (commands["side"] > 0).any()


@pytest.mark.parametrize(("ask", "buys"), [(1.01, True), (1.04, False)])
def test_nobody_pays_a_premium_for_what_is_sold_elsewhere(ask: float, buys: bool) -> None:
    noise = make_noise()
    bids = np.floor(START_TICKS * 0.99).astype(np.int64)
    asks = np.ceil(START_TICKS * ask).astype(np.int64)
    commands = np.concatenate(
        [noise.act(make_view(step, bid_ticks=bids, ask_ticks=asks)) for step in range(1, 20)]
    )
    assert (commands["side"] > 0).any() == buys and (commands["side"] < 0).any()
