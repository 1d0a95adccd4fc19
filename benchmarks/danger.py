"""Finding who is below maintenance: the trigger index against full scans, tick by tick, in five markets.

Measures the read bandwidth of one core, the full scans of a synthetic population and the index's tick, and
compares the candidates of tick and slab scan at every step (and of the plain scan at some). Each runs the
market on its own, so that neither empties the other's caches. A candidate is closed at once, as an engine
would in the end; what that costs the index falls into its next tick. The slabs' upkeep is not counted.

Run: python benchmarks/danger.py [--accounts N] [--rounds N]
"""

from __future__ import annotations

import argparse
import hashlib
import time
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from danger_population import build_population, distances
from machine import best_of, header, say, table
from undertow._jit import kernel
from undertow.venue.danger import mark_dirty, mark_everybody_dirty, tick, unlink_row
from undertow.venue.danger_scan import Slabs, build_slabs, refit, scan, slab_scan
from undertow.venue.state import COUNT_CANDIDATES, State

PLAIN_EVERY = 25
MUTABLE = ("accounts", "holdings", "markets", "counters", "buckets", "pending", "dirty")


class Market(NamedTuple):
    """How all prices move in one tick, as fractions."""

    name: str
    deviation: float
    drift: float
    ticks: int


MARKETS = [
    Market("calm, 0.01 % a tick", 1e-4, 0.0, 400),
    Market("busy, 0.1 % a tick", 1e-3, 0.0, 150),
    Market("crash, -0.07 % and 0.1 % a tick", 1e-3, -7e-4, 216),
    Market("violent crash, -0.3 % and 0.1 %", 1e-3, -3e-3, 150),
    Market("panic, 1 % a tick without drift", 1e-2, 0.0, 40),
]


@kernel
def read_all(numbers: NDArray[np.int64]) -> int:
    """The sum of an array: as fast as one core reads memory in order."""
    total = 0
    for place in range(len(numbers)):
        total += numbers[place]
    return total


@kernel
def close_candidates(state: State) -> None:
    """Take everything from the accounts just found."""
    for position in range(state.counters[COUNT_CANDIDATES]):
        account = state.candidates[position]
        holding = state.accounts[account].first_holding
        while holding >= 0:
            row = state.holdings[holding]
            unlink_row(state, holding)
            row.size = 0
            row.quote = 0
            holding = row.next
        state.accounts[account].first_holding = -1
        state.accounts[account].cash = 0
        mark_dirty(state, account)


@kernel
def refit_all(state: State, slabs: Slabs) -> None:
    """Bring the slabs up to date after `close_candidates`."""
    for position in range(state.counters[COUNT_CANDIDATES]):
        refit(state, slabs, state.candidates[position])


def slab_bytes(slabs: Slabs) -> int:
    """What one slab scan reads."""
    return slabs.slope.nbytes + slabs.instrument.nbytes + slabs.constant.nbytes


def full_scans(state: State, slabs: Slabs) -> None:
    """Print how fast everybody is valued; reading and scanning take turns, on the same machine's moods."""
    numbers = np.ones(1 << 25, np.int64)
    read, slab = np.inf, np.inf
    for _ in range(8):
        read = min(read, best_of(3, lambda: read_all(numbers)).best_ms)
        slab = min(slab, best_of(5, lambda: slab_scan(state, slabs)).best_ms)
    plain = best_of(5, lambda: scan(state)).best_ms
    bandwidth = numbers.nbytes / read / 1e6
    rate = slab_bytes(slabs) / slab / 1e6
    each = 1e6 / len(state.accounts)
    say(f"read bandwidth, one core   {bandwidth:8.1f} GB/s")
    say(f"plain scan, exact for all  {plain:8.2f} ms {plain * each:6.1f} ns an account")
    say(f"slab scan                  {slab:8.2f} ms {slab * each:6.1f} ns an account")
    say(
        f"  {slab_bytes(slabs) / 1e6:.0f} MB at {rate:.1f} GB/s, {rate / bandwidth:.0%} of the read bandwidth"
    )


def found(state: State) -> str:
    """A hash of the candidates of the last tick or scan."""
    count = state.counters[COUNT_CANDIDATES]
    return f"{count} {hashlib.sha256(state.candidates[:count].tobytes()).hexdigest()}"


