"""Stage 2, "providers": house accounts that take positions over, within capacities a minute and an hour.

Holds the providers' capacities over rolling windows, the sharing of a position among them, and the price
split between provider and insurance fund. Holds no decision when a position passes (`auto_close`) and no
vault (`vault`).

A position passes at its zero price. Solvent (the mark is better than the zero price): the provider pays the
fund the fund's share of the difference, so its price is a mix of zero price and mark. Bankrupt: the fund pays
the provider the whole difference, so it takes the position at the mark; under the literal rule only the
fund's share. A position the fund cannot pay for is not passed.

Units: settlement units, lots, ticks, seconds. The minute is sixty buckets of a second; the hour is sixty
buckets of a minute, the current one included. Rounding: payments to the fund up, payments by the fund down
(all of it at the mark). Invariants: no provider ever exceeds its capacity in either window; the lots shared
out are exactly the lots passed.

Sources: FTX help 360024479392 (capacities, one third to the fund), 360027937831 (pro rata, 2/3 ZP + 1/3 P).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow._jit import kernel
from undertow.units import PPM, mul_div_ceil, mul_div_floor
from undertow.venue.dollars import in_units
from undertow.venue.integers import NOTHING, lots_within, wide
from undertow.venue.ledger import apply_fill, free_if_empty, holding_of, pay, tell
from undertow.venue.margin import INVERSE, fill_value, notional
from undertow.venue.records import Cause, EventKind, Role
from undertow.venue.setup import open_account
from undertow.venue.state import State
from undertow.venue.takeover import fund_means

TAKEOVER = int(Cause.TAKEOVER)
INSURANCE_IN = int(Cause.INSURANCE_IN)
INSURANCE_OUT = int(Cause.INSURANCE_OUT)
EVENT_AUTO_CLOSE = int(EventKind.AUTO_CLOSE)
EVENT_FUND_IN = int(EventKind.FUND_IN)
EVENT_FUND_OUT = int(EventKind.FUND_OUT)
EVENT_EXHAUSTED = int(EventKind.FUND_EXHAUSTED)

BUCKETS = 60  # of each window
MINUTE = 0
HOUR = 1


class Split(NamedTuple):
    """The provider's price: numerator / denominator of the zero price, the rest of the mark."""

    numerator: int
    denominator: int
    literal: int  # 1: the same mix when already bankrupt; 0: at the mark then, the fund pays all


class Providers(NamedTuple):
    """One row a provider; windows are [provider, bucket] of settlement units taken."""

    account: NDArray[np.int64]
    limit: NDArray[np.int64]  # [provider, MINUTE or HOUR]
    used: NDArray[np.int64]  # [provider, MINUTE or HOUR]: sums of the windows
    minute: NDArray[np.int64]
    hour: NDArray[np.int64]
    clock: NDArray[np.int64]  # [1]: second up to which the windows have moved
    room: NDArray[np.int64]  # working memory: lots each can take now
    share: NDArray[np.int64]  # working memory: lots each takes


def exact_share(ppm: int) -> tuple[int, int]:
    """A share given in ppm as numerator and denominator: the simple fraction it rounds, 666667 being 2/3."""
    simple = Fraction(ppm, PPM).limit_denominator(1000)
    if (simple.numerator * PPM * 2 + simple.denominator) // (2 * simple.denominator) == ppm:
        return simple.numerator, simple.denominator
    return ppm, PPM


def open_providers(state: State, limits: Sequence[tuple[int, int]], settlement: int = 0) -> Providers:
    """Open one house account for every pair of limits, a minute and an hour; deposit their capital after.

    Limits are in millionths of a dollar; the providers' own are in units of their settlement asset.
    """
    accounts = [open_account(state, settlement, 0, int(Role.PROVIDER)) for _ in limits]
    own = [
        (in_units(state, settlement, minute), in_units(state, settlement, hour)) for minute, hour in limits
    ]
    return _providers(accounts, own)


def no_providers() -> Providers:
    """Nobody takes anything over."""
    return _providers([], [])


def _providers(accounts: Sequence[int], limits: Sequence[tuple[int, int]]) -> Providers:
    count = len(accounts)
    return Providers(
        np.array(accounts, np.int64),
        np.array(limits, np.int64).reshape(count, 2),
        np.zeros((count, 2), np.int64),
        np.zeros((count, BUCKETS), np.int64),
        np.zeros((count, BUCKETS), np.int64),
        np.zeros(1, np.int64),
        np.zeros(count, np.int64),
        np.zeros(count, np.int64),
    )


