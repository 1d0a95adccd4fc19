"""Orders with accounts: what each does to positions, cash and reservations, and every refusal of a new one.

Worked by hand; the desk proves sums, reservations and free lists after every command. Units: ticks, lots,
settlement units (10 a tick and lot for the linear contract and the asset).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from support.books import FOK, IOC, MARKET, POST_ONLY, command
from support.desk import ACCEPTED, COIN_FEES, FEES, INVERSE, LINEAR, SPOT, Answer, Desk
from undertow.errors import Rejection
from undertow.venue.audit import state_hash
from undertow.venue.execution import execute
from undertow.venue.records import RESULT, CommandKind, OrderFlag, SelfTrade
from undertow.venue.state import (
    BAND_RULE,
    COUNT_FILLS,
    FREEZE_RULE,
    SELF_TRADE_RULE,
    STAGE_LIQUIDATING,
)

CASH = 1_000_000


@pytest.fixture
def desk() -> Desk:
    """Four customers with a million units in each wallet; no fees, no bands."""
    return Desk()


@pytest.fixture
def people(desk: Desk) -> list[int]:
    """The customers' dollar wallets."""
    return desk.wallets


# ---- linear positions


def test_a_trade_opens_both_sides(desk: Desk, people: list[int]) -> None:
    ann, bob, *_ = people
    desk.buy(ann, 7, 100)
    assert desk.row(ann) == (0, 0, 7, 0)
    answer = desk.sell(bob, 5, 90)
    assert (answer.code, answer.filled, answer.value, answer.resting) == (ACCEPTED, 5, 5_000, 0)
    assert desk.row(ann) == (5, -5_000, 2, 0)
    assert desk.row(bob) == (-5, 5_000, 0, 0)
    assert desk.state.markets[LINEAR]["open_interest"] == 5
    assert desk.cash(ann) == desk.cash(bob) == CASH


def test_a_partial_close_realises_its_share(desk: Desk, people: list[int]) -> None:
    ann, bob, cas, _ = people
    desk.trade(ann, bob, 10, 100)
    desk.trade(cas, ann, 4, 110)  # 4 of 10 lots close: 4 x (110 - 100) x 10 = 400
    assert desk.row(ann) == (6, -6_000, 0, 0)
    assert desk.cash(ann) == CASH + 400


def test_a_flip_through_zero_closes_everything_first(desk: Desk, people: list[int]) -> None:
    ann, bob, cas, _ = people
    desk.trade(ann, bob, 10, 100)
    desk.trade(cas, ann, 15, 90)  # loses 10 x 10 x 10 = 1000, then sells 5 at 90
    assert desk.row(ann) == (-5, 4_500, 0, 0)
    assert desk.cash(ann) == CASH - 1_000
    desk.trade(ann, cas, 5, 80)  # back to flat: gains 5 x 10 x 10
    assert desk.row(ann) == (0, 0, 0, 0)
    assert desk.cash(ann) == CASH - 500


def test_a_closed_position_leaves_no_record(desk: Desk, people: list[int]) -> None:
    ann, bob, *_ = people
    desk.trade(ann, bob, 3, 100)
    desk.trade(bob, ann, 3, 100)
    assert desk.state.accounts[ann]["first_holding"] == desk.state.accounts[bob]["first_holding"] == -1


def test_fees_are_rounded_up_and_go_to_the_house() -> None:
    desk = Desk(taker_fee_ppm=501, maker_fee_ppm=199)
    ann, bob, *_ = desk.wallets
    desk.trade(ann, bob, 3, 100)  # value 3000: taker 1.503, maker 0.597
    assert (desk.cash(bob), desk.cash(ann), desk.cash(FEES)) == (CASH - 2, CASH - 1, 3)


def test_a_maker_rebate_is_rounded_in_favour_of_the_house() -> None:
    desk = Desk(taker_fee_ppm=1_000, maker_fee_ppm=-150)
    ann, bob, *_ = desk.wallets
    desk.trade(ann, bob, 11, 100)  # value 11,000: taker pays 11, maker gets 1.65 rounded down
    assert (desk.cash(bob), desk.cash(ann), desk.cash(FEES)) == (CASH - 11, CASH + 1, 10)


# ---- inverse positions


