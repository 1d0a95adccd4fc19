"""Backstop providers: capacity, sharing, the price split, who pays when the account is already bankrupt."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.small_venue import (
    DOLLAR,
    PERPETUAL,
    cash_of,
    check_books,
    customer,
    events,
    fund_cash,
    open_position,
    set_mark,
    size_of,
    small_venue,
)
from undertow.venue.backstop import (
    Providers,
    Split,
    advance,
    exact_share,
    fund_due,
    fund_due_reference,
    open_providers,
    pass_on,
    remaining,
    share_out,
    share_out_reference,
    use,
)
from undertow.venue.ledger import deposit, find_holding, free_if_empty
from undertow.venue.margin import maintenance_parts
from undertow.venue.records import EventKind
from undertow.venue.state import HOUSE_FUND, State
from undertow.venue.takeover import zero_price

THIRD = Split(2, 3, 0)
LITERAL = Split(2, 3, 1)
BTC = 10_000  # lots


def providers_of(state: State, *limits: tuple[int, int]) -> Providers:
    """Providers with these dollars a minute and an hour."""
    providers = open_providers(state, [(minute * DOLLAR, hour * DOLLAR) for minute, hour in limits])
    advance(providers, 1_000)
    return providers


def pass_all(state: State, account: int, split: Split, providers: Providers) -> int:
    """Pass an account's whole position on at its zero price; returns the lots passed."""
    holding = int(find_holding(state, account, PERPETUAL))
    equity, maintenance, _gross = maintenance_parts(state, account)
    zero = int(zero_price(state, holding, equity, maintenance))
    passed = int(pass_on(state, split, providers, holding, abs(size_of(state, account)), zero))
    free_if_empty(state, holding)
    return passed


def test_the_account_closes_at_zero_and_the_fund_gets_a_third() -> None:
    # FTX help 360024479392: 1,000 USD and 2 BTC long at 10,000 reach 1.5 % at 9,644.67; zero price 9,500;
    # 360027937831: the other side gets 2/3 x 9,500 + 1/3 x 9,644.67 = 9,548.2234
    state = small_venue()
    account = customer(state, 1_000)
    open_position(state, account, 2 * BTC, 1_000_000)
    providers = providers_of(state, (100_000, 300_000))
    provider = int(providers.account[0])
    set_mark(state, 964_467)
    assert maintenance_parts(state, account)[0] == 289_340_000
    assert pass_all(state, account, THIRD, providers) == 2 * BTC
    assert cash_of(state, account) == 0
    assert events(state, EventKind.AUTO_CLOSE)["price"][0] == 950_000
    assert fund_cash(state) == 96_446_667  # a third of 289.34, rounded up for the fund
    assert maintenance_parts(state, provider)[0] == 192_893_333  # two thirds
    # what it paid for 2 BTC: 19,000 and 96.446667, 9,548.2233335 a coin
    assert -int(state.holdings["quote"][find_holding(state, provider, PERPETUAL)]) == 19_000 * DOLLAR
    check_books(state)


def test_a_short_is_the_mirror_image() -> None:
    state = small_venue()
    account = customer(state, 1_000)
    open_position(state, account, -2 * BTC, 1_000_000)
    providers = providers_of(state, (100_000, 300_000))
    set_mark(state, 1_035_533)  # 355.33 above entry, as far as the long's mark was below
    assert pass_all(state, account, THIRD, providers) == 2 * BTC
    assert cash_of(state, account) == 0
    assert fund_cash(state) == 96_446_667
    assert size_of(state, int(providers.account[0])) == -2 * BTC
    check_books(state)


@pytest.mark.parametrize(
    ("split", "fund_pays", "provider_loses"),
    [  # mark 9,400, zero price 9,500, 2 BTC: FTX help 360027937831 literally, and the flow chart's reading
        (LITERAL, 66_666_666, 133_333_334),
        (THIRD, 200_000_000, 0),
    ],
)
def test_already_bankrupt(split: Split, fund_pays: int, provider_loses: int) -> None:
    state = small_venue()
    deposit(state, HOUSE_FUND, 1_000 * DOLLAR)
    account = customer(state, 1_000)
    open_position(state, account, 2 * BTC, 1_000_000)
    providers = providers_of(state, (100_000, 300_000))
    set_mark(state, 940_000)
    assert pass_all(state, account, split, providers) == 2 * BTC
    assert cash_of(state, account) == 0
    assert 1_000 * DOLLAR - fund_cash(state) == fund_pays
    assert maintenance_parts(state, int(providers.account[0]))[0] == -provider_loses
    check_books(state)


