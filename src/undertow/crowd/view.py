"""What an actor sees, and how it speaks: the public market, its own accounts, and command arrays.

Holds the view of one step, the protocol of an actor and the building of commands. Holds no behaviour. Actors never
touch venue state: they receive a `View` and return COMMAND records.

Units: ticks, lots, seconds; money in settlement units. Invariant: a view is a copy; what an actor does to it changes nothing.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from undertow.venue.engine import Engine
from undertow.venue.look import sizes_of, values_of
from undertow.venue.records import COMMAND, CommandKind, OrderFlag, TimeInForce

Commands = NDArray[np.void]


class View(NamedTuple):
    """The public market at the start of a step; arrays have one entry an instrument."""

    step: int
    time_s: int
    step_seconds: float
    outside_ticks: NDArray[np.float64]  # newest price off the venue
    bid_ticks: NDArray[np.int64]  # 0: no bid
    ask_ticks: NDArray[np.int64]  # 0: no ask
    last_ticks: NDArray[np.int64]
    mark_ticks: NDArray[np.int64]
    failure: float  # share of messages that fail in this step
    transfers: float  # 1: transfers in and out work, 0: stalled


class Market(NamedTuple):
    """Static figures of the instruments, one entry each."""

    name: tuple[str, ...]
    perpetual: NDArray[np.bool_]
    unit: NDArray[np.int64]  # money of one tick on one lot
    tick_usd: NDArray[np.float64]
    maximum_ticks: NDArray[np.int64]
    open_interest_usd: NDArray[np.float64]  # at the start, one side
    turnover_usd: NDArray[np.float64]  # on an ordinary day
    volatility: NDArray[np.float64]  # calm, fraction per root minute


class Actor(Protocol):
    """A crowd of one kind."""

    name: str

    def act(self, view: View) -> Commands:
        """The commands of this step."""
        ...


class Desk:
    """An actor's window on its own accounts."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def sizes(self, accounts: NDArray[np.int64], instruments: NDArray[np.int64]) -> NDArray[np.int64]:
        """Signed lots held by each (account, instrument) pair."""
        return sizes_of(self._engine.state, accounts, instruments)

    def values(self, accounts: NDArray[np.int64]) -> NDArray[np.int64]:
        """(equity, maintenance margin, gross notional) of each account."""
        return values_of(self._engine.state, accounts)


def new_orders(
    accounts: NDArray[np.int64],
    instruments: NDArray[np.int64],
    sides: NDArray[np.int64],
    prices: NDArray[np.int64],
    sizes: NDArray[np.int64],
    time_in_force: TimeInForce = TimeInForce.GOOD_TILL_CANCELLED,
    flags: OrderFlag = OrderFlag.NONE,
) -> Commands:
    """NEW commands, one a row."""
    commands = np.zeros(len(accounts), COMMAND)
    commands["kind"] = int(CommandKind.NEW)
    commands["account"] = accounts
    commands["instrument"] = instruments
    commands["side"] = sides
    commands["price"] = prices
    commands["size"] = sizes
    commands["time_in_force"] = int(time_in_force)
    commands["flags"] = int(flags)
    commands["self_trade"] = -1
    return commands


def cancel_all(accounts: NDArray[np.int64], instruments: NDArray[np.int64]) -> Commands:
    """CANCEL_ALL commands: every order of the account in that instrument."""
    commands = np.zeros(len(accounts), COMMAND)
    commands["kind"] = int(CommandKind.CANCEL_ALL)
    commands["account"] = accounts
    commands["instrument"] = instruments
    return commands


def deposits(accounts: NDArray[np.int64], amounts: NDArray[np.int64]) -> Commands:
    """DEPOSIT commands of cash."""
    commands = np.zeros(len(accounts), COMMAND)
    commands["kind"] = int(CommandKind.DEPOSIT)
    commands["account"] = accounts
    commands["size"] = amounts
    return commands


def nothing() -> Commands:
    """No command."""
    return np.zeros(0, COMMAND)