def test_an_inverse_fill_rounds_once_for_both(desk: Desk) -> None:
    ann, bob, *_ = desk.coins
    desk.trade(ann, bob, 2, 300, INVERSE)  # 2 x 10^6 / 300 = 6666.67 atoms
    assert desk.row(ann, INVERSE) == (2, 6_666, 0, 0)
    assert desk.row(bob, INVERSE) == (-2, -6_666, 0, 0)


def test_an_inverse_long_gains_when_the_price_rises(desk: Desk) -> None:
    ann, bob, cas, _ = desk.coins
    desk.trade(ann, bob, 2, 100, INVERSE)  # 20,000 atoms
    desk.trade(cas, ann, 1, 200, INVERSE)  # closes one lot: 10,000 - 5,000
    assert desk.row(ann, INVERSE) == (1, 10_000, 0, 0)
    assert desk.cash(ann) == CASH + 5_000


def test_an_inverse_flip_conserves_to_the_atom(desk: Desk) -> None:
    ann, bob, cas, _ = desk.coins
    desk.trade(ann, bob, 3, 130, INVERSE)  # 23,076
    desk.trade(cas, ann, 7, 170, INVERSE)  # 7 lots 41,176; the closing 3 are 17,647
    assert desk.cash(ann) == CASH + 23_076 - 17_647
    assert desk.row(ann, INVERSE) == (-4, -(41_176 - 17_647), 0, 0)
    assert desk.cash(COIN_FEES) == 0


# ---- spot


def test_both_legs_of_a_spot_trade_move(desk: Desk, people: list[int]) -> None:
    ann, bob, *_ = people
    desk.do(CommandKind.DEPOSIT_ASSET, account=bob, instrument=SPOT, size=5)
    desk.buy(ann, 5, 100, SPOT)
    assert desk.row(ann, SPOT) == (0, 0, 5_000, 0)
    assert desk.sell(bob, 3, 90, SPOT).value == 3_000
    assert desk.row(ann, SPOT) == (3, 0, 2_000, 0)
    assert desk.row(bob, SPOT) == (2, 0, 0, 0)
    assert (desk.cash(ann), desk.cash(bob)) == (CASH - 3_000, CASH + 3_000)


def test_a_spot_buyer_gets_the_better_price_and_the_rest_back(desk: Desk, people: list[int]) -> None:
    ann, bob, *_ = people
    desk.do(CommandKind.DEPOSIT_ASSET, account=bob, instrument=SPOT, size=4)
    desk.sell(bob, 4, 80, SPOT)
    order = desk.buy(ann, 6, 100, SPOT).order
    assert desk.row(ann, SPOT) == (4, 0, 2_000, 0)
    assert desk.cash(ann) == CASH - 3_200
    desk.do(CommandKind.CANCEL, account=ann, order=order)
    assert desk.row(ann, SPOT) == (4, 0, 0, 0)


def test_spot_needs_what_it_sells_and_what_it_pays_with(desk: Desk, people: list[int]) -> None:
    ann, bob, *_ = people
    desk.do(CommandKind.DEPOSIT_ASSET, account=bob, instrument=SPOT, size=5)
    assert desk.sell(bob, 6, 100, SPOT).code == Rejection.INSUFFICIENT_BALANCE
    assert desk.sell(bob, 3, 100, SPOT).code == ACCEPTED
    assert desk.sell(bob, 3, 100, SPOT).code == Rejection.INSUFFICIENT_BALANCE
    assert desk.sell(bob, 2, 100, SPOT).code == ACCEPTED
    assert desk.buy(ann, 1_001, 100, SPOT).code == Rejection.INSUFFICIENT_BALANCE
    assert desk.buy(ann, 1_000, 99, SPOT).code == ACCEPTED
    assert desk.buy(ann, 11, 99, SPOT).code == Rejection.INSUFFICIENT_BALANCE


def test_the_fee_of_a_spot_purchase_must_be_there_too() -> None:
    desk = Desk(taker_fee_ppm=1_000)
    ann, bob, *_ = desk.wallets
    desk.do(CommandKind.DEPOSIT_ASSET, account=bob, instrument=SPOT, size=2_000)
    desk.sell(bob, 2_000, 100, SPOT)
    assert desk.buy(ann, 1_000, 100, SPOT).code == Rejection.INSUFFICIENT_BALANCE
    assert desk.buy(ann, 999, 100, SPOT).filled == 999
    assert desk.cash(ann) == CASH - 999_000 - 999


