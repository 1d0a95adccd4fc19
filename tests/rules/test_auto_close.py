"""Paced liquidation, step 2: the line, the share closed each second, zero prices, and what overflows."""

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
    find_danger,
    fund_cash,
    open_position,
    set_mark,
    size_of,
    small_venue,
)
from undertow.venue.auto_close import (
    OVERFLOW,
    AutoClose,
    auto_close_line,
    auto_close_lots,
    auto_close_lots_reference,
    auto_close_second,
)
from undertow.venue.backstop import Providers, Split, advance, open_providers
from undertow.venue.frozen import enter, frozen_room
from undertow.venue.ledger import deposit
from undertow.venue.records import EventKind
from undertow.venue.state import COUNT_BANKRUPT, HOUSE_FUND, State

RULE = AutoClose(500_000, 60_000, 1_000 * DOLLAR, 1)
SPLIT = Split(2, 3, 0)
BTC = 10_000  # lots


def providers_of(state: State, *limits: int) -> Providers:
    """Providers with these dollars a minute, ten times that an hour, and capital."""
    providers = open_providers(state, [(each * DOLLAR, 10 * each * DOLLAR) for each in limits])
    for account in providers.account:
        deposit(state, int(account), 1_000_000 * DOLLAR)
    advance(providers, 1_000)
    return providers


def run(state: State, providers: Providers, rule: AutoClose = RULE) -> np.ndarray:
    frozen = frozen_room(state)
    for account in find_danger(state):
        enter(state, frozen, int(account))
    overflow = np.zeros(64, OVERFLOW)
    return overflow[: auto_close_second(state, rule, SPLIT, providers, overflow)]


