"""Accounts under liquidation from one second to the next: who they are, and who is healthy again.

Holds the list that every paced liquidation keeps, because the danger stage lists only who is unhealthy now:
an account that a rise of the price made healthy must be let go by somebody. Holds no order and no size rule.

Units: none but account numbers. Invariant: after `release_recovered` the list holds, in order of entry,
exactly the accounts that entered, are still in STAGE_LIQUIDATING and are below maintenance.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow._jit import kernel
from undertow.venue.arenas import STAGE_LIST, check_list
from undertow.venue.integers import wide
from undertow.venue.liquidation import begin, recover
from undertow.venue.state import COUNT_BANKRUPT, COUNT_CANDIDATES, STAGE_LIQUIDATING, State


class Frozen(NamedTuple):
    """Accounts under liquidation: `accounts[: length[0]]`."""

    accounts: NDArray[np.int32]
    length: NDArray[np.int64]  # [1]


def frozen_room(state: State, frozen: Frozen | None = None) -> Frozen:
    """The list with a place for every account; a new, empty one if there was none."""
    if frozen is None:
        return Frozen(np.zeros(len(state.accounts), np.int32), np.zeros(1, np.int64))
    if len(frozen.accounts) >= len(state.accounts):
        return frozen
    larger = np.zeros(len(state.accounts), np.int32)
    larger[: len(frozen.accounts)] = frozen.accounts
    return Frozen(larger, frozen.length)


@kernel
def enter(state: State, frozen: Frozen, account: int) -> bool:
    """Begin or go on with the liquidation of an account below maintenance. True on first sight."""
    fresh = state.accounts[account].stage != STAGE_LIQUIDATING
    begin(state, account)
    if fresh:
        check_list(frozen.length[0], len(frozen.accounts), STAGE_LIST)
        frozen.accounts[frozen.length[0]] = account
        frozen.length[0] += 1
    return bool(fresh)


@kernel
def release_recovered(state: State, frozen: Frozen) -> int:
    """Let go of every account that is healthy, was taken over or was closed. Returns how many stay."""
    kept = 0
    for position in range(frozen.length[0]):
        account = wide(frozen.accounts[position])
        if state.accounts[account].stage != STAGE_LIQUIDATING or recover(state, account):
            continue
        frozen.accounts[kept] = account
        kept += 1
    frozen.length[0] = kept
    return kept


@kernel
def drop_freed(state: State, frozen: Frozen) -> None:
    """Take off the list who is under liquidation no more, so that who comes back stands on it once."""
    kept = 0
    for position in range(frozen.length[0]):
        account = wide(frozen.accounts[position])
        if state.accounts[account].stage == STAGE_LIQUIDATING:
            frozen.accounts[kept] = account
            kept += 1
    frozen.length[0] = kept


def drop_listed(state: State) -> None:
    """Take accounts listed for allocation off the candidates, so that the next second lists none twice."""
    listed = state.bankrupt[: state.counters[COUNT_BANKRUPT]]
    if len(listed):
        found = state.candidates[: state.counters[COUNT_CANDIDATES]]
        kept = found[~np.isin(found, listed)]
        state.candidates[: len(kept)] = kept
        state.counters[COUNT_CANDIDATES] = len(kept)
