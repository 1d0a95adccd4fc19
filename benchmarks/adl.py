"""Loss allocation over a million winners: every policy through the checked door, one core.

Run: `python benchmarks/adl.py [--winners N] [--need PERCENT] [--rounds N] [--seed N]`.

Workload: sizes and leverages log-normal, entries log-normal about a tenth below the mark, so that a third of
the winners stand at a loss; the need is a share of all lots, the deficit the same share of all profit. A time
covers checking the rows, scoring, selecting, closing, ordering the touched rows for the tape and checking the
result. References, in the same run: NumPy's stable argsort plus cumulated closes on scores computed
beforehand (so it leaves scoring out), and the plain Python of `reference` on a sample, per winner. Before
anything is timed the closes are compared with both.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from machine import best_of, header, say, table
from undertow.venue.allocation import (
    Need,
    Policy,
    RankedQueue,
    Winners,
    allocate,
    policies,
    policy,
    reference,
)
from undertow.venue.allocation.reference import Row
from undertow.venue.allocation.scores import start_row
from undertow.venue.allocation.winners import take_rows

SAMPLE = 10_000
SCORES: dict[str, Callable[[Row], int]] = {
    "profit-margin-ratio": reference.profit_margin_ratio,
    "profit-leverage": reference.profit_leverage,
    "price-ratio-leverage": reference.price_ratio_leverage,
    "opposing-size": reference.opposing_size,
}


def population(count: int, seed: int) -> Winners:
    """`count` longs against a mark of 50,000 ticks; one tick on one lot is 100 micro-dollars."""
    random = np.random.default_rng(seed)
    mark, unit = 50_000, 100
    size = np.maximum(random.lognormal(5.0, 1.8, count), 1).astype(np.int64)
    notional = size * mark * unit
    entry = (notional * np.exp(random.normal(-0.1, 0.2, count))).astype(np.int64)
    equity = np.maximum((notional / random.lognormal(1.5, 0.8, count)).astype(np.int64), 1)
    profit = notional - entry
    account = np.arange(count, dtype=np.int64)
    columns = (account, size, notional, entry, profit, equity - profit, equity, notional // 100)
    return Winners(*columns, side=1, mark_ticks=mark, unit_micros=unit, seed=seed, step=1)


def need_of(winners: Winners, percent: float) -> Need:
    """A share of all lots to close at the mark, and the same share of all profit missing in money."""
    lots, profit = int(winners.size_lots.sum()), int(np.maximum(winners.profit_micros, 0).sum())
    return Need(int(lots * percent / 100), int(profit * percent / 100), winners.mark_ticks)


def argsort_closes(keys: NDArray[np.int64], size: NDArray[np.int64], need: int) -> NDArray[np.int64]:
    """The NumPy reference: stable argsort, cumulated sizes, closes."""
    order = np.argsort(-keys, kind="stable")
    reach = np.cumsum(size[order])
    last = int(np.searchsorted(reach, need))
    closes = np.zeros_like(size)
    closes[order[: last + 1]] = size[order[: last + 1]]
    closes[order[last]] -= reach[last] - need
    return closes


def plain_python(name: str, rows: list[Row], winners: Winners, need: Need) -> list[int] | None:
    """The closes (or, for money, the takes) of the plain Python reference; None where there is none."""
    sizes = [row.size_lots for row in rows]
    profits = [max(row.profit_micros, 0) for row in rows]
    if name in SCORES:
        order = reference.ranking([SCORES[name](row) for row in rows])
        return reference.close_in_order(order, sizes, need.need_lots)
    if name == "random-start":
        first = start_row(winners.seed, winners.step, len(rows))
        return reference.close_in_order([*range(first, len(rows)), *range(first)], sizes, need.need_lots)
    if name == "contract-pro-rata":
        return reference.share(need.need_lots, sizes)
    if name == "socialised":
        return reference.share(need.deficit_micros, sizes)
    if name in ("wealth-pro-rata", "clawback"):
        return reference.share(need.deficit_micros, profits)
    if name == "water-filling":
        return reference.water_fill(need.deficit_micros, profits, [1] * len(rows))
    return None


def check(each: Policy, winners: Winners, need: Need) -> None:
    """The closes of a ranked policy equal those of the NumPy reference."""
    if isinstance(each, RankedQueue):
        expected = argsort_closes(each.score(winners), winners.size_lots, need.need_lots)
        assert np.array_equal(allocate(each, winners, need).close_lots, expected), each.name


def python_ns_per_winner(name: str, winners: Winners, percent: float) -> float | None:
    """Time of the plain Python per winner on a sample, after checking that it agrees."""
    few = take_rows(winners, np.arange(min(SAMPLE, len(winners.account)), dtype=np.int64))
    need = need_of(few, percent)
    rows = [Row(*values) for values in zip(*(column.tolist() for column in few[:8]), strict=True)]
    expected = plain_python(name, rows, few, need)
    if expected is None:
        return None
    result = allocate(policy(name), few, need)
    got = result.close_lots if expected == result.close_lots.tolist() else result.take_micros
    assert got.tolist() == expected, name
    return best_of(3, lambda: plain_python(name, rows, few, need)).best_ms * 1e6 / len(rows)


def scores_of(winners: Winners) -> NDArray[np.int64]:
    """Keys to sort, of a typical policy."""
    queue = policy("profit-leverage")
    assert isinstance(queue, RankedQueue)
    return queue.score(winners)


def compare_policies(winners: Winners, percent: float, rounds: int) -> None:
    """One row per policy; the argsort is timed beside each, so that a busy spell cannot flatter the ratio."""
    need = need_of(winners, percent)
    keys = scores_of(winners)
    timings, sorts = {}, []
    for name in policies():
        each = policy(name)
        check(each, winners, need)
        sorts.append(best_of(2, lambda: argsort_closes(keys, winners.size_lots, need.need_lots)).best_ms)
        timings[name] = best_of(rounds, lambda each=each: allocate(each, winners, need))
    lines = []
    for name, timing in timings.items():
        slow = python_ns_per_winner(name, winners, percent)
        own_ns = timing.best_ms * 1e6 / len(winners.account)
        lines.append(
            [
                name,
                f"{timing.best_ms:.1f}",
                f"{timing.median_ms:.1f}",
                f"{len(allocate(policy(name), winners, need).order):,}",
                f"{min(sorts) / timing.best_ms:.1f}x",
                "-" if slow is None else f"{slow / own_ns:.0f}x",
            ]
        )
    say(f"NumPy stable argsort + closes, scores given: {min(sorts):.1f} ms\n")
    say(table(["policy", "best ms", "median ms", "touched", "vs argsort", "vs Python"], lines))


def compare_depths(winners: Winners, rounds: int) -> None:
    """How the time grows when more winners are touched, since the touched ones are sorted for the tape."""
    lines = []
    for percent in (0.2, 2.0, 20.0, 50.0, 100.0):
        need = need_of(winners, percent)
        timing = best_of(rounds, lambda need=need: allocate(policy("profit-leverage"), winners, need))
        touched = len(allocate(policy("profit-leverage"), winners, need).order)
        lines.append([f"{percent:g} %", f"{timing.best_ms:.1f}", f"{timing.median_ms:.1f}", f"{touched:,}"])
    say(table(["need, profit-leverage", "best ms", "median ms", "touched"], lines))


def main() -> None:
    """Read the arguments, print the block, then the tables."""
    parser = argparse.ArgumentParser(description="Times every allocation policy.")
    parser.add_argument("--winners", type=int, default=1_000_000)
    parser.add_argument("--need", type=float, default=2.0, metavar="PERCENT")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if given.winners < 1 or not 0 < given.need <= 100 or given.rounds < 1:
        parser.error("--winners and --rounds must be at least 1, --need above 0 and at most 100")
    say(header())
    say(f"workload  {given.winners:,} winners, need {given.need:g} % of lots and of profit, one core\n")
    winners = population(given.winners, given.seed)
    compare_policies(winners, given.need, given.rounds)
    say()
    compare_depths(winners, max(3, given.rounds // 2))


if __name__ == "__main__":
    main()
