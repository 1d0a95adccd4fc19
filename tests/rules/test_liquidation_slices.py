"""Paced liquidation, step 1: order sizes as published, the shared cap, keyed draws, money that adds up."""

from __future__ import annotations

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
    fills,
    find_danger,
    fund_cash,
    open_position,
    pass_seconds,
    quote,
    set_mark,
    size_of,
    small_venue,
)
from undertow.venue.auto_close import AutoClose
from undertow.venue.frozen import Frozen, frozen_room, release_recovered
from undertow.venue.pacing_slices import (
    Slices,
    SlicesMemory,
    draws_of,
    liquidate_slices,
    open_rooms,
    slice_lots,
    slice_lots_reference,
    visiting_order,
)
from undertow.venue.records import EventKind, Origin
from undertow.venue.state import COUNT_BANKRUPT, STAGE_FREE, STAGE_LIQUIDATING, State

RULE = Slices(1_000_000, 100_000, 1_000 * DOLLAR, 100, 500_000, 1_500_000, 100, 500)
LINE = AutoClose(500_000, 60_000, 1_000 * DOLLAR, 1)
BTC = 10_000  # lots


def memory(adv_lots: int = 150_000 * BTC) -> SlicesMemory:
    return SlicesMemory(np.full(4, adv_lots, np.int64), np.zeros(4, np.int64))


def run(state: State, arrays: SlicesMemory, frozen: Frozen, second: int, rule: Slices = RULE) -> None:
    release_recovered(state, frozen)
    find_danger(state)
    liquidate_slices(state, rule, LINE, arrays, frozen, 7, second)


@pytest.mark.parametrize(
    ("position", "room", "jitter_ppm", "size", "room_after"),
    [  # FTX help 360027937831, step 1: positions in lots of 0.0001 BTC at 20,000 USD, cap 15 BTC
        (1_000_000, 150_000, 1_200_000, 120_000, 30_000),
        (5_000_000, 150_000, 1_500_000, 225_000, 0),  # the formula leaves -7.5 BTC, clamped at zero
        (400, 150_000, 500_000, 200, 149_800),
        (1_000_000, 150_000, 500_000, 50_000, 100_000),
    ],
)
def test_an_order_is_a_tenth_within_the_cap_and_then_jittered(
    position: int, room: int, jitter_ppm: int, size: int, room_after: int
) -> None:
    floor_lots = 500  # 1,000 USD at 20,000 USD a coin
    assert slice_lots(position, floor_lots, room, 100_000, jitter_ppm) == size
    assert max(room - size, 0) == room_after


@given(
    st.integers(1, 1 << 40), st.integers(0, 1 << 20), st.integers(0, 1 << 40),
    st.integers(1, 1_000_000), st.integers(1, 2_000_000),
)  # fmt: skip
def test_the_compiled_size_equals_the_plain_one(
    size: int, floor_lots: int, room: int, slice_ppm: int, jitter_ppm: int
) -> None:
    expected = slice_lots_reference(size, floor_lots, room, slice_ppm, jitter_ppm)
    assert slice_lots(size, floor_lots, room, slice_ppm, jitter_ppm) == expected


def test_a_contract_is_executed_about_every_six_seconds() -> None:
    state, arrays = small_venue(), memory()
    executed = np.zeros(4, np.int64)
    for second in range(6_000):
        open_rooms(state, RULE._replace(probability_ppm=166_667), draws_of(7, second).execute, arrays)
        executed += arrays.room >= 0
    assert 900 < executed[0] < 1_100  # a sixth of 6,000, four standard deviations either side
    assert executed[0] != executed[1]
    assert executed[2] == 0  # an asset is not a contract


def test_visits_are_in_an_order_that_others_do_not_change() -> None:
    everybody = np.arange(100, dtype=np.int32)
    order = visiting_order(everybody, 7, 3)
    assert sorted(order) == list(range(100))
    assert list(order) != list(range(100))
    assert list(order) != list(visiting_order(everybody, 7, 4))
    half = visiting_order(everybody[::2].copy(), 7, 3)
    assert list(half) == [account for account in order if account % 2 == 0]


