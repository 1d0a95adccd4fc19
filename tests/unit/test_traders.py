"""Traders: stops, profit bids, closing beyond the calm rate, margin added once, orders the book can take.

Figures: the crowd's description 2.3 and 5; modelling notes 7.5.
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
from undertow import streams
from undertow.crowd.population import Population
from undertow.crowd.rules import Holder
from undertow.crowd.rules_actors import TraderRules
from undertow.crowd.traders import Traders
from undertow.crowd.triggers import Triggers
from undertow.venue.records import CommandKind, OrderFlag

FIRST = 1_000
ACCOUNTS = 400
LONG_LOTS, SHORT_LOTS, ASSET_LOTS = 10, -20, 5_000
NEW, CANCEL_ALL, DEPOSIT = int(CommandKind.NEW), int(CommandKind.CANCEL_ALL), int(CommandKind.DEPOSIT)


def make_population() -> Population:
    """Even accounts long in BTC, odd ones short in ADA, every tenth with USDE; one book at the end."""
    count = ACCOUNTS + 1
    ids = np.arange(count)
    holders = ids[:ACCOUNTS:10]
    return Population(
        equity_micros=np.full(count, 1_000_000_000, np.int64),
        leverage=np.full(count, 5.0),
        profile=np.zeros(count, np.int8),
        kind=np.where(ids < ACCOUNTS, int(Holder.TRADER), int(Holder.BASIS_BOOK)).astype(np.int8),
        members=np.ones(count, np.int64),
        cash_micros=np.full(count, 1_000_000_000, np.int64),
        position_offsets=np.arange(count + 1, dtype=np.int64),
        position_instrument=np.where(ids % 2 == 0, BTC, ADA).astype(np.int16),
        position_lots=np.where(ids % 2 == 0, LONG_LOTS, SHORT_LOTS).astype(np.int64),
        position_entry_ticks=START_TICKS[np.where(ids % 2 == 0, BTC, ADA)],
        collateral_offsets=np.searchsorted(holders, np.arange(count + 1)).astype(np.int64),
        collateral_instrument=np.full(len(holders), USDE, np.int16),
        collateral_lots=np.full(len(holders), ASSET_LOTS, np.int64),
        median_equity_usd=1_000.0,
        tail_accounts=1,
    )


def make_traders(
    step_seconds: float = 1.0, population: Population | None = None, **changes: object
) -> Traders:
    desk, population = ToldDesk(), population or make_population()
    for account in range(ACCOUNTS + 1):
        instrument = int(population.position_instrument[account])
        desk.lots[(FIRST + account, instrument)] = int(population.position_lots[account])
        if account % 10 == 0:
            desk.lots[(FIRST + account, USDE)] = ASSET_LOTS
    desk.usual_value_usd = (1_000.0, 50.0, 5_000.0)
    described = {"people_per_second": 3_300.0, "message_weight": 0.012}
    rules, gauges = TraderRules(**{**described, **changes}), make_gauges(step_seconds)
    return Traders(rules, make_market(), gauges, desk, 1, population, FIRST)


def leave(traders: Traders, rows: NDArray[np.int64]) -> None:
    """Let these positions be closed from now on."""
    traders.exits.join(rows, streams.uniform(1, "test", 0, rows))


def spoken(traders: Traders, steps: range, **view: object) -> NDArray[np.void]:
    return np.concatenate([traders.act(make_view(step, **view)) for step in steps])


def quiet(**changes: object) -> dict[str, object]:
    """Rules under which nobody does anything, but for what is given."""
    none: dict[str, object] = {
        "stop_share": 0.0,
        "take_profit_share": 0.0,
        "close_per_minute": 0.0,
        "panic_per_minute": 0.0,
        "profit_per_minute": 0.0,
        "top_up_share": 0.0,
        "holder_per_minute": 0.0,
    }
    return none | changes


def test_in_calm_hours_nobody_leaves() -> None:
    traders = make_traders(take_profit_share=0.0, top_up_share=0.0)
    assert len(spoken(traders, range(1, 200))) == 0


def test_profit_bids_of_shorts_rest_once_below_the_market() -> None:
    traders = make_traders(**quiet(take_profit_share=0.2))
    rows = traders.act(make_view(1))
    assert len(rows) == pytest.approx(0.2 * ACCOUNTS / 2, rel=0.4)
    assert (rows["side"] == 1).all() and (rows["instrument"] == ADA).all()
    assert (rows["flags"] == int(OrderFlag.REDUCE_ONLY)).all() and (rows["size"] == -SHORT_LOTS).all()
    distance = 1.0 - rows["price"] / START_TICKS[ADA]
    assert np.median(distance) == pytest.approx(0.08, rel=0.3)  # the two largest coins
    assert len(traders.act(make_view(2))) == 0


def test_stops_of_longs_fire_once_in_the_step_the_mark_reaches_them() -> None:
    traders = make_traders(**quiet(stop_share=1.0, people_per_second=1_000.0))
    assert len(spoken(traders, range(1, 20))) == 0
    rows = traders.act(make_view(20, price=0.95))
    assert len(rows) == pytest.approx(ACCOUNTS / 4, rel=0.25)  # the median stop is five per cent away
    assert (rows["side"] == -1).all() and (rows["flags"] == int(OrderFlag.REDUCE_ONLY)).all()
    traders.exits.drawn(1e9)  # nobody waits any more
    assert len(traders.act(make_view(21, price=0.96))) == 0
    assert len(traders.act(make_view(22, price=0.90))) > 0


def test_triggers_of_one_coin_leave_those_of_another() -> None:
    ticks, coin = np.array([90, 80, 95, 0]), np.array([0, 0, 1, 1])
    triggers = Triggers(ticks, coin, make_market())
    assert len(triggers.fired(np.array([100, 100, 1]))) == 0
    assert triggers.fired(np.array([90, 100, 1])).tolist() == [0]
    assert len(triggers.fired(np.array([91, 96, 1]))) == 0
    assert triggers.fired(np.array([10, 95, 1])).tolist() == [1, 2]


def test_closing_rises_as_the_margin_call_comes_near() -> None:
    totals = []
    for equity in (1_000.0, 600.0, 200.0):
        traders = make_traders(**quiet(close_per_minute=0.03))
        traders.act(make_view(1))
        traders.desk.usual_value_usd = (equity, 50.0, 5_000.0)
        spoken(traders, range(2, 122))
        totals.append(len(traders.exits))
    assert totals[0] == 0 < totals[1] < totals[2]
    # D falls from 4.75 to 0.75 daily sigmas (4 % for BTC): for two minutes 3 % x (exp(-0.6) - exp(-3.8)).
    longs = 0.5 * ACCOUNTS * (1.0 - np.exp(-2 * 0.03 * (np.exp(-0.6) - np.exp(-3.8))))
    shorts = 0.5 * ACCOUNTS * (1.0 - np.exp(-2 * 0.03 * (np.exp(-0.6 * 7 / 9) - np.exp(-3.8 * 7 / 9))))
    assert totals[2] == pytest.approx(longs + shorts, abs=4 * (longs + shorts) ** 0.5)


@pytest.mark.parametrize("step_seconds", [1.0, 5.0])
def test_chances_do_not_depend_on_the_step(step_seconds: float) -> None:
    traders = make_traders(step_seconds, **quiet(close_per_minute=0.5))
    traders.act(make_view(1, step_seconds=step_seconds))
    traders.desk.usual_value_usd = (50.0, 50.0, 5_000.0)
    steps = range(2, 2 + round(60 / step_seconds))
    for step in steps:
        view = make_view(step, step_seconds=step_seconds)
        traders.gauges.see(view)
        traders._decide(view)
    share = traders.exits.queued.mean()
    assert share == pytest.approx(1.0 - np.exp(-0.5), abs=0.08)


def test_after_a_fall_longs_panic_and_shorts_take_profit() -> None:
    traders = make_traders(**quiet(panic_per_minute=0.2, profit_per_minute=0.1))
    traders.act(make_view(1))
    for step in range(2, 32):
        view = make_view(step, price=0.9)
        traders.gauges.see(view)
        traders._decide(view)
    longs = traders._row_lots > 0
    assert traders.exits.queued[longs].mean() == pytest.approx(1 - np.exp(-0.5 * 0.2), abs=0.05)
    assert traders.exits.queued[~longs].mean() == pytest.approx(1 - np.exp(-0.5 * 0.1), abs=0.04)


def test_who_leaves_takes_no_more_than_a_share_of_what_is_visible() -> None:
    traders = make_traders(**quiet())
    traders.act(make_view(1))
    traders.desk.visible_usd = 10_000.0
    leave(traders, np.flatnonzero(traders._row_lots > 0))
    rows = traders.act(make_view(2))
    assert 0 < usd_of(rows).sum() <= 2_500.0
    assert (rows["price"] == round((START_TICKS[BTC] - 1) * 0.97)).all()  # the collar


def test_a_bound_short_frees_its_bid_before_it_leaves() -> None:
    traders = make_traders(**quiet(take_profit_share=1.0, people_per_second=1_000.0))
    traders.act(make_view(1))
    short = 1
    leave(traders, np.array([short]))
    rows = traders.act(make_view(2))
    assert rows["kind"].tolist() == [CANCEL_ALL, NEW] and rows["account"].tolist() == [FIRST + short] * 2
    assert rows["side"][1] == 1 and rows["size"][1] == -SHORT_LOTS
    assert traders.act(make_view(3))["kind"].tolist() == [NEW]
    traders.desk.lots[(FIRST + short, ADA)] = 0
    assert len(traders.act(make_view(4))) == 0 and len(traders.exits) == 0


def test_margin_is_added_once_when_short_and_transfers_work() -> None:
    def deposited(transfers: float, failure: float = 0.0) -> NDArray[np.void]:
        traders = make_traders(**quiet(top_up_share=0.5))
        traders.act(make_view(1))
        traders.desk.usual_value_usd = (70.0, 50.0, 5_000.0)
        return spoken(traders, range(2, 1_800), transfers=transfers, failure=failure)

    assert len(deposited(0.0)) == len(deposited(1.0, failure=0.5)) == 0
    rows = deposited(1.0)
    assert (rows["kind"] == DEPOSIT).all()
    assert len(rows) == len(np.unique(rows["account"])) == pytest.approx(0.5 * ACCOUNTS, rel=0.15)
    assert (rows["size"] >= 300_000_000).all() and (rows["size"] <= 1_000_000_000).all()


def test_margin_is_not_added_while_there_is_enough() -> None:
    traders = make_traders(**quiet(top_up_share=1.0))
    traders.act(make_view(1))
    traders.desk.usual_value_usd = (76.0, 50.0, 5_000.0)
    assert len(spoken(traders, range(2, 300))) == 0


def test_holders_of_an_asset_sell_below_the_outside_price() -> None:
    traders = make_traders(**quiet(holder_per_minute=0.002))
    traders.act(make_view(1))
    assert len(spoken(traders, range(2, 60))) == 0
    rows = spoken(traders, range(60, 360), price=[1.0, 1.0, 0.9])
    assert (rows["instrument"] == USDE).all() and (rows["side"] == -1).all()
    assert (rows["size"] <= ASSET_LOTS).all() and 0 < len(np.unique(rows["account"])) <= 40


def test_messages_that_fail_wait_in_the_queue() -> None:
    traders = make_traders(**quiet(people_per_second=400.0))
    traders.act(make_view(1))
    leave(traders, np.arange(10))
    assert len(traders.act(make_view(2, failure=1.0))) == 0
    assert traders.attempts == pytest.approx(10 * 0.012) and len(traders.exits) == 10


def test_books_are_not_traders() -> None:
    traders = make_traders(stop_share=1.0, take_profit_share=1.0, top_up_share=1.0)
    rows = spoken(traders, range(1, 40), price=0.5)
    assert FIRST + ACCOUNTS not in set(rows["account"].tolist())


def test_turns_come_by_people_however_the_crowd_is_cut() -> None:
    """Twelve people a coin and second: twelve rows of one, or one and a fifth of ten each; so their load."""
    rates, loads = [], []
    for members in (1, 10):
        population = make_population()
        population = population._replace(members=np.full(ACCOUNTS + 1, members, np.int64))
        traders = make_traders(population=population, **quiet(people_per_second=12.0, message_weight=0.5))
        leave(traders, np.arange(0, ACCOUNTS, 2, dtype=np.int64))
        count, load = 0, 0
        for step in range(1, 31):
            count += len(np.unique(traders.act(make_view(step))["account"]))
            load += traders.attempts
        rates.append(count * members / 30)
        loads.append(load / 30)
    assert rates == pytest.approx([12.0, 12.0], rel=0.35)
    assert loads == pytest.approx([6.0, 6.0], rel=0.35)


def test_people_whose_turn_cannot_come_press_the_button_all_the_same() -> None:
    """Of 400 a coin and second a fifth has a turn; the load is that of all who try."""
    traders = make_traders(**quiet(people_per_second=400.0, most_turns=80.0, message_weight=1.0))
    leave(traders, np.arange(0, ACCOUNTS, 2, dtype=np.int64))
    commands = traders.act(make_view(1))
    assert 40 < len(commands) < 120
    assert traders.attempts == pytest.approx(5.0 * len(commands))
