"""The order books alone: commands a second on one core, many books in one arena, against the plain reference.

Run: `python benchmarks/matching.py [--commands N] [--rounds N] [--sample N] [--seed N]`.

Workloads. "mixed": 60 % new limit orders, 35 % cancels (a quarter of them too late), 5 % immediate-or-cancel
for about four orders each, over 64 books of 4,096 ticks, visiting a book for 1, 5 or 50 commands before the
next. "steady": 10 % limit, 2.5 % immediate-or-cancel, 7.5 % cancel, 80 % move of a resting order to another
price; about 1,000 rest. "churn": 50 % limit, 7 % immediate-or-cancel, 43 % cancel; about 10,000 rest.
"crossing": limit orders only, both sides around one price, so that most of them trade. The last three use one
book of 65,536 ticks.

A time is process CPU time of one call over the whole stream, on a new venue whose memory was touched before;
the best of the rounds and the median. Commands name orders by id, as customers do. It is the loop that the
venue runs, without accounts; `venue.py` measures it with them. The plain reference
(`venue.book_reference`) takes the first part of the same stream, and before anything is timed its outcomes
and fills are compared with the kernel's, one by one.
"""

from __future__ import annotations

import argparse
import time
from statistics import median
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from machine import header, say, table
from undertow.venue.book import add_book, make_order_room
from undertow.venue.book_alone import execute_book
from undertow.venue.book_reference import Outcome, ReferenceBooks
from undertow.venue.records import COMMAND, RESULT, CommandKind, TimeInForce
from undertow.venue.state import COUNT_FILLS, LIVE_ORDERS, State, allocate

CHUNK = 1_000  # commands drawn at a time; cancels and moves name orders that rest when the chunk begins


class Workload(NamedTuple):
    """A stream's figures: shares of commands are parts of one, the rest are new limit orders."""

    name: str
    books: int
    ticks: int
    visit: int
    resting: int  # orders placed before the stream begins
    immediate: float
    cancel: float
    move: float
    taken: int  # mean size of an immediate-or-cancel order, in mean orders
    late: float  # share of cancels whose order is gone
    distance: (
        float  # mean distance of a limit from the middle, ticks; 0: either side of it, so that half cross
    )


WORKLOADS = (
    Workload("mixed, 64 books, 1 a visit", 64, 4_096, 1, 0, 0.05, 0.35, 0.0, 4, 0.27, 50.0),
    Workload("mixed, 64 books, 5 a visit", 64, 4_096, 5, 0, 0.05, 0.35, 0.0, 4, 0.27, 50.0),
    Workload("mixed, 64 books, 50 a visit", 64, 4_096, 50, 0, 0.05, 0.35, 0.0, 4, 0.27, 50.0),
    Workload("mixed, one book", 1, 65_536, 1, 0, 0.05, 0.35, 0.0, 4, 0.27, 50.0),
    Workload("steady", 1, 65_536, 1, 1_000, 0.025, 0.075, 0.8, 1, 0.0, 50.0),
    Workload("churn", 1, 65_536, 1, 10_000, 0.07, 0.43, 0.0, 1, 0.0, 50.0),
    Workload("crossing", 1, 65_536, 1, 0, 0.0, 0.0, 0.0, 1, 0.0, 0.0),
)


def new_state(workload: Workload, commands: int) -> State:
    """Empty books with room for the whole stream, every page of memory touched."""
    state = allocate(workload.books, 1, 1, commands + 1)
    for book in range(workload.books):
        add_book(state, book, workload.ticks)
    make_order_room(state, commands)
    state.grow("fills", 2 * commands)
    state.orders["size"] = 0
    state.fills["time"] = 0
    return state


