"""The full scans that the danger index must equal at every tick: the plain one and the fast one.

Holds `scan`, which values every account by the exact formula (the engine's oracle mode), and the slabs:
columns of floats, accounts grouped by their number of priced holdings, from which one pass at memory speed
yields a certified lower bound of everybody's health. Only accounts whose bound is negative are valued
exactly, so both scans write the same candidates. Holds no trigger.

Why the bound holds: within one price range [half, double] a holding's health is concave in the price (in one
over the price for inverse contracts), since maintenance rates only rise and collateral weights only fall with
the bracket; its chord between the ends, both valued exactly, lies below it. Rounding of the formula and of
floats is taken off the account's constant when the slab is built.

Units: settlement units throughout; slab columns are float64 of the same. Invariant: a slab is a picture of
sizes, cash and rates; `refit` an account when they change. Prices may move freely inside the range; outside
it `slab_scan` returns -1 and the slabs must be built again.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow._jit import kernel
from undertow.venue.danger import (
    ROUNDING_SLACK,
    fetch_ahead,
    has_stake,
    is_watched,
    list_account,
    sort_listed,
)
from undertow.venue.margin import account_health, base_health, row_health, row_side
from undertow.venue.records import InstrumentKind
from undertow.venue.state import (
    COUNT_ACCOUNTS,
    COUNT_CANDIDATES,
    MARGIN_TIERS,
    TICK,
    WEIGHT_TIERS_BY_VALUE,
    State,
)

INVERSE = int(InstrumentKind.INVERSE)
TILE = 512  # accounts whose bounds are summed in the cache before they are looked at
FLOAT_LOSS = 2.0**-44  # of all magnitudes summed: 256 roundings of a float64
NEVER = 1e300  # constant of a slot whose account cannot be a candidate


class Slabs(NamedTuple):
    """Accounts by number of priced holdings: in class k each tile of 512 slots is k columns in a row."""

    slope: NDArray[np.float64]  # per row: health per unit of the factor
    instrument: NDArray[np.uint16]  # per row: which factor
    constant: NDArray[np.float64]  # per slot: the account's part that no price moves, less all roundings
    account: NDArray[np.int32]  # per slot
    slot: NDArray[np.int32]  # per account; -1: none
    first_slot: NDArray[np.int64]  # per class, and one past the end
    first_row: NDArray[np.int64]  # per class
    low: NDArray[np.int64]  # per instrument: lowest price the slopes hold for
    high: NDArray[np.int64]  # per instrument: highest
    bound: NDArray[np.float64]  # scratch of one tile


@kernel
def _is_candidate(state: State, account: int) -> bool:
    return is_watched(state, account) and account_health(state, account) < 0 and has_stake(state, account)


@kernel
def scan(state: State) -> int:
    """Value every account exactly; writes and returns what `danger.tick` would, and touches no index."""
    state.counters[TICK] += 1
    found = 0
    for account in range(state.counters[COUNT_ACCOUNTS]):
        if _is_candidate(state, account):
            state.candidates[found] = account
            found += 1
    state.counters[COUNT_CANDIDATES] = found
    return found


@kernel
def _priced_rows(state: State, account: int) -> int:
    count = 0
    holding = state.accounts[account].first_holding
    while holding >= 0:
        if row_side(state, holding) != 0:
            count += 1
        holding = state.holdings[holding].next
    return count


@kernel
def _count_classes(state: State, classes: NDArray[np.int64]) -> None:
    """Add the watched accounts with k priced holdings to `classes[k]` (the last class takes any excess)."""
    for account in range(state.counters[COUNT_ACCOUNTS]):
        if is_watched(state, account):
            classes[min(_priced_rows(state, account), len(classes) - 1)] += 1


@kernel
def _assign_slots(state: State, slabs: Slabs, next_slot: NDArray[np.int64]) -> None:
    for account in range(state.counters[COUNT_ACCOUNTS]):
        slabs.slot[account] = -1
        if is_watched(state, account):
            rows = _priced_rows(state, account)
            slot = next_slot[rows]
            next_slot[rows] += 1
            slabs.slot[account] = slot
            slabs.account[slot] = account
            _fit(state, slabs, account, rows)


@kernel
def _factor(state: State, instrument: int, price: int) -> float:
    """What a holding's health is linear in: the price, or one over it for inverse contracts."""
    if state.instruments[instrument].kind == INVERSE:
        return 1.0 / float(price)
    return float(price)


@kernel
def _fit(state: State, slabs: Slabs, account: int, size_class: int) -> None:
    """Write an account's chords into its slot of the given class; columns it does not need become zero."""
    slot = slabs.slot[account]
    offset = slot - slabs.first_slot[size_class]
    start = offset - offset % TILE
    width = min(TILE, slabs.first_slot[size_class + 1] - slabs.first_slot[size_class] - start)
    place = slabs.first_row[size_class] + start * size_class + offset - start
    last = place + size_class * width
    constant = float(base_health(state, account))
    magnitude = abs(constant)
    holding = state.accounts[account].first_holding
    while holding >= 0:
        row = state.holdings[holding]
        low = slabs.low[row.instrument]
        health_low = float(row_health(state, holding, low))
        constant -= ROUNDING_SLACK
        if row_side(state, holding) == 0:
            constant += health_low
            magnitude += abs(health_low)
        else:
            high = slabs.high[row.instrument]
            health_high = float(row_health(state, holding, high))
            left = _factor(state, row.instrument, low)
            right = _factor(state, row.instrument, high)
            slope = (health_high - health_low) / (right - left)
            slabs.slope[place] = slope
            slabs.instrument[place] = row.instrument
            place += width
            constant += health_low - slope * left
            magnitude += 2.0 * abs(health_low) + 3.0 * abs(slope) * max(left, right)
        holding = row.next
    while place < last:
        slabs.slope[place] = 0.0
        slabs.instrument[place] = 0
        place += width
    slabs.constant[slot] = constant - FLOAT_LOSS * magnitude


