"""What providers had no room for: parts of positions closed against the largest opposing ones."""

from __future__ import annotations

import numpy as np
import pytest

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
from undertow.venue.allocation.policy import LargestPositions, policy
from undertow.venue.auto_close import OVERFLOW
from undertow.venue.closing import ClosingRule
from undertow.venue.margin import maintenance_parts
from undertow.venue.overflow import close_overflow
from undertow.venue.records import EventKind
from undertow.venue.state import STAGE_LIQUIDATING

BTC = 10_000  # lots
LARGEST = ClosingRule(LargestPositions("largest-positions", 10), "zero-mix", True, 0, False)


def rows(*overflow: tuple[int, int, int]) -> np.ndarray:
    """(account, lots, zero price) of the first perpetual."""
    return np.array([(account, PERPETUAL, lots, zero) for account, lots, zero in overflow], OVERFLOW)


def test_in_proportion_to_position_size() -> None:
    # FTX help 360027937831: 600,000 to close, providers take 400,000, users 125,000 and 75,000
    state = small_venue(100)  # a dollar a coin
    loser = customer(state, 600_000)
    big = open_position(state, loser, 5_000 * BTC, 100)
    small = open_position(state, loser, 3_000 * BTC, 100)
    reports = close_overflow(state, LARGEST, rows((loser, 2_000 * BTC, 100)), (7, 1), None)
    assert 5_000 * BTC + size_of(state, big) == 1_250 * BTC
    assert 3_000 * BTC + size_of(state, small) == 750 * BTC
    assert size_of(state, loser) == 6_000 * BTC
    assert len(reports) == 1
    check_books(state)


def test_the_winner_gets_the_mix_and_the_loser_its_zero_price() -> None:
    state = small_venue()
    loser = customer(state, 1_000)
    winner = open_position(state, loser, 2 * BTC, 1_000_000)
    before = cash_of(state, winner)
    set_mark(state, 964_467)  # equity 289.34, zero price 9,500
    close_overflow(state, LARGEST, rows((loser, BTC, 950_000)), (7, 1), None)
    mix = (2 * 950_000 + 964_467) // 3
    assert events(state, EventKind.ADL_CLOSE)["price"][0] == mix
    assert cash_of(state, winner) - before == (1_000_000 - mix) * BTC
    assert cash_of(state, loser) == 1_000 * DOLLAR - 50_000 * BTC
    assert fund_cash(state) == (mix - 950_000) * BTC
    assert size_of(state, loser) == -size_of(state, winner) == BTC
    equity, maintenance, gross = maintenance_parts(state, loser)
    assert abs(equity * 1_000_000 // gross - 15_000) <= 1  # the margin fraction is what it was
    assert maintenance > 0
    check_books(state)


def test_several_losers_are_served_in_order_and_shorts_apart() -> None:
    state = small_venue()
    first, second, third = (customer(state, 1_000) for _ in range(3))
    winner = open_position(state, first, 2 * BTC, 1_000_000)
    other = open_position(state, second, 2 * BTC, 1_000_000)
    long = open_position(state, third, -2 * BTC, 1_000_000)
    state.accounts["stage"][[first, second, third]] = STAGE_LIQUIDATING
    overflow = rows((first, BTC, 990_000), (second, 2 * BTC, 980_000), (third, BTC // 2, 1_010_000))
    assert len(close_overflow(state, LARGEST, overflow, (7, 1), None)) == 2
    assert [size_of(state, account) for account in (first, second, third)] == [BTC, 0, -3 * BTC // 2]
    # each of two equal winners gives up half of 3 coins
    assert [size_of(state, account) for account in (winner, other)] == [-BTC // 2, -BTC // 2]
    assert size_of(state, long) == 3 * BTC // 2
    check_books(state)


def test_without_enough_opposing_positions_the_rest_stays() -> None:
    state = small_venue()
    loser = customer(state, 1_000)
    winner = open_position(state, loser, 2 * BTC, 1_000_000)
    state.accounts["role"][winner] = 12  # a provider is never closed against
    assert close_overflow(state, LARGEST, rows((loser, BTC, 990_000)), (7, 1), None) == []
    assert size_of(state, loser) == 2 * BTC


@pytest.mark.parametrize("name", ["socialised", "clawback"])
def test_a_policy_that_takes_money_is_not_asked(name: str) -> None:
    state = small_venue()
    loser = customer(state, 1_000)
    open_position(state, loser, 2 * BTC, 1_000_000)
    rule = LARGEST._replace(policy=policy(name))
    assert close_overflow(state, rule, rows((loser, BTC, 990_000)), (7, 1), None) == []
    assert size_of(state, loser) == 2 * BTC


def test_rows_that_are_gone_are_left_out() -> None:
    state = small_venue()
    loser = customer(state, 1_000)
    open_position(state, loser, 2 * BTC, 1_000_000)
    flat = customer(state, 1_000)
    close_overflow(state, LARGEST, rows((flat, BTC, 990_000), (loser, 9 * BTC, 990_000)), (7, 1), None)
    assert size_of(state, loser) == size_of(state, flat) == 0
    check_books(state)