# ---- margin


def test_initial_margin_is_needed_to_the_unit(desk: Desk, people: list[int]) -> None:
    ann, *_ = people  # 10 % of lots x 100 x 10
    assert desk.buy(ann, 10_001, 100).code == Rejection.INSUFFICIENT_MARGIN
    assert desk.row(ann) == (0, 0, 0, 0)
    assert desk.buy(ann, 10_000, 100).code == ACCEPTED
    assert desk.buy(ann, 1, 100).code == Rejection.INSUFFICIENT_MARGIN
    assert desk.sell(ann, 10_000, 101).code == ACCEPTED  # the other side is margined once


def test_an_order_through_the_mark_loses_the_difference(desk: Desk, people: list[int]) -> None:
    ann, *_ = people  # 5000 lots: margin 500,000; at 110 they lose 500,000 at once
    assert desk.buy(ann, 5_001, 110).code == Rejection.INSUFFICIENT_MARGIN
    assert desk.buy(ann, 5_000, 110).code == ACCEPTED


def test_closing_needs_no_margin(desk: Desk, people: list[int]) -> None:
    ann, bob, *_ = people
    desk.trade(ann, bob, 9_000, 100)
    desk.state.markets[LINEAR]["mark"] = 91
    assert desk.buy(ann, 1, 91).code == Rejection.INSUFFICIENT_MARGIN
    assert desk.sell(ann, 9_000, 91).code == ACCEPTED


# ---- order types and self-trade, with their reservations


def test_what_does_not_rest_keeps_no_reservation(desk: Desk, people: list[int]) -> None:
    ann, bob, *_ = people
    desk.sell(bob, 3, 100)
    assert desk.buy(ann, 5, 100, time_in_force=FOK).code == Rejection.FOK_NOT_FILLABLE
    assert desk.buy(ann, 5, 100, time_in_force=POST_ONLY).code == Rejection.POST_ONLY_WOULD_TAKE
    assert desk.row(ann) == (0, 0, 0, 0)
    assert desk.buy(ann, 5, 100, time_in_force=IOC).filled == 3
    assert desk.row(ann) == (3, -3_000, 0, 0)
    assert desk.buy(ann, 5, 100, time_in_force=IOC).code == Rejection.NO_LIQUIDITY


@pytest.mark.parametrize(
    ("rule", "code", "row"),
    [
        (SelfTrade.ALLOW, ACCEPTED, (0, 0, 1, 0)),
        (SelfTrade.CANCEL_TAKER, Rejection.SELF_TRADE, (0, 0, 0, 4)),
        (SelfTrade.CANCEL_MAKER, ACCEPTED, (0, 0, 5, 0)),
    ],
)
def test_self_trade(
    desk: Desk, people: list[int], rule: SelfTrade, code: int, row: tuple[int, int, int, int]
) -> None:
    ann = people[0]
    desk.state.counters[SELF_TRADE_RULE] = rule
    desk.sell(ann, 4, 100)
    assert desk.buy(ann, 5, 101).code == code
    assert desk.row(ann) == row
    assert desk.cash(ann) == CASH


def test_a_market_order_stops_at_the_nearer_band(desk: Desk, people: list[int]) -> None:
    ann, bob, *_ = people
    record = desk.state.instruments[LINEAR]
    record["price_band_ppm"] = 50_000
    for price in (104, 105):
        desk.sell(bob, 1, price)
    record["price_band_ppm"] = 40_000
    assert desk.buy(ann, 3, 0, flags=MARKET).filled == 1  # no market band: the price band caps it
    record["market_band_ppm"] = 50_000
    assert desk.buy(ann, 3, 0, flags=MARKET).code == Rejection.NO_LIQUIDITY
    record["price_band_ppm"] = 0
    assert desk.buy(ann, 3, 0, flags=MARKET).filled == 1
    assert desk.buy(ann, 3, 0, flags=MARKET, time_in_force=FOK).code == Rejection.FOK_NOT_FILLABLE


