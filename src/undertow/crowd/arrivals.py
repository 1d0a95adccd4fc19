"""In which order the commands of a second arrive: blocks of one account and instrument, shuffled.

Commands of one account in one instrument that follow each other (a cancellation and the new quotes) stay
together as a block; blocks arrive in random order, drawn anew every step and keyed by actor, account within
the actor, and instrument, so that taking one actor away, or giving it more wallets, leaves the order among
the others as it was. "Sells first" and "buys first" would give different lows (modelling notes, trap 3).

Holds the cut into blocks and their order, compiled because every command of a run passes here, and the same
in array operations as the reference. Holds no command of its own.

Units: commands, steps. Invariant: no command is lost, doubled or parted from its block.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from undertow import streams
from undertow._jit import kernel
from undertow.crowd.view import Commands, Floats, Integers, nothing, rearranged, together
from undertow.venue.records import COMMAND

IDS_PER_ACCOUNT = 1024
Actors = list[tuple[str, int]]  # name, and where its wallets begin
WORDS = COMMAND.itemsize // 8  # a command as whole numbers, which are moved faster than records


@kernel
def _cut(
    commands: NDArray[np.void],
    ends: Integers,
    bases: NDArray[np.uint64],
    firsts: Integers,
    step: int,
    starts: Integers,
    draws: Floats,
) -> int:
    """Where each block begins, and its draw; a block never reaches from one actor to the next."""
    count, begin = 0, 0
    for actor in range(len(ends)):
        key = streams.key_at(bases[actor], step)
        before = np.int64(-1)
        for position in range(begin, ends[actor]):
            command = commands[position]
            account = np.int64(command.account) - firsts[actor]
            identity = account * IDS_PER_ACCOUNT + command.instrument
            if position == begin or identity != before:
                starts[count] = position
                draws[count] = streams.uniform_at(key, identity)
                count += 1
                before = identity
        begin = ends[actor]
    return count


@kernel
def _move(
    words: NDArray[np.int64], starts: Integers, order: Integers, width: int, out: NDArray[np.int64]
) -> None:
    """Copy whole blocks into their order; `starts` ends with the number of commands."""
    place = 0
    for block in order:
        for position in range(starts[block] * width, starts[block + 1] * width):
            out[place] = words[position]
            place += 1


@lru_cache(maxsize=4096)
def _bases(seed: int, names: tuple[str, ...]) -> NDArray[np.uint64]:
    """The streams of those who speak; the same few companies speak in most steps."""
    return np.array([streams.stream_base(seed, f"order of arrival: {name}") for name in names])


def in_random_order(actors: Actors, spoken: list[Commands], seed: int, step: int) -> Commands:
    """The commands of all actors, blocks of one account and instrument in an order drawn for this step."""
    full = [(actor, commands) for actor, commands in zip(actors, spoken, strict=True) if len(commands)]
    if not full:
        return nothing()
    commands = together([part for _actor, part in full])
    ends = np.array([len(part) for _actor, part in full], np.int64).cumsum()
    bases = _bases(seed, tuple(name for (name, _first), _part in full))
    firsts = np.array([first for (_name, first), _part in full], np.int64)
    starts, draws = np.empty(len(commands) + 1, np.int64), np.empty(len(commands))
    count = int(_cut(commands, ends, bases, firsts, step, starts, draws))
    starts[count] = len(commands)
    words = np.ascontiguousarray(commands).view(np.int64)
    out = np.empty_like(words)
    _move(words, starts, draws[:count].argsort(kind="stable"), WORDS, out)
    arrived: Commands = out.view(COMMAND)
    return arrived


def in_random_order_reference(actors: Actors, spoken: list[Commands], seed: int, step: int) -> Commands:
    """`in_random_order` in array operations, an actor at a time."""
    draws: list[Floats] = []
    lengths: list[Integers] = []
    for (name, first), commands in zip(actors, spoken, strict=True):
        if len(commands):
            starts, ids = blocks_of(commands)
            ids = ids - first * IDS_PER_ACCOUNT
            draws.append(streams.uniform(seed, f"order of arrival: {name}", step, ids))
            lengths.append(np.diff(np.append(starts, len(commands))))
    if not draws:
        return nothing()
    sizes = np.concatenate(lengths)
    order = np.argsort(np.concatenate(draws), kind="stable")
    begins = np.concatenate([[0], np.cumsum(sizes)])[:-1]
    moved = sizes[order]
    offsets = np.repeat(begins[order] - np.concatenate([[0], np.cumsum(moved)])[:-1], moved)
    return rearranged(together(spoken), offsets + np.arange(len(offsets)))


def blocks_of(commands: Commands) -> tuple[Integers, Integers]:
    """Where each block begins, and its id: account and instrument."""
    account = commands["account"].astype(np.int64)
    key = account * IDS_PER_ACCOUNT + commands["instrument"]
    new = np.ones(len(key), np.bool_)
    new[1:] = key[1:] != key[:-1]
    starts = np.flatnonzero(new)
    return starts, key[starts]
