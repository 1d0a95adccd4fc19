"""Who is below maintenance, in plain Python: what `danger.tick` and the scans must equal.

Holds the formula of an account's health written for reading, as exact fractions rounded where the rule says
so, and the full scan over it. Units as in `undertow.venue.margin`. Invariant: reads the state and changes
nothing.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor
from typing import Any

from undertow.units import PPM
from undertow.venue.records import InstrumentKind, Role
from undertow.venue.state import (
    COLLATERAL_NONE,
    COLLATERAL_RAW,
    COUNT_ACCOUNTS,
    MARGIN_FLAT,
    MARGIN_TIERS,
    WEIGHT_TIERS_BY_QUANTITY,
    WEIGHT_TIERS_BY_VALUE,
    State,
)

Record = dict[str, Any]


def record_of(array: Any, number: int) -> Record:
    """One record with Python integers in it."""
    return dict(zip(array.dtype.names, array[number].tolist(), strict=True))


def holdings_of(state: State, account: int) -> list[Record]:
    """An account's holdings, in the order of its list."""
    found = []
    number = int(state.accounts["first_holding"][account])
    while number >= 0:
        found.append(record_of(state.holdings, number))
        number = found[-1]["next"]
    return found


def bracket(state: State, instrument: Record, amount: int) -> Record:
    """The last bracket that starts at or below an amount, or the first one."""
    start = instrument["tier_start"]
    brackets = [record_of(state.tiers, start + k) for k in range(instrument["tier_count"])]
    return [brackets[0], *[each for each in brackets[1:] if each["floor"] <= amount]][-1]


def asset_value(state: State, profile: Record, instrument: Record, holding: Record, price: int) -> int:
    """What a balance of an asset counts for; what is owed counts in full."""
    size = holding["size"]
    worth: int = size * price * instrument["unit"]
    if size <= 0 or profile["collateral"] == COLLATERAL_RAW:
        return worth
    if profile["collateral"] == COLLATERAL_NONE:
        return 0
    if instrument["weight_rule"] == WEIGHT_TIERS_BY_QUANTITY:
        tier = bracket(state, instrument, size)
        weighted_lots = Fraction(size * tier["rate_ppm"] + tier["deduction"], PPM)
        return floor(int(price * instrument["unit"]) * weighted_lots)
    if instrument["weight_rule"] == WEIGHT_TIERS_BY_VALUE:
        tier = bracket(state, instrument, worth)
        return floor(Fraction(worth * tier["rate_ppm"], PPM)) + int(tier["deduction"])
    return floor(Fraction(worth * holding["rate_ppm"], PPM))


def position_value(instrument: Record, size: int, price: int) -> int:
    """A position's mark value before its running cost; an inverse one's is rounded down."""
    if instrument["kind"] == InstrumentKind.INVERSE:
        return floor(Fraction(-size * instrument["unit"], price))
    return int(size * price * instrument["unit"])


def maintenance(state: State, profile: Record, instrument: Record, holding: Record, price: int) -> int:
    """What one holding must keep, rounded up once."""
    lots = abs(holding["size"])
    rate, deduction = holding["rate_ppm"], 0
    if instrument["kind"] == InstrumentKind.INVERSE:
        amount = ceil(Fraction(lots * instrument["unit"], price))
    else:
        amount = lots * price * instrument["unit"]
    if instrument["kind"] != InstrumentKind.SPOT:
        if instrument["margin_rule"] == MARGIN_TIERS:
            tier = bracket(state, instrument, amount)
            rate, deduction = tier["rate_ppm"], tier["deduction"]
        elif instrument["margin_rule"] == MARGIN_FLAT:
            rate = instrument["rate_floor_ppm"]
    multiplier = Fraction(profile["maintenance_multiplier_ppm"], PPM)
    return ceil(Fraction(amount * rate, PPM) * multiplier) - floor(deduction * multiplier)


def health(state: State, account: int) -> int:
    """Equity less maintenance at current marks, with the margin on borrowed cash and the equality rule."""
    owner = record_of(state.accounts, account)
    profile = record_of(state.profiles, owner["profile"])
    total: int = owner["cash"] - profile["trigger_at_equality"]
    if owner["cash"] < 0:
        total -= ceil(Fraction(-owner["cash"] * profile["borrow_maintenance_ppm"], PPM))
    for holding in holdings_of(state, account):
        instrument = record_of(state.instruments, holding["instrument"])
        price = int(state.markets["mark"][holding["instrument"]])
        spot = instrument["kind"] == InstrumentKind.SPOT
        if not spot:
            total += holding["quote"]
        if holding["size"] == 0:
            continue
        if spot:
            total += asset_value(state, profile, instrument, holding, price)
        else:
            total += position_value(instrument, holding["size"], price)
        if not (spot and holding["size"] > 0):
            total -= maintenance(state, profile, instrument, holding, price)
    return total


def candidates(state: State) -> list[int]:
    """In account order: customers not exempt, with something at stake and a negative health."""
    found = []
    for account in range(int(state.counters[COUNT_ACCOUNTS])):
        owner = record_of(state.accounts, account)
        if owner["role"] >= Role.HOUSE or owner["exempt"]:
            continue
        rows = holdings_of(state, account)
        stake = owner["cash"] < 0 or any(_at_stake(state, row) for row in rows)
        if stake and health(state, account) < 0:
            found.append(account)
    return found


def _at_stake(state: State, row: dict[str, int]) -> bool:
    """Whether a holding is a contract, or an asset owed."""
    spot = record_of(state.instruments, row["instrument"])["kind"] == InstrumentKind.SPOT
    return row["size"] < 0 if spot else row["size"] != 0 or row["quote"] != 0
