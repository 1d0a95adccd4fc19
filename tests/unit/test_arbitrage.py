"""Arbitrage: nothing inside the band, everything the room allows outside it, and money that may be stuck.

Figures: the crowd's description, section 4.
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
from undertow.crowd.arbitrage import Arbitrage
from undertow.crowd.rules_actors import ArbitrageRules
from undertow.crowd.view import View
from undertow.venue.records import CommandKind

FIRST = 100
NEW, CANCEL_ALL = int(CommandKind.NEW), int(CommandKind.CANCEL_ALL)
DEPOSIT, WITHDRAW = int(CommandKind.DEPOSIT), int(CommandKind.WITHDRAW)
DEPOSIT_ASSET, WITHDRAW_ASSET = int(CommandKind.DEPOSIT_ASSET), int(CommandKind.WITHDRAW_ASSET)
COINS = FIRST + 8  # the wallets for coins follow those for contracts
LARGE = 4  # of the eight firms: those of the two largest coins, which are all coins of this market
LOT_USD = START_TICKS * make_market().unit / 1e6


def make_arbitrage(step_seconds: float = 1.0, **changes: object) -> Arbitrage:
    desk = ToldDesk()
    plain = {"capital_usd": 0.8e9, "firms": 8, "band_spread": 0.0, "taste_spread": 0.0, "room_exponent": 1.0}
    plain |= {"standing_share": 0.0, "standing_share_spot": 0.0}
    rules = ArbitrageRules(**{**plain, **changes})
    actor = Arbitrage(rules, make_market(), make_gauges(step_seconds), desk, 1)
    return desk.open(actor, FIRST)


def orders(commands: NDArray[np.void], instrument: int) -> NDArray[np.void]:
    return commands[(commands["kind"] == NEW) & (commands["instrument"] == instrument)]


def answered(actor: Arbitrage, view: View, code: int = 0) -> NDArray[np.void]:
    """What the firms say, with the venue's answer told to them."""
    commands = actor.act(view)
    results = np.zeros(len(commands), [("code", np.int64)])
    results["code"] = code
    actor.heard(commands, results)
    return commands


def test_inside_the_band_nobody_moves() -> None:
    assert len(make_arbitrage().act(make_view(1, price=[1.0003, 0.9997, 1.0]))) == 0


def test_in_quiet_moments_a_small_order_waits_at_either_edge() -> None:
    actor = make_arbitrage(standing_share=0.02)
    rows = orders(np.concatenate([actor.act(make_view(step)) for step in range(1, 6)]), BTC)
    assert sorted(rows["side"].tolist()) == [-1] * LARGE + [1] * LARGE
    room = 5.0 * 0.8e9 * 0.65 / LARGE * 28.6 / (28.6 + 0.85)
    assert rows["size"] * LOT_USD[BTC] == pytest.approx([0.02 * room] * 2 * LARGE, rel=0.01)
    assert (rows["price"][rows["side"] > 0] < START_TICKS[BTC]).all()
    again = np.concatenate([actor.act(make_view(step)) for step in range(6, 11)])
    renewed = again[again["instrument"] == BTC]
    assert (renewed["kind"] == CANCEL_ALL).sum() == LARGE and len(orders(again, BTC)) == 2 * LARGE


def test_what_is_lost_here_takes_the_nerve() -> None:
    """Up to half of the limit nothing, at three quarters half of the room, at the limit none."""
    sizes = []
    for loss in (0.0, 0.1, 0.15, 0.2):
        actor = make_arbitrage(loss_limit=0.2)
        for firm in range(8):
            actor.desk.worth_usd[FIRST + firm] = float(actor._worth_start[firm]) * (1.0 - loss)
        rows = orders(actor.act(make_view(1, price=0.95)), BTC)
        sizes.append(int(rows["size"].sum()) / (1.0 - loss))
    assert np.array(sizes) / sizes[0] == pytest.approx([1.0, 1.0, 0.5, 0.0], abs=0.01)


def test_nerve_is_lost_at_once_and_comes_back_slowly() -> None:
    actor = make_arbitrage(loss_limit=0.2, nerve_s=600.0)
    worth = {firm: float(actor._worth_start[firm]) for firm in range(8)}
    for firm in range(8):
        actor.desk.worth_usd[FIRST + firm] = 0.8 * worth[firm]
    actor.act(make_view(1, price=0.95))
    assert actor.nerve == pytest.approx(np.zeros(8))
    actor.desk.worth_usd.update({FIRST + firm: worth[firm] for firm in worth})
    for step in range(2, 302):
        actor.act(make_view(step, price=0.95))
    assert actor.nerve == pytest.approx(np.full(8, 1.0 - np.exp(-0.5)), rel=1e-6)