def test_a_slice_goes_through_the_best_bid_and_no_further() -> None:
    state, arrays = small_venue(2_000_000), memory()  # 20,000 USD
    frozen = frozen_room(state)
    account = customer(state, 100_000)
    open_position(state, account, 100 * BTC, 2_000_000)
    quote(state, 1, 4 * BTC, 1_945_000)
    quote(state, 1, 400 * BTC, 1_940_000)  # 26 basis points lower, the limit is at most five away
    set_mark(state, 1_946_000)  # equity 46,000 on 1,946,000: below 3 %, above 1.5 %
    run(state, arrays, frozen, 1)
    orders = events(state, EventKind.LIQUIDATION_ORDER)
    assert len(orders) == 1
    assert 5 * BTC <= orders["size"][0] <= 15 * BTC  # a tenth of 100 BTC, jittered by half either way
    assert 1_945_000 * 0.9995 <= orders["price"][0] <= 1_945_000 * 0.9999 + 1
    assert orders["amount"][0] == 4 * BTC
    assert list(fills(state)["origin"]) == [Origin.LIQUIDATION]
    assert arrays.room[PERPETUAL] == 15 * BTC - orders["size"][0]
    assert size_of(state, account) == 96 * BTC
    assert cash_of(state, account) == (100_000 - 4 * 550) * DOLLAR
    assert fund_cash(state) == 0
    check_books(state)


def test_one_cap_serves_all_accounts() -> None:
    state, arrays = small_venue(2_000_000), memory()
    frozen = frozen_room(state)
    accounts = [customer(state, 100_000) for _ in range(5)]
    for account in accounts:
        open_position(state, account, 100 * BTC, 2_000_000)
    quote(state, 1, 1_000 * BTC, 1_945_000)
    set_mark(state, 1_946_000)
    run(state, arrays, frozen, 1)
    sold = 500 * BTC - sum(size_of(state, account) for account in accounts)
    assert arrays.room[PERPETUAL] == 0
    assert 15 * BTC <= sold <= 22.5 * BTC  # the last order may be half as large again as what was left
    assert int(frozen.length[0]) == 5
    check_books(state)


def test_an_account_that_recovers_is_let_go() -> None:
    state, arrays = small_venue(2_000_000), memory()
    frozen = frozen_room(state)
    account = customer(state, 100_000)
    open_position(state, account, 100 * BTC, 2_000_000)
    set_mark(state, 1_946_000)
    run(state, arrays, frozen, 1)
    assert state.accounts["stage"][account] == STAGE_LIQUIDATING
    assert len(events(state, EventKind.LIQUIDATION_ORDER)) == 0  # nobody bids, nothing is sent
    pass_seconds(state, 1)
    set_mark(state, 1_990_000)
    run(state, arrays, frozen, 2)
    assert state.accounts["stage"][account] == STAGE_FREE
    assert int(frozen.length[0]) == 0
    assert len(events(state, EventKind.LIQUIDATION_END)) == 1


def test_slices_end_when_maintenance_is_restored() -> None:
    state, arrays = small_venue(2_000_000), memory()
    frozen = frozen_room(state)
    account = customer(state, 100_000)
    open_position(state, account, 100 * BTC, 2_000_000)
    quote(state, 1, 1_000 * BTC, 1_946_000)
    set_mark(state, 1_946_000)  # 46,000 of equity carries 78.8 BTC at 3 %
    for second in range(1, 12):
        pass_seconds(state, 1)
        run(state, arrays, frozen, second)
    left = size_of(state, account)
    assert left * 1_946_000 * 30_000 // 1_000_000 <= 46_000 * DOLLAR
    assert left > 63 * BTC  # the order that restored it was at most 15 % of what it held
    assert state.accounts["stage"][account] == STAGE_FREE
    check_books(state)


def test_without_auto_close_a_wallet_below_zero_is_listed() -> None:
    state, arrays = small_venue(2_000_000), memory()
    account = customer(state, 50_000)
    open_position(state, account, 100 * BTC, 2_000_000)
    quote(state, 1, 1_000 * BTC, 1_946_000)
    set_mark(state, 1_946_000)
    find_danger(state)
    liquidate_slices(state, RULE, LINE._replace(half_ppm=0), arrays, frozen_room(state), 7, 1)
    assert list(state.bankrupt[: state.counters[COUNT_BANKRUPT]]) == [account]
    assert len(fills(state)) == 0


def test_the_same_seed_and_second_send_the_same_orders() -> None:
    sizes = []
    for _ in range(2):
        state, arrays = small_venue(2_000_000), memory()
        for _ in range(3):
            open_position(state, customer(state, 100_000), 100 * BTC, 2_000_000)
        quote(state, 1, 1_000 * BTC, 1_945_000)
        set_mark(state, 1_946_000)
        run(state, arrays, frozen_room(state), 5)
        orders = events(state, EventKind.LIQUIDATION_ORDER)
        sizes.append([(int(o["account"]), int(o["size"]), int(o["price"])) for o in orders])
    assert sizes[0] == sizes[1]
