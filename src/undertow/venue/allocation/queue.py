"""Closing in rank order without sorting: find the cut key, then close everybody above it.

1. One pass adds each row's lots to one of 4,096 buckets, spaced logarithmically by key (32 per octave).
2. Walking down from the highest bucket finds the one in which the need is met.
3. Only that bucket's rows are kept and split again, linearly, until one key is left: the cut.
4. One pass closes rows above the cut whole; rows at the cut in account order until the need is met.
5. The touched rows alone are sorted, for the tape.

Holds selection and ranking of any int64 key. Does not know what a key means (`scores`).
Units: weights in any unit that adds up (lots, or one per row).
Invariant: the closes equal those of a full sort by (key descending, row ascending).
"""

from __future__ import annotations

import numpy as np

from undertow._jit import kernel, leading_zeros
from undertow.venue.allocation.scratch import scratch
from undertow.venue.allocation.winners import Allocation, Int64s, Need, Winners, untouched

_BUCKETS = 4096
_HALF = _BUCKETS // 2
_DIGIT_BITS = 11
_DIGITS = 1 << _DIGIT_BITS


@kernel
def _bucket(key: int) -> int:
    """A bucket in [0, 4096) never falling as the key rises: sign, place of the top bit, five bits more."""
    # No branch on the key: scores come in no order, and half the guesses of the processor would be wrong.
    sign = key >> 63  # 0 or -1
    magnitude = (key ^ sign) | 1
    zeros = leading_zeros(magnitude)
    code = ((63 - zeros) << 5) | (((magnitude << zeros) >> 58) & 31)
    return _HALF + (code ^ sign)


@kernel
def _walk(table: Int64s, need: int, above: int) -> tuple[int, int]:
    """The bucket in which `need` is met coming from the top, and what lies above it."""
    bucket = table.shape[0] - 1
    while bucket > 0 and above + table[bucket] < need:
        above += table[bucket]
        bucket -= 1
    return bucket, above


@kernel
def _select(keys: Int64s, weights: Int64s, need: int, table: Int64s, spare: Int64s) -> tuple[int, int]:
    """The cut: (key, weight still to be taken from rows that have just this key).

    `weights` may be empty, meaning one each. Needs 0 < need <= sum of weights. `table` has 4,096 zeros;
    `spare` holds 2 * rows, of which only the cut bucket's part is touched.
    """
    count = keys.shape[0]
    single = weights.shape[0] == 0
    for row in range(count):
        table[_bucket(keys[row])] += 1 if single else weights[row]
    bucket, above = _walk(table, need, 0)
    kept = 0
    low, high = 0, 0
    for row in range(count):
        if _bucket(keys[row]) == bucket:
            key = keys[row]
            low = key if kept == 0 else min(low, key)
            high = key if kept == 0 else max(high, key)
            spare[kept] = key
            spare[count + kept] = 1 if single else weights[row]
            kept += 1
    while low < high:
        span = np.uint64(high) - np.uint64(low)
        shift = np.uint64(0)
        while (span >> shift) >= np.uint64(_BUCKETS):
            shift += np.uint64(1)
        base = np.uint64(low)
        table[:] = 0
        for row in range(kept):
            table[np.int64((np.uint64(spare[row]) - base) >> shift)] += spare[count + row]
        bucket, above = _walk(table, need, above)
        inside, low, high = 0, 0, 0
        for row in range(kept):
            key = spare[row]
            if np.int64((np.uint64(key) - base) >> shift) == bucket:
                low = key if inside == 0 else min(low, key)
                high = key if inside == 0 else max(high, key)
                spare[inside] = key
                spare[count + inside] = spare[count + row]
                inside += 1
        kept = inside
    return low, need - above


@kernel
def _close(keys: Int64s, size: Int64s, cut: int, left: int, close: Int64s, rows: Int64s) -> int:
    """Close above the cut whole, at the cut while `left` lasts; the touched rows, counted."""
    touched = 0
    for row in range(keys.shape[0]):
        lots = 0
        if keys[row] > cut:
            lots = size[row]
        elif keys[row] == cut and left > 0:
            lots = min(left, size[row])
            left -= lots
        close[row] = lots
        if lots > 0:
            rows[touched] = row
            touched += 1
    return touched


