"""Money that moves on command: deposits, withdrawals and transfers, of cash or of a spot asset.

Holds what each command does once it is allowed. Holds no rule of who may take out how much (`admission`) and
no posting (`ledger`).

Units: settlement units, lots. Invariant: a refused command moves nothing.
"""

from __future__ import annotations

from typing import Any

from undertow._jit import kernel
from undertow.errors import Rejection
from undertow.units import AMOUNT_LIMIT
from undertow.venue.admission import AMOUNT_LIMIT as REFUSED_AMOUNT
from undertow.venue.admission import (
    BAD_SIZE,
    CLEARING,
    CLEARING_ACCOUNT,
    NONE,
    POSITION_LIMIT,
    UNKNOWN_ACCOUNT,
    UNKNOWN_INSTRUMENT,
    WRONG_SETTLEMENT,
    check_asset_withdrawal,
    check_withdrawal,
    known_account,
)
from undertow.venue.extent import has_asset_room, has_cash_room, has_deposit_room, may_hold
from undertow.venue.ledger import deposit, deposit_asset, find_holding, free_if_empty, pay
from undertow.venue.margin import SPOT
from undertow.venue.records import Cause, CommandKind
from undertow.venue.state import State
from undertow.venue.takeover import reopen

DEPOSIT = int(CommandKind.DEPOSIT)
WITHDRAW = int(CommandKind.WITHDRAW)
TRANSFER = int(CommandKind.TRANSFER)
DEPOSIT_ASSET = int(CommandKind.DEPOSIT_ASSET)
WITHDRAW_ASSET = int(CommandKind.WITHDRAW_ASSET)
NOT_OWNER = int(Rejection.NOT_OWNER)
BAD_COMMAND = int(Rejection.BAD_COMMAND)
CAUSE_TRANSFER = int(Cause.TRANSFER)


@kernel
def move_funds(state: State, command: Any) -> int:  # noqa: PLR0911
    """Deposits, withdrawals and transfers, of cash or of a spot asset."""
    account = int(command.account)
    if not known_account(state, account):
        return UNKNOWN_ACCOUNT
    if command.size <= 0 or command.size > AMOUNT_LIMIT:
        return BAD_SIZE
    if state.accounts[account].role == CLEARING:
        return CLEARING_ACCOUNT
    if command.kind == DEPOSIT:
        return _deposit(state, account, command.size)
    if command.kind == DEPOSIT_ASSET:
        return _deposit_asset(state, account, int(command.instrument), command.size)
    if command.kind == WITHDRAW_ASSET:
        code = check_asset_withdrawal(state, account, command.instrument, command.size)
        if code == NONE:
            deposit_asset(state, account, command.instrument, -command.size)
            free_if_empty(state, find_holding(state, account, command.instrument))
        return code
    if command.kind == WITHDRAW:
        code = check_withdrawal(state, account, command.size)
        if code == NONE:
            deposit(state, account, -command.size)
        return code
    if command.kind == TRANSFER:
        return _transfer(state, command)
    return BAD_COMMAND


@kernel
def _deposit(state: State, account: int, amount: int) -> int:
    """Cash from outside, if the wallet and the venue have room for it."""
    if not has_cash_room(state, account, amount):
        return REFUSED_AMOUNT
    if not has_deposit_room(state, state.accounts[account].settlement, amount):
        return REFUSED_AMOUNT
    deposit(state, account, amount)
    if state.accounts[account].cash >= 0:
        reopen(state, account)
    return NONE


@kernel
def _deposit_asset(state: State, account: int, instrument: int, lots: int) -> int:
    """A spot asset from outside, if the wallet and the venue have room for it."""
    if instrument < 0 or instrument >= len(state.instruments):
        return UNKNOWN_INSTRUMENT
    if state.markets[instrument].listed == 0 or state.instruments[instrument].kind != SPOT:
        return UNKNOWN_INSTRUMENT
    if state.instruments[instrument].settlement != state.accounts[account].settlement:
        return WRONG_SETTLEMENT
    if not may_hold(state, account, instrument, lots):
        return POSITION_LIMIT
    if not has_asset_room(state, instrument, lots):
        return REFUSED_AMOUNT
    deposit_asset(state, account, instrument, lots)
    reopen(state, account)
    return NONE


@kernel
def _transfer(state: State, command: Any) -> int:
    target = int(command.counterparty)
    if not known_account(state, target):
        return UNKNOWN_ACCOUNT
    source = state.accounts[command.account]
    if source.owner != state.accounts[target].owner:
        return NOT_OWNER
    if source.settlement != state.accounts[target].settlement:
        return WRONG_SETTLEMENT
    if state.accounts[target].role == CLEARING:
        return CLEARING_ACCOUNT
    if not has_cash_room(state, target, command.size):
        return REFUSED_AMOUNT
    code = check_withdrawal(state, command.account, command.size)
    if code == NONE:
        pay(state, command.account, target, command.size, CAUSE_TRANSFER, -1)
        if state.accounts[target].cash >= 0:
            reopen(state, target)
    return code
