"""Who ranks high, without ranking everybody each time: what is remembered from one close to the next.

A rank key depends on an account's cash, on its holdings and on prices. Each position is given a bound: the
highest key it could have while every price stays within `BOX_PPM` of what it was when its side was looked at
whole. Positions whose bound is above the side's floor are valued at each close; so are those of accounts that
hold something whose price has left the box, and those of accounts whose cash or holdings changed since. If
they meet the need with keys above the floor, nobody else could have been chosen; if not, all are valued.

Holds lists of holdings and their bounds. Holds no key (`allocation.scores`) and moves nothing. All of it can
be forgotten at any time: it changes how long a close takes and nothing else.

Units: lots, ticks, settlement units. Invariants: an offer holds every position that can be chosen, once;
bounds are computed by the policy's own integers from each account's worst case. The walk over everybody
(`holders.whole_offers`) is the reference.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow._jit import kernel, trailing_zeros
from undertow.units import PPM
from undertow.venue.allocation.scratch import scratch
from undertow.venue.allocation.winners import Int64s, Need, Winners
from undertow.venue.arenas import STAGE_LIST, check_list
from undertow.venue.holders import (
    COLUMNS,
    HOLDING,
    Int32s,
    Offer,
    Parts,
    Side,
    codes_of,
    in_order,
    rows_of_sides,
    side_code,
    value_rows,
    winners_of,
)
from undertow.venue.margin import (
    SPOT,
    asset_value,
    notional,
    position_value,
    requirement_ppm,
    row_maintenance,
)
from undertow.venue.prefetch import prefetch
from undertow.venue.state import COUNT_ACCOUNTS, State

Score = Callable[[Winners], Int64s]

BOX_PPM = 60_000
SLACK = 4  # per holding: where brackets or inverse values round, a value is this far from monotone
LEAST_NEAR = 256  # positions of a side that are valued at each close, at least
NEAR_SHARE = 64  # or this part of them
WORN = 16  # a side is looked at anew when prices that left its box make more than this part of it count
ALL_MOVED = 8  # when more than this part of all accounts changed, everything is looked at anew
PIECE = 16_384  # rows bounded at a time: their columns stay in the cache
ANY_KEY = (1 << 63) - 1
LOWEST_KEY = -ANY_KEY
HELD = 9  # column of `bound_rows` after `HOLDING`
BOUND_COLUMNS = 10
CODE, ROW, ACCOUNT, MASK, BOUND, LOOK = range(6)  # columns of positions whose accounts changed
RECENT_COLUMNS = 6


class Box(NamedTuple):
    """Prices between which bounds hold, by side (see `holders.side_code`) and instrument."""

    lows: NDArray[np.int64]
    highs: NDArray[np.int64]


class Queue:
    """One side's positions. What was listed holds for accounts that did not change after `look`."""

    def __init__(self, holding: Int32s, look: int) -> None:
        self.holding = holding
        self.look = look
        self.share = NEAR_SHARE
        self.bounded = False  # the rest is there once bounds are known, and rows in account order
        self.account = np.zeros(0, np.int32)
        self.mask = np.zeros(0, np.int64)  # a bit for each instrument the account holds
        self.near = np.zeros(0, np.int64)  # places of the rows whose bound is above the floor

    def picked(self, changed: Int32s, outside: int) -> Int32s:
        """Rows to be valued: those near the top, and those that hold what has left its box."""
        places = self.near
        if outside:
            chosen = (self.mask & outside) != 0
            chosen[self.near] = True
            places = np.flatnonzero(chosen)
        return self.holding[places[changed[self.account[places]] <= self.look]]

    def everybody(self, changed: Int32s) -> Int32s:
        """All rows that still hold."""
        return self.holding[changed[self.account] <= self.look]


@kernel
def take_moved(state: State, changed: Int32s, look: int, accounts: Int64s) -> int:
    """List the accounts that changed, in order, note the look at which it was seen, and unmark them."""
    count = 0
    for word in range(len(state.moved_bits)):
        bits = state.moved_bits[word]
        state.moved_bits[word] = 0
        while bits != 0:
            lowest = bits & -bits
            bits ^= lowest
            account = (word << 6) + trailing_zeros(lowest)
            changed[account] = look
            accounts[count] = account
            count += 1
    return count


