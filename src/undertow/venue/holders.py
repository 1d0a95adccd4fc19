"""Who may have to give way: customers' positions in a contract, valued for the allocation stage.

Holds the listing of sides of contracts, their valuation as the columns a policy reads, and the offer that a
policy chooses from. Holds no policy (`allocation`), no memory of who ranks high (`ranking`), and moves
nothing (`closing`).

Units: lots, ticks, settlement units. Invariants: rows are in account order; wallets under liquidation and the
house's are left out, they are losers themselves.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow._jit import kernel
from undertow.units import mul_div_floor
from undertow.venue.allocation.queue import close_by_rank
from undertow.venue.allocation.winners import (
    Allocation,
    Int64s,
    Need,
    Policy,
    Winners,
    allocate,
    checked,
    take_rows,
)
from undertow.venue.margin import SPOT, maintenance_parts, notional, position_value
from undertow.venue.prefetch import prefetch
from undertow.venue.state import COUNT_HOLDINGS, STAGE_LIQUIDATING, State

Int32s = NDArray[np.int32]

FAR = 16  # rows between asking for a holding and needing it
NEAR = 8  # and for its account
HOLDING = 8  # the column after those of `Winners`
COLUMNS = 9
NO_LIMIT = 0  # a price that nobody closes at: means are not looked at


class Side(NamedTuple):
    """One side of a contract, and at which price its holders would close."""

    instrument: int
    sign: int  # +1 longs, -1 shorts, 0 both
    price: int  # ticks; nobody is asked for more than leaves him at nothing. NO_LIMIT: whatever it leaves


class Offer(NamedTuple):
    """Positions of one side as they stand before the first close: all of them, or all that can be chosen."""

    side: Side
    account: Int64s
    holding: Int64s
    lots: Int64s  # what each can close at the side's price
    ranks: Int64s  # rank keys, for a policy that only ranks; else empty
    winners: Winners | None  # all columns, for any other


class Parts(NamedTuple):
    """Listed rows of several sides, one side after the other."""

    ends: Int64s  # where each side's rows end
    prices: Int64s  # Side.price of each


@kernel
def side_code(state: State, holding: int) -> int:
    """2 x instrument for a customer's long position, 1 more for a short one, -1 for anything else."""
    row = state.holdings[holding]
    if row.account < 0 or row.size == 0 or state.instruments[row.instrument].kind == SPOT:
        return -1
    if state.accounts[row.account].role != 0:
        return -1
    return 2 * int(row.instrument) + (0 if row.size > 0 else 1)


@kernel
def count_sides(state: State, codes: NDArray[np.int16], counts: Int64s) -> None:
    """The code of every holding into `codes`, and how many there are of each."""
    for holding in range(state.counters[COUNT_HOLDINGS]):
        code = side_code(state, holding)
        codes[holding] = code
        if code >= 0:
            counts[code] += 1


@kernel
def list_sides(codes: NDArray[np.int16], places: Int64s, rows: Int32s) -> None:
    """Write holdings into their side's part of `rows`, in holding order; `places` is moved along."""
    for holding in range(len(codes)):
        code = np.int64(codes[holding])
        if code >= 0 and places[code] >= 0:
            rows[places[code]] = holding
            places[code] += 1


@kernel
def means_lots(record: Any, size: int, equity: int, mark: int, price: int) -> int:
    """Lots of a position of `size` that its holder can close at `price` and still be worth nothing or more.

    Two units are kept back, since an inverse position's value is rounded. Whoever is below zero already (a
    favour keeps him from being liquidated) has won nothing and is not asked.
    """
    if equity < 0:
        return 0
    forgone = position_value(record.kind, record.unit, size, mark)
    forgone -= position_value(record.kind, record.unit, size, price)
    if forgone <= 0 or forgone <= equity - 2:
        return abs(size)
    return mul_div_floor(abs(size), max(equity - 2, 0), forgone)


