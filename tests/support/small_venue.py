"""A venue of a handful of accounts for tests of the waterfall: positions at given entries, a book by hand.

Every helper moves money and contracts through the venue's own ledger, so the books can be audited afterwards.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from undertow.venue import ledger, setup
from undertow.venue.audit import audit
from undertow.venue.book import make_order_room, take_slot
from undertow.venue.danger import refresh, tick
from undertow.venue.matching import Taker, reserve, rest
from undertow.venue.records import Cause, InstrumentKind
from undertow.venue.state import (
    COLLATERAL_WEIGHTED,
    COUNT_CANDIDATES,
    COUNT_EVENTS,
    COUNT_FILLS,
    HOUSE_FUND,
    LEDGER_DETAIL,
    MARGIN_FLAT,
    TIME,
    State,
    allocate,
)

PERPETUAL = 0
OTHER = 1
ASSET = 2
DOLLAR = 1_000_000  # settlement units

# A tick of one cent, a lot of 0.0001 coin: one micro-dollar a tick and lot.
LINEAR_FIGURES = {
    "kind": int(InstrumentKind.LINEAR),
    "unit": 1,
    "lots_per_coin": 10_000,
    "maximum_ticks": 1 << 23,
    "maximum_lots": 1 << 32,
    "margin_rule": MARGIN_FLAT,
    "rate_floor_ppm": 30_000,
    "rate_initial_floor_ppm": 50_000,
}
ASSET_FIGURES = {
    "kind": int(InstrumentKind.SPOT),
    "unit": 1,
    "lots_per_coin": 10_000,
    "maximum_ticks": 1 << 23,
    "maximum_lots": 1 << 32,
    "weight_total_ppm": 975_000,
    "weight_initial_ppm": 950_000,
}


def small_venue(ticks: int = 1_000_000, **figures: int) -> State:
    """Two perpetuals and an asset, all at `ticks`; `figures` override those of the first perpetual."""
    state = allocate(4, 256, 1024, 256)
    state.counters[LEDGER_DETAIL] = 1
    state.counters[TIME] = 1_000_000
    profile = state.profiles[0]
    profile["maintenance_multiplier_ppm"] = 1_000_000
    profile["collateral"] = COLLATERAL_WEIGHTED
    setup.open_house(state, 1)
    setup.list_instrument(state, PERPETUAL, LINEAR_FIGURES | figures, ticks)
    setup.list_instrument(state, OTHER, LINEAR_FIGURES, ticks)
    setup.list_instrument(state, ASSET, ASSET_FIGURES, ticks)
    make_order_room(state, 128)
    return state


def customer(state: State, dollars: float = 0) -> int:
    """A new customer with this much cash."""
    account = setup.open_account(state, 0, 0)
    if dollars:
        ledger.deposit(state, account, round(dollars * DOLLAR))
    return account


def open_position(state: State, account: int, lots: int, ticks: int, instrument: int = PERPETUAL) -> int:
    """Trade `lots` (signed) at `ticks` against a fresh, rich customer, whose number is returned."""
    other = customer(state, 1_000_000_000)
    for who, size in ((account, lots), (other, -lots)):
        row = ledger.holding_of(state, who, instrument)
        ledger.apply_fill(state, row, size, ticks, int(Cause.TRADE))
    return other


def quote(state: State, side: int, lots: int, ticks: int, instrument: int = PERPETUAL) -> int:
    """A resting order of a fresh, rich customer, whose number is returned; who sells an asset brings it."""
    maker = customer(state, 1_000_000_000)
    if instrument == ASSET and side < 0:
        ledger.deposit_asset(state, maker, instrument, lots)
    row = ledger.holding_of(state, maker, instrument)
    taker = Taker(maker, instrument, side, ticks, lots, 0, 0, 0)
    reserve(state, row, side, lots, ticks)
    rest(state, taker, lots, row, take_slot(state))
    return maker


def set_mark(state: State, ticks: int, instrument: int = PERPETUAL) -> None:
    """Move the mark of an instrument."""
    state.markets["previous_mark"][instrument] = state.markets["mark"][instrument]
    state.markets["mark"][instrument] = ticks


def find_danger(state: State) -> NDArray[np.int32]:
    """The accounts below maintenance, as the danger stage lists them."""
    refresh(state)
    tick(state)
    return state.candidates[: state.counters[COUNT_CANDIDATES]]


def pass_seconds(state: State, seconds: int) -> None:
    """Let time go by."""
    state.counters[TIME] += 1000 * seconds


def size_of(state: State, account: int, instrument: int = PERPETUAL) -> int:
    """Signed lots that an account holds."""
    row = ledger.find_holding(state, account, instrument)
    return int(state.holdings["size"][row]) if row >= 0 else 0


def cash_of(state: State, account: int) -> int:
    """An account's cash in settlement units."""
    return int(state.accounts["cash"][account])


def fund_cash(state: State) -> int:
    """Cash of the insurance fund."""
    return cash_of(state, HOUSE_FUND)


def fills(state: State) -> NDArray[Any]:
    """Everything traded so far."""
    return state.fills[: state.counters[COUNT_FILLS]]


def events(state: State, kind: int) -> NDArray[Any]:
    """Every event of one kind so far."""
    written: NDArray[Any] = state.events[: state.counters[COUNT_EVENTS]]
    return np.asarray(written[written["kind"] == kind])


def check_books(state: State) -> None:
    """Sums of cash, sizes, quotes and reservations must be exact."""
    audit(state)