@kernel
def advance(providers: Providers, second: int) -> None:
    """Move both windows to `second`; what falls out of a window may be taken again."""
    before = providers.clock[0]
    if second <= before:
        return
    for row in range(len(providers.account)):
        for passed in range(min(second - before, BUCKETS)):
            bucket = (second - passed) % BUCKETS
            providers.used[row, MINUTE] -= providers.minute[row, bucket]
            providers.minute[row, bucket] = 0
        for passed in range(min(second // 60 - before // 60, BUCKETS)):
            bucket = (second // 60 - passed) % BUCKETS
            providers.used[row, HOUR] -= providers.hour[row, bucket]
            providers.hour[row, bucket] = 0
    providers.clock[0] = second


@kernel
def remaining(providers: Providers, row: int) -> int:
    """Settlement units a provider can still take now."""
    minute = wide(providers.limit[row, MINUTE] - providers.used[row, MINUTE])
    hour = wide(providers.limit[row, HOUR] - providers.used[row, HOUR])
    return max(min(minute, hour), 0)


@kernel
def use(providers: Providers, row: int, amount: int) -> None:
    """Note that a provider has just taken `amount`."""
    providers.minute[row, providers.clock[0] % BUCKETS] += amount
    providers.hour[row, providers.clock[0] // 60 % BUCKETS] += amount
    providers.used[row, MINUTE] += amount
    providers.used[row, HOUR] += amount


@kernel
def share_out(lots: int, room: NDArray[np.int64], share: NDArray[np.int64]) -> int:
    """Divide lots in proportion to room: largest remainders first, ties to the first row. Returns the sum.

    With less room than lots everybody takes all there is room for. `room` is used up as working memory.
    """
    total = 0
    for row in range(len(room)):
        total += wide(room[row])
    if lots >= total:
        for row in range(len(room)):
            share[row] = room[row]
        return total
    left = wide(lots)
    for row in range(len(room)):
        whole = mul_div_floor(lots, wide(room[row]), total)
        share[row] = whole
        left -= whole
        room[row] = lots * room[row] - whole * total  # the remainder: exact, products wrap and cancel
    while left > 0:
        best = 0
        for row in range(len(room)):
            if room[row] > room[best]:
                best = row
        share[best] += 1
        room[best] = -1
        left -= 1
    return lots


def share_out_reference(lots: int, room: Sequence[int]) -> list[int]:
    """`share_out` in plain integers."""
    total = sum(room)
    if lots >= total:
        return list(room)
    share = [lots * space // total for space in room]
    order = sorted(range(len(room)), key=lambda row: (-(lots * room[row] % total), row))
    for row in order[: lots - sum(share)]:
        share[row] += 1
    return share


@kernel
def better_than_zero(kind: int, unit: int, size: int, mark: int, zero: int) -> int:
    """What a signed size is worth more at the mark than at its zero price; negative: bankrupt."""
    gain = fill_value(kind, unit, abs(size), mark) - fill_value(kind, unit, abs(size), zero)
    if kind == INVERSE:
        gain = -gain
    return gain if size > 0 else -gain


@kernel
def fund_due(split: Split, gain: int) -> int:
    """What the fund receives for a position worth `gain` more than its zero price; negative: what it pays."""
    part = split.denominator - split.numerator
    if gain >= 0:
        return mul_div_ceil(gain, part, split.denominator)
    if split.literal == 0:
        return gain
    return -mul_div_floor(-gain, part, split.denominator)


def fund_due_reference(split: Split, gain: int) -> int:
    """`fund_due` in exact fractions."""
    part = Fraction(split.denominator - split.numerator, split.denominator)
    if gain >= 0:
        return -(-gain * part // 1)
    return gain if split.literal == 0 else -int(-gain * part // 1)


@kernel
def pass_on(state: State, split: Split, providers: Providers, holding: int, lots: int, zero: int) -> int:
    """Pass up to `lots` of a position at its zero price to the providers of its settlement asset.

    Returns the lots passed. The caller moved the windows (`advance`) and frees the holding afterwards.
    """
    instrument = wide(state.holdings[holding].instrument)
    account = wide(state.holdings[holding].account)
    record = state.instruments[instrument]
    mark = wide(state.markets[instrument].mark)
    for row in range(len(providers.account)):
        left = wide(remaining(providers, row))
        if state.accounts[providers.account[row]].settlement != record.settlement:
            left = 0
        providers.room[row] = lots_within(record.kind, record.unit, left, mark)
    share_out(lots, providers.room, providers.share)
    side = wide(1 if state.holdings[holding].size > 0 else -1)
    fund = wide(record.fund)
    passed = 0
    for row in range(len(providers.account)):
        part = wide(providers.share[row])
        if part <= 0:
            continue
        provider = wide(providers.account[row])
        gain = wide(better_than_zero(record.kind, record.unit, side * part, mark, zero))
        due = wide(fund_due(split, gain))
        if due < 0 and fund_means(state, fund) < -due:
            missing = -due - fund_means(state, fund)
            tell(state, EVENT_EXHAUSTED, (account, fund), (instrument, side, part, zero), missing, 0)
            break
        target = wide(holding_of(state, provider, instrument))
        apply_fill(state, holding, -side * part, zero, TAKEOVER)
        apply_fill(state, target, side * part, zero, TAKEOVER)
        free_if_empty(state, target)
        _settle_with_fund(state, account, provider, fund, due, instrument)
        use(providers, row, notional(record.kind, record.unit, part, mark))
        tell(state, EVENT_AUTO_CLOSE, (account, provider), (instrument, side, part, zero), due, mark)
        passed += part
    return passed


@kernel
def _settle_with_fund(
    state: State, account: int, provider: int, fund: int, due: int, instrument: int
) -> None:
    """Pay the fund its share, or the provider what it is short of the mark."""
    if due > 0:
        pay(state, provider, fund, due, INSURANCE_IN, instrument)
        tell(state, EVENT_FUND_IN, (account, fund), NOTHING, due, 0)
    elif due < 0:
        pay(state, fund, provider, -due, INSURANCE_OUT, instrument)
        tell(state, EVENT_FUND_OUT, (account, fund), NOTHING, -due, 0)
