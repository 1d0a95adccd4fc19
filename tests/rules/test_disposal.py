"""How the house sells what it took over: shares of stock and turnover, price floors, the minute's memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.small_venue import (
    ASSET,
    DOLLAR,
    OTHER,
    PERPETUAL,
    cash_of,
    check_books,
    customer,
    fills,
    fund_cash,
    open_position,
    pass_seconds,
    quote,
    set_mark,
    size_of,
    small_venue,
)
from undertow.venue.disposal import (
    FLOOR_BAND,
    FLOOR_BANKRUPTCY,
    FLOOR_NONE,
    Disposal,
    Stock,
    Window,
    disposal_lots,
    disposal_lots_reference,
    dispose,
    house_order,
    note_takeovers,
    observe,
    open_stock,
    open_window,
)
from undertow.venue.ledger import deposit, deposit_asset, holding_of
from undertow.venue.records import Origin
from undertow.venue.state import COUNT_FILLS, HOUSE_FUND, TIME, State
from undertow.venue.takeover import take_over

BTC = 10_000  # lots
ALL = Disposal(1_000_000, 0, FLOOR_NONE, 0)
NONE = Disposal(0, 0, FLOOR_NONE, 0)


def venue_with_stock(lots: int = 10 * BTC) -> tuple[State, Window, Stock]:
    """A fund of 1,000,000 that holds a position bought at 10,000."""
    state = small_venue()
    deposit(state, HOUSE_FUND, 1_000_000 * DOLLAR)
    open_position(state, HOUSE_FUND, lots, 1_000_000)
    return state, open_window(state), open_stock(state)


def second_of(state: State) -> int:
    return int(state.counters[TIME]) // 1000


def sell(state: State, window: Window, stock: Stock, contracts: Disposal, assets: Disposal = NONE) -> None:
    """One second of disposal by the fund."""
    pass_seconds(state, 1)
    observe(state, window, second_of(state))
    dispose(state, HOUSE_FUND, contracts, assets, window, stock, 1)


def trade(state: State, lots: int, ticks: int = 1_000_000) -> None:
    """Two customers trade through the book."""
    quote(state, 1, lots, ticks)
    seller = customer(state, 1_000_000_000)
    row = holding_of(state, seller, PERPETUAL)
    house_order(state, row, -1, lots, ticks, int(Origin.CUSTOMER))


@pytest.mark.parametrize(
    ("rule", "stock", "turnover", "seconds", "lots"),
    [
        (Disposal(2_888, 0, 0, 0), 1_000_000, 0, 1, 2_888),  # half in four minutes
        (
            Disposal(333, 200_000, 0, 0),
            1_000_000,
            60_000,
            1,
            200,
        ),  # a fifth of the turnover, a sixtieth of it
        (Disposal(333, 200_000, 0, 0), 1_000_000, 600_000, 1, 333),
        (Disposal(333, 200_000, 0, 0), 1_000_000, 0, 1, 0),
        (Disposal(333, 0, 0, 0), 1, 0, 1, 1),
        (Disposal(333, 0, 0, 0), 1_000_000, 0, 60, 19_980),
        (Disposal(500_000, 0, 0, 0), 7, 0, 60, 7),
    ],
)
def test_a_share_of_the_stock_within_a_share_of_turnover(
    rule: Disposal, stock: int, turnover: int, seconds: int, lots: int
) -> None:
    assert disposal_lots(rule, stock, turnover, seconds) == lots


@given(
    st.integers(0, 1_000_000), st.integers(0, 1_000_000), st.integers(1, 1 << 40), st.integers(0, 1 << 40),
    st.integers(1, 600),
)  # fmt: skip
def test_the_compiled_lots_equal_the_plain_ones(
    rate: int, share: int, stock: int, turnover: int, seconds: int
) -> None:
    rule = Disposal(rate, share, FLOOR_NONE, 0)
    expected = disposal_lots_reference(rule, stock, turnover, seconds)
    assert disposal_lots(rule, stock, turnover, seconds) == expected


def test_half_is_sold_in_four_minutes() -> None:
    state, window, stock = venue_with_stock()
    quote(state, 1, 100 * BTC, 999_000)
    for _ in range(240):
        sell(state, window, stock, Disposal(2_888, 0, FLOOR_NONE, 0))
    left = size_of(state, HOUSE_FUND)
    assert 4.9 * BTC < left < 5.1 * BTC
    assert set(fills(state)["origin"]) == {Origin.DISPOSAL}
    assert fund_cash(state) == 1_000_000 * DOLLAR - (10 * BTC - left) * 1_000
    check_books(state)


def test_turnover_is_that_of_the_last_minute_whoever_drains_the_log() -> None:
    state, window, _stock = venue_with_stock()
    observe(state, window, second_of(state))
    trade(state, 600)
    for passed, seen in ((1, 600), (30, 600), (28, 600), (1, 600), (1, 0)):
        pass_seconds(state, passed)
        observe(state, window, second_of(state))
        assert int(window.turnover[PERPETUAL]) == seen
        state.counters[COUNT_FILLS] = 0  # the log is drained between steps
    trade(state, 50)
    pass_seconds(state, 7)
    observe(state, window, second_of(state))
    trade(state, 70)
    pass_seconds(state, 3)
    observe(state, window, second_of(state))
    assert int(window.turnover[PERPETUAL]) == 120
    pass_seconds(state, 1_000)
    observe(state, window, second_of(state))
    assert int(window.turnover[PERPETUAL]) == int(window.lots.sum()) == 0


def test_a_thin_market_is_not_flooded() -> None:
    state, window, stock = venue_with_stock()
    observe(state, window, second_of(state))
    trade(state, 6_000)
    quote(state, 1, 100 * BTC, 999_000)
    sell(state, window, stock, Disposal(1_000_000, 100_000, FLOOR_NONE, 0))
    assert 10 * BTC - size_of(state, HOUSE_FUND) == 10  # a tenth of 6,000 a minute
    check_books(state)


@pytest.mark.parametrize(("cash", "sold"), [(1_000_000, BTC), (-20_000, 10 * BTC)])
def test_a_solvent_house_does_not_sell_through_the_band(cash: int, sold: int) -> None:
    state, window, stock = venue_with_stock()
    deposit(state, HOUSE_FUND, (cash - 1_000_000) * DOLLAR)
    observe(state, window, second_of(state))
    pass_seconds(state, 59)
    observe(state, window, second_of(state))
    set_mark(state, 985_000)
    quote(state, 1, BTC, 980_000)  # two per cent below the mark of a minute ago
    quote(state, 1, 100 * BTC, 979_999)
    sell(state, window, stock, Disposal(1_000_000, 0, FLOOR_BAND, 20_000))
    assert 10 * BTC - size_of(state, HOUSE_FUND) == sold
    check_books(state)


def test_a_short_is_bought_back_no_higher_than_the_band() -> None:
    state, window, stock = venue_with_stock(-10 * BTC)
    observe(state, window, second_of(state))
    quote(state, -1, BTC, 1_020_000)
    quote(state, -1, 100 * BTC, 1_020_001)
    sell(state, window, stock, Disposal(1_000_000, 0, FLOOR_BAND, 20_000))
    assert size_of(state, HOUSE_FUND) == -9 * BTC
    check_books(state)


def test_at_the_bankruptcy_price_or_better() -> None:
    state = small_venue()
    window, stock = open_window(state), open_stock(state)
    observe(state, window, second_of(state))
    accounts = [customer(state, 1_000), customer(state, 2_000)]
    open_position(state, accounts[0], 2 * BTC, 1_000_000)
    open_position(state, accounts[1], 6 * BTC, 1_000_000)
    set_mark(state, 960_000)
    for account in accounts:
        take_over(state, account, HOUSE_FUND)
    note_takeovers(state, HOUSE_FUND, stock)
    # zero prices 9,500 for 2 coins and 9,666.67 for 6
    assert int(stock.lots[PERPETUAL]) == 8 * BTC
    assert 962_500 <= int(stock.zero_ticks[PERPETUAL]) <= 962_501
    zero = int(stock.zero_ticks[PERPETUAL])
    quote(state, 1, BTC, zero)
    quote(state, 1, 100 * BTC, zero - 1)
    sell(state, window, stock, Disposal(1_000_000, 0, FLOOR_BANKRUPTCY, 0))
    assert size_of(state, HOUSE_FUND) == 7 * BTC
    assert int(stock.lots[PERPETUAL]) == 7 * BTC
    check_books(state)


def test_contracts_and_assets_have_rules_of_their_own() -> None:
    state, window, stock = venue_with_stock()
    open_position(state, HOUSE_FUND, 3 * BTC, 1_000_000, OTHER)
    deposit_asset(state, HOUSE_FUND, ASSET, 5 * BTC)
    observe(state, window, second_of(state))
    for instrument in (PERPETUAL, OTHER, ASSET):
        quote(state, 1, 100 * BTC, 999_000, instrument)
    before = cash_of(state, HOUSE_FUND)
    sell(state, window, stock, NONE, Disposal(100_000, 0, FLOOR_NONE, 0))
    assert size_of(state, HOUSE_FUND) == 10 * BTC
    assert size_of(state, HOUSE_FUND, ASSET) == 9 * BTC // 2
    assert cash_of(state, HOUSE_FUND) - before == BTC // 2 * 999_000
    sell(state, window, stock, ALL)
    assert size_of(state, HOUSE_FUND) == size_of(state, HOUSE_FUND, OTHER) == 0
    assert size_of(state, HOUSE_FUND, ASSET) == 9 * BTC // 2
    check_books(state)
