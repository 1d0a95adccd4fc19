"""The danger index, the full scan, the slab scan and plain Python find the same candidates at every tick."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import danger_venue
from undertow.venue import danger, danger_reference, danger_scan
from undertow.venue.margin import account_health, row_health, row_side
from undertow.venue.records import InstrumentKind
from undertow.venue.state import COUNT_ACCOUNTS, COUNT_CANDIDATES, COUNT_HOLDINGS, State

# deviation and drift of one tick, per regime
REGIMES = {"calm": (1e-4, 0.0), "busy": (3e-3, 0.0), "crash": (0.01, -0.02), "squeeze": (0.02, 0.02)}


def found(state: State) -> list[int]:
    return state.candidates[: state.counters[COUNT_CANDIDATES]].tolist()


def assert_all_agree(state: State, plain: bool) -> list[int]:
    """Tick, then every scan; returns the candidates."""
    danger.tick(state)
    by_tick = found(state)
    danger_scan.scan(state)
    assert by_tick == found(state)
    slabs = danger_scan.build_slabs(state)
    assert danger_scan.slab_scan(state, slabs) == len(by_tick)
    assert by_tick == found(state)
    if plain:
        assert by_tick == danger_reference.candidates(state)
    assert not state.worklist_bits.any()
    return by_tick


def fund(state: State, generator: np.random.Generator) -> None:
    """A funding-like payment by or to every account."""
    for account in range(int(state.counters[COUNT_ACCOUNTS])):
        amount = int(generator.normal(0, 1) * 10 ** generator.integers(3, 10))
        state.accounts["cash"][account] += amount
        danger.cash_moved(state, account, amount)


def disturb(state: State, generator: np.random.Generator) -> None:
    """Something an engine does between two ticks."""
    count = int(state.counters[COUNT_ACCOUNTS])
    account = int(generator.integers(0, count))
    first = int(state.accounts["first_holding"][account])
    match int(generator.integers(0, 8)):
        case 0:
            fund(state, generator)
        case 1 | 2 if first >= 0:
            danger_venue.resize(state, first, generator)
            danger.mark_dirty(state, account)
        case 3 if first >= 0:
            danger_venue.free_first_holding(state, account)
            danger.mark_dirty(state, account)
        case 4 if count < len(state.accounts):
            danger_venue.add_account(state, generator)
        case 5:
            state.accounts["exempt"][account] ^= 1
            danger.mark_dirty(state, account)
        case 6:
            state.instruments["rate_floor_ppm"] += 1_000
            danger.mark_everybody_dirty(state)
        case 7:
            danger.register(state, account)
            danger.refresh(state)


def liquidate(state: State, account: int, generator: np.random.Generator) -> None:
    """Close everything an account has; most begin again with something small."""
    while state.accounts["first_holding"][account] >= 0:
        danger_venue.free_first_holding(state, account)
    if generator.random() < 0.8:
        danger_venue.open_holding(state, account, int(generator.integers(0, 9)), generator)
    state.accounts["cash"][account] = 10 ** int(generator.integers(8, 11))
    danger.mark_dirty(state, account)


def run(seed: int, ticks: int, plain_every: int, accounts: int) -> int:
    """A venue through all regimes in random order; returns how many candidates it had."""
    generator = np.random.default_rng(seed)
    state = danger_venue.random_venue(generator, accounts)
    assert_all_agree(state, True)
    total = 0
    for number in range(ticks):
        deviation, drift = REGIMES[str(generator.choice(list(REGIMES)))]
        danger_venue.move_marks(state, generator, deviation, drift)
        for _ in range(int(generator.integers(0, 3))):
            disturb(state, generator)
        if generator.random() < 0.2:  # marks change again before the tick, and some ticks are only scanned
            danger_venue.move_marks(state, generator, deviation, drift)
            danger_scan.scan(state)
            continue
        candidates = assert_all_agree(state, number % plain_every == 0)
        total += len(candidates)
        for account in candidates:
            if generator.random() < 0.3:
                liquidate(state, account, generator)
    return total


@given(seed=st.integers(0, 2**32 - 1), accounts=st.integers(1, 40))
def test_any_small_venue(seed: int, accounts: int) -> None:
    run(seed, ticks=25, plain_every=8, accounts=accounts)


def test_a_long_run_finds_many() -> None:
    """The comparison is worth something: candidates come and go by the hundred."""
    assert run(seed=1, ticks=150, plain_every=50, accounts=300) > 1_000


@pytest.mark.nightly
@pytest.mark.parametrize("block", range(100))
def test_ten_thousand_venues(block: int) -> None:
    for seed in range(100):
        run(1_000_000 + 100 * block + seed, ticks=60, plain_every=30, accounts=1 + seed % 64)


@pytest.mark.parametrize("deviation", [1e-4, 1e-3, 1e-2])
def test_slabs_follow_changes_without_rebuilding(deviation: float) -> None:
    generator = np.random.default_rng(5)
    state = danger_venue.random_venue(generator, 700)
    slabs = danger_scan.build_slabs(state)
    total = 0
    for _ in range(30):
        danger_venue.move_marks(state, generator, deviation, -deviation)
        account = int(generator.integers(0, 700))
        first = int(state.accounts["first_holding"][account])
        if first >= 0:
            danger_venue.resize(state, first, generator)
        state.accounts["cash"][account] -= 10**8
        if not danger_scan.refit(state, slabs, account):
            slabs = danger_scan.build_slabs(state)
        danger_scan.scan(state)
        expected = found(state)
        assert danger_scan.slab_scan(state, slabs) == len(expected)
        assert found(state) == expected
        total += len(expected)
    assert total > 0


def test_no_adverse_move_helps_beyond_the_rounding_slack() -> None:
    """What the corners rely on, on every kind of row; an inverse short may gain a unit by rounding."""
    generator = np.random.default_rng(3)
    state = danger_venue.random_venue(generator, 300)
    pairs = 0
    for holding in range(int(state.counters[COUNT_HOLDINGS])):
        side = row_side(state, holding)
        mark = int(state.markets["mark"][state.holdings["instrument"][holding]])
        prices = sorted(
            {max(int(mark * factor), 1) for factor in generator.uniform(0.02, 5.0, 6)} | {mark, mark + 1}
        )
        healths = [row_health(state, holding, price) for price in prices]
        for low, high in pairwise(healths):
            assert (high - low) * side >= -danger.ROUNDING_SLACK or (side == 0 and low == high)
            pairs += side != 0
    assert pairs > 1_000


def test_slab_bounds_lie_below_health_and_close_to_it() -> None:
    generator = np.random.default_rng(4)
    state = danger_venue.random_venue(generator, 600)
    slabs = danger_scan.build_slabs(state)
    first = state.markets["mark"].copy()
    close = 0
    for _ in range(5):
        state.markets["mark"] = (first * generator.uniform(0.51, 1.99, len(first))).astype(np.int64)
        factors = state.markets["mark"].astype(np.float64)
        inverse = state.instruments["kind"] == InstrumentKind.INVERSE
        factors[inverse] = 1.0 / factors[inverse]
        for size_class in range(len(slabs.first_row)):
            start, end = slabs.first_slot[size_class : size_class + 2]
            assert end - start <= danger_scan.TILE  # one tile, so that columns are simply rows of a matrix
            place = slice(
                slabs.first_row[size_class], slabs.first_row[size_class] + (end - start) * size_class
            )
            shape = (size_class, end - start)
            terms = slabs.slope[place] * factors[slabs.instrument[place]]
            bounds = slabs.constant[start:end] + terms.reshape(shape).sum(axis=0)
            for account, bound in zip(slabs.account[start:end], bounds, strict=True):
                health = account_health(state, int(account))
                assert bound <= health
                close += health - bound <= 1e-6 * abs(health) + 100
    assert close > 500


def test_health_equals_plain_python() -> None:
    generator = np.random.default_rng(11)
    state = danger_venue.random_venue(generator, 300)
    for _ in range(3):
        for account in range(300):
            assert account_health(state, account) == danger_reference.health(state, account)
        danger_venue.move_marks(state, generator, 0.3, -0.2)


def test_the_venue_has_every_kind_of_row() -> None:
    """Guards the generator: long, short and flat rows of each kind, negative cash, exempt and house."""
    state = danger_venue.random_venue(np.random.default_rng(2), 300)
    rows = state.holdings[state.holdings["account"] < 300]
    kinds = state.instruments["kind"][rows["instrument"]]
    seen = {(int(kind), int(np.sign(size))) for kind, size in zip(kinds, rows["size"], strict=True)}
    assert seen >= {(int(kind), side) for kind in InstrumentKind for side in (-1, 0, 1)}
    accounts = state.accounts[:300]
    assert (accounts["cash"] < 0).any() and accounts["exempt"].any() and (accounts["role"] > 0).any()
