"""Liquidation at a fillable price: ranking, size, price, and who pays what against the bankruptcy price."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.small_venue import (
    DOLLAR,
    OTHER,
    PERPETUAL,
    cash_of,
    check_books,
    customer,
    events,
    fills,
    find_danger,
    fund_cash,
    open_position,
    quote,
    set_mark,
    size_of,
    small_venue,
)
from undertow.venue.frozen import frozen_room
from undertow.venue.ledger import deposit
from undertow.venue.pacing_fillable import (
    Fillable,
    bankruptcy_value,
    bankruptcy_value_reference,
    collect_riskiest,
    fillable_discount,
    fillable_discount_reference,
    liquidate_block,
    open_block,
    risk_ratio,
    slice_value,
    slice_value_reference,
)
from undertow.venue.records import EventKind
from undertow.venue.state import COUNT_BANKRUPT, EXEMPT_NOT, HOUSE_FUND, State

RULE = Fillable(
    100_000, 1_000 * DOLLAR, 100_000 * DOLLAR, 50, 1_500_000, 1_000_000, 15_000, 1_000_000 * DOLLAR, 1
)
BTC = 10_000  # lots


def run(state: State, rule: Fillable = RULE, number: int = 1) -> None:
    find_danger(state)
    liquidate_block(state, rule, open_block(rule), frozen_room(state), 7, number)


def listed(state: State) -> list[int]:
    return [int(account) for account in state.bankrupt[: state.counters[COUNT_BANKRUPT]]]


@pytest.mark.parametrize(
    ("position", "used", "closed"),
    [  # dydxprotocol/v4-chain, x/clob: min(max(min(1,000, N), 10 % of N), 100,000 - used), in dollars
        (100_000, 0, 10_000),
        (5_000, 0, 1_000),
        (900, 0, 900),
        (5_000_000, 0, 100_000),
        (5_000_000, 30_000, 70_000),
        (5_000, 100_000, 0),
    ],
)
def test_a_tenth_at_least_a_thousand_within_the_block(position: int, used: int, closed: int) -> None:
    assert slice_value(position * DOLLAR, used * DOLLAR, RULE) == closed * DOLLAR


@pytest.mark.parametrize(
    ("equity", "price"),
    [  # 10 coins long at 10,000, maintenance 3,000: [NV - ABR x 1.5 x PMM] / q
        (3_000, 10_000),
        (1_500, 9_775),
        (0, 9_550),
        (-9_000, 9_550),
    ],
)
def test_the_price_worsens_with_the_shortfall(equity: int, price: int) -> None:
    discount = fillable_discount(equity * DOLLAR, 3_000 * DOLLAR, 3_000 * DOLLAR, RULE)
    assert (100_000 * DOLLAR - discount) // 10 == price * DOLLAR


money = st.integers(0, 1 << 50)


@given(money, money, st.integers(1, 1_000_000), money, money)
def test_the_compiled_size_equals_the_plain_one(
    amount: int, used: int, slice_ppm: int, floor: int, cap: int
) -> None:
    rule = RULE._replace(slice_ppm=slice_ppm, floor=floor, block_cap=cap)
    assert slice_value(amount, used, rule) == slice_value_reference(amount, used, rule)


@given(st.integers(-(1 << 50), 1 << 50), money, money, st.integers(0, 3_000_000), st.integers(0, 3_000_000))
def test_the_compiled_discount_equals_the_plain_one(
    equity: int, maintenance: int, own: int, spread_ppm: int, adjustment_ppm: int
) -> None:
    rule = RULE._replace(spread_ppm=spread_ppm, adjustment_ppm=adjustment_ppm)
    expected = fillable_discount_reference(equity, maintenance, own, rule)
    assert fillable_discount(equity, maintenance, own, rule) == expected


@given(st.integers(-(1 << 50), 1 << 50), st.integers(-(1 << 50), 1 << 50), money, st.data())
def test_the_compiled_bankruptcy_value_equals_the_plain_one(
    value: int, equity: int, maintenance: int, data: st.DataObject
) -> None:
    freed = data.draw(st.integers(0, maintenance))
    expected = bankruptcy_value_reference(value, equity, freed, maintenance)
    assert bankruptcy_value(value, equity, freed, maintenance) == expected


def test_the_riskiest_go_first() -> None:
    state = small_venue()
    accounts = [customer(state, cash) for cash in (650, 620, 700, 620)]
    for account in accounts:
        open_position(state, account, 2 * BTC, 1_000_000)
    set_mark(state, 970_000)  # equity 50, 20, 100, 20 of 582
    find_danger(state)
    block = open_block(RULE._replace(attempts=3))
    collect_riskiest(state, block)
    assert list(block.account) == [accounts[1], accounts[3], accounts[0]]
    assert list(block.ratio) == [20 * 10**9 // 582, 20 * 10**9 // 582, 50 * 10**9 // 582]
    assert risk_ratio(-(1 << 55), 1) == -(10**15)


def test_a_slice_above_bankruptcy_pays_a_capped_fee_to_the_fund() -> None:
    state = small_venue()
    account = customer(state, 4_500)
    open_position(state, account, 10 * BTC, 1_000_000)
    quote(state, 1, 100 * BTC, 970_000)
    set_mark(state, 970_000)  # equity 1,500 of 2,910
    run(state)
    assert size_of(state, account) == 9 * BTC  # a tenth of 97,000
    # sold at the mark; bankruptcy value 9,700 - 150; the user pays min(150, 1.5 % of 9,700)
    assert fund_cash(state) == 145_500_000
    assert cash_of(state, account) == (4_500 - 300) * DOLLAR - 145_500_000
    check_books(state)


def test_the_limit_is_the_fillable_price() -> None:
    state = small_venue()
    deposit(state, HOUSE_FUND, 1_000 * DOLLAR)
    account = customer(state, 4_500)
    open_position(state, account, 10 * BTC, 1_000_000)
    set_mark(state, 970_000)
    # shortfall 1,410 of 2,910: 2,115 over 10 coins, 211.50 off the mark
    quote(state, 1, BTC, 948_850)
    quote(state, 1, BTC, 948_849)
    run(state)
    assert events(state, EventKind.LIQUIDATION_ORDER)["price"][0] == 948_850
    assert [int(price) for price in fills(state)["price"]] == [948_850]
    assert fund_cash(state) == 938_500_000  # 9,488.50 against a bankruptcy value of 9,550
    check_books(state)


def test_the_fund_makes_good_what_a_fill_lacks() -> None:
    state = small_venue()
    deposit(state, HOUSE_FUND, 1_000 * DOLLAR)
    account = customer(state, 2_900)
    open_position(state, account, 10 * BTC, 1_000_000)
    quote(state, 1, 100 * BTC, 965_000)
    set_mark(state, 970_000)  # equity -100 of 2,910: the full spread, 436.50 off the mark
    run(state)
    assert size_of(state, account) == 9 * BTC
    # bankruptcy value of the slice 9,700 + 10, filled for 9,650
    assert fund_cash(state) == 940 * DOLLAR
    # the rest is where it was: -90 over 9 coins
    assert cash_of(state, account) == (2_900 - 350 + 60) * DOLLAR
    assert listed(state) == [account]
    check_books(state)


@pytest.mark.parametrize(("fund_dollars", "limit_dollars"), [(30, 0), (1_000, 30)])
def test_an_order_the_fund_could_not_make_good_is_not_sent_so_low(
    fund_dollars: int, limit_dollars: int
) -> None:
    state = small_venue()
    deposit(state, HOUSE_FUND, fund_dollars * DOLLAR)
    account = customer(state, 2_900)
    open_position(state, account, 10 * BTC, 1_000_000)
    quote(state, 1, 100 * BTC, 967_900)  # 31 a coin below the bankruptcy value: a dollar too much
    quote(state, 1, BTC // 2, 968_000)
    set_mark(state, 970_000)
    run(state, RULE._replace(loss_limit=limit_dollars * DOLLAR))
    assert events(state, EventKind.LIQUIDATION_ORDER)["price"][0] == 968_000
    assert size_of(state, account) == 19 * BTC // 2
    assert fund_cash(state) == (fund_dollars - 15) * DOLLAR
    assert listed(state) == [account]  # below zero: allocation
    check_books(state)


def test_every_position_is_tried_once_a_block_and_the_block_cap_holds() -> None:
    state = small_venue()
    account = customer(state, 60_000)
    open_position(state, account, 100 * BTC, 1_000_000)
    open_position(state, account, -100 * BTC, 1_000_000, OTHER)
    quote(state, 1, 1_000 * BTC, 970_000)
    quote(state, -1, 1_000 * BTC, 1_000_000, OTHER)
    set_mark(state, 970_000)
    deposit(state, account, -10_000 * DOLLAR)  # equity 20,000 of 59,100
    rule = RULE._replace(block_cap=150_000 * DOLLAR)
    run(state, rule)
    orders = events(state, EventKind.LIQUIDATION_ORDER)
    assert sorted(int(i) for i in orders["instrument"]) == [PERPETUAL, OTHER]
    closed = {PERPETUAL: 970_000, OTHER: 1_000_000}
    values = [int(o["amount"]) * closed[int(o["instrument"])] for o in orders]
    assert values[0] in (97_000 * DOLLAR, 100_000 * DOLLAR)
    assert 0 <= 150_000 * DOLLAR - sum(values) < 1_000_000
    check_books(state)


def test_positions_start_at_random_and_the_draw_is_keyed() -> None:
    firsts = []
    for number in [*range(12), 3]:
        state = small_venue()
        account = customer(state, 5_000)
        open_position(state, account, 10 * BTC, 1_000_000)
        open_position(state, account, 10 * BTC, 1_000_000, OTHER)
        set_mark(state, 980_000)
        set_mark(state, 980_000, OTHER)
        run(state, RULE._replace(attempts=1), number)
        firsts.append(int(events(state, EventKind.LIQUIDATION_ORDER)["instrument"][0]))
    assert set(firsts) == {PERPETUAL, OTHER}
    assert firsts[-1] == firsts[3]


def test_attempts_end_with_the_block() -> None:
    state = small_venue()
    accounts = [customer(state, 660 - row) for row in range(8)]
    for account in accounts:
        open_position(state, account, 2 * BTC, 1_000_000)
    quote(state, 1, 1_000 * BTC, 970_000)
    set_mark(state, 970_000)
    run(state, RULE._replace(attempts=5))
    touched = [account for account in accounts if size_of(state, account) != 2 * BTC]
    assert touched == accounts[3:]
    check_books(state)


def test_a_wallet_without_contracts_is_covered_whole_or_not_at_all() -> None:
    for fund_dollars, left in ((49, -50), (50, 0)):
        state = small_venue()
        deposit(state, HOUSE_FUND, fund_dollars * DOLLAR)
        account = customer(state, 100)
        deposit(state, account, -150 * DOLLAR)
        run(state)
        assert cash_of(state, account) == left * DOLLAR
        assert (state.accounts["exempt"][account] == EXEMPT_NOT) == (left == 0)
        check_books(state)


def test_risk_is_compared_in_whole_parts_per_billion() -> None:
    assert risk_ratio(1, 3) == 333_333_333
    assert risk_ratio(-1, 3) == -333_333_334
    assert risk_ratio(5, 0) == 10**9
    assert risk_ratio(-5, 0) == -(10**15)
    assert np.int64(risk_ratio(1 << 49, 1 << 50)) == 500_000_000
