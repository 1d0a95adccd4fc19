"""A small venue of random holders for tests of the danger index: every margin and weight rule.

Written straight into the arrays, without an engine: money is not conserved here, only valued.
"""

from __future__ import annotations

import numpy as np

from undertow.units import PPM
from undertow.venue.danger import mark_dirty, set_bucket_origin, unlink_row
from undertow.venue.margin import account_health
from undertow.venue.rates import refresh_rates
from undertow.venue.records import InstrumentKind, Role
from undertow.venue.state import (
    COUNT_ACCOUNTS,
    COUNT_HOLDINGS,
    MARGIN_FLAT,
    MARGIN_SQUARE_ROOT,
    MARGIN_STEPS,
    MARGIN_TIERS,
    TIER,
    WEIGHT_FLAT,
    WEIGHT_SQUARE_ROOT,
    WEIGHT_TIERS_BY_QUANTITY,
    WEIGHT_TIERS_BY_VALUE,
    State,
    allocate,
)

# kind, rule, unit, first price
INSTRUMENTS = [
    (InstrumentKind.LINEAR, MARGIN_TIERS, 20, 50_000),
    (InstrumentKind.LINEAR, MARGIN_SQUARE_ROOT, 100, 3_000),
    (InstrumentKind.LINEAR, MARGIN_STEPS, 1, 1_234_567),
    (InstrumentKind.LINEAR, MARGIN_FLAT, 7, 900),
    (InstrumentKind.INVERSE, MARGIN_TIERS, 10**12, 40_000),
    (InstrumentKind.SPOT, WEIGHT_FLAT, 50, 20_000),
    (InstrumentKind.SPOT, WEIGHT_SQUARE_ROOT, 11, 100_000),
    (InstrumentKind.SPOT, WEIGHT_TIERS_BY_QUANTITY, 1_000, 600),
    (InstrumentKind.SPOT, WEIGHT_TIERS_BY_VALUE, 30, 7_000),
]
BRACKETS = {
    MARGIN_TIERS: ([0, 50_000_000_000, 200_000_000_000], [5_000, 10_000, 50_000]),
    WEIGHT_TIERS_BY_QUANTITY: ([0, 1_000, 40_000], [950_000, 800_000, 0]),
    WEIGHT_TIERS_BY_VALUE: ([0, 2_000_000_000, 90_000_000_000], [950_000, 500_000, 100_000]),
}


def list_instruments(state: State) -> None:
    """The nine instruments above, at their first prices."""
    tiers = []
    for number, (kind, rule, unit, price) in enumerate(INSTRUMENTS):
        record = state.instruments[number : number + 1]
        spot = kind == InstrumentKind.SPOT
        record["kind"], record["unit"], record["lots_per_coin"] = kind, unit, 100
        record["coins_per_lot"], record["maximum_ticks"] = 1, 1 << 30
        record["weight_rule" if spot else "margin_rule"] = rule
        record["rate_floor_ppm"], record["rate_factor_ppb"] = 20_000, 900_000
        record["step_base"], record["step_size"] = 30_000_000_000, 20_000_000_000
        record["weight_total_ppm"], record["weight_initial_ppm"] = 900_000, 850_000
        record["weight_factor_ppb"] = 2_000_000 if rule == WEIGHT_SQUARE_ROOT and spot else 0
        brackets = {MARGIN_TIERS: not spot}.get(rule, spot)
        if rule in BRACKETS and brackets:
            floors, rates = BRACKETS[rule]
            record["tier_start"], record["tier_count"] = len(tiers), len(floors)
            deduction = 0
            for k, (floor, rate) in enumerate(zip(floors, rates, strict=True)):
                step = floor * abs(rate - rates[max(k - 1, 0)])
                deduction += step if rule == WEIGHT_TIERS_BY_QUANTITY else step // PPM
                tiers.append((floor, rate, deduction, 100_000))
        state.markets["mark"][number] = price
        set_bucket_origin(state, number, price)
    state.bind("tiers", np.array(tiers, TIER))