@kernel
def value_rows(state: State, rows: Int32s, parts: Parts, out: NDArray[np.int64], out_ends: Int64s) -> int:
    """Value listed holdings into the columns of `out`, part by part; returns how many were kept."""
    count = 0
    first = 0
    for part in range(len(parts.ends)):
        price = parts.prices[part]
        for position in range(first, parts.ends[part]):
            if position + FAR < len(rows):
                prefetch(state.holdings, np.int64(rows[position + FAR]))
                coming = state.holdings[np.int64(rows[position + NEAR])].account
                prefetch(state.accounts, np.int64(coming))
            holding = np.int64(rows[position])
            row = state.holdings[holding]
            owner = state.accounts[row.account]
            if owner.role != 0 or owner.stage == STAGE_LIQUIDATING:
                continue
            record = state.instruments[row.instrument]
            mark = state.markets[row.instrument].mark
            equity, maintenance, _gross = maintenance_parts(state, row.account)
            if equity < 0:
                continue
            lots = abs(row.size)
            if price != NO_LIMIT:
                lots = means_lots(record, row.size, equity, mark, price)
                if lots == 0:
                    continue
            out[0, count] = row.account
            out[1, count] = lots
            out[2, count] = notional(record.kind, record.unit, row.size, mark)
            out[3, count] = abs(row.quote)
            out[4, count] = position_value(record.kind, record.unit, row.size, mark) + row.quote
            out[5, count] = owner.cash
            out[6, count] = equity
            out[7, count] = maintenance
            out[HOLDING, count] = holding
            count += 1
        first = parts.ends[part]
        out_ends[part] = count
    return count


def rows_of_sides(state: State, codes: list[int]) -> dict[int, Int32s]:
    """Holdings on each wanted side (see `side_code`), in holding order; one walk over all."""
    known = np.empty(int(state.counters[COUNT_HOLDINGS]), np.int16)
    counts = np.zeros(2 * len(state.instruments), np.int64)
    count_sides(state, known, counts)
    ends = np.cumsum(counts[codes])
    starts = ends - counts[codes]
    places = np.full(len(counts), -1, np.int64)
    places[codes] = starts
    rows = np.empty(int(ends[-1]) if len(ends) else 0, np.int32)
    list_sides(known, places, rows)
    return {code: rows[start:end] for code, start, end in zip(codes, starts, ends, strict=True)}


def codes_of(side: Side) -> list[int]:
    """The one or two codes of `side_code` that a side stands for."""
    return [2 * side.instrument + code for code, sign in ((0, 1), (1, -1)) if side.sign in (0, sign)]


def whole_offers(state: State, sides: list[Side], draw: tuple[int, int]) -> list[Offer]:
    """Every side with all its positions and columns. `draw`: (seed, step), for policies that draw lots."""
    wanted = sorted({code for side in sides for code in codes_of(side)})
    listed = rows_of_sides(state, wanted)
    return [_whole(state, side, [listed[code] for code in codes_of(side)], draw) for side in sides]


def _whole(state: State, side: Side, listed: list[Int32s], draw: tuple[int, int]) -> Offer:
    rows = np.concatenate(listed)
    out = np.empty((COLUMNS, len(rows)), np.int64)
    parts = Parts(np.array([len(rows)], np.int64), np.array([side.price], np.int64))
    count = int(value_rows(state, rows, parts, out, np.empty(1, np.int64)))
    winners = winners_of(out[:, :count])._replace(
        side=side.sign,
        mark_ticks=int(state.markets[side.instrument]["mark"]),
        unit_micros=int(state.instruments[side.instrument]["unit"]),
        seed=draw[0] + side.instrument,
        step=draw[1],
    )
    holding = np.ascontiguousarray(out[HOLDING, :count])
    if not in_order(winners.account):
        order = np.argsort(winners.account, kind="stable")
        winners, holding = take_rows(winners, order), holding[order]
    return Offer(side, winners.account, holding, winners.size_lots, np.zeros(0, np.int64), winners)


def in_order(account: Int64s) -> bool:
    """Whether no account stands before a lower one."""
    return bool((account[1:] >= account[:-1]).all())


def winners_of(out: NDArray[np.int64]) -> Winners:
    """The columns of `value_rows` as the record a policy takes, of no contract in particular."""
    account, lots, notionals, entry, profit, wallet, equity, maintenance = (
        np.ascontiguousarray(out[place]) for place in range(HOLDING)
    )
    return Winners(account, lots, notionals, entry, profit, wallet, equity, maintenance, 0, 0, 0, 0, 0)


def chosen(policy: Policy, offer: Offer, need: Need) -> Allocation:
    """What the policy asks of an offer; the same whether all is in it, or all that can be chosen."""
    if offer.winners is not None:
        return allocate(policy, offer.winners, need)
    return checked(policy.name, close_by_rank(offer.ranks, offer.lots, need.need_lots), offer.lots, need)