def test_a_market_order_is_worth_what_it_would_pay(desk: Desk, people: list[int]) -> None:
    ann, bob, *_ = people
    desk.buy(bob, 3, 50)
    desk.state.instruments[LINEAR]["minimum_notional"] = 1_500
    assert desk.sell(ann, 2, 0, flags=MARKET).code == Rejection.MIN_NOTIONAL
    assert desk.sell(ann, 3, 0, flags=MARKET).filled == 3
    assert desk.sell(ann, 1, 0, flags=MARKET).code == Rejection.NO_LIQUIDITY


def test_a_band_may_follow_the_opposite_best(desk: Desk, people: list[int]) -> None:
    ann, bob, *_ = people
    desk.state.counters[BAND_RULE] = 2
    desk.state.instruments[LINEAR]["price_band_ppm"] = 100_000
    assert desk.buy(ann, 1, 999).code == ACCEPTED  # nobody on the other side: no band
    assert desk.sell(bob, 1, 899).code == Rejection.PRICE_BAND
    assert desk.sell(bob, 1, 900).filled == 1


def test_a_market_bid_on_an_asset_holds_what_the_book_asks(desk: Desk, people: list[int]) -> None:
    """Its limit is 999; 2 at 100 and 1 at 200 cost 4000, and 4000 must be there, no more."""
    ann, bob, cas, _ = people
    desk.do(CommandKind.DEPOSIT_ASSET, account=bob, instrument=SPOT, size=9)
    desk.sell(bob, 2, 100, SPOT)
    desk.sell(bob, 7, 200, SPOT)
    desk.do(CommandKind.WITHDRAW, account=ann, size=CASH - 3_999)
    assert desk.buy(ann, 3, 0, SPOT, flags=MARKET).code == Rejection.INSUFFICIENT_BALANCE
    desk.do(CommandKind.DEPOSIT, account=ann, size=1)
    answer = desk.buy(ann, 3, 0, SPOT, flags=MARKET)
    assert (answer.code, answer.filled, answer.value) == (ACCEPTED, 3, 4_000)
    assert (desk.cash(ann), desk.row(ann, SPOT)) == (0, (3, 0, 0, 0))
    assert desk.buy(cas, 50, 0, SPOT, flags=MARKET).filled == 6  # 50 at 200 it could not pay; 6 it can
    assert desk.buy(cas, 1, 0, SPOT, flags=MARKET).code == Rejection.NO_LIQUIDITY


def test_so_it_does_where_the_only_offer_stands_at_the_band(desk: Desk, people: list[int]) -> None:
    """1 at 105, the furthest that the band allows; 5000 are asked for, and 1050 paid."""
    ann, bob, *_ = people
    desk.do(CommandKind.DEPOSIT_ASSET, account=bob, instrument=SPOT, size=1)
    desk.sell(bob, 1, 105, SPOT)
    desk.state.instruments[SPOT]["market_band_ppm"] = 50_000
    desk.do(CommandKind.WITHDRAW, account=ann, size=CASH - 1_050)
    assert desk.buy(ann, 5_000, 0, SPOT, flags=MARKET).filled == 1
    assert desk.cash(ann) == 0


def test_a_market_bid_pays_the_fee_of_every_fill() -> None:
    """Fees are rounded up fill by fill: 1001 ppm of 1000 twice is 4, of 2000 at once it would be 3."""
    desk = Desk(taker_fee_ppm=1_001)
    ann, bob, *_ = desk.wallets
    desk.do(CommandKind.DEPOSIT_ASSET, account=bob, instrument=SPOT, size=2)
    for _ in range(2):
        desk.sell(bob, 1, 100, SPOT)
    desk.do(CommandKind.WITHDRAW, account=ann, size=CASH - 2_003)
    assert desk.buy(ann, 2, 0, SPOT, flags=MARKET).code == Rejection.INSUFFICIENT_BALANCE
    desk.do(CommandKind.DEPOSIT, account=ann, size=1)
    assert desk.buy(ann, 2, 0, SPOT, flags=MARKET).filled == 2
    assert desk.cash(ann) == 0


