"""One account as a person reads it: what it is worth, what it must keep, how far it is from liquidation.

Holds the records and the one kernel that values everything they show. Changes nothing.

Units: `Decimal` dollars (coins for a coin-settled wallet), sizes and prices outside; integers in the kernel.
Rounding: money is exact, a fraction is rounded down to nine digits, an average entry to six digits below the
tick; zero prices round towards the mark; a liquidation price is the first on the grid below maintenance.
Invariant: the figures are those the engine decides by, never a second formula.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow._jit import kernel
from undertow.rulebook.waterfall import Liquidation
from undertow.units import PPM
from undertow.venue.admission import withdrawable
from undertow.venue.book import order_id
from undertow.venue.danger import has_stake
from undertow.venue.door import Instrument, Settlement, ratio
from undertow.venue.margin import (
    SPOT,
    account_health,
    asset_value,
    maintenance_parts,
    notional,
    open_rate,
    open_sides,
    position_value,
    row_health,
    row_maintenance,
    row_side,
    tier_of,
)
from undertow.venue.open_loss import initial_parts
from undertow.venue.rates import borrow_initial_ppm, initial_weight_ppm
from undertow.venue.records import OrderFlag, Role
from undertow.venue.state import (
    EXEMPT_NOT,
    MARGIN_FLAT,
    MARGIN_TIERS,
    ORDER_POST_ONLY,
    STAGE_LIQUIDATING,
    STAGE_TAKEN,
    WITHDRAWALS_CLOSED,
    State,
)
from undertow.venue.takeover import has_positions, zero_price

STAGES = {STAGE_LIQUIDATING: "liquidating", STAGE_TAKEN: "taken-over"}

ROW = np.dtype(
    [
        (name, np.int64)
        for name in (
            "instrument",
            "size",
            "quote",
            "open_lots",
            "value",  # signed value at the mark; an asset's before weights
            "counted",  # an asset's collateral value
            "notional",
            "maintenance",
            "maintenance_ppm",
            "initial",
            "initial_ppm",
            "zero",
            "liquidation",  # 0: no price on the grid
        )
    ]
)
ORDER_ROW = np.dtype([(name, np.int64) for name in ("order", "instrument", "side", "size", "price", "flags")])
EQUITY, MAINTENANCE, GROSS, HEALTH, OPENING_EQUITY, INITIAL, WITHDRAWABLE, ROWS, ORDERS = range(9)


@dataclass(frozen=True, slots=True)
class HoldingView:
    """A position, or the balance of an asset (whose rates are its collateral weights)."""

    instrument: str
    size: Decimal
    average_entry: Decimal | None  # of a position
    mark: Decimal
    value: Decimal  # at the mark, signed; an asset before its weight
    unrealised: Decimal
    collateral_value: Decimal  # of an asset, weighted
    notional: Decimal
    initial_margin: Decimal  # of the open size
    maintenance_margin: Decimal
    initial_rate: Decimal | None
    maintenance_rate: Decimal | None
    open_size: (
        Decimal  # the larger of what it would be if all buys, or all sells, filled; without reduce-only
    )
    zero_price: Decimal | None  # of a position
    liquidation_price: Decimal | None  # None: no price does it


@dataclass(frozen=True, slots=True)
class OrderView:
    """An order that rests in the book."""

    order: int
    instrument: str
    side: str
    size: Decimal
    price: Decimal
    reduce_only: bool
    post_only: bool


@dataclass(frozen=True, slots=True)
class AccountView:
    """An account at the present marks."""

    account: int
    owner: int
    settlement: str
    profile: str
    role: str
    stage: str  # "free", "liquidating", "taken-over"
    standing: str  # "free", "no-new-orders", "liquidation", "auto-close", "bankrupt"
    liquidatable: bool
    exempt: bool
    cash: Decimal
    collateral_value: Decimal  # cash and weighted assets
    unrealised: Decimal
    equity: Decimal
    initial_margin: Decimal  # with open orders filled, and the loss of those through the mark
    maintenance_margin: Decimal
    notional: Decimal
    margin_fraction: Decimal | None  # equity / notional
    maintenance_fraction: Decimal | None
    auto_close_fraction: Decimal | None
    withdrawable: Decimal
    holdings: tuple[HoldingView, ...]
    orders: tuple[OrderView, ...]

    def holding(self, instrument: str) -> HoldingView | None:
        """The holding of that instrument, if there is one."""
        return next((row for row in self.holdings if row.instrument == instrument), None)


@kernel
def liquidation_ticks(state: State, holding: int, rest: int) -> int:
    """First adverse price at which `rest` plus this row's health is negative; 0 if the grid has none."""
    side = row_side(state, holding)
    highest = int(state.instruments[state.holdings[holding].instrument].maximum_ticks - 1)
    worst = 1 if side > 0 else highest
    best = highest if side > 0 else 1
    if side == 0 or rest + row_health(state, holding, worst) >= 0:
        return 0
    if rest + row_health(state, holding, best) < 0:
        return best
    while abs(best - worst) > 1:
        middle = (best + worst) // 2
        if rest + row_health(state, holding, middle) < 0:
            worst = middle
        else:
            best = middle
    return worst


