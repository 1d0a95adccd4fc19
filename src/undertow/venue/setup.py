"""Opening a venue: the house's accounts, instruments with their figures, customers.

Holds the writing of static records. Holds no rulebook (its compilation into these calls stands in
`compile.py`).

Units: as in `state.py`. Invariant: the first HOUSE_STRIDE accounts of every settlement asset are the house's,
in the order fund, fees, clearing, vault, lending, treasury; every perpetual has one clearing holding.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from undertow.errors import CapacityError
from undertow.units import AMOUNT_LIMIT
from undertow.venue.book import add_book
from undertow.venue.danger import set_bucket_origin
from undertow.venue.ledger import holding_of
from undertow.venue.limits import largest_worth
from undertow.venue.records import InstrumentKind, Role
from undertow.venue.state import (
    COUNT_ACCOUNTS,
    COUNT_HOLDINGS,
    COUNT_HOUSE,
    HOUSE_CLEARING,
    HOUSE_FUND,
    HOUSE_STRIDE,
    INSTRUMENT,
    State,
)

HOUSE_ROLES = (
    *(Role.FUND, Role.FEES, Role.CLEARING, Role.VAULT, Role.LENDING, Role.TREASURY),
    *(Role.HOUSE, Role.HOUSE),  # spare
)


def open_house(state: State, settlements: int) -> None:
    """Open the house's fixed accounts for settlement assets 0 .. settlements - 1."""
    for settlement in range(settlements):
        for role in HOUSE_ROLES:
            open_account(state, settlement, profile=0, role=int(role))


def open_account(state: State, settlement: int, profile: int, role: int = 0, owner: int = -1) -> int:
    """A new empty wallet; `owner` -1 makes it its own owner. Returns its number."""
    first = open_accounts(state, 1, settlement, profile, role)
    if owner >= 0:
        state.accounts[first]["owner"] = owner
    return first


def open_accounts(state: State, count: int, settlement: int, profile: int, role: int = 0) -> int:
    """`count` new empty wallets, numbered from the returned one."""
    first = int(state.counters[COUNT_ACCOUNTS])
    if first + count > len(state.accounts):
        state.grow_accounts(max(first + count, 2 * len(state.accounts)))
    fresh = state.accounts[first : first + count]
    fresh["first_holding"] = -1
    fresh["first_order"] = -1
    fresh["owner"] = np.arange(first, first + count)
    fresh["settlement"] = settlement
    fresh["profile"] = profile
    fresh["role"] = role
    state.counters[COUNT_ACCOUNTS] = first + count
    state.counters[COUNT_HOUSE] += count if role >= Role.HOUSE else 0
    return first


def make_holding_room(state: State, holdings: int) -> None:
    """Room for `holdings` more holdings (free ones are not counted: the bound is on the safe side)."""
    needed = int(state.counters[COUNT_HOLDINGS]) + holdings
    if needed > len(state.holdings):
        state.grow("holdings", max(needed, 2 * len(state.holdings)))


def list_instrument(state: State, instrument: int, figures: dict[str, int], start_ticks: int) -> None:
    """Write an instrument's figures (names of INSTRUMENT), open its book, all prices at `start_ticks`.

    What is refused is refused before anything is written, so the next instrument can have the same number.
    """
    fresh = np.zeros(1, INSTRUMENT)
    for name, figure in ({"coins_per_lot": 1} | figures).items():
        fresh[name] = figure
    record = fresh[0]
    maximum = int(record["maximum_ticks"])
    if not 0 < start_ticks < maximum:
        raise CapacityError(f"a start price of {start_ticks} ticks is outside 1 .. {maximum - 1}")
    inverse = int(record["kind"] == InstrumentKind.INVERSE)
    largest = int(record["maximum_lots"]) * int(largest_worth(inverse, int(record["unit"]), maximum))
    if largest > AMOUNT_LIMIT:
        raise CapacityError(
            f"the largest order, {record['maximum_lots']} lots at {maximum} ticks, does not fit into 64 bits"
        )
    add_book(state, instrument, maximum)
    state.instruments[instrument] = record
    record = state.instruments[instrument]
    market = state.markets[instrument]
    for name in ("mark", "index", "last", "band_reference", "previous_mark"):
        market[name] = start_ticks
    market["listed"] = 1
    set_bucket_origin(state, instrument, start_ticks)
    settlement = int(record["settlement"])
    record["fund"] = settlement * HOUSE_STRIDE + HOUSE_FUND
    record["clearing_holding"] = -1
    if record["kind"] != InstrumentKind.SPOT:
        make_holding_room(state, 1)
        record["clearing_holding"] = holding_of(state, settlement * HOUSE_STRIDE + HOUSE_CLEARING, instrument)


def add_tiers(state: State, instrument: int, tiers: NDArray[np.void]) -> None:
    """Give an instrument its tier table, floors rising from 0; nothing happens if it has no row."""
    if len(tiers):
        record = state.instruments[instrument]
        record["tier_start"] = len(state.tiers)
        record["tier_count"] = len(tiers)
        state.bind("tiers", np.concatenate([state.tiers, tiers]))
