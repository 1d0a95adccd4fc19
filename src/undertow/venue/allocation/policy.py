"""The allocation policies and the register that finds them by name.

Holds the policies as small frozen objects: queues (`RankedQueue`, `RandomStart`), contracts shared in
proportion (`ContractProRata`, `LargestPositions`) and money taken from profit (`MoneyPolicy`,
`Socialised`). The arithmetic is in `scores`, `queue` and `prorata`. The engine knows none of them: it calls
`winners.allocate` with any object.

Money policies close `need_lots` by contract pro-rata first (there must be a counterparty), at the price
given, and then take what is still missing; the engine gives the mark, so the closes cost nobody anything and
the whole loss is shared as money. For the scopes "both" and "session" the engine asks for money only. The
engine gives no more profit than an account is worth: losses elsewhere have used up the rest.
Units: lots, micro-dollars, ppm. Invariant: every policy here is a pure function of its arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import numpy as np

from undertow.errors import InputError
from undertow.rulebook.faults import shown, suggest
from undertow.units import PPM
from undertow.venue.allocation import scores
from undertow.venue.allocation.prorata import fill_endowment, risk_weights, share, water_fill
from undertow.venue.allocation.queue import (
    close_by_rank,
    close_from_row,
    rank_order,
    select_cut,
    touched_rows,
)
from undertow.venue.allocation.scratch import scratch
from undertow.venue.allocation.winners import Allocation, Int64s, Need, Policy, Winners, untouched

_Policy = TypeVar("_Policy", bound=Policy)
_NO_WEIGHTS = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class RankedQueue:
    """Whole positions from the highest score down, the last one in part; ties by account."""

    name: str
    score: Callable[[Winners], Int64s]
    bounded: bool = False  # more profit, notional or maintenance, or less equity, never lowers a key

    def allocate(self, winners: Winners, need: Need) -> Allocation:
        """Close by rank; takes no money."""
        return close_by_rank(self.score(winners), winners.size_lots, need.need_lots)


@dataclass(frozen=True, slots=True)
class RandomStart:
    """Whole positions in account order from a row drawn by (seed, step), wrapping round; no ranking.

    Source: dydxprotocol/v4-chain, deleveraging. Rows that may not be offset (bankruptcy prices that do not
    overlap) are left out by the caller.
    """

    name: str

    def allocate(self, winners: Winners, need: Need) -> Allocation:
        """Close from the drawn row; takes no money."""
        first = scores.start_row(winners.seed, winners.step, len(winners.account))
        return close_from_row(first, winners, need)


@dataclass(frozen=True, slots=True)
class ContractProRata:
    """Every winner closes in proportion to size: whole lots, largest remainder, ties by account."""

    name: str

    def allocate(self, winners: Winners, need: Need) -> Allocation:
        """Close in proportion; takes no money."""
        close = close_in_proportion(winners.size_lots, need.need_lots)
        return Allocation(close, np.zeros(len(close), np.int64), touched_rows(close, close))


@dataclass(frozen=True, slots=True)
class LargestPositions:
    """The `group` largest positions, or as many as the need takes, share it in proportion to size.

    Source: FTX help 360027937831 (first the top 10, more if needed, pro rata to position size).
    """

    name: str
    group: int = 10

    def allocate(self, winners: Winners, need: Need) -> Allocation:
        """Close in proportion among the largest; takes no money."""
        size = winners.size_lots
        enough = len(close_by_rank(size, size, need.need_lots).order)
        if enough == 0:
            return untouched(len(size))
        cut, left = select_cut(size, _NO_WEIGHTS, min(max(self.group, enough), len(size)))
        chosen = np.sort(np.concatenate([np.flatnonzero(size > cut), np.flatnonzero(size == cut)[:left]]))
        close = np.zeros_like(size)
        close[chosen] = close_in_proportion(size[chosen], need.need_lots)
        rows = touched_rows(close, close)
        return Allocation(close, np.zeros_like(close), rank_order(size[rows], rows))


@dataclass(frozen=True, slots=True)
class MoneyPolicy:
    """Profit is taken: min(cap, level * weight) per winner, the level such that the sum is what is missing.

    The cap is `cap_ppm` of the profit left after the closes, never principal. `weight` maps (winners, caps)
    to non-negative weights: the caps themselves give one haircut rate for all, ones give equal burdens.
    """

    takes_money: ClassVar[bool] = True

    name: str
    weight: Callable[[Winners, Int64s], Int64s]
    cap_ppm: int = PPM
    scope: str = "opposing"

    def allocate(self, winners: Winners, need: Need) -> Allocation:
        """Close the lots in proportion, then take the rest of the deficit from profits."""
        close = close_in_proportion(winners.size_lots, need.need_lots)
        per_lot = forgone_per_lot(winners, need)
        caps = scratch("caps", len(close))
        fill_endowment(winners, close, per_lot, self.cap_ppm, caps)
        take = water_fill(_still_missing(close, per_lot, need), caps, self.weight(winners, caps))
        return Allocation(close, take, touched_rows(close, take))


@dataclass(frozen=True, slots=True)
class Socialised:
    """The loss per lot over both sides, whatever a holder's profit. Source: drift-labs/protocol-v2.

    What would take a holder below zero the others bear in the same proportion.
    """

    takes_money: ClassVar[bool] = True

    name: str
    scope: str = "both"

    def allocate(self, winners: Winners, need: Need) -> Allocation:
        """Close the lots in proportion (normally none), then charge every row by its size."""
        close = close_in_proportion(winners.size_lots, need.need_lots)
        missing = _still_missing(close, forgone_per_lot(winners, need), need)
        means = np.clip(winners.equity_micros, 0, missing)
        take = water_fill(missing, means, winners.size_lots)
        return Allocation(close, take, touched_rows(close, take))


def close_in_proportion(size_lots: Int64s, need_lots: int) -> Int64s:
    """min(need, total) lots in proportion to size: whole lots, largest remainder, ties by row."""
    return share(min(need_lots, int(size_lots.sum())), size_lots)


def forgone_per_lot(winners: Winners, need: Need) -> int:
    """Profit a winner gives up on one lot closed at the need's price instead of the mark; may be negative."""
    return winners.side * (winners.mark_ticks - need.price_ticks) * winners.unit_micros