@pytest.mark.parametrize(
    ("maintenance_ppm", "line_ppm"),
    [  # FTX help 360027668712: ACMF = max(MMF / 2, MMF - 6 %)
        (30_000, 15_000),
        (120_000, 60_000),
        (200_000, 140_000),
        (36_000, 18_000),
    ],
)
def test_the_line_is_half_of_maintenance_or_six_per_cent_below(maintenance_ppm: int, line_ppm: int) -> None:
    gross = 1_000_000 * DOLLAR
    assert auto_close_line(RULE, gross // 1_000_000 * maintenance_ppm, gross) == gross // 1_000_000 * line_ppm


@pytest.mark.parametrize(
    ("equity_dollars", "lots"),
    [  # FTX help 360027937831, step 2: 100 BTC at 20,000, line 1.5 % = 30,000 USD, lots of 0.0001 BTC
        (20_000, 333_334),  # 1.0 %: a third, rounded up
        (29_800, 6_667),  # 1.49 %: 0.66667 BTC
        (-10_000, 1_000_000),  # -0.5 %: everything
        (30_000 - 0.000001, 500),  # a hair below the line: 1,000 USD, 0.05 BTC
    ],
)
def test_the_share_closed_grows_towards_the_zero_price(equity_dollars: float, lots: int) -> None:
    line = 30_000 * DOLLAR
    assert auto_close_lots(1_000_000, round(equity_dollars * DOLLAR), line, 500) == lots


@given(
    st.integers(1, 1 << 40),
    st.integers(-(1 << 50), 1 << 50),
    st.integers(1, 1 << 50),
    st.integers(0, 1 << 20),
)
def test_the_compiled_lots_equal_the_plain_ones(size: int, equity: int, line: int, floor_lots: int) -> None:
    equity = min(equity, line - 1)
    assert auto_close_lots(size, equity, line, floor_lots) == auto_close_lots_reference(
        size, equity, line, floor_lots
    )


def test_a_third_passes_at_the_zero_price_and_the_margin_fraction_stays() -> None:
    state = small_venue(2_000_000)
    account = customer(state, 100_000)
    open_position(state, account, 100 * BTC, 2_000_000)
    providers = providers_of(state, 10_000_000)
    set_mark(state, 1_919_192)  # 19,191.92: equity 19,192, 1.00001 % of 1,919,192
    assert len(run(state, providers)) == 0
    closed = -(-100 * BTC * (28_787_880_000 - 19_192_000_000) // 28_787_880_000)
    assert size_of(state, account) == 100 * BTC - closed
    assert size_of(state, int(providers.account[0])) == closed
    assert events(state, EventKind.AUTO_CLOSE)["price"][0] == 1_900_000  # 1,000 a coin below entry
    assert cash_of(state, account) == 100_000 * DOLLAR - closed * 100_000
    # a third of what the closed part was still worth, 191.92 a coin, goes to the fund
    assert fund_cash(state) == -(-closed * 19_192 // 3)
    check_books(state)


def test_several_positions_close_at_their_own_zero_prices_and_leave_nothing() -> None:
    # FTX help 360027668712: equity 10,000; long 200,000 at 3 %, short 100,000 at 5 %;
    # zero prices 19,454.5455 of 20,000 and 104.545455 of 100
    state = small_venue(2_000_000)
    state.instruments["rate_floor_ppm"][OTHER] = 50_000
    set_mark(state, 10_000, OTHER)
    account = customer(state, 10_000)
    open_position(state, account, 10 * BTC, 2_000_000)
    open_position(state, account, -1_000 * BTC, 10_000, OTHER)
    providers = providers_of(state, 10_000_000)
    rule = RULE._replace(half_ppm=1_000_000, floor=1_000_000 * DOLLAR)  # line at 11,000; everything at once
    assert len(run(state, providers, rule)) == 0
    closed = events(state, EventKind.AUTO_CLOSE)
    assert {int(e["instrument"]): int(e["price"]) for e in closed} == {PERPETUAL: 1_945_455, OTHER: 10_454}
    assert size_of(state, account) == size_of(state, account, OTHER) == 0
    # zero prices are rounded towards the mark: 0.45 and 0.55 of a tick are left, times 10 and 1,000 coins
    assert 0 <= cash_of(state, account) <= 100_000 + 10_000_000
    check_books(state)


def test_what_providers_cannot_take_overflows_and_a_bankrupt_wallet_is_listed() -> None:
    state = small_venue(2_000_000)
    deposit(state, HOUSE_FUND, 1_000_000 * DOLLAR)
    solvent = customer(state, 100_000)
    open_position(state, solvent, 100 * BTC, 2_000_000)
    bankrupt = customer(state, 50_000)
    open_position(state, bankrupt, 100 * BTC, 2_000_000)
    providers = providers_of(state, 300_000, 100_000)
    set_mark(state, 1_919_192)
    overflow = run(state, providers)
    # the first account wanted 33.3 BTC and found room for 400,000 USD; the second is wholly listed
    taken = sum(size_of(state, int(account)) for account in providers.account)
    assert taken == 300_000 * DOLLAR // 1_919_192 + 100_000 * DOLLAR // 1_919_192
    wanted = -(-100 * BTC * (28_787_880_000 - 19_192_000_000) // 28_787_880_000)
    assert [tuple(row) for row in overflow] == [(solvent, PERPETUAL, wanted - taken, 1_900_000)]
    assert size_of(state, solvent) == 100 * BTC - taken
    assert list(state.bankrupt[: state.counters[COUNT_BANKRUPT]]) == [bankrupt]
    assert size_of(state, bankrupt) == 100 * BTC
    check_books(state)


def test_a_solvent_wallet_waits_where_the_rule_says_so_a_bankrupt_one_does_not() -> None:
    state = small_venue(2_000_000)
    solvent, bankrupt = customer(state, 100_000), customer(state, 50_000)
    for account in (solvent, bankrupt):
        open_position(state, account, 100 * BTC, 2_000_000)
    set_mark(state, 1_919_192)
    assert len(run(state, providers_of(state), RULE._replace(overflow_to_allocation=0))) == 0
    assert size_of(state, solvent) == size_of(state, bankrupt) == 100 * BTC
    assert list(state.bankrupt[: state.counters[COUNT_BANKRUPT]]) == [bankrupt]


def test_above_the_line_nothing_is_closed() -> None:
    state = small_venue(2_000_000)
    account = customer(state, 100_000)
    open_position(state, account, 100 * BTC, 2_000_000)
    providers = providers_of(state, 10_000_000)
    set_mark(state, 1_940_000)  # 40,000: below 3 %, above 1.5 %
    assert len(run(state, providers)) == 0
    assert size_of(state, account) == 100 * BTC
