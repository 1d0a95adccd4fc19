"""The danger index on hand-made accounts: corners, buckets, lists, and what once missed a liquidation."""

from __future__ import annotations

import numpy as np
import pytest

from support import danger_venue
from undertow.venue import danger, danger_reference, danger_scan
from undertow.venue.margin import account_health
from undertow.venue.rates import refresh_rates
from undertow.venue.records import InstrumentKind, Role
from undertow.venue.state import (
    BUCKETS_PER_GROUP,
    COUNT_ACCOUNTS,
    COUNT_DIRTY,
    COUNT_HOLDINGS,
    COUNT_PENDING,
    MARGIN_FLAT,
    STAGE_LIQUIDATING,
    State,
    allocate,
)

PRICE = 100_000  # ticks of a hundredth: 1,000 dollars
UNIT = 10_000  # micro-dollars per tick and lot: a lot is a coin
DOLLAR = 1_000_000


@pytest.fixture
def venue() -> State:
    """Two perpetuals at 1,000 dollars, 1 % maintenance; four accounts without holdings."""
    state = allocate(2, 4, 8, 1)
    state.instruments["kind"] = InstrumentKind.LINEAR
    state.instruments["margin_rule"] = MARGIN_FLAT
    state.instruments["rate_floor_ppm"] = 10_000
    state.instruments["unit"] = UNIT
    state.profiles["maintenance_multiplier_ppm"] = 1_000_000
    state.markets["mark"] = PRICE
    state.accounts["first_holding"] = -1
    state.holdings["bucket"] = -1
    state.counters[COUNT_ACCOUNTS] = 4
    danger.set_bucket_origin(state, 0, PRICE)
    danger.set_bucket_origin(state, 1, PRICE)
    return state


def give(state: State, account: int, coins: int, dollars: int, instrument: int = 0) -> int:
    """A position of some coins bought at the mark, and cash; marked dirty. Returns the holding."""
    holding = int(state.counters[COUNT_HOLDINGS])
    state.counters[COUNT_HOLDINGS] += 1
    row = state.holdings[holding : holding + 1]
    row["account"], row["instrument"], row["size"] = account, instrument, coins
    row["quote"] = -coins * UNIT * int(state.markets["mark"][instrument])
    row["next"] = state.accounts["first_holding"][account]
    state.accounts["first_holding"][account] = holding
    state.accounts["cash"][account] += dollars * DOLLAR
    refresh_rates(state, holding)
    danger.mark_dirty(state, account)
    return holding


def tick_at(state: State, price: int, instrument: int = 0) -> list[int]:
    state.markets["mark"][instrument] = price
    count = danger.tick(state)
    return [int(account) for account in state.candidates[:count]]


def linked(state: State, instrument: int, side: int) -> list[int]:
    """Holdings in the index of one instrument and side, checking every link on the way."""
    found = []
    group = 2 * instrument + (side < 0)
    for number in range(BUCKETS_PER_GROUP):
        bucket = state.buckets[group * BUCKETS_PER_GROUP + number]
        holding, before = int(bucket["head"]), -1
        rows = []
        while holding >= 0:
            row = state.holdings[holding]
            assert int(row["bucket"]) == number + (BUCKETS_PER_GROUP if side < 0 else 0)
            assert int(row["bucket_previous"]) == before
            assert danger.price_bucket(state, instrument, int(row["trigger"])) == number
            assert (int(bucket["best"]) - int(row["trigger"])) * side >= 0
            rows.append(holding)
            holding, before = int(row["bucket_next"]), holding
        assert int(bucket["count"]) == len(rows)
        found += rows
    return found


def test_a_long_is_found_at_its_liquidation_price_and_not_a_tick_before(venue: State) -> None:
    # 1 coin, 100 dollars: health = 100 + (p - 1000) - p/100 < 0 below 909.0909... dollars
    give(venue, 1, 1, 100)
    assert tick_at(venue, PRICE) == []
    assert tick_at(venue, 95_000) == []
    assert tick_at(venue, 90_910) == []
    assert tick_at(venue, 90_909) == [1]


def test_a_short_is_found_when_the_price_rises(venue: State) -> None:
    # -1 coin, 100 dollars: health = 100 - (p - 1000) - p/100 < 0 above 1089.1089... dollars
    give(venue, 2, -1, 100)
    assert tick_at(venue, 50_000) == []
    assert tick_at(venue, 108_910) == []
    assert tick_at(venue, 108_911) == [2]


def test_zero_health_is_not_danger_unless_the_profile_says_so(venue: State) -> None:
    give(venue, 0, 1, 10)
    give(venue, 1, 1, 10)
    venue.profiles["trigger_at_equality"][1] = 1
    venue.accounts["profile"][1] = 1
    assert account_health(venue, 0) == 0
    assert tick_at(venue, PRICE) == [1]


