"""What a forced order costs its wallet: fees that leave no debt behind.

Holds the clearance fee of a liquidation order, and the return of trading fees that a wallet whose assets or
contracts are sold by force cannot bear. Holds no order.

Units: settlement units. Rounding: fees up. Invariant: no fee takes a wallet below zero, so what its fund is
asked for afterwards is a loss by price alone.

Source: Binance FAQ 360033525271 (the fee is taken of what a liquidated wallet has left); the fund, to which
the clearance fee goes, would otherwise pay it to itself.
"""

from __future__ import annotations

from undertow._jit import kernel
from undertow.units import mul_ppm_ceil
from undertow.venue.integers import wide
from undertow.venue.ledger import pay
from undertow.venue.margin import maintenance_parts
from undertow.venue.records import Cause
from undertow.venue.state import COUNT_FILLS, HOUSE_FEES, HOUSE_STRIDE, State

FEE = int(Cause.FEE)
LIQUIDATION_FEE = int(Cause.LIQUIDATION_FEE)


@kernel
def give_back_fees(state: State, account: int, instrument: int, first_fill: int) -> int:
    """Return of the trading fees on the fills since `first_fill` what they add to a debt of the wallet.

    Returns the wallet's equity afterwards.
    """
    equity, _maintenance, _gross = maintenance_parts(state, account)
    record = state.instruments[instrument]
    if equity >= 0 or record.taker_fee_ppm <= 0:
        return int(equity)
    back = 0
    for position in range(first_fill, state.counters[COUNT_FILLS]):
        fill = state.fills[position]
        part = min(wide(fill.taker_fee), -equity - back)
        fill.taker_fee -= part  # a fill says what was charged in the end
        back += part
    house = record.settlement * HOUSE_STRIDE + HOUSE_FEES
    pay(state, house, account, back, FEE, instrument)
    return int(equity + back)


@kernel
def charge_clearance(
    state: State, account: int, instrument: int, value: int, fee_ppm: int, equity: int
) -> None:
    """Take the clearance fee on a forced order for the instrument's fund, as far as `equity` goes."""
    fee = min(mul_ppm_ceil(value, fee_ppm), max(equity, 0))
    pay(state, account, state.instruments[instrument].fund, fee, LIQUIDATION_FEE, instrument)
