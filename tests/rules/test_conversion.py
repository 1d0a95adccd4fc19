"""Automatic conversion: the triggers as published, how much is sold, and orders into the asset's own book."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.small_venue import (
    ASSET,
    ASSET_FIGURES,
    DOLLAR,
    cash_of,
    check_books,
    customer,
    events,
    fills,
    open_position,
    quote,
    set_mark,
    size_of,
    small_venue,
)
from undertow.venue import setup
from undertow.venue.book import take_slot
from undertow.venue.conversion import (
    Conversion,
    convert,
    is_due,
    net_collateral,
    sold_value,
    sold_value_reference,
)
from undertow.venue.ledger import deposit, deposit_asset, holding_of
from undertow.venue.margin import equity_of
from undertow.venue.matching import Taker, reserve, rest
from undertow.venue.records import EventKind, Origin
from undertow.venue.state import State

NEGATIVE_CASH = Conversion(30_000 * DOLLAR, 4, 2_000, 0, 1_000_000, 0, 1)
MULTI_ASSET = Conversion(5_000 * DOLLAR, 0, 0, 1, 1_000_000, 1, 1)
BTC = 10_000  # lots


def debtor(state: State, debt: float, coins: float) -> int:
    """A customer who owes dollars and holds coins at 10,000."""
    account = customer(state, -debt)
    deposit_asset(state, account, ASSET, round(coins * BTC))
    return account


@pytest.mark.parametrize(
    ("debt", "collateral", "margin_ppm", "due"),
    [  # FTX help 360031149632: 30,000 USD, four times net collateral, within 20 basis points of 3 %
        (31_000, 1_000_000, 500_000, True),
        (20_000, 4_000, 500_000, True),
        (100, 1_000_000, 31_500, True),
        (100, 1_000_000, 32_500, False),
        (30_000, 1_000_000, 500_000, False),
        (16_000, 4_000, 500_000, False),
        (100, 1_000_000, 32_000, False),
        (100, -1, 500_000, True),
    ],
)
def test_three_triggers(debt: int, collateral: int, margin_ppm: int, due: bool) -> None:
    gross = 1_000_000 * DOLLAR
    equity = gross // 1_000_000 * margin_ppm
    found = is_due(NEGATIVE_CASH, debt * DOLLAR, collateral * DOLLAR, equity, 30_000 * DOLLAR, gross)
    assert found == due


def test_without_contracts_the_margin_fraction_says_nothing() -> None:
    assert not is_due(NEGATIVE_CASH, 100 * DOLLAR, 1_000 * DOLLAR, 0, 0, 0)


@pytest.mark.parametrize(
    ("deficit", "sold_micros"),
    [(20_000, 20_512_820_513), (5_000, 5_128_205_129)],  # Binance multi-asset page: 20,513 and 5,128.20
)
def test_what_is_sold_makes_up_for_the_haircut(deficit: int, sold_micros: int) -> None:
    worth = 100_000 * DOLLAR
    assert sold_value(MULTI_ASSET, deficit * DOLLAR, worth, worth * 975 // 1000) == sold_micros


def test_an_older_notice_sold_a_tenth_more() -> None:
    assert sold_value(NEGATIVE_CASH._replace(sold_ppm=1_100_000), 10, 0, 0) == 11


@given(st.integers(1, 1 << 45), st.integers(1, 1 << 45), st.integers(0, 1_000_000), st.integers(0, 1))
def test_the_compiled_value_equals_the_plain_one(
    debt: int, worth: int, weight_ppm: int, over_weight: int
) -> None:
    rule = NEGATIVE_CASH._replace(over_weight=over_weight)
    weighted = worth * max(weight_ppm, 50_000) // 1_000_000 if weight_ppm else 0
    weighted = max(weighted, worth // 64) if weighted else 0
    assert sold_value(rule, debt, worth, weighted) == sold_value_reference(rule, debt, worth, weighted)


def test_as_much_as_covers_the_debt_is_sold_into_the_book() -> None:
    state = small_venue()
    account = debtor(state, 31_000, 10)
    buyer = quote(state, 1, 100 * BTC, 1_000_000, ASSET)
    assert net_collateral(state, account) == (97_500 - 31_000) * DOLLAR
    assert convert(state, NEGATIVE_CASH) == 1
    assert cash_of(state, account) == 0
    assert size_of(state, account, ASSET) == round(6.9 * BTC)
    assert size_of(state, buyer, ASSET) == round(3.1 * BTC)
    assert list(fills(state)["origin"]) == [Origin.CONVERSION]
    assert events(state, EventKind.CONVERSION)["amount"][0] == 31_000 * DOLLAR
    assert convert(state, NEGATIVE_CASH) == 0
    check_books(state)


def test_a_lower_bid_means_more_is_sold() -> None:
    state = small_venue()
    account = debtor(state, 31_000, 10)
    quote(state, 1, 100 * BTC, 900_000, ASSET)
    assert convert(state, NEGATIVE_CASH) == 1
    sold = 10 * BTC - size_of(state, account, ASSET)
    assert sold * 900_000 >= 31_000 * DOLLAR
    assert sold * 900_000 - 31_000 * DOLLAR < 1_000_000  # within a lot or two
    check_books(state)


def test_not_beyond_the_market_band_and_not_more_than_is_held() -> None:
    state = small_venue()
    state.instruments["market_band_ppm"][ASSET] = 20_000
    account = debtor(state, 31_000, 2)
    quote(state, 1, BTC, 980_000, ASSET)
    quote(state, 1, 100 * BTC, 979_999, ASSET)
    assert convert(state, NEGATIVE_CASH) == 1
    assert size_of(state, account, ASSET) == BTC
    state.instruments["market_band_ppm"][ASSET] = 0
    assert convert(state, NEGATIVE_CASH) == 1
    assert size_of(state, account, ASSET) == 0
    assert cash_of(state, account) == -31_000 * DOLLAR + BTC * (980_000 + 979_999)
    check_books(state)


def test_own_orders_in_the_asset_go_first() -> None:
    state = small_venue()
    account = debtor(state, 31_000, 4)
    row = int(holding_of(state, account, ASSET))
    for side, lots, ticks in ((-1, 4 * BTC, 1_100_000), (1, 1, 1_000_001)):
        reserve(state, row, side, lots, ticks)
        rest(state, Taker(account, ASSET, side, ticks, lots, 0, 0, 0), lots, row, take_slot(state))
    quote(state, 1, 100 * BTC, 1_000_000, ASSET)
    assert convert(state, NEGATIVE_CASH) == 1
    assert state.accounts["order_count"][account] == 0
    assert cash_of(state, account) == 0
    check_books(state)


def test_who_may_borrow_or_is_privileged_keeps_the_debt() -> None:
    state = small_venue()
    state.profiles[1] = state.profiles[0]
    borrower, privileged, exempt, house = (debtor(state, 31_000, 10) for _ in range(4))
    state.accounts["profile"][borrower] = 1
    state.accounts["credit_limit"][privileged] = 65_000 * DOLLAR
    state.accounts["exempt"][exempt] = 1
    state.accounts["role"][house] = 9
    quote(state, 1, 100 * BTC, 1_000_000, ASSET)
    assert convert(state, NEGATIVE_CASH) == 0
    assert convert(state, NEGATIVE_CASH._replace(profiles=3)) == 1
    assert cash_of(state, borrower) == 0
    check_books(state)


def test_below_a_floor_or_at_liquidation_by_the_weight() -> None:
    state = small_venue()
    account = debtor(state, 5_000, 10)
    quote(state, 1, 100 * BTC, 1_000_000, ASSET)
    assert convert(state, MULTI_ASSET) == 0
    deposit(state, account, -1)
    assert convert(state, MULTI_ASSET) == 1
    assert 10 * BTC - size_of(state, account, ASSET) == 5_129  # 5,128.205 rounded up to a lot of a dollar
    check_books(state)


def test_at_liquidation_any_debt_is_converted() -> None:
    state = small_venue()
    account = debtor(state, 100, 1)
    open_position(state, account, 10 * BTC, 1_000_000)
    quote(state, 1, 100 * BTC, 1_000_000, ASSET)
    set_mark(state, 935_000)
    assert convert(state, MULTI_ASSET) == 0  # 9,650 - 6,500 of 2,805
    set_mark(state, 930_000)  # 2,650 of 2,790
    assert convert(state, MULTI_ASSET) == 1
    assert cash_of(state, account) >= 0
    check_books(state)


def test_a_friend_who_bids_below_what_the_asset_counts_for_waits() -> None:
    # 6 coins at 10,000 count for 0.975 of it: 58,500, all of which is owed. Sold at 9,500 they would bring
    # 57,000, and the fund would pay 1,500 that a friend of the owner has. At 9,750 they bring what is owed.
    state = small_venue()
    account = debtor(state, 58_500, 6)
    quote(state, 1, 100 * BTC, 974_999, ASSET)
    assert convert(state, NEGATIVE_CASH) == 1
    assert (cash_of(state, account), size_of(state, account, ASSET)) == (-58_500 * DOLLAR, 6 * BTC)
    quote(state, 1, 2 * BTC, 975_000, ASSET)
    convert(state, NEGATIVE_CASH)
    assert (cash_of(state, account), size_of(state, account, ASSET)) == (-39_000 * DOLLAR, 4 * BTC)
    deposit(state, account, 4 * DOLLAR)  # may be lost: a cent a coin, on the 3.9996 that bring 38,996.060004
    convert(state, NEGATIVE_CASH)
    assert (cash_of(state, account), size_of(state, account, ASSET)) == (60_004, 4)
    check_books(state)


def test_an_asset_without_a_bid_good_enough_gives_way_to_the_next() -> None:
    state = small_venue()
    figures = ASSET_FIGURES | {"weight_total_ppm": 950_000}
    setup.list_instrument(state, ASSET + 1, figures, 1_000_000)
    account = debtor(state, 48_250, 4)  # 39,000 and 9,500 count, so 250 may be lost
    deposit_asset(state, account, ASSET + 1, BTC)
    quote(state, 1, 100 * BTC, 950_000, ASSET)  # 4 coins would lose 1,000
    quote(state, 1, 100 * BTC, 950_000, ASSET + 1)  # loses nothing
    convert(state, NEGATIVE_CASH)
    assert (size_of(state, account, ASSET), size_of(state, account, ASSET + 1)) == (4 * BTC, 0)
    assert equity_of(state, account) == 250 * DOLLAR
    check_books(state)


@given(
    st.integers(0, 70_000), st.integers(1, 60_000), st.integers(500_000, 1_100_000), st.integers(1, 60_000),
    st.integers(0, 1), st.sampled_from([1_000_000, 975_000, 333_333, 0]),
)  # fmt: skip
def test_no_sale_takes_equity_below_zero_or_further_below(
    debt: int, lots: int, ticks: int, bid: int, over_weight: int, weight_ppm: int
) -> None:
    state = small_venue()
    state.instruments["weight_total_ppm"][ASSET] = weight_ppm
    account = debtor(state, debt, lots / BTC)
    quote(state, 1, bid, ticks, ASSET)
    quote(state, 1, bid, max(ticks - 7, 1), ASSET)
    before = equity_of(state, account)
    convert(state, NEGATIVE_CASH._replace(cash_floor=1, over_weight=over_weight))
    assert equity_of(state, account) >= min(before, 0)
    check_books(state)