@kernel
def _describe_row(state: State, holding: int, sums: NDArray[np.int64], out: Any) -> None:
    row = state.holdings[holding]
    record = state.instruments[row.instrument]
    mark = int(state.markets[row.instrument].mark)
    out.instrument = row.instrument
    out.size = row.size
    out.quote = row.quote
    out.maintenance = row_maintenance(state, holding, mark)
    out.maintenance_ppm = row.rate_ppm
    out.initial_ppm = 0
    if record.kind == SPOT:
        if row.size != 0:
            short = row.size < 0
            lots = abs(row.size)
            out.initial_ppm = borrow_initial_ppm(record, lots) if short else initial_weight_ppm(record, lots)
        out.value = row.size * mark * record.unit
        out.counted = asset_value(state, holding, mark, 0)
        out.notional = notional(SPOT, record.unit, row.size, mark)
    else:
        out.notional = notional(record.kind, record.unit, row.size, mark)
        long, short = open_sides(state, holding)
        out.open_lots = max(abs(long), abs(short))
        lots, out.initial_ppm = open_rate(state, holding)
        if record.margin_rule == MARGIN_FLAT:
            out.maintenance_ppm = record.rate_floor_ppm
        elif record.margin_rule == MARGIN_TIERS:
            out.maintenance_ppm = state.tiers[tier_of(state, row.instrument, out.notional)].rate_ppm
        out.initial = notional(record.kind, record.unit, lots, mark)
        if row.size != 0:
            out.value = position_value(record.kind, record.unit, row.size, mark)
            out.zero = zero_price(state, holding, sums[EQUITY], sums[MAINTENANCE])
    if row.size != 0:
        out.liquidation = liquidation_ticks(state, holding, sums[HEALTH] - row_health(state, holding, mark))


@kernel
def describe(
    state: State, account: int, sums: NDArray[np.int64], rows: NDArray[np.void], orders: NDArray[np.void]
) -> None:
    """Fill `sums` (see EQUITY and following), one row per holding and one per resting order."""
    equity, maintenance, gross = maintenance_parts(state, account)
    opening, required, _reserved = initial_parts(state, account)
    sums[EQUITY] = equity
    sums[MAINTENANCE] = maintenance
    sums[GROSS] = gross
    sums[HEALTH] = account_health(state, account)
    sums[OPENING_EQUITY] = opening
    sums[INITIAL] = required
    sums[WITHDRAWABLE] = withdrawable(state, account)
    count = 0
    holding = int(state.accounts[account].first_holding)
    while holding >= 0 and count < len(rows):
        _describe_row(state, holding, sums, rows[count])
        holding = int(state.holdings[holding].next)
        count += 1
    sums[ROWS] = count
    count = 0
    slot = int(state.accounts[account].first_order)
    while slot >= 0 and count < len(orders):
        order = state.orders[slot]
        line = orders[count]
        line.order = order_id(state, slot)
        line.instrument = order.instrument
        line.side = order.side
        line.size = order.size
        line.price = order.price
        line.flags = order.flags
        slot = int(order.own_next)
        count += 1
    sums[ORDERS] = count


class Names(NamedTuple):
    """Instruments, settlement assets and profiles in the order of their numbers."""

    instruments: Sequence[Instrument]
    settlements: Sequence[Settlement]
    profiles: Sequence[str]


def auto_close_fraction(rule: Liquidation, maintenance: int, notional_units: int) -> tuple[int, int] | None:
    """max(half x MMF, MMF - gap) as (numerator, denominator), None where the rulebook has no auto-close.

    Source: FTX help 360027668712, ACMF = max(MMF / 2, MMF - 0.06).
    """
    if rule.auto_close == "none" or notional_units == 0:
        return None
    half = maintenance * rule.auto_close_half_ppm
    less_gap = maintenance * PPM - notional_units * rule.auto_close_gap_ppm
    return max(half, less_gap), notional_units * PPM