def draw(workload: Workload, start: int, count: int, generator: np.random.Generator) -> NDArray[np.void]:
    """`count` commands from position `start` of the stream; cancels and moves still without their order."""
    rows = np.zeros(count, COMMAND)
    visits = np.random.default_rng(workload.books).integers(0, workload.books, 1 << 16)
    rows["instrument"] = visits[(start + np.arange(count)) // workload.visit % len(visits)]
    share = generator.random(count)
    marks = np.cumsum([workload.immediate, workload.cancel, workload.move])
    rows["kind"] = np.select([share < marks[0], share < marks[1], share < marks[2]], [0, 1, 2], 0)
    side = np.where(generator.random(count) < 0.5, 1, -1)
    rows["side"] = side
    rows["account"] = generator.integers(0, 1_000, count)
    rows["size"] = generator.integers(1, 100, count)
    middle = workload.ticks // 2
    if workload.distance > 0:
        away = generator.geometric(1.0 / workload.distance, count)
        rows["price"] = middle - side * np.minimum(away, middle - 1)
    else:
        rows["price"] = middle + generator.normal(0.0, 100.0, count).astype(np.int64)
    taking = share < marks[0]
    rows["time_in_force"][taking] = TimeInForce.IMMEDIATE_OR_CANCEL
    rows["price"][taking] = (middle + 400 * side)[taking]
    rows["size"][taking] *= workload.taken
    return rows


def name_orders(
    workload: Workload, rows: NDArray[np.void], state: State, generator: np.random.Generator
) -> None:
    """Give every cancel and move an order that rests in its book now; where none does it is a new order."""
    wanted = np.flatnonzero(rows["kind"] != CommandKind.NEW)
    slots = np.flatnonzero(state.orders["size"] > 0)
    slots = slots[np.argsort(state.orders["instrument"][slots], kind="stable")]
    books = state.orders["instrument"][slots]
    first = np.searchsorted(books, rows["instrument"][wanted], "left")
    count = np.searchsorted(books, rows["instrument"][wanted], "right") - first
    rows["kind"][wanted[count == 0]] = CommandKind.NEW
    wanted, first, count = wanted[count > 0], first[count > 0], count[count > 0]
    chosen = slots[first + (generator.random(len(wanted)) * count).astype(np.int64)]
    orders = state.orders[chosen]
    late = generator.random(len(wanted)) < workload.late
    rows["order"][wanted] = (orders["generation"] + late).astype(np.int64) << 32 | chosen
    middle = workload.ticks // 2
    rows["price"][wanted] = middle - orders["side"] * np.abs(rows["price"][wanted] - middle)


def stream(workload: Workload, commands: int, seed: int) -> NDArray[np.void]:
    """The whole stream, drawn chunk by chunk while the kernel carries it out (the venue gives the ids)."""
    generator = np.random.default_rng(seed)
    state = new_state(workload, commands)
    parts = []
    done = 0
    while done < commands:
        count = min(CHUNK, commands - done)
        building = done < workload.resting
        shares = {"immediate": 0.0, "cancel": 0.0, "move": 0.0} if building else {}
        rows = draw(workload._replace(**shares), done, count, generator)
        name_orders(workload, rows, state, generator)
        execute_book(state, rows, np.zeros(count, RESULT))
        parts.append(rows)
        done += count
    return np.concatenate(parts)


def compare(workload: Workload, rows: NDArray[np.void]) -> float:
    """Commands a second of the plain reference over `rows`, after checking that the kernel does the same."""
    reference = ReferenceBooks([workload.ticks] * workload.books)
    start = time.process_time()
    outcomes = reference.execute(rows)
    seconds = time.process_time() - start
    state, results = new_state(workload, len(rows)), np.zeros(len(rows), RESULT)
    execute_book(state, rows, results)
    fills = state.fills[: state.counters[COUNT_FILLS]]
    same = outcomes == list(zip(*(results[name].tolist() for name in Outcome._fields), strict=True))
    fields = type(reference.fills[0])._fields if reference.fills else ()
    same &= reference.fills == list(zip(*(fills[name].tolist() for name in fields), strict=True))
    if not same:
        raise SystemExit(f"{workload.name}: the kernel and the plain reference differ")
    return len(rows) / seconds


def measure(workload: Workload, options: argparse.Namespace) -> list[str]:
    """One line of the table."""
    rows = stream(workload, options.commands, options.seed)
    plain = compare(workload, rows[: options.sample])
    seconds, results = [], np.zeros(len(rows), RESULT)
    for _ in range(options.rounds):
        state = new_state(workload, len(rows))
        start = time.process_time()
        execute_book(state, rows, results)
        seconds.append(time.process_time() - start)
    named = results[rows["kind"] != CommandKind.NEW]
    best, usual = len(rows) / min(seconds), len(rows) / median(seconds)
    return [
        workload.name,
        f"{state.counters[COUNT_FILLS]:,}",
        f"{state.counters[LIVE_ORDERS]:,}",
        f"{100 * np.mean(named['code'] == 0):.0f} %" if len(named) else "-",
        f"{1e9 / best:.0f}",
        f"{best / 1e6:.1f}",
        f"{usual / 1e6:.1f}",
        f"{plain / 1e6:.2f}",
        f"{best / plain:.0f}",
    ]


TITLES = ["stream", "fills", "resting", "hits", "ns each", "best M/s", "median M/s", "plain M/s", "ratio"]


def main() -> None:
    """Measure every workload and print the table."""
    parser = argparse.ArgumentParser(description="Order books alone, commands a second on one core.")
    parser.add_argument("--commands", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sample", type=int, default=50_000, help="commands the plain reference takes")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    say(header())
    say(f"workload  {options.commands:,} commands a stream, best of {options.rounds}, process CPU time\n")
    say(table(TITLES, [measure(workload, options) for workload in WORKLOADS]))
    say("\nhits: cancels and moves whose order still rested. Outcomes and fills equal the plain reference's.")


if __name__ == "__main__":
    main()
