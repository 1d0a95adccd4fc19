"""Collateral sold by rule when a wallet's cash is negative.

Holds the triggers, the amount, and the orders into the asset's own book. Holds no valuation (`margin`)
and no loan: wallets whose profile may borrow keep their debt, so the rule names the profiles it applies
to.

A wallet is converted on any of: its debt exceeds a floor; its debt exceeds a multiple of its net
collateral; its equity is within a share of notional of maintenance; it is below maintenance. It then
sells, most valuable asset first, as much as covers the debt, or the debt over the asset's weight.

Units: settlement units, lots, ppm. Rounding: what is sold up, the lowest price up. Invariants: a wallet
never sells more than it holds; its own resting orders in the asset go first; no sale takes equity below
zero, nor further below (who borrowed to the limit of what the asset counts for could sell it to a friend for
less and leave the fund the difference); a wallet whose assets find no such bid keeps its debt until the next
time; the list of who is converted does not grow while it is walked.

Sources: FTX help 360031149632 (within 20 basis points of maintenance, 30,000 USD, four times net
collateral); Binance multi-assets mode (wallet below a floor, sold value = deficit / (1 - haircut)).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from undertow._jit import kernel, trailing_zeros
from undertow.units import mul_div_ceil, mul_ppm_ceil
from undertow.venue.admission import band_limit
from undertow.venue.arenas import CANDIDATES, check_list
from undertow.venue.carry import change_of_equity
from undertow.venue.disposal import house_order
from undertow.venue.dollars import in_units
from undertow.venue.forced_fees import give_back_fees
from undertow.venue.integers import lots_worth, wide
from undertow.venue.ledger import tell
from undertow.venue.margin import SPOT, asset_value, equity_of, maintenance_parts, position_value
from undertow.venue.matching import withdraw_orders
from undertow.venue.records import EventKind, Origin, Role
from undertow.venue.state import COUNT_ACCOUNTS, COUNT_CANDIDATES, COUNT_FILLS, State

CONVERSION = int(Origin.CONVERSION)
EVENT_CONVERSION = int(EventKind.CONVERSION)
FIRST_HOUSE_ROLE = int(Role.HOUSE)

ROUNDS = 8  # orders of one wallet at a time


class Conversion(NamedTuple):
    """Figures of conversion; 0 switches a trigger off."""

    cash_floor: int  # millionths of a dollar: debt above this
    collateral_multiple: int  # debt above this many times net collateral
    slack_ppm: int  # equity within this share of notional of maintenance
    at_liquidation: int  # 1: any debt once the wallet is below maintenance
    sold_ppm: int  # value sold for each unit of debt: 1000000 is just the debt
    over_weight: int  # 1: divided by the asset's weight
    profiles: int  # bit n: profile n is converted


@kernel
def is_due(rule: Conversion, debt: int, collateral: int, equity: int, maintenance: int, gross: int) -> bool:
    """Whether a wallet with this debt (positive) is converted. `collateral`: weighted assets less debt."""
    if debt <= 0:
        return False
    if rule.cash_floor > 0 and debt > rule.cash_floor:
        return True
    if rule.collateral_multiple > 0 and (debt - 1) // rule.collateral_multiple >= collateral:
        return True
    if rule.slack_ppm > 0 and gross > 0 and equity < maintenance + mul_ppm_ceil(gross, rule.slack_ppm):
        return True
    return rule.at_liquidation == 1 and equity < maintenance


@kernel
def net_collateral(state: State, account: int) -> int:
    """Cash and assets at total weights, without the profit of contracts."""
    total = wide(state.accounts[account].cash)
    holding = wide(state.accounts[account].first_holding)
    while holding >= 0:
        row = state.holdings[holding]
        if row.size != 0 and state.instruments[row.instrument].kind == SPOT:
            total += asset_value(state, holding, wide(state.markets[row.instrument].mark), 0)
        holding = wide(row.next)
    return total


@kernel
def sold_value(rule: Conversion, debt: int, worth: int, weighted: int) -> int:
    """Value to sell of an asset worth `worth`, of which `weighted` counts as collateral."""
    value = mul_ppm_ceil(debt, rule.sold_ppm)
    if rule.over_weight == 0:
        return value
    return mul_div_ceil(value, worth, weighted) if weighted > 0 else worth


def sold_value_reference(rule: Conversion, debt: int, worth: int, weighted: int) -> int:
    """`sold_value` in plain integers."""
    value = -(-debt * rule.sold_ppm // 1_000_000)
    if rule.over_weight == 0:
        return value
    return -(-value * worth // weighted) if weighted > 0 else worth


@kernel
def lowest_price(state: State, holding: int, lots: int, equity: int) -> int:
    """The lowest price at which the wallet may sell `lots` of an asset: in the market band, and see above.

    What a lot counts for falls with the balance, so a part of the lots at that price costs no more than its
    share.
    """
    instrument = wide(state.holdings[holding].instrument)
    record = state.instruments[instrument]
    band = wide(band_limit(state, instrument, -1, wide(record.market_band_ppm)))
    lost = -change_of_equity(state, holding, -lots, 0, 0)
    missing = lost - max(equity, 0)
    return max(band, wide(-(-missing // (lots * record.unit))))


@kernel
def _lots_to_sell(state: State, rule: Conversion, holding: int) -> int:
    """Lots of an asset that cover the debt at the mark; all of it if they do not."""
    row = state.holdings[holding]
    record = state.instruments[row.instrument]
    mark = wide(state.markets[row.instrument].mark)
    worth = position_value(record.kind, record.unit, row.size, mark)
    weighted = asset_value(state, holding, mark, 0)
    value = sold_value(rule, wide(-state.accounts[row.account].cash), worth, weighted)
    return min(wide(row.size), lots_worth(record.kind, record.unit, value, mark))


@kernel
def _asset_to_sell(state: State, rule: Conversion, account: int, equity: int) -> int:
    """The asset worth most of those somebody bids enough for; -1: none."""
    best = -1
    most = 0
    holding = wide(state.accounts[account].first_holding)
    while holding >= 0:
        row = state.holdings[holding]
        record = state.instruments[row.instrument]
        market = state.markets[row.instrument]
        if record.kind == SPOT and row.size > 0 and market.halted == 0 and market.best_bid > 0:
            value = position_value(record.kind, record.unit, row.size, market.mark)
            if value > most:
                lots = _lots_to_sell(state, rule, holding)
                if market.best_bid >= lowest_price(state, holding, lots, equity):
                    most = wide(value)
                    best = holding
        holding = wide(row.next)
    return best


@kernel
def convert_account(state: State, rule: Conversion, account: int) -> int:
    """Sell assets until the debt is covered or nobody bids, a few orders at most. Returns the value sold."""
    sold = 0
    for _ in range(ROUNDS):
        if state.accounts[account].cash >= 0:
            break
        equity = equity_of(state, account)
        holding = _asset_to_sell(state, rule, account, equity)
        if holding < 0:
            break
        instrument = wide(state.holdings[holding].instrument)
        withdraw_orders(state, account, instrument)
        lots = _lots_to_sell(state, rule, holding)
        limit = lowest_price(state, holding, lots, equity)
        first_fill = wide(state.counters[COUNT_FILLS])
        filled, received = house_order(state, holding, -1, lots, limit, CONVERSION)
        give_back_fees(state, wide(account), instrument, first_fill)
        what = (instrument, wide(-1), wide(lots), limit)
        tell(state, EVENT_CONVERSION, (wide(account), wide(-1)), what, received, filled)
        sold += received
        if filled == 0:
            break
    return sold


@kernel
def _list_debtors(state: State) -> int:
    """Write the wallets below zero into `candidates`, in account order; those no longer so are unmarked."""
    count = 0
    for word in range(len(state.debt_bits)):
        bits = state.debt_bits[word]
        while bits != 0:
            lowest = bits & -bits
            bits ^= lowest
            account = (word << 6) + trailing_zeros(lowest)
            if state.accounts[account].cash < 0:
                check_list(count, len(state.candidates), CANDIDATES)
                state.candidates[count] = account
                count += 1
            else:
                state.debt_bits[word] ^= lowest
    return count


@kernel
def convert(state: State, rule: Conversion) -> int:
    """Convert every customer's wallet that is due, in account order. Returns how many were.

    Who is looked at is settled before the first sale: a wallet that a conversion leaves owing, such as that
    of a maker who bought, waits for the next call whatever its number. The list stands in `candidates`, which
    is written anew when danger is looked for.
    """
    state.counters[COUNT_CANDIDATES] = 0
    count = 0
    for position in range(_list_debtors(state)):
        count += _convert_if_due(state, rule, wide(state.candidates[position]))
    return count


@kernel
def _with_floor(rule: Conversion, cash_floor: int) -> Conversion:
    """The rule with its floor in a wallet's settlement units."""
    return Conversion(
        cash_floor,
        rule.collateral_multiple,
        rule.slack_ppm,
        rule.at_liquidation,
        rule.sold_ppm,
        rule.over_weight,
        rule.profiles,
    )


@kernel
def _convert_if_due(state: State, rule: Conversion, account: int) -> int:
    owner = state.accounts[account]
    if owner.cash >= 0 or owner.cash + owner.credit_limit >= 0 or owner.role >= FIRST_HOUSE_ROLE:
        return 0
    if owner.exempt != 0 or rule.profiles >> owner.profile & 1 == 0:
        return 0
    floor = in_units(state, owner.settlement, rule.cash_floor)
    by_value = rule.collateral_multiple > 0 or rule.slack_ppm > 0 or rule.at_liquidation == 1
    if not by_value and -owner.cash <= floor:
        return 0
    equity, maintenance, gross = maintenance_parts(state, account)
    collateral = net_collateral(state, account)
    if not is_due(_with_floor(rule, floor), wide(-owner.cash), collateral, equity, maintenance, gross):
        return 0
    convert_account(state, rule, account)
    return 1


def convert_reference(state: State, rule: Conversion) -> int:
    """`convert` by a walk over every account, in plain Python."""
    owing = np.flatnonzero(state.accounts["cash"][: state.counters[COUNT_ACCOUNTS]] < 0)
    return sum(int(_convert_if_due(state, rule, int(account))) for account in owing)