@kernel
def refit(state: State, slabs: Slabs, account: int) -> bool:
    """Bring an account's slot up to date; false if it has none, or too small a one: build again then."""
    slot = slabs.slot[account] if account < len(slabs.slot) else -1
    watched = is_watched(state, account)
    if slot < 0:
        return not watched
    if not watched:
        slabs.constant[slot] = NEVER
        return True
    size_class = 0
    while slabs.first_slot[size_class + 1] <= slot:
        size_class += 1
    if _priced_rows(state, account) > size_class:
        return False
    _fit(state, slabs, account, size_class)
    return True


def build_slabs(state: State) -> Slabs:
    """Slabs of the state as it is, good for prices from half to double the present marks.

    Raises ValueError if a bracket's maintenance rate falls, or its collateral weight rises, with the amount.
    """
    _require_concave(state)
    accounts = int(state.counters[COUNT_ACCOUNTS])
    counts = np.zeros(len(state.instruments) + 1, np.int64)
    _count_classes(state, counts)
    classes = int(np.flatnonzero(counts)[-1]) + 1 if counts.any() else 1
    counts = counts[:classes]
    rows = counts * np.arange(classes)
    marks = state.markets["mark"]
    slots = int(counts.sum())
    slabs = Slabs(
        slope=np.zeros(int(rows.sum()), np.float64),
        instrument=np.zeros(int(rows.sum()), np.uint16),
        constant=np.zeros(slots, np.float64),
        account=np.zeros(slots, np.int32),
        slot=np.zeros(accounts, np.int32),
        first_slot=np.concatenate((np.zeros(1, np.int64), np.cumsum(counts))),
        first_row=np.concatenate((np.zeros(1, np.int64), np.cumsum(rows)[:-1])),
        low=np.maximum((marks + 1) // 2, 1),
        high=np.maximum(marks * 2, 2),
        bound=np.zeros(TILE, np.float64),
    )
    _assign_slots(state, slabs, slabs.first_slot[:-1].copy())
    return slabs


def _require_concave(state: State) -> None:
    for number, record in enumerate(state.instruments):
        first, count = int(record["tier_start"]), int(record["tier_count"])
        rates = state.tiers["rate_ppm"][first : first + count]
        if record["kind"] == InstrumentKind.SPOT:
            wrong = record["weight_rule"] == WEIGHT_TIERS_BY_VALUE and bool((np.diff(rates) > 0).any())
        else:
            wrong = record["margin_rule"] == MARGIN_TIERS and bool((np.diff(rates) < 0).any())
        if wrong:
            raise ValueError(
                f"instrument {number}: a bracket's maintenance rate may not fall, nor its weight rise, "
                f"with the amount; got {rates.tolist()}"
            )


@kernel
def _list_suspects(state: State, slabs: Slabs, factors: NDArray[np.float64]) -> int:
    """List every account whose bound is negative."""
    count = 0
    for size_class in range(len(slabs.first_slot) - 1):
        first = slabs.first_slot[size_class]
        size = slabs.first_slot[size_class + 1] - first
        place = slabs.first_row[size_class]
        for start in range(0, size, TILE):
            length = min(TILE, size - start)
            constant = slabs.constant[first + start : first + start + length]
            for offset in range(length):
                slabs.bound[offset] = constant[offset]
            for _ in range(size_class):
                slope = slabs.slope[place : place + length]
                instrument = slabs.instrument[place : place + length]
                for offset in range(length):
                    slabs.bound[offset] += slope[offset] * factors[instrument[offset]]
                place += length
            for offset in range(length):
                if slabs.bound[offset] < 0.0:
                    count = list_account(state, slabs.account[first + start + offset], count)
    return count


@kernel
def _slab_scan(state: State, slabs: Slabs, factors: NDArray[np.float64]) -> int:
    for instrument in range(len(slabs.low)):
        mark = state.markets[instrument].mark
        if mark == 0:
            continue
        if mark < slabs.low[instrument] or mark > slabs.high[instrument]:
            return -1
        factors[instrument] = _factor(state, instrument, mark)
    count = _list_suspects(state, slabs, factors)
    sort_listed(state, count)
    found = 0
    for position in range(count):
        fetch_ahead(state, position, count)
        account = state.candidates[position]
        if _is_candidate(state, account):
            state.candidates[found] = account
            found += 1
    state.counters[TICK] += 1
    state.counters[COUNT_CANDIDATES] = found
    return found


def slab_scan(state: State, slabs: Slabs) -> int:
    """As `scan`: bounds for all, exact for the few below zero; -1 if a price left the slabs' range."""
    return _slab_scan(state, slabs, np.zeros(len(slabs.low), np.float64))