def test_in_half_steps_a_firm_still_looks_once_a_second() -> None:
    """Half of the firms in either half of the second, each with the orders of a whole second."""
    whole = orders(make_arbitrage().act(make_view(1, price=0.95)), BTC)
    actor = make_arbitrage(0.5)
    halves = [orders(actor.act(make_view(step, price=0.95, step_seconds=0.5)), BTC) for step in (2, 3)]
    assert [len(half) for half in halves] == [LARGE // 2, LARGE // 2]
    both = np.sort(np.concatenate(halves), order="account")
    assert both["account"].tolist() == np.sort(whole["account"]).tolist()
    assert both["size"].sum() == pytest.approx(whole["size"].sum(), rel=1e-6)


def test_firms_of_a_kind_are_as_strict_together_in_every_crowd() -> None:
    """One limit in each eighth of the distribution: their mean hardly moves, who has which does."""
    limits = []
    for seed in range(20):
        rules = ArbitrageRules(firms=16, band_spread=0.5)
        limits.append(Arbitrage(rules, make_market(), make_gauges(), ToldDesk(), seed)._loss_limit)
    for kind in (0, 1):
        means = np.log(np.array(limits)[:, kind::2]).mean(axis=1)
        assert means.std() < 0.3 * 0.5 / np.sqrt(8)
    assert len({int(np.argmax(row)) for row in limits}) > 4


def test_firms_open_less_when_there_is_no_way_out() -> None:
    """As usual down to the share of transfers they need, below it in proportion; closing goes on."""
    sizes = []
    for transfers in (1.0, 0.5, 0.1, 0.0):
        actor = make_arbitrage(needed_transfers=0.5)
        rows = orders(actor.act(make_view(1, price=0.95, transfers=transfers)), BTC)
        sizes.append(int(rows["size"].sum()))
    assert np.array(sizes) / sizes[0] == pytest.approx([1.0, 1.0, 0.2, 0.0], abs=0.01)
    actor = make_arbitrage(needed_transfers=0.5)
    actor.desk.lots[(FIRST, BTC)] = 1_000
    assert orders(actor.act(make_view(1, price=1.0002, transfers=0.0)), BTC)["side"].tolist() == [-1]


@pytest.mark.parametrize(("price", "side"), [(0.99, 1), (1.01, -1)])
def test_beyond_the_band_orders_stop_at_its_edge(price: float, side: int) -> None:
    actor, view = make_arbitrage(), make_view(1, price=price)
    actor.gauges.see(view)
    actor.gauges.volatility[:] = 1.0
    rows = orders(actor.act(view), BTC)
    assert len(rows) == LARGE and (rows["side"] == side).all()
    # Fees 4 bp and 0.6 of the sigma over one second: 7 bp x sqrt(1/60).
    band = 4e-4 + 0.6 * 7e-4 * (1 / 60) ** 0.5
    assert rows["price"] / START_TICKS[BTC] == pytest.approx([1.0 - side * band] * LARGE, abs=2e-6)


def test_the_band_widens_with_volatility_and_with_stock_used_in_a_stall() -> None:
    actor = make_arbitrage()
    actor.gauges.see(make_view(1))
    used = np.zeros((8, 3))
    calm = actor._band(make_view(1), used)[0, BTC]
    actor.gauges.volatility[:] = 124.0 / 7.0
    wild = actor._band(make_view(1), used)[0, BTC]
    stuck = actor._band(make_view(1, transfers=0.0), used + 1.0)[0, BTC]
    moving = actor._band(make_view(1), used + 1.0)[0, BTC]
    assert calm < wild < moving < stuck
    # The description's own check: sigma 124 bp, 33 minutes: 427 bp and the fees.
    assert stuck == pytest.approx(0.0427 + 0.0004, rel=0.01)


def test_a_step_uses_the_pace_of_the_room() -> None:
    actor = make_arbitrage()
    rows = orders(actor.act(make_view(1, price=0.95)), ADA)
    room = 5.0 * 0.8e9 * 0.65 / LARGE * 0.85 / (28.6 + 0.85)
    assert rows["size"][0] * LOT_USD[ADA] * 0.95 == pytest.approx(0.2 * room, rel=0.01)


def test_firms_keep_to_large_or_to_small_coins() -> None:
    market = make_market()
    three = market._replace(turnover_usd=np.array([28.6e9, 1.0e9, 20.0e9]), perpetual=np.ones(3, np.bool_))
    actor = Arbitrage(
        ArbitrageRules(capital_usd=0.8e9, firms=8, small_coin_share=0.25), three, make_gauges(), ToldDesk(), 1
    )
    assert actor.worth.sum() == pytest.approx(0.8e9) and actor.worth[1::2].sum() == pytest.approx(0.2e9)
    assert (actor._share[::2, ADA] == 0).all() and (actor._share[1::2, ADA] == 1).all()
    assert (actor._share[1::2, [[BTC], [USDE]]] == 0).all()


def test_no_room_left_means_no_order() -> None:
    actor = make_arbitrage()
    for firm in range(8):
        room = 5.0 * actor._worth_start[firm] * actor._share[firm, BTC]
        actor.desk.lots[(FIRST + firm, BTC)] = int(room / LOT_USD[BTC] / 0.95) + 1
    assert len(orders(actor.act(make_view(1, price=[0.95, 1.0, 1.0])), BTC)) == 0


def test_a_position_is_closed_once_the_gap_is_gone() -> None:
    actor = make_arbitrage()
    actor.desk.lots[(FIRST, BTC)] = 1_000
    # Half of what paid for it is still there: closing now and buying back at the edge would earn nothing.
    assert len(orders(actor.act(make_view(1, price=1.0 - 2e-4)), BTC)) == 0
    rows = orders(actor.act(make_view(1, price=1.0002)), BTC)
    assert rows["side"].tolist() == [-1]
    assert rows["size"][0] == pytest.approx(200, abs=1)
    assert rows["price"][0] == START_TICKS[BTC]
    assert len(orders(actor.act(make_view(2, price=0.99)), BTC)) == LARGE  # below the outside it buys instead


def test_orders_are_replaced_and_withdrawn() -> None:
    actor = make_arbitrage()
    actor.act(make_view(1, price=0.99))
    again = actor.act(make_view(2, price=0.99))
    assert (again["kind"] == CANCEL_ALL).sum() == (again["kind"] == NEW).sum() > 0
    gone = actor.act(make_view(3))
    assert (gone["kind"] == CANCEL_ALL).all() and len(gone) == (again["kind"] == NEW).sum()
    assert len(actor.act(make_view(4))) == 0


def test_failing_messages_leave_what_rests() -> None:
    actor = make_arbitrage()
    actor.act(make_view(1, price=0.99))
    before = actor.resting.copy()
    assert len(actor.act(make_view(2, failure=1.0))) == 0 and actor.attempts > 0
    assert (actor.resting == before).all()


@pytest.mark.parametrize("transfers", [0.0, 1.0])
def test_money_and_coins_move_only_when_transfers_do(transfers: float) -> None:
    actor = make_arbitrage()
    actor.desk.worth_usd[FIRST] -= 1e6
    bought = 500_000
    actor.desk.lots[(COINS, USDE)] += bought
    views = [make_view(step, price=[1.0, 1.0, 0.95], transfers=transfers) for step in range(1, 62)]
    rows = np.concatenate([answered(actor, view) for view in views])
    moved = rows[rows["kind"] == WITHDRAW_ASSET]
    paid = rows[rows["kind"] == DEPOSIT]
    if transfers == 0.0:
        assert len(moved) == len(paid) == 0
        return
    share = 1.0 - np.exp(-0.05)
    assert moved["size"].tolist() == [round(bought * share)]
    assert moved["size"][0] * LOT_USD[USDE] in (paid["size"] / 1e6)  # sold outside at the outside price
    assert any(amount == pytest.approx(1e6 * share, rel=1e-3) for amount in paid["size"] / 1e6)


@pytest.mark.parametrize("code", [0, 13])
def test_nothing_arrives_for_what_the_venue_keeps(code: int) -> None:
    """Coins that an order holds are refused to the firm, and then nobody outside has paid for them."""
    actor = make_arbitrage()
    actor.desk.lots[(COINS, USDE)] += 500_000
    actor.desk.lots[(COINS + 1, USDE)] -= 500_000
    views = [make_view(step, price=[1.0, 1.0, 0.99999]) for step in range(1, 62)]
    rows = np.concatenate([answered(actor, view, code) for view in views])
    kinds = rows["kind"].tolist()
    assert kinds.count(WITHDRAW_ASSET) == kinds.count(WITHDRAW) == 1
    sold, bought = rows[rows["kind"] == DEPOSIT], rows[rows["kind"] == DEPOSIT_ASSET]
    if code != 0:
        assert len(sold) == len(bought) == 0
        return
    lots = int(rows["size"][rows["kind"] == WITHDRAW_ASSET][0])
    assert sold["size"].tolist() == [lots * START_TICKS[USDE] * make_market().unit[USDE]]
    assert (sold["account"].tolist(), bought["account"].tolist()) == ([COINS], [COINS + 1])
    paid = int(rows["size"][rows["kind"] == WITHDRAW][0])
    assert bought["size"].tolist() == [paid // (START_TICKS[USDE] * make_market().unit[USDE])]


def test_a_firm_that_has_not_heard_asks_for_no_more_cash() -> None:
    """With answers a minute late the second request is not sent, so the first one buys what it paid for."""
    actor = make_arbitrage()
    actor.desk.lots[(COINS, USDE)] -= 500_000
    rows = np.concatenate([actor.act(make_view(step)) for step in range(1, 181)])
    assert (rows["kind"] == WITHDRAW).sum() == 1


def test_without_redemption_coins_stay() -> None:
    actor = make_arbitrage(redeeming=False)
    actor.desk.lots[(COINS, USDE)] += 500_000
    rows = np.concatenate([actor.act(make_view(step)) for step in range(1, 61)])
    assert not (rows["kind"] == WITHDRAW_ASSET).any()


def test_spot_is_never_sold_short() -> None:
    actor = make_arbitrage()
    rows = orders(actor.act(make_view(1, price=[1.0, 1.0, 1.2])), USDE)
    held = np.array([actor.desk.lots[(COINS + firm, USDE)] for firm in range(8)])
    assert (rows["side"] == -1).all() and len(rows) > 0
    assert (rows["size"] <= held[rows["account"] - COINS]).all()
    assert usd_of(rows).sum() > 0


def test_losses_in_contracts_do_not_touch_the_cash_for_coins() -> None:
    """Half of the margin is gone: half is opened in contracts, as much as before is bought in coins."""
    bought = {}
    for left in (1.0, 0.5):
        actor = make_arbitrage(loss_limit=10.0)
        for firm in range(8):
            actor.desk.worth_usd[FIRST + firm] *= left
        rows = actor.act(make_view(1, price=0.95))
        bought[left] = [float(usd_of(orders(rows, place)).sum()) for place in (BTC, USDE)]
    assert bought[0.5][0] == pytest.approx(0.5 * bought[1.0][0], rel=0.01)
    assert bought[0.5][1] == pytest.approx(bought[1.0][1], rel=0.01) and bought[1.0][1] > 0.0


def test_coins_that_lost_their_worth_leave_no_cash_to_buy_more() -> None:
    """All cash went into the coin, which then halves: its room in dollars is back, the money is not."""
    actor = make_arbitrage()
    for firm in range(8):
        cash = actor.desk.worth_usd[COINS + firm]
        lots = round(cash / LOT_USD[USDE])
        actor.desk.lots[(COINS + firm, USDE)] += lots
        held = actor.desk.lots[(COINS + firm, USDE)]
        actor.desk.worth_usd[COINS + firm] = 0.5 * held * float(LOT_USD[USDE])
    rows = orders(actor.act(make_view(1, price=[1.0, 1.0, 0.5])), USDE)
    assert not (rows["side"] > 0).any()


@pytest.mark.parametrize("step_seconds", [0.5, 1.0, 5.0])
def test_what_is_bid_in_an_empty_book_does_not_depend_on_the_step(step_seconds: float) -> None:
    """A fifth of the room each second, taken at once: 0.8^5 of it is left after five seconds."""
    actor = make_arbitrage(step_seconds, standing_share=0.01, standing_share_spot=0.2)
    room = {wallet: actor.desk.worth_usd[wallet] for wallet in range(COINS, COINS + 8)}
    start = dict(actor.desk.lots)
    empty = np.array([1_168_999, 77_359, 0])
    for step in range(1, 1 + round(5 / step_seconds)):
        view = make_view(step, step_seconds=step_seconds, bid_ticks=empty)
        rows = orders(actor.act(view), USDE)
        for row in rows[rows["side"] > 0]:
            actor.desk.lots[(int(row["account"]), USDE)] += int(row["size"])
    for wallet, usd in room.items():
        bought = (actor.desk.lots[(wallet, USDE)] - start[(wallet, USDE)]) * LOT_USD[USDE]
        assert bought / usd == pytest.approx(1.0 - 0.8**5, abs=0.05)


def test_a_wild_book_does_not_widen_the_band_of_a_coin() -> None:
    """The venue's own price jumps, the outside stands; a coin is sold there, so the band stays as it was."""
    bands = []
    for wild in (False, True):
        actor = make_arbitrage()
        for step in range(1, 121):
            price = [1.01, 1.0, 1.01] if wild and step // 15 % 2 else 1.0
            actor.gauges.see(make_view(step, price=price))
        bands.append(actor._band(make_view(121), np.ones((8, 3)))[0])
    assert bands[1][USDE] == bands[0][USDE] and bands[1][BTC] > 1.5 * bands[0][BTC]


def test_an_asset_left_to_others_is_neither_held_nor_bought() -> None:
    actor = make_arbitrage(leaves=("USDE",))
    assert all(lots.sum() == 0 for instrument, lots in actor.opening().assets if instrument == USDE)
    commands = actor.act(make_view(1, price=0.9))
    assert len(orders(commands, USDE)) == 0 and len(orders(commands, BTC)) > 0