@kernel
def _close_from(first: int, size: Int64s, need: int, close: Int64s, rows: Int64s) -> int:
    """Close from row `first` on, wrapping round; `close` holds zeros. The touched rows, counted."""
    count, touched = size.shape[0], 0
    for step in range(count):
        if need <= 0:
            break
        row = first + step if first + step < count else first + step - count
        lots = min(need, size[row])
        close[row] = lots
        need -= lots
        rows[touched] = row
        touched += 1 if lots > 0 else 0
    return touched


@kernel
def _touched(close: Int64s, take: Int64s, rows: Int64s) -> int:
    touched = 0
    for row in range(close.shape[0]):
        rows[touched] = row
        touched += 1 if (close[row] | take[row]) != 0 else 0
    return touched


@kernel
def _digit_pass(
    keys: Int64s, rows: Int64s, keys_out: Int64s, rows_out: Int64s, shift: int, table: Int64s
) -> None:
    """One stable counting pass on eleven bits of (largest key - key), which `keys` holds already."""
    for slot in range(_DIGITS):
        table[slot] = 0
    for index in range(keys.shape[0]):
        table[(keys[index] >> shift) & (_DIGITS - 1)] += 1
    start = 0
    for slot in range(_DIGITS):
        held = table[slot]
        table[slot] = start
        start += held
    for index in range(keys.shape[0]):
        digit = (keys[index] >> shift) & (_DIGITS - 1)
        place = table[digit]
        table[digit] = place + 1
        keys_out[place] = keys[index]
        rows_out[place] = rows[index]


def select_cut(keys: Int64s, weights: Int64s, need: int) -> tuple[int, int]:
    """The key at which `need` is met from the highest key down, and the weight to take at that very key.

    `weights` may be empty, meaning one each. Needs 0 < need <= sum of weights.
    """
    spare = scratch("candidates", 2 * len(keys))
    cut, left = _select(keys, weights, need, np.zeros(_BUCKETS, np.int64), spare)
    return int(cut), int(left)


def rank_order(keys: Int64s, rows: Int64s) -> Int64s:
    """`rows` sorted by key, highest first, ties in the order given; `keys` are those of `rows`."""
    if len(rows) < 2:
        return rows.copy()
    high, low = int(keys.max()), int(keys.min())
    if high - low >= 1 << 63:
        return rows[np.argsort(~keys, kind="stable")]
    left, left_out = high - keys, np.empty_like(keys)
    order, order_out = rows.copy(), np.empty_like(rows)
    table = np.empty(_DIGITS, np.int64)
    for shift in range(0, (high - low).bit_length(), _DIGIT_BITS):
        _digit_pass(left, order, left_out, order_out, shift, table)
        left, left_out, order, order_out = left_out, left, order_out, order
    return order


def close_by_rank(keys: Int64s, size: Int64s, need_lots: int) -> Allocation:
    """Close `need_lots` of the rows' lots from the highest key down; ties by row, which is account order."""
    count = len(size)
    wanted = min(need_lots, int(size.sum()))
    if wanted <= 0:
        return untouched(count)
    cut, left = select_cut(keys, size, wanted)
    close, rows = np.empty(count, np.int64), scratch("touched", count)
    rows = rows[: _close(keys, size, cut, left, close, rows)]
    return Allocation(close, np.zeros(count, np.int64), rank_order(keys[rows], rows))


def close_from_row(first: int, winners: Winners, need: Need) -> Allocation:
    """Close whole positions in row order from `first`, wrapping round, until the need is met."""
    size = winners.size_lots
    result, rows = untouched(len(size)), scratch("touched", len(size))
    touched = _close_from(first, size, need.need_lots, result.close_lots, rows)
    return result._replace(order=rows[:touched].copy())


def touched_rows(close: Int64s, take: Int64s) -> Int64s:
    """The rows that give anything, in row order."""
    rows = scratch("touched", len(close))
    return rows[: _touched(close, take, rows)].copy()
