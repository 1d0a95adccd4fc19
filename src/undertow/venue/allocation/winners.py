"""What the engine hands to an allocation policy, what it gets back, and the one checked door between them.

Holds the three records (`Winners`, `Need`, `Allocation`), the `Policy` protocol and `allocate`, which
checks both sides of the bargain. Holds no policy; those are listed in `policy`.

Units: sizes in lots, money in micro-dollars (or the smallest unit of the settlement asset), prices in ticks.
Invariant: an allocation that leaves `allocate` closes exactly min(need, total) lots, never more than a row
holds, and takes no negative amount.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from undertow._jit import kernel
from undertow.errors import InvariantError
from undertow.units import AMOUNT_LIMIT

Int64s = NDArray[np.int64]
_COLUMNS = 8  # the fields of Winners that are arrays; the rest are plain integers


class Winners(NamedTuple):
    """The positions a loss may fall on: int64 arrays with one row per position, in account order.

    `entry_notional_micros` is the cost of the position at its average entry, absolute, so that the unrealised
    profit of a linear contract is `side * (notional - entry_notional)`. `side` is +1 when the rows are longs,
    -1 when they are shorts, 0 when both sides are given (socialised loss). `unit_micros` is the money of one
    tick on one lot. `seed` and `step` serve policies that draw lots, and only those.
    """

    account: Int64s
    size_lots: Int64s
    notional_micros: Int64s
    entry_notional_micros: Int64s
    profit_micros: Int64s
    wallet_micros: Int64s
    equity_micros: Int64s
    maintenance_micros: Int64s
    side: int
    mark_ticks: int
    unit_micros: int
    seed: int
    step: int


class Need(NamedTuple):
    """What is to be allocated.

    `deficit_micros` is the money missing if `need_lots` were closed at the mark; closing at `price_ticks`,
    worse than the mark for the winners, therefore pays part or all of it.
    """

    need_lots: int
    deficit_micros: int
    price_ticks: int


class Allocation(NamedTuple):
    """Who gives what: lots closed and money taken per row, and the touched rows in rank order."""

    close_lots: Int64s
    take_micros: Int64s
    order: Int64s


class Policy(Protocol):
    """A rule that says who pays. Any object with a name and this method will do.

    A policy may also carry `scope`, which rows it wants: "opposing" (the default), "both" sides of the
    contract, or "session" (every account, `profit_micros` being its net profit of the session); and
    `takes_money`, by which positions are closed at the mark and what the loser is short of is paid in money.
    """

    @property
    def name(self) -> str:
        """Unique, lower case, words joined by hyphens."""
        ...

    def allocate(self, winners: Winners, need: Need) -> Allocation:
        """Distribute `need` over `winners`; rows are in ascending account order."""
        ...


def scope_of(policy: Policy) -> str:
    """Which rows the policy wants: "opposing", "both" or "session"."""
    return str(getattr(policy, "scope", "opposing"))


def takes_money(policy: Policy) -> bool:
    """Whether the policy pays a loss in money; one that asks more than the opposing side always does."""
    return bool(getattr(policy, "takes_money", scope_of(policy) != "opposing"))


def allocate(policy: Policy, winners: Winners, need: Need) -> Allocation:
    """Run a policy and hold it to its promise.

    Rows that are not in account order are put in order for the policy and back afterwards, so the result per
    account never depends on how the rows came in. Raises InvariantError, naming the policy, when the rows are
    malformed or when the closes do not add up.
    """
    count, size = _shape(winners), winners.size_lots
    faults = np.zeros(2, np.int64)
    total = _check_rows(winners.account, size, faults)
    if faults[0]:
        raise InvariantError(
            f"allocation {policy.name}: {faults[0]} rows hold a negative or oversized position"
        )
    if total > AMOUNT_LIMIT:
        raise InvariantError(f"allocation {policy.name}: the winners hold over {AMOUNT_LIMIT} lots together")
    if need.need_lots < 0 or need.deficit_micros < 0:
        raise InvariantError(f"allocation {policy.name}: need and deficit must not be negative, got {need}")
    with np.errstate(divide="warn", over="warn", invalid="warn"):  # its own arithmetic, as NumPy has it
        if faults[1] == 0:
            result = policy.allocate(winners, need)
        else:
            result = _in_account_order(policy, winners, need, count)
    return checked(policy.name, result, size, need)


def checked(name: str, result: Allocation, size: Int64s, need: Need) -> Allocation:
    """The allocation, if it keeps the promise; InvariantError, naming the policy, if not."""
    _check_result(name, result, size, min(need.need_lots, int(size.sum())))
    return result


def take_rows(winners: Winners, rows: Int64s) -> Winners:
    """The same winners, only these rows, in this order."""
    columns: dict[str, Any] = {name: np.ascontiguousarray(column[rows]) for name, column in _columns(winners)}
    return winners._replace(**columns)


def untouched(count: int) -> Allocation:
    """An allocation that asks nothing of anybody."""
    return Allocation(np.zeros(count, np.int64), np.zeros(count, np.int64), np.empty(0, np.int64))


def _columns(winners: Winners) -> list[tuple[str, Int64s]]:
    return [(name, getattr(winners, name)) for name in Winners._fields[:_COLUMNS]]


def _shape(winners: Winners) -> int:
    count = len(winners.account)
    for name, column in _columns(winners):
        if column.dtype != np.int64 or column.shape != (count,) or not column.flags.c_contiguous:
            raise InvariantError(f"allocation: winners.{name} must be a plain int64 array of {count} rows")
    return count


def _in_account_order(policy: Policy, winners: Winners, need: Need, count: int) -> Allocation:
    rows = np.argsort(winners.account, kind="stable").astype(np.int64)
    inner = policy.allocate(take_rows(winners, rows), need)
    close, take = np.empty(count, np.int64), np.empty(count, np.int64)
    close[rows], take[rows] = inner.close_lots, inner.take_micros
    return Allocation(close, take, rows[inner.order])


def _check_result(name: str, result: Allocation, size: Int64s, expected: int) -> None:
    for field, column in zip(("close_lots", "take_micros"), result[:2], strict=True):
        if getattr(column, "dtype", None) != np.int64 or column.shape != size.shape:
            raise InvariantError(f"allocation {name}: {field} must be an int64 array of {len(size)} rows")
    closed = _check_closes(result.close_lots, result.take_micros, size)
    if closed < 0:
        raise InvariantError(f"allocation {name}: a close exceeds its position, or something is negative")
    if closed != expected:
        raise InvariantError(f"allocation {name}: closed {closed} lots, the need was {expected}")


@kernel
def _check_rows(account: Int64s, size: Int64s, faults: Int64s) -> int:
    """Total size; faults[0] counts bad sizes, faults[1] rows below their predecessor's account."""
    total = 0
    for row in range(size.shape[0]):
        if size[row] < 0 or size[row] > AMOUNT_LIMIT:
            faults[0] += 1
        elif total <= AMOUNT_LIMIT:
            total += size[row]
        if row > 0 and account[row] < account[row - 1]:
            faults[1] += 1
    return total


@kernel
def _check_closes(close: Int64s, take: Int64s, size: Int64s) -> int:
    """Total closed, or -1 when a row gives more than it has or receives."""
    total = 0
    for row in range(size.shape[0]):
        if close[row] < 0 or close[row] > size[row] or take[row] < 0:
            return -1
        total += close[row]
    return total