def test_a_fill_says_what_each_side_paid() -> None:
    desk = Desk(taker_fee_ppm=501, maker_fee_ppm=-150)
    ann, bob, *_ = desk.wallets
    maker = desk.buy(ann, 11, 100).order
    taker = desk.sell(bob, 11, 100).order
    fill = desk.state.fills[0]
    names = ("trade", "taker_order", "maker_order", "taker_fee", "maker_fee")
    assert [int(fill[name]) for name in names] == [1, taker, maker, 6, -1]  # 5.511 up, 1.65 down
    assert (desk.cash(bob), desk.cash(ann)) == (CASH - 6, CASH + 1)


# ---- refusals


def _freeze(desk: Desk) -> None:
    desk.state.counters[FREEZE_RULE] = 1
    desk.state.accounts[desk.wallets[0]]["stage"] = STAGE_LIQUIDATING


def _market(name: str) -> Callable[[Desk], None]:
    def set_flag(desk: Desk) -> None:
        desk.state.markets[LINEAR][name] = 1

    return set_flag


def _figure(name: str, value: int) -> Callable[[Desk], None]:
    def set_figure(desk: Desk) -> None:
        desk.state.instruments[LINEAR][name] = value

    return set_figure


def _delist(desk: Desk) -> None:
    desk.state.markets[LINEAR]["listed"] = 0


@pytest.mark.parametrize(
    ("prepare", "fields", "code"),
    [
        (None, {"account": -1}, Rejection.UNKNOWN_ACCOUNT),
        (None, {"account": 24}, Rejection.UNKNOWN_ACCOUNT),
        (None, {"instrument": -1}, Rejection.UNKNOWN_INSTRUMENT),
        (None, {"instrument": 3}, Rejection.UNKNOWN_INSTRUMENT),
        (_delist, {}, Rejection.UNKNOWN_INSTRUMENT),
        (None, {"instrument": INVERSE}, Rejection.WRONG_SETTLEMENT),
        (None, {"side": 0}, Rejection.BAD_COMMAND),
        (None, {"size": 0}, Rejection.BAD_SIZE),
        (None, {"size": -1}, Rejection.BAD_SIZE),
        (None, {"size": 1_000_001}, Rejection.BAD_SIZE),
        (None, {"price": 0}, Rejection.BAD_PRICE),
        (None, {"price": 1_000}, Rejection.BAD_PRICE),
        (_freeze, {}, Rejection.ACCOUNT_FROZEN),
        (_market("halted"), {}, Rejection.INSTRUMENT_HALTED),
        (_market("reduce_only"), {}, Rejection.REDUCE_ONLY_GATE),
        (_figure("price_band_ppm", 50_000), {"price": 106}, Rejection.PRICE_BAND),
        (_figure("price_band_ppm", 50_000), {"price": 94, "side": -1}, Rejection.PRICE_BAND),
        (_figure("minimum_notional", 1_001), {}, Rejection.MIN_NOTIONAL),
        (None, {"flags": int(OrderFlag.REDUCE_ONLY)}, Rejection.REDUCE_ONLY),
    ],
)
def test_a_refused_order_changes_nothing(
    desk: Desk, prepare: Callable[[Desk], None] | None, fields: dict[str, int], code: Rejection
) -> None:
    if prepare is not None:
        prepare(desk)
    before = state_hash(desk.state)
    order = {"account": desk.wallets[0], "side": 1, "size": 1, "price": 100, **fields}
    assert desk.do(**order) == (code, -1, 0, 0, 0)
    assert state_hash(desk.state) == before


def test_a_batch_equals_its_commands_one_by_one() -> None:
    """Both doors give the same bytes."""
    one, many = Desk(), Desk()
    generator = np.random.default_rng(5)
    batch = np.concatenate(
        [
            command(
                side=int(generator.choice([-1, 1])),
                size=int(generator.integers(1, 9)),
                price=int(generator.integers(95, 106)),
                account=int(generator.choice(one.wallets)),
                self_trade=-1,
            )
            for _ in range(40)
        ]
    )
    answers = [one.do(**{name: int(row[name]) for name in batch.dtype.names or ()}) for row in batch]
    results = np.zeros(len(batch), RESULT)
    execute(many.state, batch, results)
    assert [tuple(int(row[name]) for name in Answer._fields) for row in results] == answers
    assert state_hash(many.state) == state_hash(one.state)
    count = int(one.state.counters[COUNT_FILLS])
    assert count > 10
    assert np.array_equal(one.state.fills[:count], many.state.fills[:count])
