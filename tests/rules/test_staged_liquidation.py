"""Staged liquidation: a fifth of a large position, half a minute of rest, the remainder; then the vault."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.small_venue import (
    DOLLAR,
    OTHER,
    cash_of,
    check_books,
    customer,
    events,
    fills,
    find_danger,
    open_position,
    pass_seconds,
    quote,
    set_mark,
    size_of,
    small_venue,
)
from undertow.venue.frozen import Frozen, frozen_room, release_recovered
from undertow.venue.ledger import deposit
from undertow.venue.pacing_staged import Staged, staged, staged_lots, staged_lots_reference
from undertow.venue.records import EventKind
from undertow.venue.state import COUNT_BANKRUPT, HOUSE_VAULT, STAGE_FREE, STAGE_TAKEN, State
from undertow.venue.vault import Vault

RULE = Staged(100_000 * DOLLAR, 200_000, 30_000, 0)
VAULT = Vault(HOUSE_VAULT, 2, 3, 1_000_000 * DOLLAR, 100_000 * DOLLAR)
BTC = 10_000  # lots


def venue_with_vault() -> State:
    state = small_venue()
    deposit(state, HOUSE_VAULT, VAULT.capital)
    return state


def run(state: State, frozen: Frozen, rule: Staged = RULE) -> None:
    release_recovered(state, frozen)
    find_danger(state)
    staged(state, rule, VAULT, frozen)


@pytest.mark.parametrize(
    ("dollars", "first"),
    [(250_000, 50_000), (100_000, 100_000), (99_000, 99_000), (100_001, 20_001)],
)
def test_above_the_threshold_a_fifth_goes_first(dollars: int, first: int) -> None:
    # Hyperliquid docs, trading/liquidations: 250,000 goes as 50,000 and then 200,000; lots of a dollar
    assert staged_lots(dollars, dollars * DOLLAR, 100_000 * DOLLAR, 200_000) == first


@given(st.integers(1, 1 << 40), st.integers(0, 1 << 50), st.integers(0, 1 << 50), st.integers(1, 1_000_000))
def test_the_compiled_size_equals_the_plain_one(
    size: int, amount: int, threshold: int, first_ppm: int
) -> None:
    expected = staged_lots_reference(size, amount, threshold, first_ppm)
    assert staged_lots(size, amount, threshold, first_ppm) == expected


def test_a_large_position_goes_in_two_orders_half_a_minute_apart() -> None:
    state = venue_with_vault()
    frozen = frozen_room(state)
    account = customer(state, 12_500)
    open_position(state, account, 25 * BTC, 1_000_000)
    quote(state, 1, 1_000 * BTC, 976_000)
    set_mark(state, 976_500)  # equity 6,625, maintenance 7,323.75
    run(state, frozen)
    assert size_of(state, account) == 20 * BTC  # 244,125 worth: a fifth; maintenance is now 5,859
    assert state.accounts["stage"][account] == STAGE_FREE
    set_mark(state, 970_000)  # equity 5,300 of 5,820: below again, but resting
    for _ in range(29):
        pass_seconds(state, 1)
        run(state, frozen)
        assert size_of(state, account) == 20 * BTC
    pass_seconds(state, 1)
    run(state, frozen)
    assert size_of(state, account) == 0
    assert [int(size) for size in events(state, EventKind.LIQUIDATION_ORDER)["size"]] == [5 * BTC, 20 * BTC]
    # the user keeps what is left: 12,500 less 25 x 240
    assert cash_of(state, account) == 6_500 * DOLLAR
    assert state.accounts["stage"][account] == STAGE_FREE
    assert cash_of(state, HOUSE_VAULT) == VAULT.capital
    check_books(state)


def test_small_positions_go_at_once_until_the_account_is_healthy() -> None:
    state = venue_with_vault()
    frozen = frozen_room(state)
    account = customer(state, 1_000)
    open_position(state, account, 2 * BTC, 1_000_000)
    open_position(state, account, 1 * BTC, 1_000_000, OTHER)
    quote(state, 1, 10 * BTC, 964_000, OTHER)
    set_mark(state, 965_000)
    set_mark(state, 965_000, OTHER)
    # equity -50 would be below zero; a deposit puts it at 600 of 868.5
    deposit(state, account, 650 * DOLLAR)
    run(state, frozen)
    assert size_of(state, account, OTHER) == 0
    assert size_of(state, account) == 2 * BTC  # equity 590 of 579: healthy again after the first order
    assert state.accounts["stage"][account] == STAGE_FREE
    check_books(state)


def test_market_orders_stop_at_the_band_where_there_is_one() -> None:
    for at_band, sold in ((0, 2 * BTC), (1, BTC)):
        state = venue_with_vault()
        state.instruments["market_band_ppm"][0] = 20_000
        account = customer(state, 1_000)
        open_position(state, account, 2 * BTC, 1_000_000)
        quote(state, 1, BTC, 969_000)
        quote(state, 1, BTC, 900_000)
        set_mark(state, 970_000)
        state.markets["band_reference"][0] = 970_000
        run(state, frozen_room(state), RULE._replace(at_band=at_band))
        assert sum(fills(state)["size"]) == sold
        check_books(state)


def test_what_the_book_does_not_take_passes_to_the_vault_below_two_thirds() -> None:
    state = venue_with_vault()
    frozen = frozen_room(state)
    account = customer(state, 1_000)
    open_position(state, account, 2 * BTC, 1_000_000)
    set_mark(state, 970_000)  # equity 400 of 582: two thirds are 388
    run(state, frozen)
    assert size_of(state, account) == 2 * BTC
    pass_seconds(state, 1)
    set_mark(state, 969_300)
    run(state, frozen)
    assert state.accounts["stage"][account] == STAGE_TAKEN
    assert size_of(state, HOUSE_VAULT) == 2 * BTC
    assert cash_of(state, account) == 0
    check_books(state)


def test_below_zero_no_order_is_sent_and_the_account_is_listed() -> None:
    state = venue_with_vault()
    account = customer(state, 1_000)
    open_position(state, account, 2 * BTC, 1_000_000)
    quote(state, 1, 10 * BTC, 900_000)
    set_mark(state, 940_000)
    run(state, frozen_room(state))
    assert len(fills(state)) == 0
    assert list(state.bankrupt[: state.counters[COUNT_BANKRUPT]]) == [account]
    check_books(state)