def _still_missing(close: Int64s, per_lot: int, need: Need) -> int:
    return max(0, need.deficit_micros - per_lot * int(close.sum()))


def by_profit(winners: Winners, caps: Int64s) -> Int64s:
    """Weights equal to the caps: one haircut rate for everybody (wealth pro-rata)."""
    return caps


def equally(winners: Winners, caps: Int64s) -> Int64s:
    """Equal weights: everybody pays the same until his cap (water-filling)."""
    return np.ones_like(caps)


def by_leverage(winners: Winners, caps: Int64s) -> Int64s:
    """Haircut rate in proportion to leverage."""
    return risk_weights(winners, caps, threshold_ppm=0, exponent=0)


def by_risk(winners: Winners, caps: Int64s) -> Int64s:
    """Haircut rate in proportion to leverage * g(leverage), g linear (risk-aware pro-rata)."""
    return risk_weights(winners, caps, threshold_ppm=0, exponent=1)


_register: dict[str, Policy] = {}


def register(policy: _Policy) -> _Policy:
    """Make a policy known by its name; returns it. A name can be taken once."""
    if policy.name in _register:
        raise InputError(f"allocation policy {policy.name!r} is registered already; choose another name")
    _register[policy.name] = policy
    return policy


def policies() -> tuple[str, ...]:
    """The names of all registered policies, in order of registration."""
    return tuple(_register)


def policy(name: str, others: tuple[str, ...] = ()) -> Policy:
    """The policy of that name; InputError with a suggestion, `others` among them, when there is none."""
    if name in _register:
        return _register[name]
    raise InputError(f"there is no allocation policy {shown(name)}; {suggest(name, [*_register, *others])}")


register(RankedQueue("profit-margin-ratio", scores.profit_margin_ratio, bounded=True))
register(RankedQueue("profit-leverage", scores.profit_leverage, bounded=True))
register(RankedQueue("price-ratio-leverage", scores.price_ratio_leverage))
register(RankedQueue("opposing-size", scores.opposing_size, bounded=True))
register(RandomStart("random-start"))
register(LargestPositions("largest-positions"))
register(ContractProRata("contract-pro-rata"))
register(MoneyPolicy("wealth-pro-rata", by_profit))
register(MoneyPolicy("water-filling", equally))
register(MoneyPolicy("leverage-pro-rata", by_leverage))
register(MoneyPolicy("risk-aware-pro-rata", by_risk))
register(Socialised("socialised"))
register(MoneyPolicy("clawback", by_profit, scope="session"))