def view_account(state: State, account: int, names: Names, rule: Liquidation) -> AccountView:
    """Everything about one account at the present marks."""
    instruments, settlements, profiles = names
    owner = state.accounts[account]
    sums = np.zeros(9, np.int64)
    rows = np.zeros(len(state.instruments), ROW)
    orders = np.zeros(int(owner["order_count"]), ORDER_ROW)
    describe(state, account, sums, rows, orders)
    figures = [int(value) for value in sums]
    settlement = settlements[int(owner["settlement"])]
    holdings = [
        _holding(row, instruments[int(row["instrument"])], settlement, state) for row in rows[: figures[ROWS]]
    ]
    closed = owner["stage"] == STAGE_LIQUIDATING or state.counters[WITHDRAWALS_CLOSED] == 1
    # An empty wallet is nobody's to liquidate, even where equality with maintenance triggers; nor is one that
    # owes and holds nothing, unless a liquidation has brought it there.
    unhealthy = figures[HEALTH] < 0 and bool(has_stake(state, account))
    owed = not has_positions(state, account) and owner["stage"] != STAGE_LIQUIDATING
    spot = [instruments[int(row["instrument"])].spot for row in rows[: figures[ROWS]]]
    unrealised = sum(
        int(row["value"] + row["quote"]) for row, held in zip(rows, spot, strict=False) if not held
    )
    fraction = auto_close_fraction(rule, figures[MAINTENANCE], figures[GROSS])
    return AccountView(
        account=account,
        owner=int(owner["owner"]),
        settlement=settlement.name,
        profile=profiles[int(owner["profile"])],
        role=Role(int(owner["role"])).name.lower(),
        stage=STAGES.get(int(owner["stage"]), "free"),
        standing=_standing(figures, unhealthy, fraction),
        liquidatable=unhealthy
        and not owed
        and bool(owner["exempt"] == EXEMPT_NOT and owner["role"] < Role.HOUSE),
        exempt=bool(owner["exempt"] != EXEMPT_NOT),
        cash=settlement.amount(owner["cash"]),
        collateral_value=settlement.amount(figures[EQUITY] - unrealised),
        unrealised=settlement.amount(unrealised),
        equity=settlement.amount(figures[EQUITY]),
        initial_margin=settlement.amount(figures[INITIAL]),
        maintenance_margin=settlement.amount(figures[MAINTENANCE]),
        notional=settlement.amount(figures[GROSS]),
        margin_fraction=ratio(figures[EQUITY], figures[GROSS]),
        maintenance_fraction=ratio(figures[MAINTENANCE], figures[GROSS]),
        auto_close_fraction=ratio(*fraction) if fraction else None,
        withdrawable=settlement.amount(0 if closed else figures[WITHDRAWABLE]),
        holdings=tuple(sorted(holdings, key=lambda row: row.instrument)),
        orders=tuple(_order(row, instruments[int(row["instrument"])]) for row in orders[: figures[ORDERS]]),
    )


def _standing(figures: Sequence[int], unhealthy: bool, auto_close: tuple[int, int] | None) -> str:
    """What the rulebook lets happen to the account now, the worst that applies."""
    equity, gross = figures[EQUITY], figures[GROSS]
    if equity < 0:
        return "bankrupt"
    if auto_close is not None and equity * auto_close[1] < auto_close[0] * gross:
        return "auto-close"
    if unhealthy:
        return "liquidation"
    return "no-new-orders" if figures[OPENING_EQUITY] < figures[INITIAL] else "free"


def _holding(
    row: NDArray[np.void], instrument: Instrument, settlement: Settlement, state: State
) -> HoldingView:
    cell = {name: int(row[name]) for name in ROW.names or ()}
    size, spot = cell["size"], instrument.spot
    lots = size if spot else cell["open_lots"]
    rates = [ratio(cell[name], PPM) for name in ("initial_ppm", "maintenance_ppm")]
    margin = -(-cell["initial"] * cell["initial_ppm"] // PPM)
    if spot:
        margin = -(-cell["notional"] * cell["initial_ppm"] // PPM) if size < 0 else 0
    return HoldingView(
        instrument=instrument.name,
        size=instrument.size(size),
        average_entry=None if spot else instrument.average_price(abs(cell["quote"]), abs(size)),
        mark=instrument.price(int(state.markets[instrument.number]["mark"])),
        value=settlement.amount(cell["value"]),
        unrealised=settlement.amount(0 if spot else cell["value"] + cell["quote"]),
        collateral_value=settlement.amount(cell["counted"]),
        notional=settlement.amount(cell["notional"]),
        initial_margin=settlement.amount(margin),
        maintenance_margin=settlement.amount(cell["maintenance"]),
        initial_rate=rates[0],
        maintenance_rate=rates[1],
        open_size=instrument.size(lots),
        zero_price=instrument.price(cell["zero"]) if cell["zero"] else None,
        liquidation_price=instrument.price(cell["liquidation"]) if cell["liquidation"] else None,
    )


def _order(row: NDArray[np.void], instrument: Instrument) -> OrderView:
    side = "buy" if row["side"] > 0 else "sell"
    size, price = instrument.size(int(row["size"])), instrument.price(int(row["price"]))
    reduce_only = bool(int(row["flags"]) & OrderFlag.REDUCE_ONLY)
    post_only = bool(int(row["flags"]) & ORDER_POST_ONLY)
    return OrderView(int(row["order"]), instrument.name, side, size, price, reduce_only, post_only)