@kernel
def list_positions(state: State, accounts: Int64s, rows: Int32s, codes: Int64s) -> int:
    """Every contract position of these accounts and its side; `rows` has a place for each."""
    count = 0
    for position in range(len(accounts)):
        holding = int(state.accounts[accounts[position]].first_holding)
        while holding >= 0:
            code = side_code(state, holding)
            if code >= 0:
                check_list(count, len(rows), STAGE_LIST)
                rows[count] = holding
                codes[count] = code
                count += 1
            holding = int(state.holdings[holding].next)
    return count


@kernel
def bound_rows(state: State, rows: Int32s, codes: Int64s, box: Box, out: NDArray[np.int64]) -> None:
    """The worst case of every listed position: highest profit, notional and maintenance, least equity."""
    for position in range(len(rows)):
        if position + 16 < len(rows):
            prefetch(state.holdings, np.int64(rows[position + 16]))
            prefetch(state.accounts, np.int64(state.holdings[np.int64(rows[position + 8])].account))
        own = int(rows[position])
        code = codes[position]
        account = np.int64(state.holdings[own].account)
        owner = state.accounts[account]
        equity = owner.cash
        owed = max(-owner.cash, 0)
        maintenance = requirement_ppm(owed, state.profiles[owner.profile].borrow_maintenance_ppm)
        mask = 0
        holding = int(owner.first_holding)
        while holding >= 0:
            row = state.holdings[holding]
            if row.size != 0:
                record = state.instruments[row.instrument]
                low: int = box.lows[code, row.instrument]
                high: int = box.highs[code, row.instrument]
                if record.kind == SPOT:
                    worst, best = asset_value(state, holding, low, 0), asset_value(state, holding, high, 0)
                else:
                    worst = position_value(record.kind, record.unit, row.size, low)
                    best = position_value(record.kind, record.unit, row.size, high)
                if holding == own:
                    out[4, position] = max(worst, best) + row.quote + SLACK
                    out[2, position] = max(
                        notional(record.kind, record.unit, row.size, low),
                        notional(record.kind, record.unit, row.size, high),
                    )
                equity += min(worst, best) - SLACK
                least = row_maintenance(state, holding, low)
                maintenance += max(least, row_maintenance(state, holding, high)) + SLACK
                mask |= 1 << (row.instrument & 63)
            if state.instruments[row.instrument].kind != SPOT:
                equity += row.quote
            holding = int(row.next)
        out[0, position] = account
        out[1, position] = abs(state.holdings[own].size)
        out[3, position] = abs(state.holdings[own].quote)
        out[5, position] = owner.cash
        out[6, position] = equity
        out[7, position] = maintenance
        out[HOLDING, position] = own
        out[HELD, position] = mask


