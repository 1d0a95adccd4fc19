"""What an actor sees, and how it speaks: the public market, its own accounts, and command arrays.

Holds the view of one step, the protocol of an actor and the building of commands. Holds no behaviour. Actors
never touch venue state: they receive a `View` and return COMMAND records.

Units: ticks, lots, seconds; money in settlement units (micro-dollars). Invariant: a view is a copy; what an
actor does to it changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from undertow.crowd.scale import Scale
from undertow.units import PPM
from undertow.venue.depth import depth_behind_best
from undertow.venue.engine import Engine
from undertow.venue.look import sizes_of, values_of, worths_of
from undertow.venue.records import COMMAND, CommandKind, OrderFlag, TimeInForce
from undertow.venue.state import BATCH

Commands = NDArray[np.void]
Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


class View(NamedTuple):
    """The public market at the start of a step; arrays have one entry an instrument."""

    step: int
    time_s: float
    step_seconds: float
    outside_ticks: Floats  # newest price off the venue
    bid_ticks: Integers  # 0: no bid
    ask_ticks: Integers  # 0: no ask
    last_ticks: Integers
    mark_ticks: Integers
    failure: float  # share of messages that fail in this step
    transfers: float  # 1: transfers in and out work, 0: stalled
    latency_s: float = 0.0  # age at which a message sent now is heard


class Market(NamedTuple):
    """Static figures of the instruments, one entry each."""

    name: tuple[str, ...]
    perpetual: NDArray[np.bool_]
    unit: Integers  # money of one tick on one lot
    tick_usd: Floats
    maximum_ticks: Integers
    open_interest_usd: Floats  # at the start, one side
    turnover_usd: Floats  # on an ordinary day
    volatility: Floats  # calm, fraction per root minute
    spot: Integers  # of a contract: the spot instrument of its coin here; -1: none

    def scale(self, people: float = 0.0) -> Scale:
        """How large the venue is."""
        contracts = float(self.turnover_usd[self.perpetual].sum())
        coins = float(self.turnover_usd[~self.perpetual].sum())
        return Scale(float(self.open_interest_usd.sum()), contracts, coins, people)


class Opening(NamedTuple):
    """The wallets an actor starts with: `count` of them in one margin profile."""

    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody asks for
    profile: str
    cash_micros: Integers  # one a wallet
    assets: list[tuple[int, Integers]]  # spot instrument, lots in each wallet


ACTS_EVERY_S = 1.0  # programs look, quote and slice so often, however short a step is


class Actor(Protocol):
    """A crowd of one kind. It is opened once, then acts once a step."""

    name: str
    group: str  # what a report counts it under
    seed: int  # of everything it draws

    @property
    def attempts(self) -> float:
        """Messages tried in the last step, those that failed too."""
        ...

    def opening(self) -> Opening:
        """The wallets it needs; `count` 0 when it acts for wallets that exist."""
        ...

    def opened(self, first_account: int) -> None:
        """Told where its wallets begin."""
        ...

    def act(self, view: View) -> Commands:
        """The commands of this step."""
        ...

    def memory(self) -> dict[str, NDArray[Any]]:
        """Everything that carries over from step to step, as the live arrays."""
        ...


class Desk:
    """An actor's window on its own accounts, and on the public depth."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._moment = (-1, -1)  # of the depths looked at last: step, batch of commands
        self._depths: dict[int, Integers] = {}  # by band

    def sizes(self, accounts: Integers, instruments: Integers) -> Integers:
        """Signed lots held by each (account, instrument) pair."""
        return sizes_of(self._engine.state, accounts, instruments)

    def values(self, accounts: Integers) -> Integers:
        """(equity, maintenance margin, gross notional) of each account."""
        return values_of(self._engine.state, accounts)

    def worths(self, accounts: Integers) -> Integers:
        """Cash and holdings of each account at marks, spot assets without haircuts."""
        return worths_of(self._engine.state, accounts)

    def visible(self, band: float) -> Integers:
        """Money resting within `band` of the best bid and of the best ask, (instruments, 2)."""
        state = self._engine.state
        moment, width = (self._engine.step_number, int(state.counters[BATCH])), round(band * PPM)
        if moment != self._moment:  # nobody's order arrives while the crowd decides
            self._moment = moment
            self._depths.clear()
        if width not in self._depths:
            self._depths[width] = np.zeros((len(self._engine.listings), 2), np.int64)
            depth_behind_best(state, width, self._depths[width])
        return self._depths[width].copy()


def no_opening() -> Opening:
    """No wallet of its own."""
    return Opening(0, "", np.zeros(0, np.int64), [])


def new_orders(
    accounts: Integers,
    instruments: Integers,
    sides: Integers,
    prices: Integers,
    sizes: Integers,
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


def cancel_all(accounts: Integers, instruments: Integers) -> Commands:
    """CANCEL_ALL commands: every order of the account in that instrument."""
    commands = np.zeros(len(accounts), COMMAND)
    commands["kind"] = int(CommandKind.CANCEL_ALL)
    commands["account"] = accounts
    commands["instrument"] = instruments
    return commands


def deposits(accounts: Integers, amounts: Integers) -> Commands:
    """DEPOSIT commands of cash."""
    return _moves(CommandKind.DEPOSIT, accounts, np.full(len(accounts), -1, np.int64), amounts)


def withdrawals(accounts: Integers, amounts: Integers) -> Commands:
    """WITHDRAW commands of cash."""
    return _moves(CommandKind.WITHDRAW, accounts, np.full(len(accounts), -1, np.int64), amounts)


def asset_moves(accounts: Integers, instruments: Integers, lots: Integers) -> Commands:
    """Spot assets into (positive lots) or out of (negative) each account."""
    commands = _moves(CommandKind.DEPOSIT_ASSET, accounts, instruments, np.abs(lots))
    commands["kind"][lots < 0] = int(CommandKind.WITHDRAW_ASSET)
    return commands


def _moves(kind: CommandKind, accounts: Integers, instruments: Integers, amounts: Integers) -> Commands:
    commands = np.zeros(len(accounts), COMMAND)
    commands["kind"] = int(kind)
    commands["account"] = accounts
    commands["instrument"] = instruments
    commands["size"] = amounts
    return commands


def together(parts: Sequence[Commands]) -> Commands:
    """Several batches as one, in order. (NumPy's own joining of records compares their fields each time.)"""
    full = [part for part in parts if len(part)]
    if len(full) == 1:
        return full[0]
    rows = [np.ascontiguousarray(part).view(np.int64) for part in full]
    return np.concatenate(rows).view(COMMAND) if rows else nothing()


def rearranged(commands: Commands, order: Integers) -> Commands:
    """The commands at these positions, in this order."""
    words = np.ascontiguousarray(commands).view(np.int64).reshape(len(commands), -1)
    picked: Commands = words[order].reshape(-1).view(COMMAND)
    return picked


def nothing() -> Commands:
    """No command."""
    return np.zeros(0, COMMAND)