def test_what_the_fund_cannot_pay_is_not_passed() -> None:
    state = small_venue()
    deposit(state, HOUSE_FUND, 199 * DOLLAR)
    account = customer(state, 1_000)
    open_position(state, account, 2 * BTC, 1_000_000)
    providers = providers_of(state, (100_000, 300_000))
    set_mark(state, 940_000)
    assert pass_all(state, account, THIRD, providers) == 0
    assert fund_cash(state) == 199 * DOLLAR
    assert len(events(state, EventKind.FUND_EXHAUSTED)) == 1
    check_books(state)


@pytest.mark.parametrize(
    ("limits", "shares"),
    [  # FTX help 360027937831: 200k over 300k and 100k; 600k over the same: 400k taken, 200k left over
        (200_000, [150_000, 50_000]),
        (600_000, [300_000, 100_000]),
    ],
)
def test_shares_are_in_proportion_to_what_is_left(limits: int, shares: list[int]) -> None:
    state = small_venue(100)  # 1 USD a coin, 10,000 lots
    account = customer(state, 1_000_000)
    open_position(state, account, limits * BTC, 100)
    providers = providers_of(state, (300_000, 300_000), (100_000, 300_000))
    assert pass_all(state, account, THIRD, providers) == sum(shares) * BTC
    assert [size_of(state, int(who)) // BTC for who in providers.account] == shares
    assert size_of(state, account) == (limits - sum(shares)) * BTC
    check_books(state)


@given(st.lists(st.integers(0, 1 << 40), min_size=1, max_size=8), st.integers(0, 1 << 42))
def test_the_compiled_shares_equal_the_plain_ones(room: list[int], lots: int) -> None:
    share = np.zeros(len(room), np.int64)
    total = share_out(lots, np.array(room, np.int64), share)
    assert list(share) == share_out_reference(lots, room)
    assert total == int(share.sum()) == min(lots, sum(room))
    assert all(part <= space for part, space in zip(share, room, strict=True))


@given(st.integers(-(1 << 50), 1 << 50), st.integers(0, 1), st.integers(1, 1_000), st.data())
def test_the_compiled_split_equals_the_exact_fraction(
    gain: int, literal: int, denominator: int, data: st.DataObject
) -> None:
    split = Split(data.draw(st.integers(0, denominator)), denominator, literal)
    assert fund_due(split, gain) == fund_due_reference(split, gain)


def test_a_rounded_share_is_read_as_the_fraction_it_rounds() -> None:
    assert exact_share(666_667) == (2, 3)
    assert exact_share(500_000) == (1, 2)
    assert exact_share(123_457) == (10, 81)
    assert exact_share(1_000_000) == (1, 1)
    assert exact_share(0) == (0, 1)


def test_capacity_returns_as_the_windows_roll() -> None:
    providers = providers_of(small_venue(), (100_000, 300_000))
    for minute in range(3):
        advance(providers, 6_000 + 60 * minute)
        assert remaining(providers, 0) == 100_000 * DOLLAR
        use(providers, 0, 100_000 * DOLLAR)
        assert remaining(providers, 0) == 0
        advance(providers, 6_059 + 60 * minute)
        assert remaining(providers, 0) == 0
    advance(providers, 6_180)
    assert remaining(providers, 0) == 0  # the hour is used up
    advance(providers, 6_000 + 3_599)
    assert remaining(providers, 0) == 0
    advance(providers, 6_000 + 3_600)
    assert remaining(providers, 0) == 100_000 * DOLLAR
    advance(providers, 1_000_000)
    assert int(providers.used.sum()) == int(providers.minute.sum()) == int(providers.hour.sum()) == 0


@cache
def one_venue() -> State:
    """A venue that only lends its account numbers."""
    return small_venue()


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 100)), max_size=40))
def test_no_window_ever_holds_more_than_its_limit(steps: list[tuple[int, int]]) -> None:
    providers = providers_of(one_venue(), (100, 300))
    taken: list[tuple[int, int]] = []
    second = 1_000
    for passed, wanted in steps:
        second += passed
        advance(providers, second)
        amount = min(wanted * DOLLAR, int(remaining(providers, 0)))
        use(providers, 0, amount)
        taken.append((second, amount))
        assert sum(a for t, a in taken if t > second - 60) <= 100 * DOLLAR
        assert sum(a for t, a in taken if t > second - 3_540) <= 300 * DOLLAR


def test_a_provider_that_nets_out_holds_nothing() -> None:
    state = small_venue()
    account = customer(state, 1_000)
    open_position(state, account, 2 * BTC, 1_000_000)
    providers = providers_of(state, (100_000, 300_000))
    provider = int(providers.account[0])
    deposit(state, provider, 10_000 * DOLLAR)
    open_position(state, provider, -2 * BTC, 1_000_000)
    set_mark(state, 964_467)
    assert pass_all(state, account, THIRD, providers) == 2 * BTC
    assert find_holding(state, provider, PERPETUAL) < 0
    assert cash_of(state, provider) == (10_000 + 1_000) * DOLLAR - 96_446_667
    check_books(state)