class Ranking:
    """The queues of one venue. `score` gives keys; of worst cases, it gives bounds."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start anew, as after a restored snapshot."""
        self._look = 0
        self._queues: dict[int, Queue] = {}
        self._changed = np.zeros(0, np.int32)  # by account: the look that last saw a change
        self._recent = np.zeros((RECENT_COLUMNS, 0), np.int64)  # of accounts that changed
        self._count = 0

    def offers(self, state: State, score: Score, sides: list[Side], needs: list[Need]) -> list[Offer]:
        """Of every side (never both of a contract), the positions among which the need will be found."""
        self._look += 1
        self._notice(state, score)
        marks = np.ascontiguousarray(state.markets["mark"])
        codes = [codes_of(side)[0] for side in sides]
        for code in codes:
            if not self._queues[code].bounded or self._left_box(code, marks)[code >> 1]:
                self._bound_queue(state, score, code, marks)
        bits = np.int64(1) << (np.arange(len(marks), dtype=np.int64) & 63)
        outside = np.zeros(len(self._floor), np.int64)
        for code in codes:
            outside[code] = np.bitwise_or.reduce(bits[self._left_box(code, marks)], initial=0)
        recent = self._recent_rows(codes, outside)
        picked = [
            np.concatenate([self._queues[code].picked(self._changed, int(outside[code])), recent[code]])
            for code in codes
        ]
        found = _valued(state, score, sides, picked)
        for place, (code, need) in enumerate(zip(codes, needs, strict=True)):
            queue, offer = self._queues[code], found[place]
            if len(picked[place]) > len(queue.near) + len(queue.holding) // WORN + LEAST_NEAR:
                queue.bounded = False  # the box is of little use by now
            if int(offer.lots[offer.ranks > self._floor[code]].sum()) < need.need_lots:
                queue.share = max(queue.share // 2, 1)
                queue.bounded = False
                found[place] = _valued(state, score, [sides[place]], [self._everybody(code)])[0]
        return found

    def _left_box(self, code: int, marks: Int64s) -> NDArray[np.bool_]:
        outside: NDArray[np.bool_] = (marks < self._box.lows[code]) | (marks > self._box.highs[code])
        return outside

    def _notice(self, state: State, score: Score) -> None:
        """Take in which accounts changed since the last look."""
        accounts = int(state.counters[COUNT_ACCOUNTS])
        moved = int(np.bitwise_count(state.moved_bits.view(np.uint64)).sum())
        if self._count > accounts // ALL_MOVED:
            self._compact(0)
        if not self._queues or max(moved, self._count) > accounts // ALL_MOVED:
            self._list_everybody(state)
            return
        if len(self._changed) < accounts:
            self._changed = np.concatenate([self._changed, np.zeros(accounts, np.int32)])
        who = np.empty(moved, np.int64)
        take_moved(state, self._changed, self._look, who)
        rows = np.empty(len(state.instruments) * moved, np.int32)
        codes = np.empty(len(rows), np.int64)
        count = int(list_positions(state, who, rows, codes))
        self._remember(_bounds(state, score, rows[:count], codes[:count], self._box))

    def _list_everybody(self, state: State) -> None:
        instruments = len(state.instruments)
        state.moved_bits[:] = 0
        self._changed = np.zeros(len(state.accounts), np.int32)
        listed = rows_of_sides(state, list(range(2 * instruments)))
        self._queues = {code: Queue(rows, self._look) for code, rows in listed.items()}
        shape = (2 * instruments, instruments)
        marks = np.maximum(state.markets["mark"], 1)
        self._box = Box(np.broadcast_to(marks, shape).copy(), np.broadcast_to(marks, shape).copy())
        self._floor = np.full(2 * instruments, LOWEST_KEY)
        self._count = 0

    def _remember(self, bounded: NDArray[np.int64]) -> None:
        """Append to the positions of accounts that changed; those that changed again are dropped in time."""
        if self._count + bounded.shape[1] > self._recent.shape[1]:
            self._compact(bounded.shape[1])
        end = self._count + bounded.shape[1]
        self._recent[:LOOK, self._count : end] = bounded
        self._recent[LOOK, self._count : end] = self._look
        self._count = end

    def _compact(self, room: int) -> None:
        """Drop recent rows that no longer hold, and make room for as many as are left and `room` more."""
        held = self._recent[:, : self._count]
        held = held[:, (held[CODE] >= 0) & (self._changed[held[ACCOUNT]] == held[LOOK])]
        self._count = held.shape[1]
        self._recent = np.empty((RECENT_COLUMNS, 2 * self._count + room + LEAST_NEAR), np.int64)
        self._recent[:, : self._count] = held

    def _still(self, codes: list[int]) -> NDArray[np.bool_]:
        """Which of the recent rows still hold and belong to one of these sides."""
        recent = self._recent[:, : self._count]
        wanted = np.zeros(len(self._floor) + 1, np.bool_)  # the last one is for rows that are gone, code -1
        wanted[codes] = True
        still: NDArray[np.bool_] = wanted[recent[CODE]]
        places = np.flatnonzero(still)
        still[places] = self._changed[recent[ACCOUNT, places]] == recent[LOOK, places]
        return still

    def _recent_rows(self, codes: list[int], outside: Int64s) -> dict[int, Int32s]:
        recent = self._recent[:, : self._count][:, self._still(codes)]
        side = recent[CODE]
        high = (recent[BOUND] > self._floor[side]) | ((recent[MASK] & outside[side]) != 0)
        recent = recent[:, high]
        recent = recent[:, np.argsort(recent[CODE], kind="stable")]
        ends = np.searchsorted(recent[CODE], codes, side="right")
        starts = np.searchsorted(recent[CODE], codes, side="left")
        rows = recent[ROW].astype(np.int32)
        return {code: rows[start:end] for code, start, end in zip(codes, starts, ends, strict=True)}

    def _everybody(self, code: int) -> Int32s:
        recent = self._recent[ROW, : self._count][self._still([code])].astype(np.int32)
        return np.concatenate([self._queues[code].everybody(self._changed), recent])

    def _bound_queue(self, state: State, score: Score, code: int, marks: Int64s) -> None:
        """Look at a whole side: a new box around the prices, bounds, and a floor that few are above."""
        queue = self._queues[code]
        if len(queue.account) != len(queue.holding):  # just listed
            queue.account = state.holdings["account"][queue.holding]
            known = queue.account >= 0
            queue.holding, queue.account = queue.holding[known], queue.account[known]
        rows = self._everybody(code)
        self._recent[CODE, : self._count][self._still([code])] = -1
        self._box.lows[code] = np.maximum(marks - marks * BOX_PPM // PPM, 1)
        self._box.highs[code] = marks + marks * BOX_PPM // PPM
        bounded = _bounds(state, score, rows, np.full(len(rows), code), self._box)
        if not in_order(bounded[ACCOUNT]):
            bounded = bounded[:, np.argsort(bounded[ACCOUNT], kind="stable")]
        # Whoever could lose all his equity inside the box has no bound and is near in any case.
        near = max(LEAST_NEAR, len(rows) // queue.share) + int((bounded[BOUND] == ANY_KEY).sum())
        self._floor[code] = LOWEST_KEY
        if near < len(rows):
            self._floor[code] = np.partition(bounded[BOUND], len(rows) - near)[len(rows) - near]
        queue.holding = bounded[ROW].astype(np.int32)
        queue.account = bounded[ACCOUNT].astype(np.int32)
        queue.mask = bounded[MASK].copy()
        queue.near = np.flatnonzero(bounded[BOUND] > self._floor[code])
        queue.look, queue.bounded = self._look, True


def _bounds(state: State, score: Score, rows: Int32s, codes: Int64s, box: Box) -> NDArray[np.int64]:
    """CODE, ROW, ACCOUNT, MASK and BOUND of listed positions, a piece at a time."""
    result = np.empty((LOOK, len(rows)), np.int64)
    out = scratch("worst cases", BOUND_COLUMNS * PIECE).reshape(BOUND_COLUMNS, PIECE)
    for start in range(0, len(rows), PIECE):
        piece = slice(start, min(start + PIECE, len(rows)))
        worst = out[:, : piece.stop - start]
        bound_rows(state, rows[piece], codes[piece], box, worst)
        winners = winners_of(worst)
        result[CODE, piece] = codes[piece]
        result[ROW, piece] = rows[piece]
        result[ACCOUNT, piece] = winners.account
        result[MASK, piece] = worst[HELD]
        result[BOUND, piece] = np.where(winners.equity_micros > 0, score(winners), ANY_KEY)
    return result


def _valued(state: State, score: Score, sides: list[Side], picked: list[Int32s]) -> list[Offer]:
    """Offers of these rows, with their keys, in account order."""
    rows = np.concatenate(picked)
    ends = np.cumsum([len(part) for part in picked])
    parts = Parts(ends, np.array([side.price for side in sides], np.int64))
    out = scratch("columns of winners", COLUMNS * len(rows)).reshape(COLUMNS, len(rows))
    kept = np.empty(len(sides), np.int64)
    out = out[:, : int(value_rows(state, rows, parts, out, kept))]
    keys = score(winners_of(out))
    offers = []
    for side, end, start in zip(sides, kept, np.concatenate([[0], kept]), strict=False):
        piece = slice(int(start), int(end))
        account, lots, holding, rank = out[0, piece], out[1, piece], out[HOLDING, piece], keys[piece]
        order = np.argsort(account, kind="stable")
        offers.append(Offer(side, account[order], holding[order], lots[order], rank[order], None))
    return offers
