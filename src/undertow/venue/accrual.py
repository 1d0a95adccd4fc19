"""Money that is due because time passed: funding between longs and shorts, interest on borrowed cash.

Holds the posting of both through the ledger. Holds no rate (`funding`) and no calendar (`pricing`).

Units: settlement units, rates in ppb. Rounding: a payer pays up, a receiver receives down; what is left of an
instrument's funding goes to the house's lending account, and interest is rounded up.
Invariant: after an accrual the clearing accounts hold what they held before.
"""

from __future__ import annotations

from undertow._jit import kernel
from undertow.units import mul_div_ceil
from undertow.venue.funding import funding_amount
from undertow.venue.ledger import pay, tell
from undertow.venue.records import Cause, EventKind
from undertow.venue.state import (
    COUNT_ACCOUNTS,
    COUNT_HOLDINGS,
    HOUSE_CLEARING,
    HOUSE_LENDING,
    HOUSE_STRIDE,
    State,
)

FUNDING = int(Cause.FUNDING)
INTEREST = int(Cause.INTEREST)
EVENT_FUNDING = int(EventKind.FUNDING_DUE)


@kernel
def accrue_funding(state: State, instrument: int, charge_ticks: int, charge_ppb: int) -> int:
    """Charge every position of one instrument; returns what the longs paid (negative: received)."""
    record = state.instruments[instrument]
    clearing = record.settlement * HOUSE_STRIDE + HOUSE_CLEARING
    lending = record.settlement * HOUSE_STRIDE + HOUSE_LENDING
    paid_by_longs = 0
    kept = 0
    for holding in range(state.counters[COUNT_HOLDINGS]):
        row = state.holdings[holding]
        if row.account < 0 or row.instrument != instrument or row.size == 0:
            continue
        amount = funding_amount(record.kind, record.unit, row.size, charge_ticks, charge_ppb)
        pay(state, clearing, row.account, amount, FUNDING, instrument)
        kept -= amount
        if row.size > 0:
            paid_by_longs -= amount
    pay(state, clearing, lending, kept, FUNDING, instrument)
    tell(state, EVENT_FUNDING, (-1, -1), (instrument, 0, 0, charge_ticks), paid_by_longs, charge_ppb)
    return paid_by_longs


@kernel
def accrue_interest(state: State, settlement: int, rate_ppb: int) -> int:
    """Charge `rate_ppb` on every customer's negative cash of one settlement asset. Returns the sum."""
    lending = settlement * HOUSE_STRIDE + HOUSE_LENDING
    charged = 0
    for account in range(state.counters[COUNT_ACCOUNTS]):
        owner = state.accounts[account]
        if owner.settlement != settlement or owner.cash >= 0 or owner.role != 0:
            continue
        amount = mul_div_ceil(-owner.cash, rate_ppb, 1_000_000_000)
        pay(state, account, lending, amount, INTEREST, -1)
        charged += amount
    return charged
