"""A synthetic venue for the danger benchmark: who holds what, at what distance from liquidation.

Units: prices in ticks (1e6 at the start), sizes in lots, money in micro-dollars. The population is drawn with
a fixed seed: one to five positions (mean three) over fifty perpetuals chosen Zipf-like, 62 % long, leverage
log-normal (median 6, at most 45), three accounts of ten with two assets as collateral, four brackets.

The ratios of the benchmark depend on how many accounts stand close to liquidation, so it prints
their distances. With maintenance drawn evenly (1 % of accounts below 1.3 % instead of 2.1 %) the index takes
nearly three times as long in a busy market.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from undertow._jit import kernel
from undertow.venue.danger import set_bucket_origin
from undertow.venue.margin import account_health
from undertow.venue.rates import refresh_rates
from undertow.venue.records import InstrumentKind
from undertow.venue.state import (
    COLLATERAL_WEIGHTED,
    COUNT_ACCOUNTS,
    COUNT_HOLDINGS,
    MARGIN_TIERS,
    WEIGHT_FLAT,
    State,
    allocate,
)

PERPETUALS = 50
ASSETS = 2
START_PRICE = 1_000_000


def list_instruments(state: State, generator: np.random.Generator) -> None:
    """Fill in the venue's instruments: perpetuals with four brackets, and weighted assets."""
    count = PERPETUALS + ASSETS
    tiers = np.zeros(4 * PERPETUALS, state.tiers.dtype)
    floors = np.array([0, 50_000, 500_000, 5_000_000], np.int64) * 1_000_000
    for instrument in range(count):
        record = state.instruments[instrument : instrument + 1]
        record["unit"] = int(generator.choice([1, 5, 20]))
        record["coins_per_lot"] = 1
        record["lots_per_coin"] = 1000
        record["maximum_ticks"] = 1 << 30
        if instrument >= PERPETUALS:
            record["kind"] = InstrumentKind.SPOT
            record["weight_rule"] = WEIGHT_FLAT
            record["weight_total_ppm"] = record["weight_initial_ppm"] = 800_000 + 100_000 * (instrument % 2)
            continue
        record["kind"] = InstrumentKind.LINEAR
        record["margin_rule"] = MARGIN_TIERS
        record["tier_start"] = 4 * instrument
        record["tier_count"] = 4
        rates = np.array([4, 6, 10, 20], np.int64) * (1000 + 250 * (instrument % 4))
        mine = tiers[4 * instrument : 4 * instrument + 4]
        mine["floor"] = floors
        mine["rate_ppm"] = rates
        steps = np.diff(rates, prepend=rates[0]) * floors // 1_000_000
        mine["deduction"] = np.cumsum(steps)
    state.markets["mark"] = START_PRICE
    state.profiles["maintenance_multiplier_ppm"] = 1_000_000
    state.profiles["collateral"] = COLLATERAL_WEIGHTED
    state.bind("tiers", tiers)


def distances(state: State) -> NDArray[np.float64]:
    """Each account's health as a share of its perpetual positions' value."""
    health = np.zeros(len(state.accounts), np.int64)
    _value_all(state, health)
    rows = state.holdings[state.holdings["instrument"] < PERPETUALS]
    marks = state.markets["mark"][rows["instrument"]] * state.instruments["unit"][rows["instrument"]]
    value = np.bincount(rows["account"], np.abs(rows["size"]) * marks, len(health))
    return np.asarray(health / value, np.float64)


def build_population(account_count: int, seed: int = 7) -> State:
    """A venue with `account_count` customers, all healthy, none registered yet."""
    generator = np.random.default_rng(seed)
    positions = generator.integers(1, 6, account_count)
    assets = np.where(generator.random(account_count) < 0.3, ASSETS, 0)
    rows = positions + assets
    first = np.concatenate((np.zeros(1, np.int64), np.cumsum(rows)))
    total = int(first[-1])
    state = allocate(PERPETUALS + ASSETS, account_count, total, 1)
    list_instruments(state, generator)
    owner = np.repeat(np.arange(account_count), rows)
    rank = np.arange(total) - first[owner]
    is_asset = rank >= positions[owner]
    weights = 1.0 / (1 + np.arange(PERPETUALS)) ** 0.9
    start = generator.choice(PERPETUALS, account_count, p=weights / weights.sum())
    # squares modulo the ring: an account's instruments are distinct, and the first is Zipf-like
    perpetual = (start[owner] + rank * rank) % PERPETUALS
    instrument = np.where(is_asset, PERPETUALS + rank - positions[owner], perpetual)
    dollars = np.exp(generator.normal(7.0, 1.7, total)).clip(20, 2e6)
    long_account = generator.random(account_count) < 0.62
    hedge = generator.random(total) < 0.1
    sign = np.where(long_account[owner] ^ hedge | is_asset, 1, -1)
    unit = state.instruments["unit"][instrument]
    gross = np.bincount(owner, np.where(is_asset, 0.0, dollars), account_count)
    leverage = np.exp(generator.normal(np.log(6.0), 0.75, account_count)).clip(0.5, 45.0)
    dollars = np.where(is_asset, 0.3 * (gross / leverage)[owner], dollars)
    holdings = state.holdings
    holdings["size"] = sign * np.maximum((dollars * 1e6 / (unit * START_PRICE)).astype(np.int64), 1)
    holdings["quote"] = np.where(is_asset, 0, -holdings["size"] * START_PRICE * unit)
    holdings["account"] = owner
    holdings["instrument"] = instrument
    holdings["next"] = np.where(np.arange(total) + 1 == first[owner + 1], -1, np.arange(total) + 1)
    holdings["bucket"] = -1
    state.accounts["first_holding"] = first[:-1]
    state.counters[COUNT_ACCOUNTS] = account_count
    state.counters[COUNT_HOLDINGS] = total
    for number in range(PERPETUALS + ASSETS):
        set_bucket_origin(state, number, START_PRICE)
    _refresh_all(state)
    # cash makes up the difference to the equity that the leverage calls for
    health = np.zeros(account_count, np.int64)
    _value_all(state, health)
    # maintenance of 0.4 to 2.5 %, mostly low
    required = 0.004 + 0.021 * generator.random(account_count) ** 6
    wanted = 1e6 * gross * np.maximum(1.0 / leverage - required, 0.003)
    state.accounts["cash"] += wanted.astype(np.int64) - health
    return state


@kernel
def _refresh_all(state: State) -> None:
    for holding in range(state.counters[COUNT_HOLDINGS]):
        refresh_rates(state, holding)


@kernel
def _value_all(state: State, health: NDArray[np.int64]) -> None:
    for account in range(state.counters[COUNT_ACCOUNTS]):
        health[account] = account_health(state, account)