def test_the_corner_is_healthy_and_a_healthy_tick_does_not_wake(venue: State) -> None:
    holding = give(venue, 0, 10, 2_000)
    danger.refresh(venue)
    trigger = int(venue.holdings["trigger"][holding])
    reserve = int(venue.accounts["reserve"][0])
    assert 80_000 < trigger < 82_000 and linked(venue, 0, 1) == [holding]
    venue.markets["mark"][0] = trigger
    assert 0 <= reserve <= account_health(venue, 0)
    venue.markets["mark"][0] = PRICE
    assert tick_at(venue, trigger) == []
    assert venue.holdings["trigger"][holding] == trigger  # not past the corner: nobody looked
    assert tick_at(venue, trigger - 1) == []
    assert venue.holdings["trigger"][holding] < trigger  # looked at, healthy, a new corner


def test_candidates_come_in_account_order_and_stay_until_cured(venue: State) -> None:
    for account in (3, 0, 2):
        give(venue, account, 1, 100, instrument=account % 2)
    venue.accounts["stage"][2] = STAGE_LIQUIDATING
    venue.markets["mark"][1] = 80_000
    assert tick_at(venue, 80_000) == [0, 2, 3]
    assert tick_at(venue, 80_000) == [0, 2, 3]
    venue.accounts["cash"][2] += 500 * DOLLAR
    danger.cash_moved(venue, 2, 500 * DOLLAR)
    assert tick_at(venue, 80_000) == [0, 3]
    assert linked(venue, 0, 1) == [int(venue.accounts["first_holding"][2])]
    assert linked(venue, 1, 1) == []


def test_who_is_never_a_candidate(venue: State) -> None:
    for account in range(4):
        give(venue, account, 1, 10)
    venue.accounts["exempt"][0] = 1
    venue.accounts["role"][1] = Role.FUND
    venue.accounts["role"][2] = Role.PROVIDER
    assert tick_at(venue, 50_000) == [3] == danger_reference.candidates(venue)
    venue.accounts["exempt"][0] = 0
    danger.mark_dirty(venue, 0)
    assert tick_at(venue, 50_000) == [0, 3]


def test_an_account_without_a_stake_is_left_alone(venue: State) -> None:
    """Under the equality rule an empty wallet has a negative health; there is nothing to liquidate in it."""
    venue.profiles["trigger_at_equality"] = 1
    give(venue, 0, 0, 0)
    danger.mark_everybody_dirty(venue)
    assert account_health(venue, 0) == -1
    assert tick_at(venue, PRICE) == [] == danger_reference.candidates(venue)
    assert venue.counters[COUNT_PENDING] == 0
    venue.accounts["cash"][0] -= 1
    danger.cash_moved(venue, 0, -1)
    assert tick_at(venue, PRICE) == [0]


def test_a_payment_below_the_reserve_wakes_and_lists_once(venue: State) -> None:
    give(venue, 0, 1, 100)
    tick_at(venue, PRICE)
    before = int(venue.accounts["reserve"][0])
    for amount in (-before, -60 * DOLLAR, -60 * DOLLAR):
        venue.accounts["cash"][0] += amount
        danger.cash_moved(venue, 0, amount)
    assert venue.counters[COUNT_PENDING] == 1
    assert tick_at(venue, PRICE) == [0]


