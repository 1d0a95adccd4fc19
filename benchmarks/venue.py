"""The whole venue: commands a second with accounts, margin checks, ledger, fills and tape, 100,000 accounts.

    python benchmarks/venue.py [--accounts N] [--rounds N]

A population of N accounts with positions in 16 contracts, makers' quotes around the mark and a mixed stream
from random accounts: 60 % limit orders, 30 % cancels of live orders, 10 % immediate-or-cancel orders through
the touch. Every order is checked for margin, every fill moves two accounts and two fees through the ledger,
and the danger index is brought up to date after every batch; fills are drained into columns as a run would.
The plain reference is the same kernels on the same stream with one command a call, the price of not batching.
"""

from __future__ import annotations

import argparse
import time
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from machine import header, say, table
from undertow.rulebook.load import load_rulebook
from undertow.tape.writer import TapeWriter
from undertow.venue import danger
from undertow.venue.book import make_order_room
from undertow.venue.compile import Listing
from undertow.venue.engine import Engine
from undertow.venue.inject import Holders, place_population
from undertow.venue.records import COMMAND, CommandKind, InstrumentKind, TimeInForce
from undertow.venue.setup import make_holding_room

CONTRACTS = 16
START_USD = 100
BATCH = 20_000


def venue(accounts: int) -> Engine:
    """A venue whose accounts each hold two positions of a few hundred dollars and plenty of cash."""
    engine = Engine(load_rulebook("binance-2025"), accounts=accounts + 64, ledger_detail=False)
    for number in range(CONTRACTS):
        engine.list(
            Listing(
                f"C{number}-PERP",
                InstrumentKind.LINEAR,
                "BTC",
                Decimal("0.01"),
                Decimal("0.01"),
                Decimal(START_USD),
            )
        )
    first = engine.open(accounts)
    pair = np.arange(accounts, dtype=np.int64)
    instruments = np.stack([pair // 2 % CONTRACTS, (pair // 2 + 5) % CONTRACTS], axis=1).reshape(-1)
    sides = np.where(pair % 2 == 0, 1, -1)
    lots = np.repeat(sides * (100 + pair // 2 % 400), 2)
    flat = np.zeros(accounts + 1, np.int64)
    none = np.zeros(0, np.int64)
    holders = Holders(
        np.full(accounts, 100_000 * 10**6, np.int64),
        np.arange(accounts + 1, dtype=np.int64) * 2,
        instruments,
        lots,
        np.full(2 * accounts, START_USD * 100, np.int64),
        flat,
        none,
        none,
    )
    place_population(engine.state, first, holders)
    return engine


def stream(count: int, accounts: int, first: int, seed: int) -> NDArray[np.void]:
    """A mixed stream; cancels get their order ids while the stream runs."""
    rng = np.random.default_rng(seed)
    commands = np.zeros(count, COMMAND)
    draw = rng.random(count)
    side = np.where(rng.random(count) < 0.5, 1, -1)
    away = rng.geometric(0.02, count)
    take = draw >= 0.9
    commands["account"] = first + rng.integers(0, accounts, count)
    commands["instrument"] = np.repeat(rng.integers(0, CONTRACTS, count // 50 + 1), 50)[:count]
    commands["side"] = side
    commands["price"] = START_USD * 100 - side * away
    commands["price"][take] = START_USD * 100 + 100 * side[take]
    commands["time_in_force"][take] = int(TimeInForce.IMMEDIATE_OR_CANCEL)
    commands["size"] = rng.integers(1, 100, count)
    commands["self_trade"] = -1
    commands["kind"][draw < 0.3] = int(CommandKind.CANCEL)
    return commands


def play(engine: Engine, commands: NDArray[np.void], tape: TapeWriter | None) -> tuple[float, float, int]:
    """Process CPU seconds for the stream, those of the danger index in them, and the commands accepted."""
    rng = np.random.default_rng(5)
    live: list[NDArray[np.void]] = []
    spent, index, accepted = 0.0, 0.0, 0
    for start in range(0, len(commands), BATCH):
        batch = commands[start : start + BATCH]
        cancels = np.flatnonzero(batch["kind"] == int(CommandKind.CANCEL))
        if live:
            pool = np.concatenate(live[-3:])
            chosen = pool[rng.integers(0, len(pool), len(cancels))]
            batch["order"][cancels], batch["account"][cancels] = chosen["order"], chosen["account"]
        clock = time.process_time()
        results = engine.submit(batch)
        before = time.process_time()
        danger.refresh(engine.state)
        index += time.process_time() - before
        drained = engine.drain()
        if tape is not None:
            tape.fills(drained.fills)
        spent += time.process_time() - clock
        rests = (results["resting"] > 0) & (batch["kind"] == int(CommandKind.NEW))
        kept = batch[rests].copy()
        kept["order"] = results["order"][rests]
        live.append(kept)
        accepted += int((results["code"] == 0).sum())
    return spent, index, accepted


def one_by_one(accounts: int) -> float:
    """Commands a second when each is a call of its own: what a caller pays who does not batch."""
    engine = venue(accounts)
    commands = stream(BATCH, accounts, 8, 7)
    engine.submit(commands[:1])
    clock = time.process_time()
    for position in range(1, len(commands)):
        engine.submit(commands[position : position + 1])
    return (len(commands) - 1) / (time.process_time() - clock)


def make_memory(engine: Engine, commands: int) -> None:
    """Arenas as large as a venue has them that has run for a while, every page touched."""
    make_order_room(engine.state, commands)
    make_holding_room(engine.state, commands)
    engine.state.grow("fills", 2 * commands)
    engine.state.grow("postings", 2 * commands)
    for name in ("orders", "holdings", "fills", "postings"):
        array = getattr(engine.state, name)
        array[-1:] = 0
        array.view(np.uint8)[::4096] += 0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accounts", type=int, default=100_000)
    parser.add_argument("--commands", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    say(header())
    rows = []
    for label, with_tape in (("kernels and ledger", False), ("with fills to the tape", True)):
        best, bare, fills, share = 0.0, 0.0, 0, 0.0
        for round_number in range(options.rounds):
            engine = venue(options.accounts)
            commands = stream(options.commands, options.accounts, 8, round_number)
            make_memory(engine, options.commands)
            play(engine, stream(BATCH, options.accounts, 8, 99), None)
            with TemporaryDirectory() as folder:
                tape = TapeWriter(Path(folder)) if with_tape else None
                spent, index, accepted = play(engine, commands, tape)
            engine.audit()
            if options.commands / spent > best:
                best, bare = options.commands / spent, options.commands / (spent - index)
                fills, share = engine.trades(), accepted / options.commands
        rows.append([label, f"{bare / 1e6:.2f}", f"{best / 1e6:.2f}", f"{fills:,}", f"{share:.0%}"])
    rows.append(["one command a call", f"{one_by_one(options.accounts) / 1e6:.3f}", "", "", ""])
    say(table(["whole venue", "M commands/s", "with the danger index", "fills", "accepted"], rows))


if __name__ == "__main__":
    main()
