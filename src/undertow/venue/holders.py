"""Who may have to give way: customers' positions in a contract, valued for the allocation stage.

Holds the listing of one side's positions, their valuation as the columns a policy reads, and the shorter way
for policies that only rank: keys and lots, a piece at a time, so that a million rows need no eight columns.
Holds no policy (`allocation`) and moves nothing (`closing`).

Units: lots, ticks, settlement units. Invariants: rows are in account order; wallets under liquidation and the
house's are left out, they are losers themselves; the shorter way gives what the columns would.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow._jit import kernel
from undertow.units import mul_div_floor
from undertow.venue.allocation.queue import close_by_rank
from undertow.venue.allocation.scratch import scratch
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
from undertow.venue.margin import maintenance_parts, notional, position_value
from undertow.venue.prefetch import prefetch
from undertow.venue.state import COUNT_HOLDINGS, STAGE_LIQUIDATING, State

PIECE = 16_384  # rows valued at a time on the shorter way: their columns stay in the cache
FAR = 16  # rows between asking for a holding and needing it
NEAR = 8  # and for its account
HOLDING = 8  # the column after those of `Winners`
COLUMNS = 9


class Side(NamedTuple):
    """One side of a contract, and at which price its holders would close."""

    instrument: int
    sign: int  # +1 longs, -1 shorts, 0 both
    price: int  # ticks; nobody is asked for more than leaves him at nothing. 0: not to be looked at


class Offer(NamedTuple):
    """The positions of one side as they stand before the first close."""

    side: Side
    account: Int64s
    holding: Int64s
    lots: Int64s  # what each can close at the side's price
    keys: Int64s | None  # rank keys, for a policy that only ranks
    winners: Winners | None  # all columns, for any other


@kernel
def means_lots(record: Any, size: int, equity: int, mark: int, price: int) -> int:
    """Lots of a position of `size` that its holder can close at `price` and still be worth nothing or more.

    Two units are kept back, since an inverse position's value is rounded.
    """
    forgone = position_value(record.kind, record.unit, size, mark)
    forgone -= position_value(record.kind, record.unit, size, price)
    if forgone <= 0 or forgone <= equity - 2:
        return abs(size)
    return mul_div_floor(abs(size), max(equity - 2, 0), forgone)


@kernel
def list_rows(state: State, place: Int64s, step: Int64s, list_of: Int64s, rows: NDArray[np.int32]) -> None:
    """Write the holdings of every wanted side into that side's part of `rows`, in holding order.

    `list_of` maps a code of `State.sides` to a list; list 0 is for those nobody wants, and keeps its place.
    """
    for holding in range(state.counters[COUNT_HOLDINGS]):
        chosen = list_of[state.sides[holding]]  # no branch: codes come in no order
        rows[place[chosen]] = holding
        place[chosen] += step[chosen]


@kernel
def value_rows(state: State, rows: NDArray[np.int32], price: int, out: NDArray[np.int64], before: int) -> int:
    """Value listed holdings into the columns of `out` from row `before` on; returns the new count."""
    count = before
    for position in range(len(rows)):
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
        lots = abs(row.size)
        if price > 0:
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
    return count


def offers(
    state: State, policy: Policy, sides: list[Side], draw: tuple[int, int], whole: bool
) -> list[Offer]:
    """Every side's positions as `policy` needs them; `whole` asks for all columns in any case."""
    score = None if whole else getattr(policy, "score", None)
    listed = listed_rows(state, sides)
    if score is None:
        return [_with_columns(state, side, listed[side[:2]], draw) for side in sides]
    return [_with_keys(state, side, listed[side[:2]], draw, score) for side in sides]


def listed_rows(state: State, sides: list[Side]) -> dict[tuple[int, int], NDArray[np.int32]]:
    """Holdings on each wanted (instrument, sign), in holding order; one walk over all."""
    wanted = list(dict.fromkeys(side[:2] for side in sides))
    list_of = np.zeros(len(state.side_counts), np.int64)
    lengths = np.zeros(len(wanted), np.int64)
    for number, (instrument, sign) in enumerate(wanted):
        codes = [code for code, one in ((1, 1), (2, -1)) if sign in (0, one)]
        for code in codes:
            list_of[2 * instrument + code] = number + 1
            lengths[number] += state.side_counts[2 * instrument + code]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    rows = scratch("holdings of sides", int(starts[-1]) // 2 + 1).view(np.int32)
    place = np.concatenate([[starts[-1]], starts[:-1]])
    step = np.ones(len(place), np.int64)
    step[0] = 0
    list_rows(state, place, step, list_of, rows)
    return {key: rows[starts[number] : starts[number + 1]] for number, key in enumerate(wanted)}


def _with_columns(state: State, side: Side, rows: NDArray[np.int32], draw: tuple[int, int]) -> Offer:
    out = np.empty((COLUMNS, len(rows)), np.int64)
    count = int(value_rows(state, rows, side.price, out, 0))
    winners = _winners(state, side, out[:, :count], draw)
    holding = np.ascontiguousarray(out[HOLDING, :count])
    if not _in_order(winners.account):
        order = np.argsort(winners.account, kind="stable")
        winners, holding = take_rows(winners, order), holding[order]
    return Offer(side, winners.account, holding, winners.size_lots, None, winners)


def _with_keys(
    state: State,
    side: Side,
    rows: NDArray[np.int32],
    draw: tuple[int, int],
    score: Callable[[Winners], Int64s],
) -> Offer:
    kept = np.empty((4, len(rows)), np.int64)
    out = scratch("columns of a piece", COLUMNS * PIECE).reshape(COLUMNS, PIECE)
    end = 0
    for start in range(0, len(rows), PIECE):
        count = int(value_rows(state, rows[start : start + PIECE], side.price, out, 0))
        piece = slice(end, end + count)
        kept[0, piece], kept[1, piece], kept[2, piece] = out[0, :count], out[HOLDING, :count], out[1, :count]
        kept[3, piece] = score(_winners(state, side, out[:, :count], draw))
        end += count
    account, holding, lots, keys = (kept[place, :end] for place in range(4))
    if not _in_order(account):
        order = np.argsort(account, kind="stable")
        account, holding, lots, keys = account[order], holding[order], lots[order], keys[order]
    return Offer(side, account, holding, lots, keys, None)


def _in_order(account: Int64s) -> bool:
    return bool((account[1:] >= account[:-1]).all())


def _winners(state: State, side: Side, out: NDArray[np.int64], draw: tuple[int, int]) -> Winners:
    """Columns as the record a policy takes; contiguous, so copied where rows were left out."""
    mark = int(state.markets[side.instrument]["mark"])
    unit = int(state.instruments[side.instrument]["unit"])
    account, lots, notionals, entry, profit, wallet, equity, maintenance = (
        np.ascontiguousarray(out[place]) for place in range(HOLDING)
    )
    return Winners(
        account, lots, notionals, entry, profit, wallet, equity, maintenance,
        side.sign, mark, unit, draw[0] + side.instrument, draw[1],
    )  # fmt: skip


def chosen(policy: Policy, offer: Offer, need: Need) -> Allocation:
    """What the policy asks of an offer; the same whichever way the offer was made."""
    if offer.winners is not None:
        return allocate(policy, offer.winners, need)
    assert offer.keys is not None
    return checked(policy.name, close_by_rank(offer.keys, offer.lots, need.need_lots), offer.lots, need)