def test_borrowed_cash_costs_more_than_itself(venue: State) -> None:
    """Where borrowing needs 50 % margin, a reserve falls by one and a half times what is lost below zero."""
    venue.profiles["borrow_maintenance_ppm"] = 500_000
    give(venue, 0, 1, 0)
    venue.holdings["quote"][0] += 5_000 * DOLLAR  # profit not realised
    tick_at(venue, PRICE)
    for paid in range(100, 3_301, 100):
        venue.accounts["cash"][0] -= 100 * DOLLAR
        danger.cash_moved(venue, 0, -100 * DOLLAR)
        assert account_health(venue, 0) == (5_000 - 10 - paid - paid // 2) * DOLLAR
        assert tick_at(venue, PRICE) == []
    venue.accounts["cash"][0] -= 100 * DOLLAR
    danger.cash_moved(venue, 0, -100 * DOLLAR)
    assert tick_at(venue, PRICE) == [0]  # 4,990 - 3,400 - 1,700 < 0


def test_a_bucket_knows_its_most_urgent_corner(venue: State) -> None:
    """On both sides, so that a price which has not come that far need not look into the bucket."""
    for side in (1, -1):
        holdings = [give(venue, account, 10 * side, 2_000 + account) for account in (0, 1)]
        danger.refresh(venue)
        triggers = venue.holdings["trigger"][holdings]
        buckets = {int(number) for number in venue.holdings["bucket"][holdings]}
        assert len(buckets) == 1
        bucket = venue.buckets[buckets.pop()]
        assert int(bucket["best"]) == (max(triggers) if side > 0 else min(triggers))
        for account in (0, 1):
            venue.accounts["first_holding"][account] = -1
            venue.accounts["cash"][account] = 0


def test_marks_that_change_again_before_the_tick_miss_nobody(venue: State) -> None:
    """Registered at a price that no tick has walked: the corner may lie beyond the processed one."""
    give(venue, 0, 1, 100)
    tick_at(venue, PRICE)
    venue.markets["mark"][0] = 200_000
    holding = give(venue, 1, 1, 30)
    danger.refresh(venue)
    assert venue.holdings["trigger"][holding] > venue.markets["processed"][0]
    assert tick_at(venue, PRICE) == [1]


def test_scanned_ticks_may_be_skipped(venue: State) -> None:
    give(venue, 0, 1, 100)
    give(venue, 1, -1, 100)
    tick_at(venue, PRICE)
    for price in (95_000, 80_000, 90_000, 120_000):
        venue.markets["mark"][0] = price
        danger_scan.scan(venue)
    assert tick_at(venue, 130_000) == [1]
    assert tick_at(venue, 85_000) == [0]


def test_a_side_change_moves_between_groups(venue: State) -> None:
    holding = give(venue, 0, 5, 1_000)
    tick_at(venue, PRICE)
    assert (linked(venue, 0, 1), linked(venue, 0, -1)) == ([holding], [])
    venue.holdings["size"][holding] = -5
    venue.holdings["quote"][holding] *= -1
    danger.mark_dirty(venue, 0)
    tick_at(venue, PRICE)
    assert (linked(venue, 0, 1), linked(venue, 0, -1)) == ([], [holding])
    danger.unlink_row(venue, holding)
    danger.unlink_row(venue, holding)
    assert linked(venue, 0, -1) == []


def test_lists_never_outgrow_the_accounts(venue: State) -> None:
    for account in range(4):
        give(venue, account, 1, 5)
    for _ in range(3):
        danger.mark_everybody_dirty(venue)
        for account in range(4):
            danger.add_pending(venue, account)
            danger.register(venue, account)
    assert venue.counters[COUNT_DIRTY] == venue.counters[COUNT_PENDING] == 4
    assert tick_at(venue, PRICE) == [0, 1, 2, 3]


def test_buckets_are_monotone_and_narrow() -> None:
    state = allocate(1, 1, 1, 1)
    danger.set_bucket_origin(state, 0, PRICE)
    prices = [1, 2, 3, 400, 401, *range(99_000, 101_000), 20_000_000, 1 << 50]
    buckets = [danger.price_bucket(state, 0, price) for price in prices]
    assert buckets == sorted(buckets)
    assert buckets[0] == 0 and buckets[-1] == BUCKETS_PER_GROUP - 1
    assert danger.price_bucket(state, 0, PRICE) == BUCKETS_PER_GROUP // 2
    width = np.bincount(np.array(buckets[5:-2]) - buckets[5])
    assert width.max() <= 0.002 * PRICE


def test_prices_far_outside_the_buckets_stay_exact(venue: State) -> None:
    """Eight octaves down everything shares the last bucket: slower, not wrong."""
    give(venue, 0, 1, 999)
    give(venue, 1, 1, 2_000)
    assert tick_at(venue, 120) == []
    assert tick_at(venue, 102) == []
    assert tick_at(venue, 101) == [0]


def test_a_rate_above_one_is_always_looked_at(venue: State) -> None:
    """Where a rise costs more maintenance than it earns no corner protects: the account stays pending."""
    venue.instruments["rate_floor_ppm"] = 1_200_000
    give(venue, 0, 1, 1_250)
    assert tick_at(venue, PRICE) == []
    assert linked(venue, 0, 1) == []
    assert tick_at(venue, 130_000) == [0]  # 1250 + 300 - 1560 < 0, by a rise of a long's price


def test_slabs_say_when_prices_left_their_range(venue: State) -> None:
    give(venue, 0, 1, 100)
    slabs = danger_scan.build_slabs(venue)
    venue.markets["mark"][0] = 50_000
    assert danger_scan.slab_scan(venue, slabs) == 1
    venue.markets["mark"][0] = 49_999
    assert danger_scan.slab_scan(venue, slabs) == -1
    assert danger_scan.slab_scan(venue, danger_scan.build_slabs(venue)) == 1


def test_slabs_refuse_brackets_that_are_not_concave() -> None:
    state = danger_venue.random_venue(np.random.default_rng(1), 3)
    tiers = state.tiers["rate_ppm"]
    tiers[0], tiers[1] = tiers[1], tiers[0]
    with pytest.raises(ValueError, match="instrument 0: a bracket's maintenance rate may not fall"):
        danger_scan.build_slabs(state)