def random_venue(generator: np.random.Generator, account_count: int, room: int = 8) -> State:
    """`account_count` accounts with up to five holdings each, most of them healthy, all marked dirty."""
    kinds = len(INSTRUMENTS)
    state = allocate(kinds, account_count + room, (account_count + room) * kinds, 1)
    list_instruments(state)
    profiles = state.profiles
    for number in range(len(profiles)):
        profiles["maintenance_multiplier_ppm"][number] = (PPM, 1_500_000)[number % 2]
        profiles["borrow_maintenance_ppm"][number] = (0, 30_000)[number // 2 % 2]
        profiles["trigger_at_equality"][number] = number // 4 % 2
        profiles["collateral"][number] = (1, 2, 1, 0, 1, 1, 2, 1)[number]
    state.holdings["bucket"] = -1
    state.accounts["first_holding"] = -1
    for _ in range(account_count):
        add_account(state, generator)
    return state


def add_account(state: State, generator: np.random.Generator) -> int:
    """One more account, marked dirty."""
    account = int(state.counters[COUNT_ACCOUNTS])
    state.counters[COUNT_ACCOUNTS] += 1
    owner = state.accounts[account : account + 1]
    owner["profile"] = generator.integers(0, 8)
    owner["exempt"] = generator.random() < 0.05
    owner["role"] = Role.FUND if generator.random() < 0.05 else Role.CUSTOMER
    chosen = generator.permutation(len(INSTRUMENTS))[: generator.integers(0, 6)]
    for instrument in chosen:
        open_holding(state, account, int(instrument), generator)
    gross = float(np.exp(generator.normal(23, 1)))
    wanted = int(gross * generator.choice([0.001, 0.01, 0.1, 1.0]))
    owner["cash"] = 0
    if generator.random() < 0.95:
        owner["cash"] = wanted - account_health(state, account)
    mark_dirty(state, account)
    return account


def open_holding(state: State, account: int, instrument: int, generator: np.random.Generator) -> int:
    """A new holding at the head of the account's list, bought at today's mark."""
    holding = int(state.counters[COUNT_HOLDINGS])
    if holding == len(state.holdings):
        state.grow("holdings", 2 * holding)
        state.holdings["bucket"][holding:] = -1
    state.counters[COUNT_HOLDINGS] += 1
    row = state.holdings[holding : holding + 1]
    row["account"], row["instrument"], row["bucket"] = account, instrument, -1
    row["next"] = state.accounts["first_holding"][account]
    state.accounts["first_holding"][account] = holding
    resize(state, holding, generator)
    return holding


def resize(state: State, holding: int, generator: np.random.Generator) -> None:
    """Another size, maybe the other side, maybe flat; at today's mark."""
    row = state.holdings[holding : holding + 1]
    kind, _, unit, _ = INSTRUMENTS[int(row["instrument"][0])]
    mark = int(state.markets["mark"][int(row["instrument"][0])])
    worth = float(np.exp(generator.normal(23, 1.5)))
    one_lot = unit / mark if kind == InstrumentKind.INVERSE else unit * mark
    size = max(int(min(worth, 1e13) / one_lot), 1) * int(generator.choice([1, 1, -1]))
    if generator.random() < 0.1:
        size = 0
    row["size"] = size
    row["quote"] = 0
    if kind != InstrumentKind.SPOT:
        row["quote"] = size * unit // mark if kind == InstrumentKind.INVERSE else -size * unit * mark
    refresh_rates(state, holding)


def free_first_holding(state: State, account: int) -> None:
    """Close and give up the first holding of an account, as the engine does: unlinked before it is freed."""
    holding = int(state.accounts["first_holding"][account])
    unlink_row(state, holding)
    state.accounts["first_holding"][account] = state.holdings["next"][holding]
    state.holdings["size"][holding] = state.holdings["quote"][holding] = 0


def move_marks(state: State, generator: np.random.Generator, deviation: float, drift: float) -> None:
    """One step of a random walk of all marks, between one tick and a hundred times the first price."""
    marks = state.markets["mark"]
    moves = np.exp(generator.normal(drift, deviation, len(marks)))
    highest = 100 * np.array([price for _, _, _, price in INSTRUMENTS])
    marks[:] = np.clip(np.rint(marks * moves), 1, highest)