def path(market: Market, ticks: int, start: NDArray[np.int64]) -> NDArray[np.int64]:
    """Marks of every tick."""
    generator = np.random.default_rng(11)
    moves = generator.normal(market.drift, market.deviation, (ticks, len(start)))
    return (start * np.exp(np.cumsum(moves, axis=0))).astype(np.int64)


def run_index(state: State, marks: NDArray[np.int64]) -> tuple[NDArray[np.float64], list[str]]:
    """Milliseconds and candidates of every tick, by the index."""
    times, lists = np.zeros(len(marks)), []
    for number, now in enumerate(marks):
        state.markets["mark"] = now
        start = time.perf_counter()
        tick(state)
        times[number] = (time.perf_counter() - start) * 1e3
        lists.append(found(state))
        close_candidates(state)
    return times, lists


def run_slabs(state: State, marks: NDArray[np.int64]) -> tuple[NDArray[np.float64], list[str]]:
    """Milliseconds and candidates of every tick, by the slab scan; the plain scan looks on now and then."""
    times, lists = np.zeros(len(marks)), []
    slabs = build_slabs(state)
    for number, now in enumerate(marks):
        state.markets["mark"] = now
        start = time.perf_counter()
        if slab_scan(state, slabs) < 0:
            slabs = build_slabs(state)
            start = time.perf_counter()
            slab_scan(state, slabs)
        times[number] = (time.perf_counter() - start) * 1e3
        lists.append(found(state))
        if number % PLAIN_EVERY == 0:
            scan(state)
            if found(state) != lists[-1]:
                raise SystemExit(f"tick {number}: slab scan and plain scan found different accounts")
        close_candidates(state)
        refit_all(state, slabs)
    return times, lists


def compare(state: State, saved: dict[str, NDArray[Any]], market: Market, rounds: int) -> list[str]:
    """One market, each tick's best of some rounds; a row of the table."""
    marks = path(market, market.ticks, saved["markets"]["mark"])
    times = []
    for run in (run_index, run_slabs):
        best = np.full(market.ticks, np.inf)
        for _ in range(rounds):
            for name, array in saved.items():
                np.copyto(getattr(state, name), array)
            taken, lists = run(state, marks)
            best = np.minimum(best, taken)
        times.append((best, lists))
    (by_tick, expected), (by_slab, seen) = times
    for number, (one, other) in enumerate(zip(expected, seen, strict=True)):
        if one != other:
            raise SystemExit(f"{market.name}, tick {number}: index and slab scan found different accounts")
    candidates = sum(int(line.split()[0]) for line in expected)
    return [
        market.name,
        f"{by_slab.mean():.2f}",
        f"{by_tick.mean():.4f}",
        f"{np.median(by_tick):.4f}",
        f"{by_tick.max():.2f}",
        f"{by_slab.mean() / by_tick.mean():.1f}x",
        f"{candidates:,}",
        hashlib.sha256("\n".join(expected).encode()).hexdigest()[:12],
    ]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description="The danger index against full scans.")
    parser.add_argument("--accounts", type=int, default=1_660_000)
    parser.add_argument(
        "--rounds", type=int, default=3, help="runs of every market; the best of each tick counts"
    )
    choice = parser.parse_args()
    say(header())
    state = build_population(choice.accounts)
    rows = int((state.holdings["size"] != 0).sum())
    size = (state.accounts.nbytes + state.holdings.nbytes + state.buckets.nbytes) / choice.accounts
    say(f"population {choice.accounts:,} accounts, {rows:,} holdings; {size:.0f} B an account")
    least, one, five, half = np.quantile(distances(state), [0, 0.01, 0.05, 0.5])
    say(f"distance to liquidation    least {least:.1%}, 1 % of accounts below {one:.1%},")
    say(f"                           5 % below {five:.1%}, half below {half:.1%}")
    register = best_of(3, lambda: (mark_everybody_dirty(state), tick(state)))
    say(f"register everybody         {register.best_ms:8.0f} ms")
    full_scans(state, build_slabs(state))
    say()
    saved = {name: getattr(state, name).copy() for name in MUTABLE}
    lines = [compare(state, saved, market, choice.rounds) for market in MARKETS]
    say(
        table(
            ["market", "slab ms", "tick ms", "median", "max", "slab/tick", "candidates", "hash of lists"],
            lines,
        )
    )
    say("index and slab scan found the same candidates at every tick")


if __name__ == "__main__":
    main()
